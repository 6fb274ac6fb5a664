//! You'll see the ways to give tasks to a pool: one or many, waiting or not, in order or not.
//!
//! ```python
//! pool.apply(power, (2, 5))
//! later = pool.apply_async(power, (2, 6)); later.ready(); later.get()
//! pool.map(square, [1, 2, 3]); pool.starmap(power, [(2, 1), (2, 2)])
//! for result in pool.imap(rest, [3, 2, 1]): ...
//! for result in pool.imap_unordered(rest, [3, 2, 1]): ...
//! pool.close(); pool.join()
//! ```

use std::sync::OnceLock;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::Pace;
use multiprocess::pool::Error;
use multiprocess::{Failure, Pool, Queue, tasks};

pub(crate) const LESSON: Lesson = Lesson {
    name: "pool-methods",
    section: "2.3",
    question: ("把任务交给进程池，有哪些方法？", "In which ways does one give tasks to a pool?"),
    remember: (
        "apply 一个，map 许多；带 async 的不等；imap 来一个给一个。",
        "apply: one; map: many; async: without waiting; imap: results one by one.",
    ),
    tell,
};

tasks![keep, power, power_of_a_word, square, rest];

/// Where a task finds the parent's word; the initializer leaves it there.
static WORDS: OnceLock<Queue<u64>> = OnceLock::new();

fn tell(story: &Story) -> Told {
    let words = Queue::bounded(1)?;
    let pool = Pool::builder().processes(3).initializer(keep, words.clone()).build()?;
    story.ok("apply waits for its one result: 32", pool.apply(power, (2, 5))? == 32)?;

    let later = pool.apply_async(power_of_a_word, 6)?;
    story.event("parent", "gives another by apply_async; it waits for a word from the parent");
    story.ok("its result is not ready", !later.ready())?;
    words.put(2)?;
    story.event("parent", "gives the word");
    story.ok("get waits for the result: 64", later.get()?? == 64)?;
    story.ok("now it is ready", later.ready())?;

    story
        .ok("map gives many, in their order: 1, 4, 9", pool.map(square, [1, 2, 3])? == [1, 4, 9])?;
    let powers = pool.starmap(power, [(2, 1), (2, 2), (2, 3)])?;
    story.ok("starmap takes several arguments for each: 2, 4, 8", powers == [2, 4, 8])?;

    let three = [3, 2, 1].map(|seconds| (seconds, story.pace()));
    let in_order = pool.imap(rest, three)?.collect::<Result<Vec<u64>, _>>()?;
    story.ok("imap gives one after the other, in their order: 3, 2, 1", in_order == [3, 2, 1])?;
    let mut as_they_come = pool.imap_unordered(rest, three)?.collect::<Result<Vec<u64>, _>>()?;
    story.varies(format!("imap_unordered gives them as they come: {as_they_come:?}"));
    as_they_come.sort_unstable();
    story.ok("each of the three came once", as_they_come == [1, 2, 3])?;

    pool.close();
    let refused = matches!(pool.apply(square, 4), Err(Error::NotRunning));
    story.ok("after close it takes no more", refused)?;
    pool.join()?;
    story.ok("after join no worker is left", pool.worker_pids().is_empty())?;
    Ok(())
}

/// Runs in the worker, before its first task.
fn keep(words: Queue<u64>) {
    WORDS.get_or_init(|| words);
}

/// Runs in the worker.
fn power((base, exponent): (u64, u32)) -> u64 {
    base.pow(exponent)
}

/// Runs in the worker.
fn power_of_a_word(exponent: u32) -> Result<u64, Failure> {
    let words = WORDS.get().expect("the initializer comes before any task");
    Ok(power((words.get()?, exponent)))
}

/// Runs in the worker.
fn square(number: u64) -> u64 {
    number * number
}

/// Runs in the worker.
fn rest((seconds, pace): (u64, Pace)) -> u64 {
    pace.work(seconds as f64);
    seconds
}
