//! The main thread waits for three calls; and whether they really count.
//!
//! ```python
//! futures = [executor.submit(task, n) for n in (0, 100, 200)]
//! wait(futures)                      # return_when=ALL_COMPLETED
//! for future in futures: logging.info(future)
//! logging.info(f"total time: {time.time() - start}")        # 112 s
//! ```

use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::Failure;
use multiprocess::futures::{ReturnWhen, wait};

use super::counting::{
    build, count_as_the_compiler_likes, count_up, ends, log_states, results, submit_three,
    three_threads, timed,
};

pub(crate) fn main() -> Result<(), Failure> {
    let executor = three_threads()?;
    say!("submits three calls, and waits until the first is done");
    let watch = Stopwatch::start();
    let futures = submit_three(&executor)?;
    let waited = wait(&futures, None, ReturnWhen::FirstCompleted);
    check!(!waited.done.is_empty(), "at least one is done");
    note!("{} done, {} not done", waited.done.len(), waited.not_done.len());

    say!("waits until all are done");
    let waited = wait(&futures, None, ReturnWhen::AllCompleted);
    log_states(&futures, watch.elapsed());
    note!("the tutorial's total time (Python, counting to 1000000000): {}", "112 s");
    check!(waited.done.len() == 3 && waited.not_done.is_empty(), "all are done");
    check!(results(&futures) == ends(), "each has counted from its base to its end");

    say!("counts alone, then in a loop that the compiler may shorten");
    let (number, step_by_step) = timed(count_up);
    let (same, shortened) = timed(count_as_the_compiler_likes);
    check!(number == same, "both come to the same end");
    note!("{}, step by step: {}", build(), show(step_by_step));
    note!("{}, as the compiler likes: {}", build(), show(shortened));
    Ok(())
}
