//! A scope ends when all calls that were submitted in it are done.
//!
//! ```python
//! with ThreadPoolExecutor(3, thread_name_prefix="Prefix-0") as executor:
//!     futures = [executor.submit(task, n) for n in (0, 100, 200)]
//!     for future in futures: logging.info(future)
//! logging.info(f"total time: {time.time() - start}")        # 117 s
//! ```

use common::time::Stopwatch;
use common::{check, note, say};
use multiprocess::Failure;
use multiprocess::futures::{Executor, Future, SubmitError};

use super::counting::{ends, log_states, results, submit_three, three_threads};

pub(crate) fn main() -> Result<(), Failure> {
    say!("submits three calls in a scope");
    let watch = Stopwatch::start();
    let futures = three_threads()?.scope(|executor| {
        let futures = submit_three(executor)?;
        log_states(&futures, watch.elapsed());
        say!("leaves the scope");
        Ok::<_, SubmitError>(futures)
    })?;
    log_states(&futures, watch.elapsed());
    note!("the tutorial's total time (Python, counting to 1000000000): {}", "117 s");
    check!(futures.iter().all(Future::done), "outside the scope all calls are done");
    check!(results(&futures) == ends(), "the futures outlive the scope: they have the results");

    say!("leaves another scope by an error");
    let mut futures = Vec::new();
    let left = three_threads()?.scope(|executor| -> Result<(), Failure> {
        futures = submit_three(executor)?;
        Err(Failure::new("no luck"))
    });
    check!(left.is_err(), "the error comes out of the scope");
    check!(results(&futures) == ends(), "but only after all calls were done");
    Ok(())
}
