//! The state of an engine, under one lock: its jobs, the tasks in the backlog and in the queue, and
//! the worker slots.
//!
//! ```text
//!   slot:  empty ──▶ busy: a worker is being started ──▶ worker
//!            ▲                                             │ its end is reported
//!            └────── busy: its intent record is read ◀─────┘
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::{JoinHandle, ThreadId};
use std::time::Instant;

use crate::future::TaskError;
use crate::pool::error::Error;
use crate::pool::message::{Items, Progress};
use crate::pool::settings::Kind;
use crate::pool::sink::GuardedSink;
use crate::process::Process;

/// Capacity of the queue of tasks: enough that workers need not wait for the manager between two
/// short tasks.
pub(crate) const CAPACITY: usize = 1024;

/// Maximum size in bytes of the tasks in the queue, beyond one for each worker; all others wait in
/// this process.
const BYTES: u64 = 32 << 20;

/// Life cycle of an engine, which only moves forward.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes tasks.
    #[default]
    Open,
    /// Takes no tasks; ends when all are done.
    Closed,
    /// Is ending its workers, for this reason.
    Ending(TaskError),
    /// Has ended all its workers: for this reason, or because all tasks are done.
    Ended(Option<TaskError>),
}

/// Everything that callers and the manager change, under [`Shared`](crate::pool::shared::Shared)'s
/// lock.
#[derive(Default)]
pub(crate) struct State {
    pub phase: Phase,
    pub jobs: BTreeMap<u64, Job>,
    pub next_job: u64,
    /// Tasks that are not in the queue yet, in order.
    pub backlog: VecDeque<PendingTask>,
    /// Number of tasks in the backlog whose job is over.
    pub unwanted: usize,
    /// Latest task of each slot of the queue.
    pub queued: Vec<Option<QueuedTask>>,
    /// The tasks that are in the queue or running.
    pub outstanding: Outstanding,
    pub slots: Vec<WorkerSlot>,
    pub started: usize,
    /// The manager's thread.
    pub manager: Option<ThreadId>,
    /// Other threads that are just now telling jobs of their end.
    pub notifiers: Vec<ThreadId>,
    /// Time after which workers that are still alive are killed.
    pub deadline: Option<Instant>,
}

/// A task that was put into the queue.
#[derive(Clone, Copy)]
pub(crate) struct QueuedTask {
    /// Its position in the queue.
    pub position: u64,
    pub job: u64,
}

/// Number of some tasks, and their total size.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outstanding {
    pub tasks: usize,
    pub bytes: u64,
}

/// A call of `apply`, `map` and so on, until all its items are done.
#[derive(Default)]
pub(crate) struct Job {
    pub sink: GuardedSink,
    /// The thread that submits the items little by little, as it takes results.
    pub fed_by: Option<ThreadId>,
    /// Messages of the unfinished tasks of several items, by their first item: if a worker dies,
    /// the rest of its task is submitted again.
    #[expect(clippy::box_collection, reason = "one word in the very many jobs without a chunk")]
    pub chunks: Option<Box<BTreeMap<u64, Arc<[u8]>>>>,
    /// Number of the job's tasks in the backlog.
    pub waiting: usize,
    /// Number of queue slots whose latest task is one of this job's.
    pub queued: usize,
    /// True once a queue slot that held one of this job's tasks was reused: that task must have
    /// started.
    pub has_begun: bool,
    /// True if no task of the job may start any more.
    pub cancelled: bool,
}

/// The message of a task in the backlog.
pub(crate) enum PendingTask {
    Item(Box<[u8]>),
    Chunk(Arc<[u8]>),
}

impl Deref for PendingTask {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Item(message) => message,
            Self::Chunk(message) => message,
        }
    }
}

/// A slot for one worker at a time: after its end the next one takes the slot.
#[derive(Default)]
pub(crate) struct WorkerSlot {
    pub worker: Option<Worker>,
    /// True while a worker is being started here, or the end of one is being handled: no other may
    /// be started meanwhile.
    pub busy: bool,
    pub failed: FailedStarts,
}

/// Numbers of workers in a row that ended before they were ready.
#[derive(Default)]
pub(crate) struct FailedStarts {
    /// Workers that ended by themselves, or before they had received what to do.
    pub exited: u32,
    /// Workers that were killed.
    pub killed: u32,
}

pub(crate) struct Worker {
    pub process: Arc<Process>,
    pub watch: JoinHandle<()>,
    pub ready: bool,
    /// True once the worker has been told to end.
    pub told_to_end: bool,
    /// The worker's latest report.
    pub latest: Option<Progress>,
}

impl Job {
    pub(crate) fn new(sink: GuardedSink, fed_by: Option<ThreadId>) -> Self {
        Self { sink, fed_by, ..Self::default() }
    }
}

impl State {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            next_job: 1,
            queued: vec![None; CAPACITY],
            slots: (0..workers).map(|_| WorkerSlot::default()).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn check_open(&self) -> Result<(), Error> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Ending(TaskError::Broken(reason))
            | Phase::Ended(Some(TaskError::Broken(reason))) => Err(Error::Broken(reason.clone())),
            _ => Err(Error::NotRunning),
        }
    }

    /// Returns the number of tasks that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.outstanding.tasks + self.backlog.len() - self.unwanted
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.unfinished() == 0
    }

    /// Returns the queue positions of a job's tasks, as far as their slots have not been reused.
    pub(crate) fn queued_of(&self, job: u64) -> impl Iterator<Item = u64> {
        let count = self.jobs.get(&job).map_or(0, |job| job.queued);
        let of_job = self.queued.iter().flatten().filter(move |task| task.job == job);
        of_job.map(|task| task.position).take(count)
    }

    /// Returns the job's sink, or `None` if the job is over.
    pub(crate) fn sink_of(&self, job: u64) -> Option<GuardedSink> {
        self.jobs.get(&job).map(|job| job.sink.clone())
    }

    /// Returns true if another task of this many bytes may be put into the queue.
    ///
    /// (A full queue would refuse it, but only after checking the owners of its slots. So the queue
    /// isn't asked, unless there are very many workers.)
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let Outstanding { tasks, bytes: all_bytes } = self.outstanding;
        let workers = self.slots.len();
        tasks < CAPACITY.max(2 * workers) && (tasks <= workers || all_bytes + bytes as u64 <= BYTES)
    }

    /// Adds a task of this job to the backlog's end.
    pub(crate) fn wait_for_turn(&mut self, job: u64, message: PendingTask) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.waiting += 1;
            self.backlog.push_back(message);
        }
    }

    /// Puts the items that a dead worker had not reached at the front of the backlog.
    pub(crate) fn put_in_front(&mut self, job: u64, first: u64, rest: &[u8]) {
        if let Some(job) = self.jobs.get_mut(&job) {
            let rest: Arc<[u8]> = rest.into();
            job.chunks.get_or_insert_default().insert(first, Arc::clone(&rest));
            job.waiting += 1;
            self.backlog.push_front(PendingTask::Chunk(rest));
        }
    }

    /// Counts tasks in the backlog as unwanted. They are removed once they are half of the backlog,
    /// so the cost per task is constant (amortised).
    pub(crate) fn forget_waiting(&mut self, unwanted: usize) {
        self.unwanted += unwanted;
        if self.unwanted > self.backlog.len() / 2 {
            let Self { backlog, jobs, .. } = self;
            backlog.retain(|message| {
                Items::of(message).is_some_and(|(task, _)| jobs.contains_key(&task.job))
            });
            self.unwanted = 0;
        }
    }

    /// Removes a task that is over, whatever its outcome.
    pub(crate) fn task_has_ended(&mut self, job: u64, first: u64, bytes: u64) -> Option<Arc<[u8]>> {
        let outstanding = &mut self.outstanding;
        outstanding.tasks = outstanding.tasks.saturating_sub(1);
        outstanding.bytes = outstanding.bytes.saturating_sub(bytes);
        self.jobs.get_mut(&job)?.chunks.as_mut()?.remove(&first)
    }

    /// Returns an empty slot in which a worker should be started.
    pub(crate) fn slot_to_fill(&self, kind: Kind) -> Option<usize> {
        let goes_on = match self.phase {
            Phase::Open => true,
            Phase::Closed => !self.is_idle(),
            Phase::Ending(_) | Phase::Ended(_) => false,
        };
        let is_empty = |slot: &WorkerSlot| slot.worker.is_none() && !slot.busy;
        let enough = || match kind {
            Kind::Pool => false,
            Kind::Executor => {
                let there = self.slots.iter().filter(|slot| !is_empty(slot)).count();
                there >= self.unfinished()
            }
        };
        if !goes_on || enough() { None } else { self.slots.iter().position(is_empty) }
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.slots.iter().filter_map(|slot| slot.worker.as_ref())
    }

    /// Returns true if there is a worker, or one is being started.
    pub(crate) fn has_workers(&self) -> bool {
        self.slots.iter().any(|slot| slot.worker.is_some() || slot.busy)
    }
}
