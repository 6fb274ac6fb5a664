//! You'll see the main thread look at three calls before any of them is done.
//!
//! ```python
//! executor = ThreadPoolExecutor(3)
//! futures = [executor.submit(task, base) for base in (0, 100, 200)]
//! for future in futures: logging.info(future)
//! logging.info(f"total time: {time.time() - start}")        # 0.9 s
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::Stopwatch;
use crossbeam::channel::bounded;
use multiprocess::futures::{Future, SubmitError};

use super::counting::{BASES, count, ends, how_far, log, log_states, results, three_threads};

pub(crate) const LESSON: Lesson = Lesson {
    name: "too-early",
    section: "2.4",
    question: (
        "提交任务之后马上看时间，会看到什么？",
        "Look at the clock right after submitting: what do you see?",
    ),
    remember: (
        "submit 不等任务做完；主线程量到的只是提交的时间。",
        "submit doesn't wait: the main thread has measured only the submitting.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let how_far = how_far(story);
    let executor = three_threads()?;
    // Opened by dropping it: before the executor, which waits for the calls.
    let (gate, opened) = bounded::<()>(0);
    story.event("main", "gives three threads a call each that counts, then waits at a gate");
    let watch = Stopwatch::start();
    let futures = BASES.into_iter().map(|base| {
        let opened = opened.clone();
        executor.spawn(move || {
            let number = count((base, how_far));
            let _ = opened.recv();
            log(number);
            number
        })
    });
    let futures: Vec<Future<u64>> = futures.collect::<Result<_, SubmitError>>()?;
    log_states(&futures, watch.elapsed());
    let none_is_done = futures.iter().all(|future| !future.done());
    story.ok("the main thread has written that before any call was done", none_is_done)?;
    story.ok("and there is no result yet", results(&futures).is_empty())?;

    story.event("main", "opens the gate, and leaves the executor, which waits");
    drop(gate);
    drop(executor);
    log_states(&futures, watch.elapsed());
    story.ok("now each call has counted to its end", results(&futures) == ends(how_far))?;
    Ok(())
}
