//! What `cargo run` prints, and what it runs.

use common::contents::CONTENTS;
use common::text::Language;
use testing::{check_full_disk, fitting, output_in};

const PROGRAM: &str = env!("CARGO_BIN_EXE_common");

#[test]
fn the_program_prints_every_section_and_the_command_of_every_lesson() {
    for language in [Language::English, Language::Chinese] {
        let run = output_in(language, PROGRAM, &[]);
        assert!(run.status.success());
        let text = fitting(80, &String::from_utf8(run.stdout).expect("it is UTF-8"));
        for section in CONTENTS {
            let is_head = |line: &str| line.starts_with(&format!("§{}", section.number));
            let head = text.lines().find(|line| is_head(line)).expect("it has the section");
            assert_eq!(head.contains(section.title), language == Language::English, "{head}");
            for entry in section.lessons {
                let command = format!("cargo run -p {} -- {} ", section.package, entry.name);
                let (_, rest) = text.split_once(&command).unwrap_or_else(|| panic!("no {command}"));
                let minutes = rest.split_whitespace().next();
                assert_eq!(minutes, Some(&*entry.minutes.to_string()), "{command}");
            }
        }
    }
}

#[test]
fn a_full_disk_is_exit_code_1() {
    check_full_disk(PROGRAM, &[]);
}

/// Wine has no cargo.
#[cfg(unix)]
#[test]
fn a_section_or_a_lesson_is_told_in_whichever_crate_it_lies() {
    let told = |argument: &str| {
        let run = output_in(Language::English, PROGRAM, &[argument, "--list"]);
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).expect("it is UTF-8")
    };
    assert!(told("1").starts_with("hello-process\n"));
    assert!(told("three-workers").starts_with("hello-process\n"));
    let run = output_in(Language::English, PROGRAM, &["3.3"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&run.stderr).contains("no section and no lesson \"3.3\""));
}
