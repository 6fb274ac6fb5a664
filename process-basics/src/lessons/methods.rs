//! Each method of a process does its part: start, is_alive, join with and without a timeout,
//! terminate, kill, close, and run.
//!
//! ```python
//! p.start(); p.is_alive(); p.join(0.02)
//! p.terminate(); p.kill(); p.join(); p.close()
//! p.run()                           # here, in no other process
//! ```

use std::time::Duration;

use common::pretend::{hold_children, work};
use common::{check, say};
use multiprocess::process::Error;
use multiprocess::{Exit, Failure, Process, Run, active_children, tasks};
use serde::{Deserialize, Serialize};

tasks![Worker::run];

#[derive(Serialize, Deserialize)]
struct Worker;

impl Run for Worker {
    /// Runs in the child, or wherever it is called.
    fn run(self) -> Exit {
        work(1.0);
        Exit::SUCCESS
    }
}

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let [mut first, mut second, mut third] = [(); 3].map(|()| Process::of(Worker));
    check!(!first.is_alive(), "before its start a process is not alive");
    check!(matches!(first.join(), Err(Error::NotStarted { .. })), "and can't be joined");

    say!("starts three processes");
    for process in [&mut first, &mut second, &mut third] {
        process.start()?;
    }
    check!(first.is_alive(), "after its start it is alive");
    check!(matches!(first.start(), Err(Error::StartedTwice { .. })), "and can't be started again");
    let has_ended = first.join_timeout(Duration::from_millis(20))?;
    check!(!has_ended, "join_timeout(20 ms) returns while it still runs");

    say!("terminates the first");
    first.terminate()?;
    first.join()?;
    check!(first.exitcode() == Some(-15), "it ended by signal 15, SIGTERM");
    say!("kills the second");
    second.kill()?;
    second.join()?;
    check!(second.exitcode() == Some(-9), "it ended by signal 9, SIGKILL");
    say!("waits for the third");
    held.release();
    third.join()?;
    check!(third.exitcode() == Some(0), "it ended by itself, with exit code 0");
    third.close()?;

    say!("calls run directly");
    check!(Worker.run() == Exit::SUCCESS && active_children().is_empty(), "that starts no process");
    Ok(())
}
