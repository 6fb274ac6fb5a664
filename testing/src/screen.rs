//! A program in a terminal, and what may stand on a screen.

use std::io::Read;
use std::process::{Command, Output, Stdio};
use std::thread;

use common::group::Group;
use unicode_width::UnicodeWidthStr;

use crate::{Deadline, sys};

/// Bold, dimmed, green, and the end of these: what can be read on a dark screen and on a light one.
const STYLES: [&str; 4] = ["\u{1b}[1m", "\u{1b}[2m", "\u{1b}[32m", "\u{1b}[0m"];

/// Runs a program in a terminal of so many columns, for at most two minutes; returns what it writes
/// there. Standard error goes elsewhere. On Windows, where there is no terminal, it is a pipe.
///
/// # Panics
/// If it can't be started, or doesn't end with all processes of its group.
#[must_use]
pub fn in_terminal(columns: u16, mut command: Command) -> Output {
    let _deadline = Deadline::seconds(120);
    let (screen, terminal) = sys::terminal(columns).expect("there is a terminal");
    command.env("TERM", "xterm").env_remove("RUST_BACKTRACE");
    command.stdin(Stdio::null()).stdout(terminal).stderr(Stdio::piped());
    let (child, group) = Group::spawn(&mut command).expect("the program can be started");
    // Its end of the terminal has to be the last.
    drop(command);
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // Once the program has gone, reading from a terminal is an error on Linux.
        let _ = { screen }.read_to_end(&mut text);
        text
    });
    let run = child.wait_with_output().expect("the program can be waited for");
    // The killed may need a moment to end; the deadline tells if one doesn't.
    while !group.is_empty() {
        thread::yield_now();
    }
    Output { stdout: reader.join().expect("the screen can be read"), ..run }
}

/// Returns the text without its styles, after a look at whether it fits so many columns.
///
/// # Panics
/// If a line doesn't, or ends with spaces, or if there is another style, or a control character.
#[must_use]
pub fn fitting(columns: usize, text: &str) -> String {
    let mut plain = text.replace("\r\n", "\n");
    for style in STYLES {
        plain = plain.replace(style, "");
    }
    for line in plain.lines() {
        assert!(line.width() <= columns, "{} of {columns} columns: {line}", line.width());
        assert_eq!(line, line.trim_end(), "spaces at the end");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
    plain
}
