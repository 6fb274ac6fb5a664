//! A single function counts on threads and on processes; and how long each takes.
//!
//! ```python
//! with ThreadPoolExecutor(3) as executor: ...               # 107 to 117 s: a global lock
//! with ProcessPoolExecutor(3) as executor: ...              # 40 s
//! ```

use std::time::Duration;

use common::time::{Stopwatch, cpu_time, show};
use common::{check, note, say};
use multiprocess::futures::{Executor, ProcessPoolExecutor};
use multiprocess::{Failure, cpu_count};

use super::counting::{BASES, build, how_far, submit_three, task, three_threads};

pub(crate) fn main() -> Result<(), Failure> {
    say!("counts three times by itself");
    let watch = Stopwatch::start();
    let alone = BASES.map(|base| task((base, how_far())));
    let alone_time = watch.elapsed();

    say!("submits the three calls to three threads");
    let cpu = cpu_time();
    let (results, threads_time) = count_on(&three_threads()?)?;
    let cpu = cpu_time() - cpu;
    check!(results == alone, "the threads count to the same numbers");

    say!("submits them to three processes, with the same function");
    let (results, processes_time) = count_on(&ProcessPoolExecutor::new(3)?)?;
    check!(results == alone, "so do the processes");

    note!("{}, each call counts to {}", build(), how_far());
    note!("one after the other: {}", show(alone_time));
    note!("three threads: {}", show(threads_time));
    note!("three processes, with their start: {}", show(processes_time));
    note!("the tutorial's Python: threads 107 to 117 s, processes 40 s");
    let ratio = |a: Duration, b: Duration| format!("{:.2}", a.as_secs_f64() / b.as_secs_f64());
    let (times, busy) = (ratio(threads_time, processes_time), ratio(cpu, threads_time));
    note!("threads took {} times as long as processes; in Python 2.7 to 2.9 times", times);
    note!("threads kept {} of {} cores busy; with a global lock, at most 1", busy, cpu_count());
    Ok(())
}

/// Runs the same code on an executor of any kind; returns the results, and how long they took.
fn count_on(executor: &impl Executor) -> Result<(Vec<u64>, Duration), Failure> {
    let watch = Stopwatch::start();
    let results = submit_three(executor)?.into_iter().map(|future| future.into_result());
    Ok((results.collect::<Result<_, _>>()?, watch.elapsed()))
}
