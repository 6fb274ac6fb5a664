//! The lessons say what the chapter shows.

use testing::output;

const PROGRAM: &str = env!("CARGO_BIN_EXE_executors");

testing::test_lessons!(
    PROGRAM;
    a_future_s_life,
    too_early,
    wait_for_all,
    leaving_the_scope,
    asking_for_results,
    the_same_on_processes;
    "--count", "1000000"
);

#[test]
fn the_calls_count_as_far_as_the_command_line_says() {
    let run = output(PROGRAM, &["asking-for-results", "--count", "1234567"]);
    assert!(run.status.success());
    let text = String::from_utf8(run.stdout).expect("it is UTF-8");
    for end in ["] 1234567\n", "] 1234667\n", "] 1234767\n"] {
        assert!(text.contains(end), "{end} in\n{text}");
    }
}

#[test]
fn a_log_line_has_the_time_the_process_and_the_thread() {
    let run = output(PROGRAM, &["too-early", "--count", "1"]);
    let text = String::from_utf8(run.stdout).expect("it is UTF-8");
    let line = text.lines().find(|line| line.ends_with("] 201")).expect("it is logged");
    let (time, who) = line.trim().split_at("~ 2025-05-29 07:07:08,757".len());
    let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "~ 0000-00-00 00:00:00,000");
    assert!(who.starts_with(" [MainProcess Prefix-0_"), "{line}");
}

#[test]
fn to_count_to_nothing_is_refused() {
    for count in ["0", "-1", "far", "99999999999999"] {
        let run = output(PROGRAM, &[&format!("--count={count}")]);
        assert_eq!(run.status.code(), Some(2), "{count}");
    }
}
