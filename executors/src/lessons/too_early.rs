//! The main thread reads the clock before any of three calls is done.
//!
//! ```python
//! start = time.time()
//! executor = ThreadPoolExecutor(3, thread_name_prefix="Prefix-0")
//! futures = [executor.submit(task, n) for n in (0, 100, 200)]
//! for future in futures: logging.info(future)
//! logging.info(f"total time: {time.time() - start}")        # 0.9 s
//! ```

use common::time::Stopwatch;
use common::{check, note, say};
use multiprocess::Failure;
use multiprocess::futures::{Executor, Future, ThreadPoolExecutor};

use super::counting::{BASES, ends, hold_calls, how_far, log_states, results, task};

pub(crate) fn main() -> Result<(), Failure> {
    let executor =
        ThreadPoolExecutor::builder().max_workers(3).thread_name_prefix("Prefix-0").build()?;
    // Dropped before the executor, which waits for the calls, also after an error.
    let held = hold_calls();
    say!("submits three calls, and reads the clock at once");
    let watch = Stopwatch::start();
    let mut futures = Vec::new();
    for base in BASES {
        futures.push(executor.submit(task, (base, how_far()))?);
    }
    log_states(&futures, watch.elapsed());
    note!("the tutorial's total time (Python, counting to 1000000000): {}", "0.9 s");
    check!(!futures.iter().any(Future::done), "at that time no call was done");
    check!(results(&futures).is_empty(), "and there was no result");

    say!("drops the executor, which waits for its calls");
    drop(held);
    drop(executor);
    log_states(&futures, watch.elapsed());
    check!(results(&futures) == ends(), "now each call has counted to its end");
    Ok(())
}
