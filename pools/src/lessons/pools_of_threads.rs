//! Equal work on processes and on threads; then what each can do that the other can't.
//!
//! ```python
//! Pool(3).map(square, range(1, 1001), chunksize=1)
//! ThreadPool(3).map(square, range(1, 1001), chunksize=1)
//! ```

use std::sync::mpsc::channel;

use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::pool::{Error, TaskError};
use multiprocess::{Failure, Pool, tasks};
use rayon::prelude::*;
use threadpool::ThreadPool;

tasks![square, panic, crash_in_a_thread];

pub(crate) fn main() -> Result<(), Failure> {
    let processes = Pool::new(3)?;
    let threads = ThreadPool::new(3);
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(3).build()?;
    let mut numbers: Vec<u64> = (1..=1000).collect();

    say!("has 1 to 1000 squared by three workers of each kind");
    let watch = Stopwatch::start();
    let squares = processes.map_chunked(square, numbers.clone(), 1)?;
    note!("a pool of processes, each number a task: {}", show(watch.elapsed()));
    let watch = Stopwatch::start();
    let (sender, receiver) = channel();
    for number in numbers.clone() {
        let sender = sender.clone();
        threads.execute(move || sender.send(square(number)).unwrap_or_default());
    }
    let mut in_any_order: Vec<u64> = receiver.iter().take(numbers.len()).collect();
    note!("the crate threadpool, each number a task: {}", show(watch.elapsed()));
    in_any_order.sort_unstable();
    let watch = Stopwatch::start();
    let in_order: Vec<u64> = rayon.install(|| numbers.par_iter().map(|&n| square(n)).collect());
    note!("the crate rayon, which shares them out as it likes: {}", show(watch.elapsed()));
    check!(squares == in_any_order && squares == in_order, "all three give the same squares");

    say!("lends its own numbers to the threads of rayon");
    rayon.install(|| numbers.par_iter_mut().for_each(|number| *number = square(*number)));
    check!(numbers == squares, "threads: a closure has squared the numbers in place");
    let refused = processes.apply(|number: u64| number * number, 6);
    check!(matches!(refused, Err(Error::Function(_))), "processes: a closure is refused");

    say!("lets a task panic");
    threads.execute(|| panic(()));
    threads.join();
    check!(threads.panic_count() == 1, "threads: threadpool only counts the panics");
    let outcome = processes.apply(panic, ());
    let has_panicked = matches!(outcome, Err(Error::Task(TaskError::Panicked { .. })));
    check!(has_panicked, "processes: the caller gets an error");

    say!("lets a thread crash, in a worker that has a pool of threads");
    let outcome = processes.apply(crash_in_a_thread, ());
    let has_died = matches!(outcome, Err(Error::Task(TaskError::WorkerDied { .. })));
    check!(has_died, "threads: their whole process has died of it");
    check!(processes.apply(square, 6)? == 36, "processes: the pool goes on with a new worker");
    Ok(())
}

/// Runs in a worker of either kind.
fn square(number: u64) -> u64 {
    number * number
}

/// Runs in a worker of either kind: panics, but without a message on the screen.
fn panic(_: ()) {
    std::panic::resume_unwind(Box::new(()))
}

/// Runs in a worker, which dies of it.
fn crash_in_a_thread(_: ()) {
    let threads = ThreadPool::new(3);
    threads.execute(|| std::process::abort());
    threads.join();
}
