//! The command line, through the real binary.

use std::process::Output;

use testing::{check_full_disk, output};

fn bench(arguments: &[&str]) -> Output {
    output(env!("CARGO_BIN_EXE_bench"), arguments)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("it is UTF-8")
}

#[test]
fn an_unknown_row_is_one_sentence_with_the_names_and_exit_code_2() {
    let run = bench(&["--only", "queue-1-1", "--only", "queue-0-0"]);
    assert_eq!(run.status.code(), Some(2));
    let sentence = text(&run.stderr);
    assert!(sentence.starts_with("bench has no row \"queue-0-0\"; it has start-join, "));
    assert_eq!(sentence.lines().count(), 1);
    assert!(run.stdout.is_empty());
}

#[test]
fn a_debug_build_is_refused_with_the_right_command() {
    if cfg!(debug_assertions) {
        let run = bench(&["--quick"]);
        assert_eq!(run.status.code(), Some(2));
        assert!(text(&run.stderr).contains("cargo run --release -p bench"));
        assert!(run.stdout.is_empty());
    }
}

#[test]
fn the_list_has_a_name_on_every_line_and_measures_nothing() {
    let run = bench(&["--list"]);
    assert!(run.status.success() && run.stderr.is_empty());
    let names = text(&run.stdout);
    assert!(names.lines().any(|name| name == "queue-1-1"));
    assert!(names.lines().all(|name| !name.contains(' ')));
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_help_is_exit_code_0() {
    let wrong: [&[&str]; 4] =
        [&["--seconds", "0"], &["--rounds", "0"], &["--json", "--markdown"], &["--fast"]];
    for arguments in wrong {
        let run = bench(arguments);
        assert_eq!(run.status.code(), Some(2), "{arguments:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty());
    }
    let help = bench(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("--only"));
}

#[test]
fn an_earlier_run_that_is_not_there_is_said_before_anything_is_measured() {
    let run = bench(&["--compare", "/no/such/run.json", "--only", "queue-memory"]);
    assert!(!run.status.success() && run.stdout.is_empty());
    if !cfg!(debug_assertions) {
        assert!(text(&run.stderr).starts_with("bench: /no/such/run.json: "));
    }
}

#[test]
fn the_small_program_starts_itself_and_prints_seconds() {
    let wanted = r#"{"core": null, "seconds": 0.0}"#;
    let run = output(env!("CARGO_BIN_EXE_start-join"), &[wanted]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let seconds: f64 = text(&run.stdout).trim().parse().expect("a number");
    assert!(seconds > 0.0);
    assert!(!output(env!("CARGO_BIN_EXE_start-join"), &[]).status.success());
}

#[test]
fn the_small_program_ends_when_nothing_holds_its_input_open() {
    let wanted = r#"{"core": null, "seconds": 1000.0, "is_watched": true}"#;
    let run = output(env!("CARGO_BIN_EXE_start-join"), &[wanted]);
    assert_eq!(run.status.code(), Some(1), "{}", text(&run.stderr));
    assert!(run.stdout.is_empty());
}

#[test]
fn a_python_that_does_not_run_is_said_before_anything_is_measured() {
    let run = bench(&["--python", "/bin/false"]);
    assert_eq!(run.status.code(), Some(1));
    assert!(text(&run.stderr).starts_with("bench: /bin/false does not run"));
}

/// A release build measures a row in a moment, and prints it in every form.
#[test]
fn a_row_is_printed_in_every_form() {
    if cfg!(debug_assertions) {
        return;
    }
    let short = ["--only", "queue-memory", "--seconds", "0.01", "--rounds", "1"];
    for (form, begin) in
        [("--quick", "queue-memory: "), ("--json", "{"), ("--markdown", "| | ours")]
    {
        let run = bench(&[&short[..], &[form]].concat());
        assert!(run.status.success(), "{}", text(&run.stderr));
        assert!(text(&run.stdout).starts_with(begin));
        assert_eq!(text(&run.stderr), "round 0, queue-memory\nround 1, queue-memory\n");
    }
}

#[test]
fn a_full_disk_is_exit_code_1() {
    for arguments in [&["--list"][..], &["--help"]] {
        check_full_disk(env!("CARGO_BIN_EXE_bench"), arguments);
    }
}
