//! What programs print.

use std::fs::OpenOptions;
use std::process::{Command, Output, Stdio};

use common::text::Language;

use crate::Deadline;

/// Runs the program at this path in English and without a terminal, for at most two minutes;
/// returns what it prints and how it ends.
///
/// # Panics
/// If it can't be started, or doesn't end.
#[must_use]
pub fn output(program: &str, arguments: &[&str]) -> Output {
    output_in(Language::English, program, arguments)
}

/// Does what [`output`] does, in an environment of this language.
///
/// # Panics
/// If it can't be started, or doesn't end.
#[must_use]
pub fn output_in(language: Language, program: &str, arguments: &[&str]) -> Output {
    let _deadline = Deadline::seconds(120);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).env_remove("RUST_BACKTRACE");
    command.env("LC_ALL", if language == Language::Chinese { "zh_CN.UTF-8" } else { "C" });
    command.output().expect("the program can be started")
}

/// Has a program print onto a full disk: the exit code is 1, and standard error says why.
///
/// # Panics
/// If it is another.
pub fn check_full_disk(program: &str, arguments: &[&str]) {
    let _deadline = Deadline::seconds(60);
    let Ok(full) = OpenOptions::new().write(true).open("/dev/full") else { return };
    let mut command = Command::new(program);
    let end = command.args(arguments).stdin(Stdio::null()).stdout(full).output();
    let end = end.expect("the program can be started");
    let said = utf8(&end.stderr);
    assert_eq!(end.status.code(), Some(1), "{arguments:?}: {said}");
    // The number of the error, whose text differs: ENOSPC, ERROR_DISK_FULL.
    let is_full = ["os error 28", "os error 112"].iter().any(|number| said.contains(number));
    assert!(said.contains("standard output: ") && is_full, "{arguments:?}: {said}");
}

/// Checks that a text is in this language: English without a Chinese sign, or Chinese with no word
/// in Latin letters but these names, and what the names of programs end in on Windows.
///
/// # Panics
/// If it isn't.
#[track_caller]
pub fn check_language(language: Language, text: &str, names: &[&str]) {
    let is_wide = |c| matches!(c, '\u{3000}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}');
    assert_eq!(text.contains(is_wide), language == Language::Chinese, "{text}");
    if language == Language::Chinese {
        let words = text.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.len() > 1);
        let is_name = |word: &&str| names.contains(word) || *word == "exe";
        let strange: Vec<&str> = words.filter(|word| !is_name(word)).collect();
        assert!(strange.is_empty(), "{strange:?} in\n{text}");
    }
}

/// Returns the text in these bytes.
pub(crate) fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}
