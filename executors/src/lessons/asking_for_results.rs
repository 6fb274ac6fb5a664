//! Each future is asked for its result, in their order, and then in the order in which they are
//! done.
//!
//! ```python
//! futures = [executor.submit(task, n) for n in (0, 100, 200)]
//! for future in futures: logging.info(future.result())
//! logging.info(f"total time: {time.time() - start}")        # 107 s
//! for future in as_completed(futures): logging.info(future.result())
//! ```

use common::time::{Stopwatch, show};
use common::{check, note, say, text};
use multiprocess::Failure;
use multiprocess::futures::{Future, as_completed};

use super::counting::{ends, log, log_total, submit_three, three_threads};

pub(crate) fn main() -> Result<(), Failure> {
    let executor = three_threads()?;
    say!("submits three calls, and asks for their results in that order");
    let watch = Stopwatch::start();
    let futures = submit_three(&executor)?;
    let mut results = Vec::new();
    for future in &futures {
        let asked = Stopwatch::start();
        let result = *future.result()?;
        log(text!("result {}, waited {}", result, show(asked.elapsed())));
        results.push(result);
    }
    log_total(watch.elapsed());
    note!("the tutorial's total time (Python, counting to 1000000000): {}", "107 s");
    check!(futures.iter().all(Future::done), "a call whose result is there is done");
    check!(results == ends(), "the results came in the order in which they were asked for");

    say!("submits three more, and takes each result as soon as it is there");
    let futures = submit_three(&executor)?;
    let mut results = Vec::new();
    for future in as_completed(&futures, None) {
        let result = *future?.result()?;
        log(text!("result {}", result));
        results.push(result);
    }
    results.sort_unstable();
    check!(results == ends(), "each result came once");
    Ok(())
}
