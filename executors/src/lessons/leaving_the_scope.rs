//! You'll see a scope that ends when all that was submitted in it is done.
//!
//! ```python
//! with ThreadPoolExecutor(3) as executor:
//!     futures = [executor.submit(task, base) for base in (0, 100, 200)]
//! logging.info(f"total time: {time.time() - start}")        # 117 s
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::Stopwatch;
use multiprocess::futures::{Executor, SubmitError};

use super::counting::{ends, how_far, log_states, results, submit_three, three_threads};

pub(crate) const LESSON: Lesson = Lesson {
    name: "leaving-the-scope",
    section: "2.4",
    question: (
        "离开 with 块的时候，任务做完了吗？",
        "Are the calls done when one leaves the with block?",
    ),
    remember: (
        "离开作用域就是等全部做完；Rust 里丢掉执行器也一样。",
        "To leave the scope is to wait for all; in Rust, so is dropping the executor.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let how_far = how_far(story);
    story.event("main", "submits three calls in a scope, and leaves the scope");
    let watch = Stopwatch::start();
    let futures = three_threads()?.scope(|executor| {
        let futures = submit_three(executor, how_far)?;
        log_states(&futures, watch.elapsed());
        Ok::<_, SubmitError>(futures)
    })?;
    log_states(&futures, watch.elapsed());
    story.ok("outside the scope all are done", futures.iter().all(|future| future.done()))?;
    story.ok(
        "the futures outlive the scope: they give what was counted",
        results(&futures) == ends(how_far),
    )?;

    story.event("main", "leaves another scope by an error");
    let mut futures = Vec::new();
    let left: Result<(), String> = three_threads()?.scope(|executor| {
        futures = submit_three(executor, how_far).map_err(|error| error.to_string())?;
        Err("no luck".to_owned())
    });
    story.ok("the error comes out", left == Err("no luck".to_owned()))?;
    story.ok("but not before all are done", results(&futures) == ends(how_far))?;
    Ok(())
}
