//! The tutorial's work, which is to count, and its log.
//!
//! ```python
//! def task(n):
//!     for i in range(10**9): n += 1
//!     logging.info(n)
//! ```

use std::fmt;
use std::hint::black_box;
use std::thread;
use std::time::Duration;

use common::narrator::{Story, speak};
use common::time::show;
use multiprocess::futures::{BuildError, Executor, Future, SubmitError, ThreadPoolExecutor};
use multiprocess::{current_process, tasks};

/// From where the three calls count.
pub(crate) const BASES: [u64; 3] = [0, 100, 200];

/// How the program was built, which is to say how much the compiler has done about it.
pub(crate) const BUILD: &str = if cfg!(debug_assertions) { "debug build" } else { "release build" };

tasks![count_up];

/// How far to count: to 10⁹ at the tutorial's pace, unless the command line says how far.
pub(crate) fn how_far(story: &Story) -> u64 {
    let nanoseconds = story.pace().real(1.0).as_nanos();
    story.option("count").unwrap_or(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// Counts so far from the base, in steps of 1.
pub(crate) fn count((base, count): (u64, u64)) -> u64 {
    let mut number = base;
    while number < base + count {
        // The compiler sees where the loop ends, and would put that in its place. But what goes
        // through `black_box` may come out as anything, for all it knows: so it goes step by step.
        number = black_box(number + 1);
    }
    number
}

/// Runs in the worker. Counts, and logs where it ends.
pub(crate) fn count_up(task: (u64, u64)) -> u64 {
    let number = count(task);
    log(number);
    number
}

/// Where the three calls should end.
pub(crate) fn ends(count: u64) -> Vec<u64> {
    BASES.map(|base| base + count).into()
}

/// Gives the three calls to an executor, whatever it is.
pub(crate) fn submit_three(
    executor: &impl Executor,
    count: u64,
) -> Result<Vec<Future<u64>>, SubmitError> {
    BASES.into_iter().map(|base| executor.submit(count_up, (base, count))).collect()
}

/// The results, without waiting for them; less than three, if one isn't there.
pub(crate) fn results(futures: &[Future<u64>]) -> Vec<u64> {
    let results = futures.iter().map(|future| future.result_timeout(Duration::ZERO));
    results.filter_map(|result| result.ok().copied()).collect()
}

/// The tutorial's executor.
pub(crate) fn three_threads() -> Result<ThreadPoolExecutor, BuildError> {
    ThreadPoolExecutor::builder().max_workers(3).thread_name_prefix("Prefix-0").build()
}

/// What the tutorial's `logging` writes: local time, process, thread, message.
pub(crate) fn log(message: impl fmt::Display) {
    let time = chrono::Local::now().format("%H:%M:%S,%3f");
    let (process, thread) = (current_process(), thread::current());
    let who = format!("{time} [{} {}]", process.name(), thread.name().unwrap_or("?"));
    speak(&who, message);
}

/// A future as it is just now, to be written in one line.
pub(crate) fn shown<R>(future: &Future<R>) -> String {
    format!("{future:?}").replace(' ', "\u{a0}")
}

/// Logs the futures as they are just now, and the time since the beginning.
pub(crate) fn log_states(futures: &[Future<u64>], time: Duration) {
    futures.iter().for_each(|future| log(shown(future)));
    log(format_args!("total time: {}", show(time)));
}
