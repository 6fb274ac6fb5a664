//! A worker that is killed in the middle of its task: that task fails, all others are done, and a
//! new worker takes over.
//!
//! ```python
//! results = [pool.apply_async(double, (number,)) for number in (1, 2, 3)]
//! multiprocessing.active_children()[0].kill()
//! for result in results:
//!     result.get()                  # in Python one of them waits for ever
//! ```

use common::pretend::{hold_children, work};
use common::{check, note, say};
use multiprocess::pool::TaskError;
use multiprocess::{Failure, Pool, active_children, tasks};

tasks![double];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let pool = Pool::new(3)?;
    say!("gives the tasks 1, 2 and 3 to three workers");
    let mut results = Vec::new();
    for number in 1..=3 {
        results.push(pool.apply_async(double, number)?);
    }
    held.wait_for(3)?;
    let pids = pool.worker_pids();
    say!("kills one of the workers in the middle of its task");
    active_children()[0].kill()?;

    say!("gives task 4, while the other two are still at work");
    results.push(pool.apply_async(double, 4)?);
    held.wait_for(4)?;
    let new = pool.worker_pids().into_iter().filter(|pid| !pids.contains(pid)).collect::<Vec<_>>();
    check!(new.len() == 1, "a new worker has begun it");
    note!("process ids at first: {}; of the new worker: {}", format_args!("{pids:?}"), new[0]);

    say!("lets all of them go on");
    held.release();
    let mut failed = Vec::new();
    for (number, result) in (1..).zip(&results) {
        match result.get() {
            Ok(doubled) => note!("task {} has its result, {}", number, doubled),
            Err(error) => {
                note!("task {} has failed", number);
                failed.push(error);
            }
        }
    }
    check!(failed.len() == 1, "one task has failed, that of the killed worker");
    let by_signal_9 = matches!(failed[0], TaskError::WorkerDied { exitcode: Some(-9), .. });
    check!(by_signal_9, "the error says why: its worker was killed by signal 9, SIGKILL");
    let doubled = pool.map(double, 1..=6)?;
    check!(doubled == [2, 4, 6, 8, 10, 12], "the pool goes on: 2, 4, 6, 8, 10, 12");
    Ok(())
}

/// Runs in a worker.
fn double(number: u64) -> u64 {
    work(1.0);
    2 * number
}
