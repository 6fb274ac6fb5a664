//! Children of a test: started, ended, and scenarios in a process of their own.

use std::any::Any;
use std::iter::successors;

use multiprocess::Process;
use serde::Serialize;

use crate::Deadline;

/// Starts a process.
pub fn start<A, R, F>(function: F, arguments: A) -> Process
where
    A: Serialize + Send + 'static,
    F: Fn(A) -> R + Any,
{
    let mut process = Process::new(function, arguments);
    process.start().unwrap();
    process
}

/// Starts the process, joins it, and returns its exit code.
pub fn ended(mut process: Process) -> Option<i32> {
    process.start().unwrap();
    process.join().unwrap();
    assert!(!process.is_alive());
    process.exitcode()
}

/// Joins the process: its function returned, without an error or a panic.
pub fn ends_well(process: &Process) {
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(0), "{process:?}");
}

/// Kills the process and joins it: it died of that.
pub fn kill_child(process: &Process) {
    process.kill().unwrap();
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-9), "{process:?}");
}

/// Runs a scenario in a process of its own, where no other test disturbs it: what another thread
/// starts holds copies of all descriptors for a moment, so the dead seem to live as long. Its panic
/// is seen on standard error.
pub fn alone(scenario: impl Fn(()) + Any) {
    // Starts take much longer on Windows.
    let _deadline = Deadline::seconds(if cfg!(windows) { 600 } else { 300 });
    ends_well(&start(scenario, ()));
}

/// Joins the texts of an error and of its causes.
pub fn whole_text(error: &dyn std::error::Error) -> String {
    let causes = successors(Some(error), |error| error.source());
    causes.map(|error| format!("{error}. ")).collect()
}
