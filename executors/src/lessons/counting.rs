//! What the lessons after the first share: the tutorial's task, its executor, and its log.
//!
//! ```python
//! logging.basicConfig(format="%(asctime)s [%(processName)s %(threadName)s] %(message)s")
//! def task(n):
//!     for i in range(10**9): n += 1
//!     logging.info(n)
//!     return n
//! ```

use std::fmt;
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use common::arguments::option_of;
use common::narrator::speak;
use common::pretend::pace;
use common::text;
use common::time::{Stopwatch, show};
use multiprocess::futures::{BuildError, Executor, Future, SubmitError, ThreadPoolExecutor};
use multiprocess::{current_process, tasks};

/// The numbers from which the three calls count.
pub(crate) const BASES: [u64; 3] = [0, 100, 200];

tasks![task];

/// Runs in a worker: counts on from the base, logs where it ends, and returns that.
pub(crate) fn task((base, count): (u64, u64)) -> u64 {
    let number = count_up(base, count);
    // Only so that a lesson can look at calls that are surely not done.
    drop(hold_calls());
    log(number);
    number
}

/// Returns `base + count`, in steps of 1.
pub(crate) fn count_up(base: u64, count: u64) -> u64 {
    let mut number = base;
    while number < base + count {
        // The compiler sees where the loop ends, and would put that in its place. But for all it
        // knows, `black_box` may return any number: so the loop goes step by step.
        number = black_box(number + 1);
    }
    number
}

/// Does what `count_up` does, without `black_box` in the loop.
pub(crate) fn count_as_the_compiler_likes(base: u64, count: u64) -> u64 {
    let mut number = base;
    while number < base + count {
        number += 1;
    }
    number
}

/// Returns where a loop ends, and the time it took.
pub(crate) fn timed(count: fn(u64, u64) -> u64) -> (u64, Duration) {
    // The compiler doesn't know how far to count.
    let how_far = black_box(how_far());
    let watch = Stopwatch::start();
    let number = black_box(count(0, how_far));
    (number, watch.elapsed())
}

/// Holds the calls of this process at the end of their counting until the guard is dropped.
pub(crate) fn hold_calls() -> MutexGuard<'static, ()> {
    static HELD: Mutex<()> = Mutex::new(());
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns how far a call counts: what the command line says, or else to 10⁹ at the tutorial's
/// pace.
pub(crate) fn how_far() -> u64 {
    let nanoseconds = pace().real(1.0).as_nanos();
    option_of("count").unwrap_or(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// Returns the numbers at which the three calls should end.
pub(crate) fn ends() -> Vec<u64> {
    BASES.map(|base| base + how_far()).into()
}

/// Makes the tutorial's executor.
pub(crate) fn three_threads() -> Result<ThreadPoolExecutor, BuildError> {
    ThreadPoolExecutor::builder().max_workers(3).thread_name_prefix("Prefix-0").build()
}

/// Submits the three calls to an executor of any kind.
pub(crate) fn submit_three(executor: &impl Executor) -> Result<Vec<Future<u64>>, SubmitError> {
    BASES.into_iter().map(|base| executor.submit(task, (base, how_far()))).collect()
}

/// Returns the results that are there, without waiting for others.
pub(crate) fn results(futures: &[Future<u64>]) -> Vec<u64> {
    let results = futures.iter().map(|future| future.result_timeout(Duration::ZERO));
    results.filter_map(|result| result.ok().copied()).collect()
}

/// Writes a line as the tutorial's `logging` does: local time, process, thread, message.
pub(crate) fn log(message: impl fmt::Display) {
    let time = chrono::Local::now().format("%Y-%m-%d %H:%M:%S,%3f");
    let (process, thread) = (current_process(), thread::current());
    speak(&format!("{time} [{} {}]", process.name(), thread.name().unwrap_or("?")), message);
}

/// Returns a future as it is just now, to be written in one line.
pub(crate) fn shown<R>(future: &Future<R>) -> String {
    format!("{future:?}").replace(' ', "\u{a0}")
}

/// Logs the futures as they are just now, and then the time since the beginning.
pub(crate) fn log_states(futures: &[Future<u64>], time: Duration) {
    futures.iter().for_each(|future| log(shown(future)));
    log_total(time);
}

/// Logs the time since the beginning.
pub(crate) fn log_total(time: Duration) {
    log(text!("total time: {}", show(time)));
}

/// Returns how the program was built, for that decides how much the compiler has changed.
pub(crate) fn build() -> String {
    if cfg!(debug_assertions) { text!("debug build") } else { text!("release build") }
}
