//! Real processes that die after each step, and what the others see: the table of `event.rs`.

use std::sync::atomic::Ordering;

use testing::{Deadline, LONG, until};

use super::*;
use crate::crash;
use crate::{Process, tasks};

crate::test_entry!();
tasks![clear, set, set_for_a_sleeper];

/// Starts a process that is to die after the step.
fn doomed(function: impl Fn((Event, Step)) + 'static, event: &Event, step: Step) -> Process {
    let mut process = Process::new(function, (event.clone(), step));
    process.start().unwrap();
    process
}

/// Waits until the process has killed itself.
fn died(process: &Process) {
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-9), "it came to the step");
}

/// Runs in the child.
fn set((event, step): (Event, Step)) {
    crash::at(step as u32);
    event.set();
}

/// Runs in the child.
fn clear((event, step): (Event, Step)) {
    crash::at(step as u32);
    event.clear();
}

#[test]
fn the_one_change_of_a_process_that_dies_is_seen_or_has_not_happened() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    for _ in 0..3 {
        died(&doomed(set, &event, Step::Setting));
        assert!(!event.is_set());
        died(&doomed(set, &event, Step::Set));
        assert!(event.is_set() && event.wait_timeout(Duration::ZERO));
        died(&doomed(clear, &event, Step::Clearing));
        assert!(event.is_set());
        died(&doomed(clear, &event, Step::Cleared));
        assert!(!event.is_set() && !event.wait_timeout(Duration::ZERO));
    }
}

/// Runs in the child: sets the event when another thread sleeps.
fn set_for_a_sleeper((event, step): (Event, Step)) {
    let event_count = || event.0.members.half(EVENT_COUNT).load(Ordering::SeqCst);
    until("another thread sleeps", || event_count() % 2 == 1);
    set((event.clone(), step));
}

#[test]
fn a_process_that_dies_before_it_wakes_leaves_no_other_asleep() {
    let _deadline = Deadline::seconds(120);
    let event = Event::new().unwrap();
    let setter = doomed(set_for_a_sleeper, &event, Step::Set);
    assert!(event.wait_timeout(LONG));
    died(&setter);
}
