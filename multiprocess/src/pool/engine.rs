//! The engine of a pool: its workers, the tasks they get, the results they report, and recovery
//! when they die.
//!
//! ```text
//!   callers ──submit──▶ backlog ──▶ queue of tasks ──┬──▶ worker 1
//!      ▲                  ▲                          ├──▶ worker 2
//!      │                  │ room                     └──▶ worker 3 ✝
//!      │               manager ◀── queue of reports ◀──────┘  ▲
//!      └── sink of the job ┘ ▲                                │
//!                            └─ "ended" ◀─ watch threads ◀────┘ one joins each worker
//! ```
//!
//! [`Pool`](crate::pool::Pool) and [`ProcessPoolExecutor`](crate::pool::ProcessPoolExecutor) are
//! built on it.
//!
//! The manager is one thread, so all events are handled in the order of the reports. A worker's end
//! is a report, too, behind everything that the worker reported itself. So when it arrives, the
//! worker's intent record tells exactly which item died with it:
//!
//! | intent record | and | conclusion |
//! | --- | --- | --- |
//! | none | | the worker had no task |
//! | a task | the queue gave its delivery back | it never ran: another worker gets it |
//! | item k of a task | k has a result, reported or kept | items from k + 1 on become a task |
//! | item k of a task | k has no result | k died; the items behind it, as above |
//!
//! Python's pool waits for ever for what a killed worker had in its hands, because nothing says
//! what that was. A task whose worker died between its intent record and the start of the task
//! counts as lost, too: the two can't be told apart.
//!
//! Only the pool repairs its queue of tasks, so it is told which deliveries came to nothing. Each
//! delivery has a number of its own, also the second one of the same task: otherwise a task that
//! was once given back, and then lost, would be taken for given back again.

use std::env;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Instant;

use serde::Serialize;

use crate::future::TaskError;
use crate::future::at_exit::wait_at_exit;
use crate::pool::claims::Claims;
use crate::pool::error::Error;
use crate::pool::intent::IntentRecord;
use crate::pool::manager::Manager;
use crate::pool::message::{Message, Task};
use crate::pool::settings::{Kind, Settings};
use crate::pool::shared::Shared;
use crate::pool::sink::{GuardedSink, Sink};
use crate::pool::starts::{fill_slots, start_for_tasks};
use crate::pool::state::{CAPACITY, Job, PendingTask, State};
use crate::process::FunctionId;
use crate::queue::{ByteQueue, Words};

/// Maximum number of workers: this many processes can share a queue with its maker.
const MAX_PROCESSES: usize = 4094;

/// Size of the manager's stack in bytes: that of a program's main thread, because the manager
/// deserialises what a worker's main thread has serialised.
const STACK: usize = 8 << 20;

/// The owner's handle to an engine. Dropping it terminates the workers, unless it was
/// [detached](Self::detach).
pub(crate) struct Engine {
    shared: Arc<Shared>,
    manager: Option<JoinHandle<()>>,
    is_detached: bool,
}

/// A weak handle to an engine, which does not keep it alive.
#[derive(Clone)]
pub(crate) struct Link(Weak<Shared>);

impl Engine {
    /// Starts the manager, and all workers if the engine is a pool's.
    ///
    /// # Errors
    /// [`Error::NoProcesses`], [`Error::NoTasks`]; [`Error::Start`], [`Error::System`]: no worker
    /// is left then.
    pub(crate) fn start(settings: Settings) -> Result<Self, Error> {
        let processes = settings.processes;
        if processes == 0 {
            return Err(Error::NoProcesses);
        }
        if settings.max_tasks == Some(0) {
            return Err(Error::NoTasks);
        }
        if processes > MAX_PROCESSES {
            let reason = format!("a pool has at most {MAX_PROCESSES} workers, not {processes}");
            return Err(Error::System(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let system = |error| match error {
            crate::queue::Error::System(error) => Error::System(error),
            other => Error::System(io::Error::other(other)),
        };
        let shared = Shared {
            tasks: ByteQueue::of_work(CAPACITY).map_err(system)?.watched(),
            reports: ByteQueue::bounded(CAPACITY).map_err(system)?.watched(),
            intents: Words::new(processes.saturating_mul(IntentRecord::WORDS))
                .map_err(Error::System)?,
            claims: Claims::new(CAPACITY).map_err(Error::System)?,
            kind: settings.kind,
            strict: settings.strict,
            settings: Mutex::new(settings),
            state: Mutex::new(State::new(processes)),
            ended: Condvar::new(),
        };
        let mut engine = Self { shared: Arc::new(shared), manager: None, is_detached: false };
        // An error drops the engine, which ends the workers that have been started.
        fill_slots(&engine.shared).map_err(Error::Start)?;
        let shared = Arc::clone(&engine.shared);
        let mut manager = thread::Builder::new().name(String::from("pool-manager"));
        // Otherwise the user has set the size.
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

    /// Returns a weak handle.
    #[must_use]
    pub(crate) fn link(&self) -> Link {
        Link(Arc::downgrade(&self.shared))
    }

    /// Opens a job, whose items may be submitted: all now, or little by little by the thread
    /// `fed_by`.
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
        state.jobs.insert(job, Job::new(GuardedSink(Some(sink)), fed_by));
        Ok(job)
    }

    /// Submits these items as one task of the job. An item that can't be serialised ends in an
    /// error of its own; the others go on without it.
    ///
    /// # Errors
    /// If there is no worker, and none can be started.
    pub(crate) fn submit_chunk<A: Serialize>(
        &self,
        job: u64,
        first: u64,
        function: FunctionId,
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
        start_for_tasks(&self.shared)
    }

    /// Submits a task to the workers, behind those in the backlog. If the job is over, does
    /// nothing.
    fn submit(&self, job: u64, first: u64, items: u64, message: &Message) {
        let message = message.bytes();
        let mut state = self.shared.state();
        let Some(open) = state.jobs.get_mut(&job) else { return };
        if items > 1 {
            let message: Arc<[u8]> = message.into();
            open.chunks.get_or_insert_default().insert(first, Arc::clone(&message));
            state.wait_for_turn(job, PendingTask::Chunk(message));
        } else if state.backlog.is_empty()
            && state.has_room(message.len())
            && self.shared.put(&mut state, job, message).unwrap_or(false)
        {
            return;
        } else {
            state.wait_for_turn(job, PendingTask::Item(message.into()));
        }
        self.shared.feed(state);
    }

    /// Marks the job's items as all submitted.
    pub(crate) fn all_submitted(&self, job: u64) {
        if let Some(job) = self.shared.state().jobs.get_mut(&job) {
            job.fed_by = None;
        }
    }

    /// Closes this job: none of its tasks starts any more.
    pub(crate) fn close_job(&self, job: u64) {
        self.shared.close_job(job);
    }

    /// Returns true if the calling thread is delivering results, so that it can't wait for one: see
    /// [`Link::is_notifying`].
    #[must_use]
    pub(crate) fn is_notifying(&self) -> bool {
        self.shared.is_notifying()
    }

    /// Returns the workers' process ids.
    #[must_use]
    pub(crate) fn worker_pids(&self) -> Vec<u32> {
        let state = self.shared.state();
        state.workers().filter_map(|worker| worker.process.pid()).collect()
    }

    /// Takes no more tasks; ends the workers when all tasks are done.
    pub(crate) fn close(&self) {
        self.shared.close();
    }

    /// Ends the workers now, by SIGTERM. Tasks without a result fail with
    /// [`TaskError::Terminated`].
    pub(crate) fn terminate(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.wake_manager();
    }

    /// Ends the workers now, by SIGKILL; otherwise as [`terminate`](Self::terminate).
    pub(crate) fn kill(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.state().deadline = Some(Instant::now());
        self.shared.wake_manager();
    }

    /// Cancels all jobs that have not started, except those that a free worker is about to take.
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

    /// Closes the engine and drops this handle without ending the workers: submitted tasks are
    /// still done.
    pub(crate) fn detach(mut self) {
        self.close();
        self.is_detached = true;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.is_detached {
            return;
        }
        self.terminate();
        let Some(manager) = self.manager.take() else {
            // Starting the workers failed before the manager's thread was.
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
    /// Cancels a job; returns true if none of its items has started or will. The job has still to
    /// be [closed](Engine::close_job).
    #[must_use]
    pub(crate) fn cancel(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.cancel(job))
    }

    /// Returns true if an item of the job has started.
    #[must_use]
    pub(crate) fn has_begun(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|shared| {
            let state = shared.state();
            state.jobs.get(&job).is_some_and(|job| job.has_begun)
                || state.queued_of(job).any(|position| shared.claims.has_begun(position))
        })
    }

    /// Closes a job, as [`Engine::close_job`] does.
    pub(crate) fn close_job(&self, job: u64) {
        if let Some(shared) = self.0.upgrade() {
            shared.close_job(job);
        }
    }

    /// Returns true if the calling thread is delivering results, so that it can't wait for one: it
    /// is the manager, or a thread that tells all jobs of the engine's end.
    #[must_use]
    pub(crate) fn is_notifying(&self) -> bool {
        self.0.upgrade().is_some_and(|shared| shared.is_notifying())
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
