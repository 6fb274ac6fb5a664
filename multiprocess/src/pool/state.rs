//! What an engine knows, under one lock.

use std::collections::{BTreeMap, VecDeque};
use std::thread::ThreadId;
use std::time::Instant;

use crate::future::TaskError;
use crate::pool::error::Error;
use crate::pool::jobs::{Job, Waiting};
use crate::pool::places::Place;

/// How far an engine is. It never goes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes tasks.
    Open,
    /// Takes none; ends when all are done.
    Closed,
    /// Ends now, for this reason.
    Ending(TaskError),
    /// All workers have ended, for this reason, or because all is done.
    Ended(Option<TaskError>),
}

/// What callers and the manager change, one at a time.
pub(crate) struct State {
    pub phase: Phase,
    pub jobs: BTreeMap<u64, Job>,
    pub next_job: u64,
    /// Tasks that are not in the queue yet, in their order.
    pub backlog: VecDeque<Waiting>,
    /// How many of them nobody wants any more.
    pub unwanted: usize,
    /// The latest task of each place of the queue: its position there, its job.
    pub queued: Vec<Option<(u64, u64)>>,
    /// Tasks, and their bytes, that are in the queue or run.
    pub outstanding: (usize, u64),
    pub places: Vec<Place>,
    pub started: usize,
    /// The manager's thread.
    pub manager: Option<ThreadId>,
    /// Other threads that tell jobs just now what comes of them.
    pub bringers: Vec<ThreadId>,
    /// After that, workers that still live are killed.
    pub deadline: Option<Instant>,
}

impl State {
    pub(crate) fn check_open(&self) -> Result<(), Error> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Ending(TaskError::Broken(reason))
            | Phase::Ended(Some(TaskError::Broken(reason))) => Err(Error::Broken(reason.clone())),
            _ => Err(Error::NotRunning),
        }
    }

    /// Tasks that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.outstanding.0 + self.backlog.len() - self.unwanted
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.unfinished() == 0
    }
}
