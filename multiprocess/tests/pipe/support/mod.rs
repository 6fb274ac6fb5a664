//! Starting a process and seeing it end well.

#![allow(dead_code, reason = "each test file needs some of it")]

use multiprocess::Process;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A process that runs.
pub(crate) fn start<A, R, F>(function: F, arguments: A) -> Process
where
    A: Serialize + DeserializeOwned + Send + 'static,
    F: Fn(A) -> R + 'static,
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
