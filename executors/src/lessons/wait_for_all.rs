//! You'll see the main thread wait for three calls, and what they really do all the time.
//!
//! ```python
//! futures = [executor.submit(task, base) for base in (0, 100, 200)]
//! wait(futures)                      # return_when=ALL_COMPLETED
//! logging.info(f"total time: {time.time() - start}")        # 112 s
//! ```

use std::hint::black_box;
use std::time::Duration;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Stopwatch, show};
use multiprocess::futures::{ReturnWhen, wait};

use super::counting::{BASES, count, ends, how_far, log_states, results, submit_three};
use super::counting::{BUILD, three_threads};

pub(crate) const LESSON: Lesson = Lesson {
    name: "wait-for-all",
    section: "2.4",
    question: (
        "怎样等几个任务都做完？它们真的在数数吗？",
        "How does one wait for several calls? And do they really count?",
    ),
    remember: (
        "wait 等第一个或者全部；量时间之前，先看编译器有没有把活儿省掉。",
        "wait: for the first or for all. Time only work the compiler has left in.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let how_far = how_far(story);
    let executor = three_threads()?;
    let watch = Stopwatch::start();
    let futures = submit_three(&executor, how_far)?;
    story.event("main", "waits until the first of three calls is done");
    let waited = wait(&futures, None, ReturnWhen::FirstCompleted);
    story.ok("at least one is done", !waited.done.is_empty())?;
    story.varies(format!("done: {}, not done: {}", waited.done.len(), waited.not_done.len()));
    story.event("main", "waits for all");
    let waited = wait(&futures, None, ReturnWhen::AllCompleted);
    log_states(&futures, watch.elapsed());
    story.ok("all are done", waited.done.len() == 3 && waited.not_done.is_empty())?;
    story.ok("each has counted from its base to its end", results(&futures) == ends(how_far))?;

    story.event("main", "counts itself, then again by a loop that the compiler may shorten");
    let (number, step_by_step) = timed(count, how_far);
    let (same, as_it_likes) = timed(count_as_the_compiler_likes, how_far);
    story.ok("both come to the same end", number == same)?;
    story.varies(format!("{BUILD}: step by step {}", show(step_by_step)));
    story.varies(format!("{BUILD}: as the compiler likes {}", show(as_it_likes)));
    Ok(())
}

/// Where the loop ends, and how long it took. How far it goes, the compiler doesn't know.
fn timed(count: fn((u64, u64)) -> u64, how_far: u64) -> (u64, Duration) {
    let task = black_box((BASES[0], how_far));
    let watch = Stopwatch::start();
    let number = black_box(count(task));
    (number, watch.elapsed())
}

/// Counts in the same loop without `black_box` in it.
fn count_as_the_compiler_likes((base, count): (u64, u64)) -> u64 {
    let mut number = base;
    while number < base + count {
        number += 1;
    }
    number
}
