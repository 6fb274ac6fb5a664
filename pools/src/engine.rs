//! The engine of a pool: workers, what they are given, what they report, and what is done when they
//! die.
//!
//! ```text
//!   callers ──submit──▶ backlog ──▶ queue of tasks ──┬──▶ worker 1
//!      ▲                  ▲                          ├──▶ worker 2
//!      │                  │ room                     └──▶ worker 3 ✝
//!      │               manager ◀── queue of reports ◀──────┘  ▲
//!      └── sink of the job ┘ ▲                                │
//!                            └─ "ended" ◀─ watch threads ◀────┘ one waits for the end of each worker
//! ```
//!
//! The manager is one thread: whatever happens, happens in the order of the reports. A worker's end is
//! a report, too, behind all that the worker reported itself; so when it comes, its note tells
//! exactly which item died with it:
//!
//! | the note says | and | so |
//! | --- | --- | --- |
//! | nothing | | it had no task |
//! | a task | its delivery came to nothing, says the queue | it never ran: another gets it |
//! | item k of a task | k's result was reported, or is kept in the note | items from k + 1 on never ran: they become a task |
//! | item k of a task | k has no result | k died; the same for those behind it |

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::fmt;
use std::io;
use std::mem::take;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use ipc_queue::{ByteQueue, PutError, Words};
use process_basics::{Arguments, Listed, Process, frame};
use serde::Serialize;

use crate::claims::Claims;
use crate::error::{Error, TaskError};
use crate::manager::Manager;
use crate::message::{Items, Message, Progress, Report, Task};
pub use crate::result::decoded;
pub use crate::worker::text_of;
use crate::worker::{self, Note};

/// Places of the queue of tasks: enough for the workers not to wait for the manager between two short
/// tasks.
const PLACES: usize = 1024;

/// The most workers: so many processes can share a queue with its maker.
const MOST_PROCESSES: usize = 4094;

/// So many bytes of tasks are in the queue at most, unless each worker needs one. What waits
/// longer, waits in this process.
const BYTES: u64 = 32 << 20;

/// How long workers may take to end after SIGTERM before they are killed.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// What a job does with what comes of its items.
pub trait Sink: Send + Sync {
    /// Something came of this item: the bytes of its result, or an error. It is told once, but perhaps
    /// after the job was given up. True if the job has nothing left to wait for.
    ///
    /// The engine's own thread calls it, most often.
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool;

    /// Nothing will come of the items that are left.
    fn give_up(&self, error: &TaskError);

    /// The job was cancelled before anything of it began.
    fn cancelled(&self) {
        self.give_up(&TaskError::Terminated);
    }
}

/// How an engine is to be.
pub struct Settings {
    /// How many workers there are at most.
    pub processes: usize,
    /// After so many tasks a worker ends, and another takes its place.
    pub most_tasks: Option<u64>,
    /// What each worker does first.
    pub initializer: Option<Initializer>,
    /// Who its workers are.
    pub kind: Kind,
    /// Whether the first worker that dies breaks the whole engine, as in Python's executor.
    pub strict: bool,
}

/// Whose engine it is: Python's two differ in their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// All workers are started at once. They are daemons: they can't start processes, and are ended at
    /// the end of the program.
    Pool,
    /// A worker is started when there is a task for it. They may start processes, and the program waits,
    /// at its end, for what they have to do.
    Executor,
}

impl Kind {
    fn worker_name(self, number: usize) -> String {
        match self {
            Self::Pool => format!("PoolWorker-{number}"),
            Self::Executor => format!("ProcessPoolExecutor-{number}"),
        }
    }
}

/// The function that each worker calls first, and how its arguments are made ready for one more worker.
pub struct Initializer {
    function: Listed,
    pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
}

impl Initializer {
    /// This function with these arguments, in which queues and connections may be.
    ///
    /// # Errors
    /// If it isn't listed.
    pub fn new<A, R, F>(function: F, arguments: A) -> Result<Self, process_basics::Error>
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + 'static,
    {
        let pack = Box::new(move || Arguments::pack(&arguments));
        Ok(Self { function: Listed::of(&function)?, pack })
    }
}

/// The owner's handle. To drop it is to terminate the workers, unless it was [left](Self::leave).
pub struct Engine {
    shared: Arc<Shared>,
    manager: Option<JoinHandle<()>>,
    is_left: bool,
}

/// A hold on an engine that doesn't keep it alive.
#[derive(Clone)]
pub struct Link(Weak<Shared>);

pub(crate) struct Shared {
    pub tasks: ByteQueue,
    pub reports: ByteQueue,
    pub notes: Words,
    pub claims: Claims,
    pub settings: Mutex<Settings>,
    pub kind: Kind,
    pub strict: bool,
    state: Mutex<State>,
    /// Signalled when the manager has ended.
    pub ended: Condvar,
}

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

pub(crate) struct State {
    pub phase: Phase,
    pub jobs: HashMap<u64, Job>,
    next_job: u64,
    /// Tasks that are not in the queue yet, in their order.
    pub backlog: VecDeque<Waiting>,
    /// How many of them nobody wants any more.
    unwanted: usize,
    /// The latest task of each place of the queue: its position there, its job.
    queued: Vec<Option<(u64, u64)>>,
    /// Tasks, and their bytes, that are in the queue or run.
    outstanding: (usize, u64),
    pub places: Vec<Place>,
    started: usize,
    /// The manager's thread.
    manager: Option<ThreadId>,
    /// After that, workers that still live are killed.
    pub deadline: Option<Instant>,
}

pub(crate) struct Job {
    pub sink: Held,
    /// The thread that submits its items little by little, as results are taken.
    fed_by: Option<ThreadId>,
    /// Its tasks of several items, by their first: if a worker dies, the rest is still to do.
    pub chunks: BTreeMap<u64, Arc<[u8]>>,
    /// How many of its tasks are in the backlog.
    waiting: usize,
    /// How many places of the queue speak of it.
    queued: usize,
    /// Whether one that spoke of it has another task now: what was there has begun.
    has_begun: bool,
    /// Whether nothing of it is to begin any more.
    cancelled: bool,
}

/// A hold on a job's sink. The last one drops what has come, which may panic: that harms nobody here.
#[derive(Clone)]
pub(crate) struct Held(Option<Arc<dyn Sink>>);

impl Held {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.done(item, outcome))
    }

    fn cancelled(&self) {
        if let Some(sink) = &self.0 {
            sink.cancelled();
        }
    }

    fn give_up(&self, error: &TaskError) {
        if let Some(sink) = &self.0 {
            sink.give_up(error);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let sink = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(sink)));
    }
}

/// A task's message that waits for its turn.
pub(crate) enum Waiting {
    Item(Box<[u8]>),
    Chunk(Arc<[u8]>),
}

impl Deref for Waiting {
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
pub(crate) struct Place {
    pub worker: Option<Worker>,
    /// Whether one is being started just now, or the end of one is looked at: no other may be started
    /// here.
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

impl Engine {
    /// Starts it, and the workers of a pool.
    ///
    /// # Errors
    /// [`Error::NoProcesses`], [`Error::NoTasks`]; [`Error::Start`], [`Error::System`]: no worker is left
    /// then.
    pub fn start(settings: Settings) -> Result<Self, Error> {
        let processes = settings.processes;
        if processes == 0 {
            return Err(Error::NoProcesses);
        }
        if settings.most_tasks == Some(0) {
            return Err(Error::NoTasks);
        }
        if processes > MOST_PROCESSES {
            let reason = format!("a pool has at most {MOST_PROCESSES} workers, not {processes}");
            return Err(Error::System(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let system = |error| match error {
            ipc_queue::Error::System(error) => Error::System(error),
            other => Error::System(io::Error::other(other)),
        };
        let shared = Shared {
            tasks: ByteQueue::of_work(PLACES).map_err(system)?,
            reports: ByteQueue::bounded(PLACES).map_err(system)?,
            notes: Words::new(processes.saturating_mul(Note::WORDS)).map_err(Error::System)?,
            claims: Claims::new(PLACES).map_err(Error::System)?,
            kind: settings.kind,
            strict: settings.strict,
            settings: Mutex::new(settings),
            state: Mutex::new(State {
                phase: Phase::Open,
                jobs: HashMap::new(),
                next_job: 1,
                backlog: VecDeque::new(),
                unwanted: 0,
                queued: vec![None; PLACES],
                outstanding: (0, 0),
                places: (0..processes).map(|_| Place::default()).collect(),
                started: 0,
                manager: None,
                deadline: None,
            }),
            ended: Condvar::new(),
        };
        let mut engine = Self { shared: Arc::new(shared), manager: None, is_left: false };
        // An error drops the engine, which ends the workers that have been started.
        engine.shared.fill_places().map_err(Error::Start)?;
        let shared = Arc::clone(&engine.shared);
        let manager = thread::Builder::new().name(String::from("pool-manager"));
        let manager = manager.spawn(move || Manager::new(&shared).run()).map_err(Error::System)?;
        engine.shared.state().manager = Some(manager.thread().id());
        engine.manager = Some(manager);
        if engine.shared.kind == Kind::Executor {
            wait_at_exit(engine.link());
        }
        Ok(engine)
    }

    /// A hold on it that doesn't keep it alive.
    #[must_use]
    pub fn link(&self) -> Link {
        Link(Arc::downgrade(&self.shared))
    }

    /// A new job, whose items may be submitted: all now, or little by little by this thread.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Broken`].
    pub fn open_job(&self, sink: Arc<dyn Sink>, fed_by: Option<ThreadId>) -> Result<u64, Error> {
        let mut state = self.shared.state();
        state.check_open()?;
        let job = state.next_job;
        state.next_job += 1;
        let (sink, chunks) = (Held(Some(sink)), BTreeMap::new());
        let (waiting, queued, has_begun, cancelled) = (0, 0, false, false);
        let new = Job { sink, fed_by, chunks, waiting, queued, has_begun, cancelled };
        state.jobs.insert(job, new);
        Ok(job)
    }

    /// Gives these items to the workers as one task of the job. An item that can't be serialised is an
    /// error of its own, and the others go on without it.
    ///
    /// # Errors
    /// If there is no worker, and none can be started.
    pub fn submit_chunk<A: Serialize>(
        &self,
        job: u64,
        first: u64,
        function: Listed,
        items: &[A],
    ) -> Result<(), process_basics::Error> {
        Message::with(|message| {
            let (mut next, end) = (first, first + items.len() as u64);
            let mut task = Task { job, first, function };
            message.begin(task);
            for item in items {
                let pushed = message.push(item);
                next += 1;
                if let Err(error) = pushed {
                    let item = next - 1;
                    if item > task.first {
                        self.submit(job, task.first, item - task.first, message);
                    }
                    self.shared.done(job, [(item, Err(error))].into_iter());
                    task.first = next;
                    message.begin(task);
                }
            }
            if end > task.first {
                self.submit(job, task.first, end - task.first, message);
            }
        });
        self.shared.start_for_tasks()
    }

    /// Gives a task to the workers, when its turn comes. If the job is over by now, it does nothing.
    fn submit(&self, job: u64, first: u64, items: u64, message: &Message) {
        let message = message.bytes();
        let mut state = self.shared.state();
        let Some(open) = state.jobs.get_mut(&job) else { return };
        if items > 1 {
            let message: Arc<[u8]> = message.into();
            open.chunks.insert(first, Arc::clone(&message));
            state.wait_for_turn(job, Waiting::Chunk(message));
        } else if state.backlog.is_empty()
            && self.shared.put(&mut state, job, message).unwrap_or(false)
        {
            return;
        } else {
            state.wait_for_turn(job, Waiting::Item(message.into()));
        }
        self.shared.feed(state);
    }

    /// This job's items have all been submitted.
    pub fn all_submitted(&self, job: u64) {
        if let Some(job) = self.shared.state().jobs.get_mut(&job) {
            job.fed_by = None;
        }
    }

    /// This job is over: what has not begun of it is not done any more.
    pub fn close_job(&self, job: u64) {
        self.shared.close_job(job);
    }

    /// The process ids of the workers.
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        let state = self.shared.state();
        state.workers().filter_map(|worker| worker.process.pid()).collect()
    }

    /// Takes no more tasks; ends the workers when all are done.
    pub fn close(&self) {
        self.shared.close();
    }

    /// Ends the workers now. What has no result yet fails with [`TaskError::Terminated`].
    pub fn terminate(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.look();
    }

    /// The same by SIGKILL.
    pub fn kill(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.state().deadline = Some(Instant::now());
        self.shared.look();
    }

    /// Ends all jobs of which nothing has begun, nor will at once because a worker is free: nothing of
    /// them will.
    pub fn cancel_waiting(&self) {
        let shared = &self.shared;
        let mut state = shared.state();
        let queued = state.queued.iter().flatten().filter(|(_, job)| state.jobs.contains_key(job));
        let (begun, mut next): (Vec<_>, Vec<_>) =
            queued.partition(|(position, _)| shared.claims.has_begun(*position));
        next.sort_unstable();
        let mut go_on: HashSet<u64> = begun.iter().map(|(_, job)| *job).collect();
        go_on.extend(state.jobs.iter().filter(|(_, job)| job.has_begun).map(|(number, _)| number));
        let free = state.workers().count().saturating_sub(go_on.len());
        let (next, late) = next.split_at(free.min(next.len()));
        let late = late.iter().filter(|(position, _)| !shared.claims.cancel(*position));
        go_on.extend(next.iter().chain(late).map(|(_, job)| *job));
        let waiting: Vec<Job> =
            state.jobs.extract_if(|job, _| !go_on.contains(job)).map(|(_, job)| job).collect();
        state.forget_waiting(waiting.iter().map(|job| job.waiting).sum());
        drop(state);
        // Without our lock: they call their owners back.
        waiting.iter().for_each(|job| job.sink.cancelled());
        shared.look();
    }

    /// Waits until all workers have ended.
    ///
    /// # Errors
    /// [`Error::StillRunning`], [`Error::Unfinished`].
    pub fn join(&self) -> Result<(), Error> {
        self.shared.join()
    }

    /// Drops the handle and nothing else: what it has been given is done all the same.
    pub fn leave(mut self) {
        self.close();
        self.is_left = true;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_left {
            return;
        }
        self.terminate();
        let Some(manager) = self.manager.take() else {
            // It never came to that: an error while the workers were being started.
            Manager::new(&self.shared).run();
            return;
        };
        // A callback may hold the last handle.
        if manager.thread().id() != thread::current().id() {
            let _ = manager.join();
        }
    }
}

impl Link {
    /// Cancels a job: true if nothing of it has begun, and nothing will. It has still to be
    /// [closed](Engine::close_job).
    #[must_use]
    pub fn cancel(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.cancel(job))
    }

    /// Whether something of a job has begun.
    #[must_use]
    pub fn has_begun(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|shared| {
            let state = shared.state();
            state.jobs.get(&job).is_some_and(|job| job.has_begun)
                || state.queued_of(job).any(|position| shared.claims.has_begun(position))
        })
    }

    /// As [`Engine::close_job`].
    pub fn close_job(&self, job: u64) {
        if let Some(shared) = self.0.upgrade() {
            shared.close_job(job);
        }
    }

    /// Whether this is the engine's own thread, which brings the results: it can't wait for one.
    #[must_use]
    pub fn is_manager(&self) -> bool {
        let me = Some(thread::current().id());
        self.0.upgrade().is_some_and(|shared| shared.state().manager == me)
    }

    /// At the end of the program: waits until all is done that was submitted.
    fn finish(&self) {
        if let Some(shared) = self.0.upgrade() {
            shared.close();
            let _ = shared.join();
        }
    }
}

/// The engines for which the program waits at its end.
static AWAITED: Mutex<Vec<Link>> = Mutex::new(Vec::new());

/// Sees to it that the program waits for this engine.
fn wait_at_exit(link: Link) {
    static ONCE: Once = Once::new();
    let awaited = || AWAITED.lock().unwrap_or_else(PoisonError::into_inner);
    let mut links = awaited();
    links.retain(|link| link.0.strong_count() > 0);
    links.push(link);
    drop(links);
    ONCE.call_once(|| {
        process_basics::at_exit(move || {
            let links = take(&mut *awaited());
            links.iter().for_each(Link::finish);
        });
    });
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Ending(TaskError::Broken(reason))
            | Phase::Ended(Some(TaskError::Broken(reason))) => Err(Error::Broken(reason.clone())),
            _ => Err(Error::NotRunning),
        }
    }

    /// Where the tasks of a job are, or were, in the queue.
    fn queued_of(&self, job: u64) -> impl Iterator<Item = u64> {
        let count = self.jobs.get(&job).map_or(0, |job| job.queued);
        let of_job = self.queued.iter().flatten().filter(move |(_, queued)| *queued == job);
        of_job.map(|(position, _)| *position).take(count)
    }

    /// Tasks that have not ended.
    fn unfinished(&self) -> usize {
        self.outstanding.0 + self.backlog.len() - self.unwanted
    }

    /// A place that a worker should be in, and is not.
    fn place_to_fill(&self, kind: Kind) -> Option<usize> {
        let goes_on = match self.phase {
            Phase::Open => true,
            Phase::Closed => !self.is_idle(),
            Phase::Ending(_) | Phase::Ended(_) => false,
        };
        let is_empty = |place: &Place| place.worker.is_none() && !place.busy;
        let enough = || match kind {
            Kind::Pool => false,
            Kind::Executor => {
                let there = self.places.iter().filter(|place| !is_empty(place)).count();
                there >= self.unfinished()
            }
        };
        if !goes_on || enough() { None } else { self.places.iter().position(is_empty) }
    }

    /// A task of this job waits for its turn: as the last, or as the first.
    fn wait_for_turn(&mut self, job: u64, message: Waiting) {
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
            self.backlog.push_front(Waiting::Chunk(rest));
        }
    }

    /// Nobody wants so many of those that wait. They are taken out when they are half of all: so each
    /// costs the same, however many there are.
    fn forget_waiting(&mut self, unwanted: usize) {
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

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.places.iter().filter_map(|place| place.worker.as_ref())
    }

    /// Whether a worker is there, or is being started.
    pub(crate) fn has_workers(&self) -> bool {
        self.places.iter().any(|place| place.worker.is_some() || place.busy)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.unfinished() == 0
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the manager that there may be something to do.
    fn look(&self) {
        // If there is no room, it has something to do anyway.
        let _ = self.reports.try_put(&Report::Look.alone());
    }

    /// Puts a task into the queue; says whether there was room.
    fn put(&self, state: &mut State, job: u64, message: &[u8]) -> Result<bool, TaskError> {
        let (tasks, bytes) = state.outstanding;
        let length = message.len() as u64;
        if tasks > state.places.len() && bytes + length > BYTES {
            return Ok(false);
        }
        match self.tasks.try_put(message) {
            Ok(position) => {
                state.outstanding = (tasks + 1, bytes + length);
                let place = &mut state.queued[(position % PLACES as u64) as usize];
                if let Some((_, before)) = place.replace((position, job))
                    && let Some(before) = state.jobs.get_mut(&before)
                {
                    before.queued -= 1;
                    before.has_begun = true;
                }
                if let Some(job) = state.jobs.get_mut(&job) {
                    job.queued += 1;
                }
                Ok(true)
            }
            Err(PutError::Full(()) | PutError::Disconnected(())) => Ok(false),
            Err(error) => Err(TaskError::ArgumentsNotSent(error.to_string())),
        }
    }

    /// Puts tasks into the queue as long as there is room.
    pub(crate) fn feed(&self, mut state: MutexGuard<'_, State>) {
        let mut refused = Vec::new();
        while let Some(message) = state.backlog.pop_front() {
            let number = Items::of(&message).map_or(0, |(task, _)| task.job);
            let Some(job) = state.jobs.get_mut(&number) else {
                state.unwanted = state.unwanted.saturating_sub(1);
                continue;
            };
            job.waiting -= 1;
            if job.cancelled {
                continue;
            }
            match self.put(&mut state, number, &message) {
                Ok(true) => {}
                Ok(false) => {
                    state.backlog.push_front(message);
                    if let Some(job) = state.jobs.get_mut(&number) {
                        job.waiting += 1;
                    }
                    break;
                }
                Err(error) => refused.push((message, error)),
            }
        }
        drop(state);
        for (message, error) in refused {
            let Some((task, items)) = Items::of(&message) else { continue };
            let items = items.numbered(task.first);
            self.done(task.job, items.map(|(item, _)| (item, Err(error.clone()))));
        }
    }

    fn close(&self) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.look();
    }

    fn join(&self) -> Result<(), Error> {
        let mut state = self.state();
        if state.phase == Phase::Open {
            return Err(Error::StillRunning);
        }
        let me = Some(thread::current().id());
        if state.jobs.values().any(|job| job.fed_by == me) {
            return Err(Error::Unfinished);
        }
        while !matches!(state.phase, Phase::Ended(_)) {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    /// Sees to it that nothing of this job begins; false if something has.
    fn cancel(&self, job: u64) -> bool {
        let mut state = self.state();
        if state.jobs.get(&job).is_none_or(|job| job.has_begun) {
            return false;
        }
        let queued = state.queued_of(job).collect::<Vec<_>>();
        // A job that can be cancelled has one task: it is in the queue, or it waits.
        if queued.iter().any(|position| !self.claims.cancel(*position)) {
            return false;
        }
        if let Some(job) = state.jobs.get_mut(&job) {
            job.cancelled = true;
        }
        true
    }

    fn close_job(&self, job: u64) {
        let mut state = self.state();
        for position in state.queued_of(job) {
            let _ = self.claims.cancel(position);
        }
        let over = state.jobs.remove(&job);
        state.forget_waiting(over.as_ref().map_or(0, |job| job.waiting));
        let is_open = state.phase == Phase::Open;
        drop(state);
        // Without our lock: to drop what nobody wants may call the owner back.
        drop(over);
        if !is_open {
            // It may have been the last.
            self.look();
        }
    }

    /// Starts workers as long as too few are there.
    ///
    /// # Errors
    /// If one can't be started.
    pub(crate) fn fill_places(&self) -> Result<(), process_basics::Error> {
        loop {
            let place = {
                let mut state = self.state();
                let Some(place) = state.place_to_fill(self.kind) else { return Ok(()) };
                state.places[place].busy = true;
                place
            };
            let started = self.start_worker(place);
            let mut state = self.state();
            state.places[place].busy = false;
            let is_open = state.phase == Phase::Open;
            drop(state);
            if !is_open {
                // Nobody ends as long as one is being started.
                self.look();
            }
            started?;
        }
    }

    /// A worker for the tasks of an executor, if those that are there have enough to do.
    fn start_for_tasks(&self) -> Result<(), process_basics::Error> {
        match self.kind {
            Kind::Pool => Ok(()),
            Kind::Executor => match self.fill_places() {
                Err(error) if !self.state().has_workers() => Err(error),
                // Fewer will do; the manager tries it again.
                _ => Ok(()),
            },
        }
    }

    /// Something came of these items.
    pub(crate) fn done<'r>(
        &self,
        job: u64,
        outcomes: impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)>,
    ) {
        let sink = self.state().jobs.get(&job).map(|job| job.sink.clone());
        let Some(sink) = sink else { return };
        let mut over = false;
        for (item, outcome) in outcomes {
            // Without our lock: the sink may call the owner back, who may submit more.
            over = sink.done(item, outcome);
        }
        if over {
            self.forget(job);
        }
    }

    /// This job is over.
    fn forget(&self, job: u64) {
        let over = self.state().jobs.remove(&job);
        // Without our lock: to drop what nobody wants may call the owner back.
        drop(over);
    }

    /// Starts a worker in this place, where none is.
    fn start_worker(&self, place: usize) -> Result<(), process_basics::Error> {
        let number = {
            let mut state = self.state();
            state.started += 1;
            state.started
        };
        let name = self.kind.worker_name(number);
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let initializer = match &settings.initializer {
            Some(Initializer { function, pack }) => {
                let failed =
                    |reason| process_basics::Error::Arguments { name: name.clone(), reason };
                // In the manager's thread, too, for the worker that takes the place of another.
                let packed = catch_unwind(AssertUnwindSafe(pack)).unwrap_or_else(|_| {
                    let reason = String::from("their serialisation panicked");
                    Err(frame::Error::Encode { type_name: "initializer's arguments", reason })
                });
                Some((*function, packed.map_err(failed)?))
            }
            None => None,
        };
        let start = worker::Start {
            place,
            tasks: self.tasks.clone(),
            reports: self.reports.clone(),
            notes: self.notes.clone(),
            claims: self.claims.clone(),
            initializer,
            most_tasks: settings.most_tasks.unwrap_or(u64::MAX),
        };
        drop(settings);
        let daemonic = self.kind == Kind::Pool;
        let mut process = Process::new(worker::work, start).named(name.clone()).daemonic(daemonic);
        process.start()?;
        let process = Arc::new(process);
        let watch = {
            let (process, reports) = (Arc::clone(&process), self.reports.clone());
            move || {
                // How it ended, the manager asks the process.
                let _ = process.join();
                let _ = reports.put(&Report::Ended { worker: place }.alone());
            }
        };
        let watch = match thread::Builder::new().name(format!("watch {name}")).spawn(watch) {
            Ok(watch) => watch,
            Err(reason) => {
                let _ = process.kill();
                let _ = process.join();
                return Err(process_basics::Error::Start { name, reason });
            }
        };
        let mut state = self.state();
        if matches!(state.phase, Phase::Ending(_)) {
            // All others were told while this one began.
            let _ = process.terminate();
        }
        state.places[place].worker =
            Some(Worker { process, watch, ready: false, told: false, latest: None });
        Ok(())
    }

    /// Ends the workers now, for this reason; nothing more will come of what is left to do.
    pub(crate) fn end(&self, reason: TaskError) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Ending(_) | Phase::Ended(_)) {
            return;
        }
        state.phase = Phase::Ending(reason.clone());
        state.deadline = Some(Instant::now() + GRACE);
        state.backlog.clear();
        state.unwanted = 0;
        let jobs = take(&mut state.jobs);
        for worker in state.workers() {
            let _ = worker.process.terminate();
        }
        drop(state);
        for job in jobs.into_values() {
            job.sink.give_up(&reason);
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        write!(f, "{} workers, {:?}", state.workers().count(), state.phase)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a link to an engine")
    }
}
