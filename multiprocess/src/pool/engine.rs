//! The engine of a pool: its workers, the tasks they get, the results they report, and recovery
//! when they die.
//!
//! ```text
//!   callers ──submit──▶ ledger ──feed──▶ queue of tasks ──┬──▶ worker 1
//!      ▲                 ▲  ▲                             ├──▶ worker 2
//!      │                 │  │                             └──▶ worker 3 ✝
//!      │               manager ◀──── queue of reports ◀────────┘  ▲
//!      └── sink of the job ┘ ▲                                    │
//!                            └─── "ended" ◀─── watch threads ◀────┘ one joins each worker
//! ```
//!
//! [`Pool`](crate::pool::Pool) and [`ProcessPoolExecutor`](crate::pool::ProcessPoolExecutor) are
//! built on it.
//!
//! The [ledger](Ledger) decides what happens to jobs and tasks. The engine asks it under its lock,
//! and carries the answers to queues, sinks and processes. The manager does the same; it is one
//! thread, so reports and deaths are handled in the order of the reports. Waiting tasks lie in the
//! owner's ordinary memory, and need no descriptor; the queue takes 1024 tasks at most, and 32 MiB
//! once there are more tasks than workers.
//!
//! Waking a thread takes longer than a short task. So a thread that waits for the only open job
//! looks for the report itself for a while, and the manager sleeps on. The thread handles only the
//! report of that job, if the result is short; it deserialises the result, but runs no callback and
//! wakes no task, because it may hold locks that these take. All else it leaves to the manager.
//!
//! # Locking
//! No callback, destructor of a user's value or sink runs under the lock of [`State`]: each of them
//! may call back into the engine. The manager holds `taking` while they run: so a thread that waits
//! for a result only tries to lock it. `left` and the state are locked for moments.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::future::TaskError;
use crate::future::at_exit::Awaited;
use crate::future::panics::caught;
use crate::pool::claims::Claims;
use crate::pool::error::Error;
use crate::pool::ledger::{Jobs, Ledger, Phase, Refused};
use crate::pool::message::{GuardedSink, Items, Message, Report, Sink, Task};
use crate::pool::settings::{Initializer, Kind, Settings};
use crate::pool::slots::{Slots, Worker, start_process};
use crate::pool::worker;
use crate::pool::worker::IntentRecord;
use crate::process::{FunctionId, cpu_count};
use crate::queue::{ByteQueue, PutError, Words};

/// Maximum number of workers: this many processes can share a queue with its maker.
const MAX_PROCESSES: usize = 4094;

/// Capacity of the queue of tasks: enough that workers need not wait for the manager between two
/// short tasks.
const CAPACITY: usize = 1024;

/// Longest result in bytes that a thread that waits for it deserialises: its stack may be too small
/// for long ones, which may be nested deeply.
const SHORT: usize = 256;

/// Time between SIGTERM and SIGKILL for workers that do not end.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// The queues, the shared memory and the state of an engine, held by its owner, its links and the
/// manager.
pub(crate) struct Engine {
    pub tasks: ByteQueue,
    pub reports: ByteQueue,
    pub intents: Words,
    pub claims: Claims,
    pub kind: Kind,
    pub strict: bool,
    /// Maximum number of workers.
    pub processes: usize,
    max_tasks: u64,
    initializer: Mutex<Option<Initializer>>,
    /// Locked by who takes reports, until the ledger has noted them or they are left: so each
    /// worker's are noted in their order. The manager holds it until it has handled what it took,
    /// up to 32 reports.
    taking: Mutex<()>,
    /// Reports that a waiting thread has left to the manager, which come before those in the queue.
    left: Mutex<VecDeque<Left>>,
    state: Mutex<State>,
    /// Signalled when the manager has ended.
    ended: Condvar,
}

/// A report that a thread that waits for a result has taken, and left to the manager.
pub(crate) struct Left {
    pub message: Vec<u8>,
    /// The job's sink, if the ledger has noted the report already.
    pub sink: Option<GuardedSink>,
}

/// Everything that callers and the manager change, under the engine's lock.
pub(crate) struct State {
    pub ledger: Ledger<GuardedSink>,
    pub slots: Slots,
    /// The manager's thread.
    pub manager: Option<ThreadId>,
    /// Other threads that are just now telling jobs of their end.
    notifiers: Vec<ThreadId>,
    /// Time after which workers that are still alive are killed.
    pub deadline: Option<Instant>,
}

/// A weak handle to an engine, which does not keep it alive.
#[derive(Clone)]
pub(crate) struct Link(Weak<Engine>);

impl Engine {
    /// Makes an engine without a worker.
    ///
    /// # Errors
    /// [`Error::Function`], [`Error::NoProcesses`], [`Error::NoTasks`], [`Error::System`].
    pub(crate) fn new(settings: Settings, kind: Kind) -> Result<Self, Error> {
        let processes = settings.processes.unwrap_or_else(cpu_count);
        let initializer = settings.initializer.transpose().map_err(Error::Function)?;
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
        let state = State {
            ledger: Ledger::new(processes, CAPACITY),
            slots: Slots::new(processes, kind),
            manager: None,
            notifiers: Vec::new(),
            deadline: None,
        };
        Ok(Self {
            tasks: ByteQueue::of_work(CAPACITY).map_err(system)?.watched(),
            reports: ByteQueue::bounded(CAPACITY).map_err(system)?.watched(),
            intents: Words::new(processes.saturating_mul(IntentRecord::WORDS))
                .map_err(Error::System)?,
            claims: Claims::new(CAPACITY).map_err(Error::System)?,
            kind,
            strict: settings.strict,
            processes,
            max_tasks: settings.max_tasks.unwrap_or(u64::MAX),
            initializer: Mutex::new(initializer),
            taking: Mutex::default(),
            left: Mutex::default(),
            state: Mutex::new(state),
            ended: Condvar::new(),
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the calling thread is delivering results, so that it can't wait for one: it
    /// is the manager, or a thread that tells all jobs of the engine's end.
    #[must_use]
    pub(crate) fn is_notifying(&self) -> bool {
        let (me, state) = (thread::current().id(), self.state());
        state.manager == Some(me) || state.notifiers.contains(&me)
    }

    /// Returns the workers' process ids.
    #[must_use]
    pub(crate) fn worker_pids(&self) -> Vec<u32> {
        self.state().slots.workers().filter_map(|worker| worker.process.pid()).collect()
    }

    /// Wakes the manager to look at the state.
    pub(crate) fn wake_manager(&self) {
        // If the queue is full, the manager is awake, or is woken at the end of a lookout.
        let _ = self.reports.try_put(&Report::Wake.alone());
    }
}

/// Jobs and tasks.
impl Engine {
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
        self.state().ledger.open_job(GuardedSink(Some(sink)), fed_by)
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
                    let sink = self.state().ledger.sink_of(job);
                    self.deliver(sink, job, [(item, Err(error))].into_iter());
                    task.first = next;
                    message.begin(task);
                }
            }
            if end > task.first {
                self.submit(job, task.first, end - task.first, message);
            }
        });
        self.start_for_tasks()
    }

    /// Submits a task to the workers, behind those in the backlog. If the job is over, does
    /// nothing.
    fn submit(&self, job: u64, first: u64, items: u64, message: &Message) {
        let message = message.bytes();
        let mut state = self.state();
        if items == 1
            && state.ledger.can_be_put_at_once(job, message.len())
            && let Ok(position) = self.tasks.try_put(message)
        {
            return state.ledger.was_put_at_once(job, message.len(), position);
        }
        state.ledger.submitted(job, first..first + items, message);
        self.feed(state);
    }

    /// Moves tasks from the backlog into the queue while there is room.
    pub(crate) fn feed(&self, mut state: MutexGuard<'_, State>) {
        let mut refused = Vec::new();
        while let Some(message) = state.ledger.next_to_put() {
            match self.tasks.try_put(message) {
                Ok(position) => state.ledger.was_put(position),
                Err(PutError::Full(()) | PutError::Disconnected(())) => break,
                Err(error) => {
                    let error = TaskError::ArgumentsNotSent(error.to_string());
                    refused.extend(state.ledger.was_refused().map(|refused| (refused, error)));
                }
            }
        }
        drop(state);
        for (Refused { job, sink, items }, error) in refused {
            self.deliver(Some(sink), job, items.map(|item| (item, Err(error.clone()))));
        }
    }

    /// Notes reports, in runs of one job each, and feeds the queue, which may have room now.
    /// Returns each run's sink; `None` if its job is over.
    pub(crate) fn reported(&self, runs: &[&[(Report, Items<'_>)]]) -> Vec<Option<GuardedSink>> {
        let mut state = self.state();
        let mut sinks = Vec::new();
        for run in runs {
            let mut sink = None;
            for (report, _) in *run {
                sink = state.ledger.reported(report.progress());
            }
            sinks.push(sink.cloned());
        }
        self.feed(state);
        sinks
    }

    /// Delivers outcomes of items to the job's sink, if the job isn't over.
    pub(crate) fn deliver<'r>(
        &self,
        sink: Option<GuardedSink>,
        job: u64,
        outcomes: impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)>,
    ) {
        let Some(sink) = sink else { return };
        let mut over = false;
        for (item, outcome) in outcomes {
            // Unlocked: the sink runs callbacks, which may submit more.
            over = sink.done(item, outcome);
        }
        if over {
            self.job_is_done(job);
        }
    }

    /// Removes a job whose items all have an outcome.
    fn job_is_done(&self, job: u64) {
        let mut state = self.state();
        let done = state.ledger.job_is_done(job);
        let is_last = *state.ledger.phase() == Phase::Closed && state.ledger.is_idle();
        drop(state);
        // Unlocked: dropping results may call the owner back.
        drop(done);
        if is_last {
            // The manager looks for the end only then.
            self.wake_manager();
        }
    }

    /// Marks the job's items as all submitted.
    pub(crate) fn all_submitted(&self, job: u64) {
        self.state().ledger.all_submitted(job);
    }

    /// Closes this job: none of its tasks starts any more.
    pub(crate) fn close_job(&self, job: u64) {
        let mut state = self.state();
        let closed = state.ledger.close_job(job, |position| {
            let _ = self.claims.cancel(position);
        });
        let is_open = *state.ledger.phase() == Phase::Open;
        drop(state);
        // Unlocked: dropping results may call the owner back.
        drop(closed);
        if !is_open {
            // It may have been the last job.
            self.wake_manager();
        }
    }

    /// Cancels all jobs that have not started, except those that a free worker is about to take.
    pub(crate) fn cancel_waiting(&self) {
        let mut state = self.state();
        let workers = state.slots.workers().count();
        let has_begun = |position| self.claims.has_begun(position);
        let cancel = |position| self.claims.cancel(position);
        let cancelled = state.ledger.cancel_waiting(workers, has_begun, cancel);
        drop(state);
        self.notify_jobs(cancelled, GuardedSink::cancelled);
        self.wake_manager();
    }

    /// Tells the sinks of these jobs one after the other. Meanwhile their callbacks can't wait for
    /// results of another one.
    fn notify_jobs(&self, jobs: Jobs<GuardedSink>, notify: impl Fn(&GuardedSink)) {
        let me = thread::current().id();
        self.state().notifiers.push(me);
        // Unlocked: sinks run callbacks.
        jobs.into_values().for_each(|job| notify(&job.sink));
        let mut state = self.state();
        if let Some(index) = state.notifiers.iter().rposition(|notifier| *notifier == me) {
            state.notifiers.swap_remove(index);
        }
    }
}

/// Reports that a thread takes while it waits for a result.
impl Engine {
    /// Locks the taking of reports, for the manager.
    pub(crate) fn take_reports(&self) -> MutexGuard<'_, ()> {
        self.taking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the reports that were left to the manager.
    pub(crate) fn left(&self) -> MutexGuard<'_, VecDeque<Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a report, if there is one: handles it if it is that of this job's only item, or leaves
    /// it to the manager.
    fn collect(&self, job: u64) {
        let taking = match self.taking.try_lock() {
            Ok(taking) => taking,
            Err(TryLockError::Poisoned(taking)) => taking.into_inner(),
            // The manager is handling reports.
            Err(TryLockError::WouldBlock) => return,
        };
        if !self.left().is_empty() {
            return;
        }
        let Ok(message) = self.reports.try_get(<[u8]>::to_vec) else { return };
        let Some((report, results)) = Report::of(&message) else { return };
        let outcome = report.outcomes(&results).next().map(|(_, outcome)| outcome);
        let is_own = report.progress().job == job;
        let is_short =
            |outcome: &Result<&[u8], _>| outcome.as_ref().map_or(0, |result| result.len()) <= SHORT;
        let outcome = outcome.filter(|outcome| is_own && is_short(outcome));
        let Some(outcome) = outcome else {
            self.leave(Left { message, sink: None });
            return drop(taking);
        };
        let mut state = self.state();
        let sink = state.ledger.reported(report.progress()).cloned();
        let has_backlog = state.ledger.has_backlog();
        drop(state);
        // From here on the manager may go on: a result may wait for the pool as it is deserialised.
        drop(taking);
        if sink.as_ref().is_some_and(|sink| !sink.done_quietly(outcome)) {
            return self.leave(Left { message, sink });
        }
        self.job_is_done(job);
        if has_backlog {
            // To feed tasks may run callbacks.
            self.wake_manager();
        }
    }

    /// Leaves a report to the manager.
    fn leave(&self, left: Left) {
        self.left().push_back(left);
        // The manager looks there when it has a message, and no message wakes it on a lookout.
        self.wake_manager();
        self.reports.wake_all();
    }
}

/// The start of workers.
impl Engine {
    /// Starts workers until enough slots are filled.
    ///
    /// # Errors
    /// If a worker can't be started.
    pub(crate) fn fill_slots(&self) -> Result<(), crate::process::Error> {
        loop {
            let Some((slot, name)) = self.state().reserve_slot() else { return Ok(()) };
            // Also after a panic the slot must be freed: the pool does not end while one is busy.
            let started = caught(|| self.start_worker(slot, &name)).unwrap_or_else(|panic| {
                let reason = io::Error::other(format!("its start panicked: {panic}"));
                Err(crate::process::Error::Start { name, reason })
            });
            let mut state = self.state();
            let mut again = false;
            if let Err(error) = &started {
                state.slots.free(slot);
                if matches!(error, crate::process::Error::NeverRan { .. }) && !self.strict {
                    // It was killed as it started, which may happen: try again.
                    again = state.slots.start_failed(slot, false).is_none();
                }
            }
            let is_open = *state.ledger.phase() == Phase::Open;
            drop(state);
            if !is_open {
                // The manager did not end the engine while the slot was busy.
                self.wake_manager();
            }
            if !again {
                started?;
            }
        }
    }

    /// Starts a worker for an executor's tasks, if all that are there are occupied.
    ///
    /// # Errors
    /// If there is no worker, and none can be started.
    fn start_for_tasks(&self) -> Result<(), crate::process::Error> {
        match self.kind {
            Kind::Pool => Ok(()),
            Kind::Executor => match self.fill_slots() {
                Err(error) if self.state().slots.are_empty() => Err(error),
                // Fewer workers will do; the manager tries again.
                _ => Ok(()),
            },
        }
    }

    /// Starts a worker in this busy slot.
    fn start_worker(&self, slot: usize, name: &str) -> Result<(), crate::process::Error> {
        let initializer = {
            let initializer = self.initializer.lock().unwrap_or_else(PoisonError::into_inner);
            initializer.as_ref().map(|it| it.packed(name)).transpose()?
        };
        let start = worker::Start {
            slot,
            tasks: self.tasks.clone(),
            reports: self.reports.clone(),
            intents: self.intents.clone(),
            claims: self.claims.clone(),
            initializer,
            max_tasks: self.max_tasks,
        };
        let process = Arc::new(start_process(name, self.kind, start)?);
        // Locked: only the manager, which finds the worker in its slot, frees the slot.
        let mut state = self.state();
        let queues = [self.tasks.clone(), self.reports.clone()];
        match Worker::watched(Arc::clone(&process), name, slot, queues) {
            Ok(worker) => state.slots.fill(slot, worker),
            Err(reason) => {
                drop(state);
                let _ = process.kill();
                let _ = process.join();
                return Err(crate::process::Error::Start { name: name.to_owned(), reason });
            }
        }
        if matches!(state.ledger.phase(), Phase::Ending(_)) {
            // The other workers were terminated while this one was starting.
            let _ = process.terminate();
        }
        Ok(())
    }
}

/// The end.
impl Engine {
    /// Takes no more tasks; ends the workers when all tasks are done.
    pub(crate) fn close(&self) {
        self.state().ledger.close();
        self.wake_manager();
    }

    /// Ends the workers now, by SIGTERM. Tasks without a result fail with
    /// [`TaskError::Terminated`].
    pub(crate) fn terminate(&self) {
        self.end(TaskError::Terminated);
        self.wake_manager();
    }

    /// Ends the workers now, by SIGKILL; otherwise as [`terminate`](Self::terminate).
    pub(crate) fn kill(&self) {
        self.end(TaskError::Terminated);
        self.state().deadline = Some(Instant::now());
        self.wake_manager();
    }

    /// Ends the workers now, and all unfinished jobs for this reason.
    pub(crate) fn end(&self, reason: TaskError) {
        let mut state = self.state();
        let Some(jobs) = state.ledger.give_up(reason.clone()) else { return };
        state.deadline = Some(Instant::now() + GRACE);
        for worker in state.slots.workers() {
            let _ = worker.process.terminate();
        }
        drop(state);
        self.notify_jobs(jobs, |sink| sink.give_up(&reason));
    }

    /// Notes that the last worker has ended.
    pub(crate) fn has_ended(&self, state: &mut State) {
        state.ledger.all_ended();
        self.ended.notify_all();
    }

    /// Waits until all workers have ended.
    ///
    /// # Errors
    /// [`Error::Deadlock`], [`Error::StillRunning`], [`Error::Unfinished`].
    pub(crate) fn join(&self) -> Result<(), Error> {
        let mut state = self.state();
        let me = thread::current().id();
        if state.manager == Some(me) {
            return Err(Error::Deadlock);
        }
        if *state.ledger.phase() == Phase::Open {
            return Err(Error::StillRunning);
        }
        if state.ledger.is_fed_by(me) {
            return Err(Error::Unfinished);
        }
        while !matches!(state.ledger.phase(), Phase::Ended(_)) {
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl State {
    /// Reserves an empty slot, in which a worker should be started.
    fn reserve_slot(&mut self) -> Option<(usize, String)> {
        if self.ledger.goes_on() { self.slots.reserve(self.ledger.unfinished()) } else { None }
    }
}

impl Awaited for Engine {
    fn finish(&self) {
        self.close();
        let _ = self.join();
    }
}

impl Link {
    pub(crate) fn to(engine: &Arc<Engine>) -> Self {
        Self(Arc::downgrade(engine))
    }

    /// Cancels a job of one task; returns true if none of its items has started or will. The job
    /// has still to be [closed](Engine::close_job).
    #[must_use]
    pub(crate) fn cancel(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|engine| {
            engine.state().ledger.cancel(job, |position| engine.claims.cancel(position))
        })
    }

    /// Returns true if an item of the job has started.
    #[must_use]
    pub(crate) fn has_begun(&self, job: u64) -> bool {
        self.0.upgrade().is_some_and(|engine| {
            engine.state().ledger.has_begun(job, |position| engine.claims.has_begun(position))
        })
    }

    /// Closes a job, as [`Engine::close_job`] does.
    pub(crate) fn close_job(&self, job: u64) {
        if let Some(engine) = self.0.upgrade() {
            engine.close_job(job);
        }
    }

    /// Lets the calling thread look for a job's result by `look`, which calls its argument before
    /// each look. If that is the only open job, the argument takes a report and handles it.
    pub(crate) fn look_for_result(&self, is_done: impl Fn() -> bool, look: impl FnOnce(&dyn Fn())) {
        let engine = self.0.upgrade();
        let job = engine.as_deref().and_then(|engine| {
            let only = engine.state().ledger.only_job();
            // Unlocked: a future asks the engine under its own lock.
            only.filter(|(_, sink)| sink.is_quiet()).map(|(job, _)| (engine, job))
        });
        // A job is open until it is done, so the only open job was the caller's. (Unless another
        // thread just cancels that: then the only one may be another, which is completed as well.)
        let Some((engine, job)) = job.filter(|_| !is_done()) else { return look(&|| ()) };
        let _lookout = engine.reports.look_out();
        look(&|| engine.collect(job));
    }

    /// Returns true if the calling thread can't wait for a result, as [`Engine::is_notifying`]
    /// does.
    #[must_use]
    pub(crate) fn is_notifying(&self) -> bool {
        self.0.upgrade().is_some_and(|engine| engine.is_notifying())
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a link to an engine")
    }
}
