//! What an engine knows, under one lock: its jobs, the tasks that wait or are in the queue, and the
//! slots of its workers.
//!
//! ```text
//!   slot:  empty ──▶ busy: a worker is being started ──▶ worker
//!            ▲                                             │ its end is reported
//!            └────── busy: what it left is looked at ◀─────┘
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
use crate::pool::sink::Held;
use crate::process::Process;

/// Places of the queue of tasks: enough for the workers not to wait for the manager between two
/// short tasks.
pub(crate) const CAPACITY: usize = 1024;

/// So many bytes of tasks are in the queue at most, unless each worker needs one. What waits
/// longer, waits in this process.
const BYTES: u64 = 32 << 20;

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
    pub backlog: VecDeque<PendingTask>,
    /// How many of them nobody wants any more.
    pub unwanted: usize,
    /// The latest task of each slot of the queue: its position there, its job.
    pub queued: Vec<Option<(u64, u64)>>,
    /// Tasks, and their bytes, that are in the queue or run.
    pub outstanding: (usize, u64),
    pub slots: Vec<WorkerSlot>,
    pub started: usize,
    /// The manager's thread.
    pub manager: Option<ThreadId>,
    /// Other threads that tell jobs just now what comes of them.
    pub notifiers: Vec<ThreadId>,
    /// After that, workers that still live are killed.
    pub deadline: Option<Instant>,
}

/// A call of `apply`, `map` and so on, until it is over.
pub(crate) struct Job {
    pub sink: Held,
    /// The thread that submits its items little by little, as results are taken.
    pub fed_by: Option<ThreadId>,
    /// Its tasks of several items, by their first: if a worker dies, the rest is still to do.
    pub chunks: BTreeMap<u64, Arc<[u8]>>,
    /// How many of its tasks are in the backlog.
    pub waiting: usize,
    /// How many slots of the queue speak of it.
    pub queued: usize,
    /// Whether one that spoke of it has another task now: what was there has begun.
    pub has_begun: bool,
    /// Whether nothing of it is to begin any more.
    pub cancelled: bool,
}

/// A task's message that waits for its turn.
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

/// Where a worker is, and after its end the next one.
#[derive(Default)]
pub(crate) struct WorkerSlot {
    pub worker: Option<Worker>,
    /// Whether one is being started just now, or the end of one is looked at: no other may be
    /// started here.
    pub busy: bool,
    /// How many ended in a row before they were ready: by themselves, or killed.
    pub failed: [u32; 2],
}

pub(crate) struct Worker {
    pub process: Arc<Process>,
    pub watch: JoinHandle<()>,
    pub ready: bool,
    /// Whether it has been told to end.
    pub told: bool,
    /// What it reported last.
    pub latest: Option<Progress>,
}

impl Job {
    pub(crate) fn new(sink: Held, fed_by: Option<ThreadId>) -> Self {
        Self {
            sink,
            fed_by,
            chunks: BTreeMap::new(),
            waiting: 0,
            queued: 0,
            has_begun: false,
            cancelled: false,
        }
    }
}

impl State {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            phase: Phase::Open,
            jobs: BTreeMap::new(),
            next_job: 1,
            backlog: VecDeque::new(),
            unwanted: 0,
            queued: vec![None; CAPACITY],
            outstanding: (0, 0),
            slots: (0..workers).map(|_| WorkerSlot::default()).collect(),
            started: 0,
            manager: None,
            notifiers: Vec::new(),
            deadline: None,
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

    /// Tasks that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.outstanding.0 + self.backlog.len() - self.unwanted
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.unfinished() == 0
    }

    /// Where the tasks of a job are, or were, in the queue.
    pub(crate) fn queued_of(&self, job: u64) -> impl Iterator<Item = u64> {
        let count = self.jobs.get(&job).map_or(0, |job| job.queued);
        let of_job = self.queued.iter().flatten().filter(move |(_, queued)| *queued == job);
        of_job.map(|(position, _)| *position).take(count)
    }

    /// Who is to hear of this job, if it isn't over.
    pub(crate) fn sink_of(&self, job: u64) -> Option<Held> {
        self.jobs.get(&job).map(|job| job.sink.clone())
    }

    /// Whether another task of so many bytes may be put into the queue. (A queue that is full says
    /// so itself, but first looks who is at its slots. So it isn't asked, unless there are very
    /// many workers.)
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let (tasks, all_bytes) = self.outstanding;
        let workers = self.slots.len();
        tasks < CAPACITY.max(2 * workers) && (tasks <= workers || all_bytes + bytes as u64 <= BYTES)
    }

    /// A task of this job waits for its turn: as the last, or as the first.
    pub(crate) fn wait_for_turn(&mut self, job: u64, message: PendingTask) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.waiting += 1;
            self.backlog.push_back(message);
        }
    }

    /// Items of a task whose worker died in front of them: they are next.
    pub(crate) fn put_in_front(&mut self, job: u64, first: u64, rest: &[u8]) {
        if let Some(job) = self.jobs.get_mut(&job) {
            let rest: Arc<[u8]> = rest.into();
            job.chunks.insert(first, Arc::clone(&rest));
            job.waiting += 1;
            self.backlog.push_front(PendingTask::Chunk(rest));
        }
    }

    /// Nobody wants so many of those that wait. They are taken out when they are half of all: so
    /// each costs the same, however many there are.
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

    /// A task is over, in one way or another.
    pub(crate) fn task_has_ended(&mut self, job: u64, first: u64, bytes: u64) -> Option<Arc<[u8]>> {
        let (tasks, all_bytes) = self.outstanding;
        self.outstanding = (tasks.saturating_sub(1), all_bytes.saturating_sub(bytes));
        self.jobs.get_mut(&job)?.chunks.remove(&first)
    }

    /// A slot that a worker should be in, and is not.
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

    /// Whether a worker is there, or is being started.
    pub(crate) fn has_workers(&self) -> bool {
        self.slots.iter().any(|slot| slot.worker.is_some() || slot.busy)
    }
}
