//! The main process comes to its end while its three workers go on.
//!
//! ```python
//! def worker(number):
//!     print("in the worker")
//!     time.sleep(2)
//!     print("number", number)
//! for i in range(3):
//!     multiprocessing.Process(target=worker, args=(i,)).start()
//! print("end of the main process")
//! ```

use common::pretend::{hold_children, work};
use common::{check, say};
use multiprocess::{Failure, Process, tasks};

tasks![worker];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let mut workers = Vec::new();
    for number in 0..3 {
        let mut process = Process::new(worker, number);
        process.start()?;
        workers.push(process);
    }
    say!("has reached its end: workers 0, 1 and 2 are started");
    check!(workers.iter().all(Process::is_alive), "all three are still at work");
    held.release();
    say!("joins them");
    for process in &workers {
        process.join()?;
    }
    let has_ended_well = |process: &Process| process.exitcode() == Some(0);
    check!(workers.iter().all(has_ended_well), "all three have ended with exit code 0");
    Ok(())
}

/// Runs in each child.
fn worker(number: u32) {
    say!("I am in the worker");
    work(2.0);
    say!("my number is {}", number);
}
