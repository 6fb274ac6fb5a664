//! The methods that give tasks to a pool: one or many, waiting or not, in order or not.
//!
//! ```python
//! pool.apply(power, (2, 5))
//! later = pool.apply_async(square, (2,)); later.ready(); later.get()
//! pool.map(square, [1, 2, 3]); pool.starmap(power, [(2, 1), (2, 2), (2, 3)])
//! for result in pool.imap(square, [3, 2, 1]): ...
//! for result in pool.imap_unordered(square, [3, 2, 1]): ...
//! pool.close(); pool.join()
//! ```

use common::pretend::{hold_children, work};
use common::{check, note, say};
use multiprocess::pool::Error;
use multiprocess::{Failure, Pool, tasks};

tasks![power, square];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let pool = Pool::new(3)?;
    check!(pool.apply(power, (2, 5))? == 32, "apply waits for its one result: 32");

    say!("gives a longer task by apply_async");
    let later = pool.apply_async(square, 2)?;
    check!(!later.ready(), "that returns at once: the result is not ready");
    held.release();
    check!(later.get()? == 4, "get waits for the result: 4");
    check!(later.ready(), "now it is ready");

    check!(pool.map(square, [1, 2, 3])? == [1, 4, 9], "map gives all results, in order: 1, 4, 9");
    let powers = pool.starmap(power, [(2, 1), (2, 2), (2, 3)])?;
    check!(powers == [2, 4, 8], "starmap, too, with two arguments for each task: 2, 4, 8");

    let in_order = pool.imap(square, [3, 2, 1])?.collect::<Result<Vec<u64>, _>>()?;
    check!(in_order == [9, 4, 1], "imap gives one result after the other, in order: 9, 4, 1");
    let mut results = pool.imap_unordered(square, [3, 2, 1])?.collect::<Result<Vec<u64>, _>>()?;
    note!("imap_unordered gives each as soon as it is there: {}", format_args!("{results:?}"));
    results.sort_unstable();
    check!(results == [1, 4, 9], "all three came, each once");

    say!("closes the pool");
    pool.close();
    let refused = pool.apply(power, (2, 1));
    check!(matches!(refused, Err(Error::NotRunning)), "it takes no more tasks");
    pool.join()?;
    check!(pool.worker_pids().is_empty(), "after join no worker is left");
    Ok(())
}

/// Runs in a worker.
fn power((base, exponent): (u64, u32)) -> u64 {
    base.pow(exponent)
}

/// Runs in a worker: takes as many seconds as the number says.
fn square(number: u64) -> u64 {
    work(number as f64);
    number * number
}
