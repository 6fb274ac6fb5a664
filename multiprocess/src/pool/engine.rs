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
//! is a report, too, behind all that the worker reported itself; so when it comes, its record tells
//! exactly which item died with it:
//!
//! | the record says | and | so |
//! | --- | --- | --- |
//! | nothing | | it had no task |
//! | a task | its delivery came to nothing, says the queue | it never ran: another gets it |
//! | item k of a task | k's result was reported, or is kept in the record | items from k + 1 on never ran: they become a task |
//! | item k of a task | k has no result | k died; the same for those behind it |

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
use crate::pool::sink::{Held, Sink};
use crate::pool::starts::{fill_slots, start_for_tasks};
use crate::pool::state::{CAPACITY, Job, PendingTask, State};
use crate::process::Listed;
use crate::queue::{ByteQueue, Words};

/// The most workers: so many processes can share a queue with its maker.
const MOST_PROCESSES: usize = 4094;

/// Bytes of the manager's stack: as many as the first thread of a program has, for the manager
/// deserialises what a worker's first thread has serialised.
const STACK: usize = 8 << 20;

/// The owner's handle. To drop it is to terminate the workers, unless it was [left](Self::leave).
pub(crate) struct Engine {
    shared: Arc<Shared>,
    manager: Option<JoinHandle<()>>,
    is_left: bool,
}

/// A hold on an engine that doesn't keep it alive.
#[derive(Clone)]
pub(crate) struct Link(Weak<Shared>);

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
            tasks: ByteQueue::of_work(CAPACITY).map_err(system)?,
            reports: ByteQueue::bounded(CAPACITY).map_err(system)?,
            intents: Words::new(processes.saturating_mul(IntentRecord::WORDS))
                .map_err(Error::System)?,
            claims: Claims::new(CAPACITY).map_err(Error::System)?,
            kind: settings.kind,
            strict: settings.strict,
            settings: Mutex::new(settings),
            state: Mutex::new(State::new(processes)),
            ended: Condvar::new(),
        };
        let mut engine = Self { shared: Arc::new(shared), manager: None, is_left: false };
        // An error drops the engine, which ends the workers that have been started.
        fill_slots(&engine.shared).map_err(Error::Start)?;
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
        state.jobs.insert(job, Job::new(Held(Some(sink)), fed_by));
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
        start_for_tasks(&self.shared)
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
        self.shared.is_notifying()
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
