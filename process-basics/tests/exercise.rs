//! The exercise at the end of the chapter: a supervisor.

use testing::Signal;
use testing::exercise::{Running, example, kill};

#[test]
fn the_solution_keeps_its_workers_at_work() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/supervisor/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(arguments: &[&str]) {
    let mut supervisor = Running::start(&example("supervisor"), arguments);
    let mut pids = ["1", "2", "3"].map(|number| pid(&mut supervisor, number));
    // None ends before the last line here; so waiting for one after the other would wait for ever.
    for (place, by) in [(2, Signal::KILL), (0, Signal::TERM), (2, Signal::KILL), (1, Signal::TERM)]
    {
        let number = (place + 1).to_string();
        kill(&pids[place], by);
        let new = pid(&mut supervisor, &number);
        assert!(!pids.contains(&new), "worker {number} is a new process");
        pids[place] = new;
    }
    let ends = [1, 2, 3].map(|number| format!("worker {number} ended with exit code {number}"));
    assert_eq!(supervisor.end(), (ends.to_vec(), Some(0)));
}

/// Returns the process id of the worker that is started now.
fn pid(supervisor: &mut Running, number: &str) -> String {
    let line = supervisor.line();
    let pid = line.strip_prefix(&format!("worker {number} is process "));
    pid.unwrap_or_else(|| panic!("worker {number} starts, not this: {line}")).to_owned()
}
