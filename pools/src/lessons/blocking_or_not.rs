//! You'll see three tasks done one after the other by `apply`, and at the same time by
//! `apply_async`, on the same three workers.
//!
//! ```python
//! for task in "ABC": pool.apply(work, (task,))
//! later = [pool.apply_async(work, (task,)) for task in "ABC"]
//! for result in later: result.get()
//! ```

use std::sync::OnceLock;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Pace, clock, show};
use common::timeline::Timeline;
use multiprocess::{Failure, Pool, Queue, tasks};

use super::PATIENCE;
use super::who_did_what::{Done, done, most_at_once};

const TASKS: [char; 3] = ['A', 'B', 'C'];

pub(crate) const LESSON: Lesson = Lesson {
    name: "blocking-or-not",
    section: "2.3",
    question: (
        "apply 和 apply_async：等，还是不等？",
        "apply and apply_async: to wait or not to wait?",
    ),
    remember: (
        "apply 等到结果才返回，任务一个接一个；apply_async 马上返回，任务同时进行。",
        "apply waits, so tasks go one by one; apply_async doesn't, so they overlap.",
    ),
    tell,
};

tasks![meet, work];

/// Each task says here that its work is done, and ends when it is allowed to.
static GATE: OnceLock<(Queue<char>, Queue<()>)> = OnceLock::new();

fn tell(story: &Story) -> Told {
    let (finished, may_end) = (Queue::bounded(3)?, Queue::bounded(3)?);
    let gate = (finished.clone(), may_end.clone());
    let pool = Pool::builder().processes(3).initializer(meet, gate).build()?;

    story.event("parent", "gives A, B, C by apply; each may end as soon as it is done");
    let mut blocking = Vec::new();
    for task in TASKS {
        may_end.put(())?;
        blocking.push(pool.apply(work, (task, story.pace()))??);
        finished.get_timeout(PATIENCE)?;
    }
    story.event("parent", "gives them by apply_async; they may end when all three are done");
    let mut results = Vec::new();
    for task in TASKS {
        results.push(pool.apply_async(work, (task, story.pace()))?);
    }
    for _ in TASKS {
        finished.get_timeout(PATIENCE)?;
    }
    for _ in TASKS {
        may_end.put(())?;
    }
    let mut at_once = Vec::new();
    for result in results {
        at_once.push(result.get()??);
    }
    picture(story, &[("apply", &blocking), ("apply_async", &at_once)]);
    story.ok("by apply no two were at work at the same time", most_at_once(&blocking) == 1)?;
    story.ok("by apply_async all three were", most_at_once(&at_once) == 3)?;
    Ok(())
}

/// Both ways under each other, as if they had begun at the same time.
fn picture(story: &Story, ways: &[(&str, &[Done])]) {
    let mut timeline = Timeline::default();
    for (way, tasks) in ways {
        let begin = tasks.iter().map(|done| done.time.0).min().unwrap_or_default();
        let end = tasks.iter().map(|done| done.time.1).max().unwrap_or_default();
        for done in *tasks {
            let time = (done.time.0 - begin, done.time.1 - begin);
            timeline.marked_row(*way, [(done.task, time)]);
        }
        story.varies(format!("by {way}: {}", show(end - begin)));
    }
    story.varying_figure(timeline);
}

/// Runs in the worker, before its first task.
fn meet(gate: (Queue<char>, Queue<()>)) {
    GATE.get_or_init(|| gate);
}

/// Runs in the worker.
fn work((task, pace): (char, Pace)) -> Result<Done, Failure> {
    let (finished, may_end) = GATE.get().expect("the initializer comes before any task");
    let begin = clock();
    pace.work(1.0);
    finished.put(task)?;
    may_end.get()?;
    Ok(done(task, begin))
}
