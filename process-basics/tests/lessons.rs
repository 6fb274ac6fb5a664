//! The lessons say what the chapter shows.

use std::time::Duration;

use testing::{fitting, output, stable};

const PROGRAM: &str = env!("CARGO_BIN_EXE_process-basics");

testing::test_lessons!(PROGRAM);

#[test]
fn an_unknown_lesson_is_one_sentence_with_the_names_and_exit_code_2() {
    let run = output(PROGRAM, &["methods", "method"]);
    assert_eq!(run.status.code(), Some(2));
    let sentence = String::from_utf8(run.stderr).expect("it is UTF-8");
    let sentence = fitting(80, &sentence);
    assert!(sentence.starts_with("process-basics has no lesson \"method\"; it has hello-process,"));
    assert_eq!(sentence.find('.'), Some(sentence.trim_end().len() - 1), "one sentence");
    assert!(run.stdout.is_empty());
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_help_is_exit_code_0() {
    for wrong in [&["--speed", "0"][..], &["--speed"], &["--fast"]] {
        let run = output(PROGRAM, wrong);
        assert_eq!(run.status.code(), Some(2), "{wrong:?}");
        assert!(run.stdout.is_empty() && !run.stderr.is_empty());
    }
    let help = output(PROGRAM, &["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&help.stdout).contains("hello-process"));
}

#[test]
fn the_pace_is_the_tutorials_if_one_wants() {
    let start = std::time::Instant::now();
    let run = output(PROGRAM, &["two-children", "--speed", "2"]);
    assert!(run.status.success() && start.elapsed() >= Duration::from_secs(1));
    assert!(stable(&String::from_utf8_lossy(&run.stdout)).contains("both have ended"));
}

#[test]
fn nobody_listening_any_more_ends_even_an_endless_lesson() {
    let _deadline = testing::Deadline::seconds(60);
    let mut program = std::process::Command::new(PROGRAM)
        .args(["hello-process", "--forever", "--speed", "1000"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it can be started");
    let mut heard = [0; 64];
    let mut stdout = program.stdout.take().expect("it is piped");
    std::io::Read::read_exact(&mut stdout, &mut heard).expect("it says something");
    drop(stdout);
    assert!(program.wait().expect("it ends").success());
}
