//! What the test files need: processes that end well, and scenarios in a process of their own.

#![allow(dead_code, reason = "each test file needs some of it")]

// Only Linux lets one open a queue's memory beside the queue: in /proc.
#[cfg(target_os = "linux")]
pub(crate) mod damage;

use std::any::Any;

use common::testing::Deadline;
use multiprocess::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A process that runs.
pub(crate) fn start<A, R, F>(function: F, arguments: A) -> Process
where
    A: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(A) -> R + Any,
{
    let mut process = Process::new(function, arguments);
    process.start().unwrap();
    process
}

/// Waits for its end: its function returned, without an error or a panic.
pub(crate) fn ends_well(process: &Process) {
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(0), "{process:?}");
}

/// Kills it, and waits until it is dead by that.
pub(crate) fn kill(process: &Process) {
    process.kill().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-9), "{process:?}");
}

/// Runs a scenario in a process of its own, where no other test disturbs it: what another thread
/// starts holds copies of all descriptors for a moment, so the dead seem to live as long.
pub(crate) fn alone(scenario: impl Fn(()) + Any) {
    let _deadline = Deadline::seconds(300);
    ends_well(&start(scenario, ()));
}
