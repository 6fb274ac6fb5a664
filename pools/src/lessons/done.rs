//! What a task returns in lessons that draw who did what, and when.

use std::time::Duration;

use common::time::clock;
use common::timeline::{Interval, Timeline};
use multiprocess::current_process;
use serde::{Deserialize, Serialize};

/// A task that is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub task: char,
    pub worker: String,
    pub time: Interval,
}

impl Done {
    /// Describes a task that this process began then, and has just done.
    pub(crate) fn since(begin: Duration, task: char) -> Self {
        Self { task, worker: current_process().name().to_owned(), time: (begin, clock()) }
    }
}

/// Returns a picture with a row for each worker, in which each task is a letter.
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

/// Returns the largest number of tasks that were at work at the same time.
pub(crate) fn most_at_once(tasks: &[Done]) -> usize {
    let at = |now| tasks.iter().filter(|done| done.time.0 <= now && now < done.time.1).count();
    // The number only grows when a task begins.
    tasks.iter().map(|done| at(done.time.0)).max().unwrap_or(0)
}
