//! Nothing is left of processes that have ended: no descriptor, no child, no thread, no memory.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::panic;

use multiprocess::process::Error;
use multiprocess::{Exit, Failure, Gate, Process, Waiting, active_children, tasks};
use serde::{Deserialize, Deserializer, Serialize};
use testing::{Deadline, alone, descriptors, ended, leaves_nothing};

multiprocess::test_entry!();

tasks![start_hundreds, start_join_close, exit_with, fail, panic_silently, wait_at_gate, take];

/// Runs in the child.
fn exit_with(code: i32) -> Exit {
    Exit(code)
}

/// Runs in the child.
fn fail((): ()) -> Result<(), Failure> {
    std::process::exit(if Failure::new("").kind().is_none() { 1 } else { 2 });
}

/// Runs in the child.
fn panic_silently((): ()) {
    panic::set_hook(Box::new(|_| {}));
    panic!("nobody hears this");
}

/// Runs in the child.
fn wait_at_gate((waiting, _ballast): (Waiting, Vec<u8>)) {
    waiting.wait();
}

/// Ends its child before it has its arguments.
#[derive(Serialize)]
struct Exits(Waiting);

impl<'de> Deserialize<'de> for Exits {
    fn deserialize<D: Deserializer<'de>>(_input: D) -> Result<Self, D::Error> {
        std::process::exit(3);
    }
}

/// Never runs.
fn take(_exits: Exits) {}

/// Starts one process of each kind: eight in all.
fn one_of_each() {
    assert_eq!(ended(Process::new(exit_with, 7)), Some(7));
    assert_eq!(ended(Process::new(exit_with, 8).daemonic(true)), Some(8));
    assert_eq!(ended(Process::new(fail, ())), Some(1));
    assert_eq!(ended(Process::new(panic_silently, ())), Some(1));
    for daemon in [false, true] {
        let (_gate, waiting) = Gate::new().unwrap();
        let arguments = (waiting, vec![7; 1000]);
        let mut killed = Process::new(wait_at_gate, arguments).daemonic(daemon);
        killed.start().unwrap();
        killed.kill().unwrap();
        killed.join().unwrap();
        assert_eq!(killed.exitcode(), Some(-9));
    }
    let (_gate, waiting) = Gate::new().unwrap();
    let mut never_ran = Process::new(take, Exits(waiting));
    let outcome = never_ran.start().and_then(|()| never_ran.join());
    assert!(matches!(outcome, Err(Error::NeverRan { .. })));
    // Nobody joins this one; the next start collects it.
    Process::new(exit_with, 0).start().unwrap();
}

/// Waits for those that nobody joined.
fn join_the_rest() {
    active_children().iter().for_each(|child| child.join().unwrap());
}

/// Runs in a process of its own.
fn start_hundreds((): ()) {
    let _deadline = Deadline::seconds(110);
    // On Windows, and more so in Wine, a start takes much longer.
    let rounds = if cfg!(windows) { 20 } else { 125 };
    leaves_nothing(rounds, |_| {
        one_of_each();
        join_the_rest();
    });
}

#[test]
fn hundreds_of_starts_of_all_kinds_leave_nothing() {
    alone(start_hundreds);
}

/// Runs in a process of its own.
fn start_join_close((): ()) {
    let _deadline = Deadline::seconds(60);
    let cycle = || {
        let mut process = Process::new(exit_with, 0);
        process.start().unwrap();
        process.join().unwrap();
        process.close().unwrap();
        descriptors().len()
    };
    let counts: Vec<usize> = (0..33).map(|_| cycle()).collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

/// PROC-B22
#[test]
fn start_join_close_leaves_no_descriptor() {
    alone(start_join_close);
}
