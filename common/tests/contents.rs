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
            let is_head = |line: &&str| line.starts_with(&format!("§{}", section.number));
            let has_title = |line: &str| line.contains(section.title);
            let mut heads = text.lines().filter(is_head).peekable();
            assert!(heads.peek().is_some(), "{}", section.number);
            assert_eq!(heads.any(has_title), language == Language::English, "{}", section.title);
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

/// Returns how the program calls Cargo with these arguments: `echo` in its place tells.
#[cfg(unix)]
fn call(arguments: &[&str]) -> String {
    let mut program = std::process::Command::new(PROGRAM);
    program.args(arguments).env("CARGO", "echo").env("LC_ALL", "C");
    let run = program.output().expect("the program can be started");
    String::from_utf8([run.stdout, run.stderr].concat()).expect("it is UTF-8")
}

/// Windows has no program `echo`.
#[cfg(unix)]
#[test]
fn a_section_or_a_lesson_is_run_in_whichever_crate_it_lies() {
    let basics = "-p process-basics -- hello-process concurrent-or-parallel --speed 5\n";
    assert!(call(&["1", "--speed", "5"]).ends_with(basics));
    let both = call(&["3"]);
    let calls =
        ["ipc-pipe -- nothing-is-shared\n", "ipc-shared -- one-plus-one a-holder-is-killed"];
    assert!(calls.iter().all(|call| both.contains(call)), "{both}");
    let one = call(&["three-workers", "--lang", "zh"]);
    assert!(one.ends_with("-p process-basics -- three-workers --lang zh\n"), "{one}");
    let none = output_in(Language::English, PROGRAM, &["3.3"]);
    assert_eq!(none.status.code(), Some(2));
}
