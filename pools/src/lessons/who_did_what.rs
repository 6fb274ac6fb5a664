//! What a task tells of itself, for pictures and for checks.

use std::time::Duration;

use common::time::clock;
use common::timeline::{Interval, Timeline};
use multiprocess::current_process;
use serde::{Deserialize, Serialize};

/// A task that was done: its letter, by whom, from when to when.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub task: char,
    pub worker: String,
    pub time: Interval,
}

/// This process has done the task, which it began then.
pub(crate) fn done(task: char, begin: Duration) -> Done {
    Done { task, worker: current_process().name().to_owned(), time: (begin, clock()) }
}

/// A row for each worker, with the letters of its tasks.
pub(crate) fn by_worker(tasks: &[Done]) -> Timeline {
    let mut workers: Vec<&str> = tasks.iter().map(|done| done.worker.as_str()).collect();
    workers.sort_unstable();
    workers.dedup();
    let mut timeline = Timeline::default();
    for worker in workers {
        let its = tasks.iter().filter(|done| done.worker == worker);
        timeline.marked_row(worker, its.map(|done| (done.task, done.time)));
    }
    timeline
}

/// How many were being done at the same time, at most.
pub(crate) fn most_at_once(tasks: &[Done]) -> usize {
    let at = |now| tasks.iter().filter(|done| done.time.0 <= now && now < done.time.1).count();
    // The number only grows when a task begins.
    tasks.iter().map(|done| at(done.time.0)).max().unwrap_or(0)
}
