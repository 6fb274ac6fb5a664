//! You'll see each future asked for its result, in their order, and then as they come.
//!
//! ```python
//! for future in futures: logging.info(future.result())      # 107 s
//! for future in as_completed(futures): logging.info(future.result())
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Stopwatch, show};
use multiprocess::futures::as_completed;

use super::counting::{ends, how_far, log, log_states, shown, submit_three, three_threads};

pub(crate) const LESSON: Lesson = Lesson {
    name: "asking-for-results",
    section: "2.4",
    question: (
        "问一个还没有的结果，会怎样？",
        "What happens when one asks for a result that isn't there yet?",
    ),
    remember: (
        "result 会等；按顺序问就按顺序等，as_completed 谁先完成先给谁。",
        "result waits for its own call; as_completed gives first what is done first.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let how_far = how_far(story);
    let executor = three_threads()?;
    story.event("main", "asks three calls for their results, one after the other");
    let watch = Stopwatch::start();
    let futures = submit_three(&executor, how_far)?;
    let mut results = Vec::new();
    for future in &futures {
        let asked = watch.elapsed();
        results.push(*future.result()?);
        log(format_args!("{} after {}", shown(future), show(watch.elapsed() - asked)));
        story.ok("once its result is there, the future is done", future.done())?;
    }
    log_states(&futures, watch.elapsed());
    story.ok(
        "the results came in the order in which they were asked for",
        results == ends(how_far),
    )?;

    story.event("main", "takes three others as they are done");
    let futures = submit_three(&executor, how_far)?;
    let mut results = Vec::new();
    for future in as_completed(&futures, None) {
        results.push(*future?.result()?);
    }
    log(format_args!("order: {results:?}"));
    results.sort_unstable();
    story.ok("each came once", results == ends(how_far))?;
    Ok(())
}
