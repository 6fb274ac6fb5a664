//! Three tasks one after the other by `apply`, and at the same time by `apply_async`.
//!
//! ```python
//! for name in "ABC": pool.apply(task, (name,))
//! results = [pool.apply_async(task, (name,)) for name in "ABC"]
//! for result in results: result.get()
//! ```

use common::pretend::{hold_children, work};
use common::time::{clock, show};
use common::timeline::Timeline;
use common::{check, note, say};
use multiprocess::{Failure, Pool, tasks};

use super::done::{Done, most_at_once};

const TASKS: &str = "ABC";

tasks![task];

pub(crate) fn main() -> Result<(), Failure> {
    let pool = Pool::new(3)?;
    say!("gives A, B and C to three workers by apply");
    let mut blocking = Vec::new();
    for name in TASKS.chars() {
        blocking.push(pool.apply(task, name)?);
    }

    let held = hold_children()?;
    let pool = Pool::new(3)?;
    say!("gives them to three workers by apply_async, and then waits");
    let mut results = Vec::new();
    for name in TASKS.chars() {
        results.push(pool.apply_async(task, name)?);
    }
    held.wait_for(3)?;
    held.release();
    let at_once = results.iter().map(|result| result.get()).collect::<Result<Vec<_>, _>>()?;

    draw([("apply", &blocking), ("apply_async", &at_once)]);
    check!(most_at_once(&blocking) == 1, "by apply only one task was at work at a time");
    check!(most_at_once(&at_once) == 3, "by apply_async three were at work at the same time");
    Ok(())
}

/// Runs in a worker.
fn task(name: char) -> Done {
    let begin = clock();
    work(1.0);
    Done::since(begin, name)
}

/// Draws both ways, one below the other, as if they had begun at the same time.
fn draw(ways: [(&str, &[Done]); 2]) {
    let mut timeline = Timeline::default();
    for (way, tasks) in ways {
        let begin = tasks.iter().map(|done| done.time.0).min().unwrap_or_default();
        let end = tasks.iter().map(|done| done.time.1).max().unwrap_or_default();
        note!("by {} it took {}", way, show(end - begin));
        for Done { task, time, .. } in tasks {
            timeline.marked_row(way, [(*task, (time.0 - begin, time.1 - begin))]);
        }
    }
    common::narrator::varying_figure(timeline);
}
