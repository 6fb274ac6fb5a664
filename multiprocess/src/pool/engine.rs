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
//! Users meet it as [`Pool`](crate::pool::Pool) and as the executor of processes of the crate
//! `executors`.
//!
//! The manager is one thread: whatever happens, happens in the order of the reports. A worker's end
//! is a report, too, behind all that the worker reported itself; so when it comes, its note tells
//! exactly which item died with it:
//!
//! | the note says | and | so |
//! | --- | --- | --- |
//! | nothing | | it had no task |
//! | a task | its delivery came to nothing, says the queue | it never ran: another gets it |
//! | item k of a task | k's result was reported, or is kept in the note | items from k + 1 on never ran: they become a task |
//! | item k of a task | k has no result | k died; the same for those behind it |

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::fmt;
use std::io;
use std::mem::take;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use crate::process::Listed;
use crate::queue::{ByteQueue, Words};
use serde::Serialize;

use crate::future::TaskError;
use crate::future::at_exit::{Awaited, wait_at_exit};
use crate::pool::claims::Claims;
use crate::pool::error::Error;
use crate::pool::jobs::{Held, Job, Waiting};
use crate::pool::manager::Manager;
use crate::pool::message::{Message, Report, Task};
use crate::pool::note::Note;
use crate::pool::places::Place;
pub(super) use crate::pool::settings::{Initializer, Kind, Settings};
pub(super) use crate::pool::sinks::decoded;
use crate::pool::state::{Phase, State};

/// Places of the queue of tasks: enough for the workers not to wait for the manager between two
/// short tasks.
pub(crate) const PLACES: usize = 1024;

/// The most workers: so many processes can share a queue with its maker.
const MOST_PROCESSES: usize = 4094;

/// How long workers may take to end after SIGTERM before they are killed.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// Bytes of the manager's stack: as many as the first thread of a program has, for the manager
/// deserialises what a worker's first thread has serialised.
const STACK: usize = 8 << 20;

/// What a job does with what comes of its items.
pub(crate) trait Sink: Send + Sync {
    /// Something came of this item: the bytes of its result, or an error. It is told once, but
    /// perhaps after the job was given up. True if the job has nothing left to wait for.
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

/// The owner's handle. To drop it is to terminate the workers, unless it was [left](Self::leave).
pub(crate) struct Engine {
    shared: Arc<Shared>,
    manager: Option<JoinHandle<()>>,
    is_left: bool,
}

/// A hold on an engine that doesn't keep it alive.
#[derive(Clone)]
pub(crate) struct Link(Weak<Shared>);

/// What the owner's handle, its links and the manager hold together.
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

impl Engine {
    /// Starts it, and the workers of a pool.
    ///
    /// # Errors
    /// [`Error::NoProcesses`], [`Error::NoTasks`]; [`Error::Start`], [`Error::System`]: no worker
    /// is left then.
    pub(crate) fn start(settings: Settings) -> Result<Self, Error> {
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
            crate::queue::Error::System(error) => Error::System(error),
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
                jobs: BTreeMap::new(),
                next_job: 1,
                backlog: VecDeque::new(),
                unwanted: 0,
                queued: vec![None; PLACES],
                outstanding: (0, 0),
                places: (0..processes).map(|_| Place::default()).collect(),
                started: 0,
                manager: None,
                bringers: Vec::new(),
                deadline: None,
            }),
            ended: Condvar::new(),
        };
        let mut engine = Self { shared: Arc::new(shared), manager: None, is_left: false };
        // An error drops the engine, which ends the workers that have been started.
        engine.shared.fill_places().map_err(Error::Start)?;
        let shared = Arc::clone(&engine.shared);
        let mut manager = thread::Builder::new().name(String::from("pool-manager"));
        // Else the user has said how much it is to be.
        if env::var_os("RUST_MIN_STACK").is_none() {
            manager = manager.stack_size(STACK);
        }
        let manager = manager.spawn(move || Manager::new(&shared).run()).map_err(Error::System)?;
        engine.shared.state().manager = Some(manager.thread().id());
        engine.manager = Some(manager);
        if engine.shared.kind == Kind::Executor {
            let engine = Arc::downgrade(&engine.shared);
            wait_at_exit(engine);
        }
        Ok(engine)
    }

    /// A hold on it that doesn't keep it alive.
    #[must_use]
    pub(crate) fn link(&self) -> Link {
        Link(Arc::downgrade(&self.shared))
    }

    /// A new job, whose items may be submitted: all now, or little by little by this thread.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Broken`].
    pub(crate) fn open_job(
        &self,
        sink: Arc<dyn Sink>,
        fed_by: Option<ThreadId>,
    ) -> Result<u64, Error> {
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

    /// Gives these items to the workers as one task of the job. An item that can't be serialised is
    /// an error of its own, and the others go on without it.
    ///
    /// # Errors
    /// If there is no worker, and none can be started.
    pub(crate) fn submit_chunk<A: Serialize>(
        &self,
        job: u64,
        first: u64,
        function: Listed,
        items: &[A],
    ) -> Result<(), crate::process::Error> {
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

    /// Gives a task to the workers, when its turn comes. If the job is over by now, it does
    /// nothing.
    fn submit(&self, job: u64, first: u64, items: u64, message: &Message) {
        let message = message.bytes();
        let mut state = self.shared.state();
        let Some(open) = state.jobs.get_mut(&job) else { return };
        if items > 1 {
            let message: Arc<[u8]> = message.into();
            open.chunks.insert(first, Arc::clone(&message));
            state.wait_for_turn(job, Waiting::Chunk(message));
        } else if state.backlog.is_empty()
            && state.has_room(message.len())
            && self.shared.put(&mut state, job, message).unwrap_or(false)
        {
            return;
        } else {
            state.wait_for_turn(job, Waiting::Item(message.into()));
        }
        self.shared.feed(state);
    }

    /// This job's items have all been submitted.
    pub(crate) fn all_submitted(&self, job: u64) {
        if let Some(job) = self.shared.state().jobs.get_mut(&job) {
            job.fed_by = None;
        }
    }

    /// This job is over: what has not begun of it is not done any more.
    pub(crate) fn close_job(&self, job: u64) {
        self.shared.close_job(job);
    }

    /// Whether the calling thread brings results just now, so that it can't wait for one: see
    /// [`Link::is_manager`].
    #[must_use]
    pub(crate) fn is_manager(&self) -> bool {
        self.shared.brings_results()
    }

    /// The process ids of the workers.
    #[must_use]
    pub(crate) fn worker_pids(&self) -> Vec<u32> {
        let state = self.shared.state();
        state.workers().filter_map(|worker| worker.process.pid()).collect()
    }

    /// Takes no more tasks; ends the workers when all are done.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Ends the workers now. What has no result yet fails with [`TaskError::Terminated`].
    pub(crate) fn terminate(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.look();
    }

    /// The same by SIGKILL.
    pub(crate) fn kill(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.state().deadline = Some(Instant::now());
        self.shared.look();
    }

    /// Ends all jobs of which nothing has begun, nor will at once because a worker is free: nothing
    /// of them will.
    pub(crate) fn cancel_waiting(&self) {
        self.shared.cancel_waiting();
    }

    /// Waits until all workers have ended.
    ///
    /// # Errors
    /// [`Error::Deadlock`], [`Error::StillRunning`], [`Error::Unfinished`].
    pub(crate) fn join(&self) -> Result<(), Error> {
        self.shared.join()
    }

    /// Drops the handle and nothing else: what it has been given is done all the same.
    pub(crate) fn leave(mut self) {
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
    pub(crate) fn cancel(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.cancel(job))
    }

    /// Whether something of a job has begun.
    #[must_use]
    pub(crate) fn has_begun(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|shared| {
            let state = shared.state();
            state.jobs.get(&job).is_some_and(|job| job.has_begun)
                || state.queued_of(job).any(|position| shared.claims.has_begun(position))
        })
    }

    /// As [`Engine::close_job`].
    pub(crate) fn close_job(&self, job: u64) {
        if let Some(shared) = self.0.upgrade() {
            shared.close_job(job);
        }
    }

    /// Whether the calling thread brings results just now, so that it can't wait for one: it is the
    /// engine's own, or one that tells all jobs of the engine's end.
    #[must_use]
    pub(crate) fn is_manager(&self) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.brings_results())
    }
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn brings_results(&self) -> bool {
        let (me, state) = (thread::current().id(), self.state());
        state.manager == Some(me) || state.bringers.contains(&me)
    }

    /// Tells the manager that there may be something to do.
    pub(crate) fn look(&self) {
        // If there is no room, it has something to do anyway.
        let _ = self.reports.try_put(&Report::Look.alone());
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
        let me = Some(thread::current().id());
        if state.manager == me {
            return Err(Error::Deadlock);
        }
        if state.phase == Phase::Open {
            return Err(Error::StillRunning);
        }
        if state.jobs.values().any(|job| job.fed_by == me) {
            return Err(Error::Unfinished);
        }
        while !matches!(state.phase, Phase::Ended(_)) {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
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
        self.tell_all(jobs, |sink| sink.give_up(&reason));
    }
}

impl Awaited for Shared {
    fn finish(&self) {
        self.close();
        let _ = self.join();
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
