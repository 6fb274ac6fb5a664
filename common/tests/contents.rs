//! A plain `cargo run` prints the table of contents.

use common::contents::CONTENTS;
use testing::{check_full_disk, output};

#[test]
fn a_plain_cargo_run_prints_the_command_of_every_lesson() {
    let run = output(env!("CARGO_BIN_EXE_common"), &[]);
    assert!(run.status.success());
    let text = String::from_utf8(run.stdout).expect("it is UTF-8");
    for section in CONTENTS {
        for (lesson, minutes) in section.lessons {
            let command = format!("cargo run -p {} -- {lesson} ", section.package);
            let (_, rest) = text.split_once(&command).unwrap_or_else(|| panic!("no {command}"));
            let word = rest.split([' ', '|', '\n']).find(|word| !word.is_empty());
            assert_eq!(word, Some(&*minutes.to_string()), "the minutes behind {command}");
        }
    }
}

#[test]
fn a_full_disk_is_exit_code_1() {
    check_full_disk(env!("CARGO_BIN_EXE_common"), &[]);
}
