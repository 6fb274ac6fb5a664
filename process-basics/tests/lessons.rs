//! The lessons say what the chapter shows.

use std::time::Duration;

use common::text::Language;
use testing::{fitting, output, output_in, stable};

const PROGRAM: &str = env!("CARGO_BIN_EXE_process-basics");

testing::test_lessons!(
    PROGRAM;
    hello_process,
    concurrent_or_parallel,
    three_workers,
    methods,
    attributes,
    two_children,
    a_process_of_your_own,
);

/// Returns what a command line that is refused gets to read, in this language.
fn complaint(language: Language, arguments: &[&str]) -> String {
    let run = output_in(language, PROGRAM, arguments);
    assert_eq!(run.status.code(), Some(2), "{arguments:?}");
    assert!(run.stdout.is_empty());
    fitting(80, &String::from_utf8(run.stderr).expect("it is UTF-8"))
}

#[test]
fn an_unknown_name_suggests_the_nearest_and_the_crate_that_has_it() {
    let said = |lesson| complaint(Language::English, &["methods", lesson]).replace('\n', " ");
    assert_eq!(said("method"), "process-basics has no lesson \"method\"; did you mean methods? ");
    let elsewhere = said("two-ends");
    assert!(elsewhere.ends_with("ipc-pipe has one: cargo run -p ipc-pipe -- two-ends "));
    assert!(said("xyz").contains("it has hello-process,"));
    let chinese = complaint(Language::Chinese, &["method"]);
    assert_eq!(chinese, "process-basics 没有“method”这一课；是不是想运行 methods？\n");
}

#[test]
fn a_wrong_option_is_told_in_one_sentence_in_the_readers_language() {
    let said = |arguments: &[&str]| complaint(Language::English, arguments);
    assert_eq!(said(&["--sped", "3"]), "there is no option --sped; did you mean --speed?\n");
    let speed = "--speed <X> can't be \"0\": the speed is a number from 0.001 to 1000000\n";
    assert_eq!(said(&["--speed", "0"]), speed);
    assert_eq!(said(&["--speed"]), "--speed <X> wants a value\n");
    let times = "--times <N> can't be \"0\": it is a whole number from 1 to 4294967295\n";
    assert_eq!(said(&["--times", "0"]), times);
    let endless = "--forever is for lessons with an endless loop; here: hello-process\n";
    assert_eq!(said(&["methods", "--forever"]), endless);
    assert_eq!(said(&["--list=3"]), "--list takes no value\n");
    assert_eq!(said(&["--speed", "1", "--speed", "2"]), "--speed <X> is given twice\n");
    for wrong in [&["--lang", "de"][..], &["--speed", "0"], &["--sped"], &["--times", "x"]] {
        let chinese = complaint(Language::Chinese, wrong);
        assert!(["有", "是", "要"].iter().any(|word| chinese.contains(word)), "{chinese}");
    }
}

#[test]
fn the_command_line_decides_the_language_before_the_environment() {
    let run = output_in(Language::Chinese, PROGRAM, &["three-workers", "--lang", "en"]);
    assert!(String::from_utf8_lossy(&run.stdout).contains("\n  = Starting doesn't wait;"));
    let run = output_in(Language::English, PROGRAM, &["--lang=zh", "three-workers"]);
    assert!(String::from_utf8_lossy(&run.stdout).contains("\n  = start 不等待；"));
}

#[test]
fn a_lessons_source_is_shown() {
    let run = output(PROGRAM, &["three-workers", "--source"]);
    let source = include_str!("../src/lessons/three_workers.rs");
    assert_eq!(String::from_utf8_lossy(&run.stdout), source);
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
