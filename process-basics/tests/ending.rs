//! Threads that go on starting processes while their own process is ending.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::thread;
use std::time::Duration;

use common::testing::Deadline;
use process_basics::{Error, Process, tasks};
use support::{Report, reports, state};

process_basics::test_entry!();
tasks![start_for_ever, say_your_id];

#[test]
fn a_process_that_is_ending_starts_no_more_and_waits_for_those_it_has_started() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..10 {
        let (mut reports, report) = reports();
        let mut process = Process::new(start_for_ever, report);
        process.start().unwrap();
        process.join().unwrap();
        assert_eq!(process.exitcode(), Some(0));
        let mut started = 0;
        while let Some(pid) = reports.try_next::<u32>() {
            assert_eq!(state(pid), None, "a child has outlived the parent that had to wait for it");
            started += 1;
        }
        assert!(started > 0, "at least the first was started before the ending");
    }
}

/// Runs in the child. Comes to its end while a thread still starts processes.
fn start_for_ever(report: Report) {
    start_one(&report).unwrap();
    thread::spawn(move || {
        loop {
            match start_one(&report) {
                Ok(()) => {}
                Err(Error::Ending) => break,
                Err(error) => panic!("{error}"),
            }
        }
    });
}

fn start_one(report: &Report) -> Result<(), Error> {
    Process::new(say_your_id, report.another()).start()
}

/// Runs in a child's child.
fn say_your_id(report: Report) {
    report.say(std::process::id());
    thread::sleep(Duration::from_millis(20));
}
