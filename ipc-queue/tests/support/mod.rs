//! What the test files need: processes that end well, scenarios in a process of their own, and what
//! the kernel says about this process.

#![allow(dead_code, reason = "each test file needs some of it")]

pub(crate) mod damage;

use std::any::Any;
use std::fs;

use common::testing::Deadline;
use process_basics::Process;
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

/// Waits until it is dead by SIGKILL.
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

/// The sizes of the queues' memories that are mapped here, in bytes.
pub(crate) fn queue_mappings() -> Vec<u64> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let queues = maps.lines().filter(|line| line.contains("memfd:queue"));
    let size = |line: &str| {
        let (start, end) = line.split(' ').next()?.split_once('-')?;
        Some(u64::from_str_radix(end, 16).ok()? - u64::from_str_radix(start, 16).ok()?)
    };
    queues.map(|line| size(line).unwrap()).collect()
}
