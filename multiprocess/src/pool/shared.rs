//! State shared by an engine's handles, its manager and its starts, and the path of a task into the
//! queue.
//!
//! ```text
//!   submit ──▶ backlog ──feed──▶ queue of tasks ──▶ a worker starts it, or it is cancelled
//!                 ▲
//!                 └── put_in_front: the rest of a task whose worker died
//! ```
//!
//! Waiting tasks lie in the memory of the owner and need no descriptor; the queue takes 1024 tasks
//! and 32 MiB at most.
//!
//! # Locking
//! No callback, destructor of a user's value or sink runs under the lock of [`State`]: each of them
//! may call back into the engine.

use std::collections::{BTreeMap, HashSet};
use std::mem::take;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::future::TaskError;
use crate::future::at_exit::Awaited;
use crate::pool::claims::Claims;
use crate::pool::error::Error;
use crate::pool::message::{Items, Report};
use crate::pool::settings::{Kind, Settings};
use crate::pool::sink::GuardedSink;
use crate::pool::state::{CAPACITY, Job, Phase, QueuedTask, State};
use crate::queue::{ByteQueue, PutError, Words};

/// Time between SIGTERM and SIGKILL for workers that do not end.
pub(crate) const GRACE: Duration = Duration::from_millis(500);

/// The queues, the shared memory and the state of an engine, held by the owner's handle, its links
/// and the manager.
pub(crate) struct Shared {
    pub tasks: ByteQueue,
    pub reports: ByteQueue,
    pub intents: Words,
    pub claims: Claims,
    pub settings: Mutex<Settings>,
    pub kind: Kind,
    pub strict: bool,
    pub state: Mutex<State>,
    /// Signalled when the manager has ended.
    pub ended: Condvar,
}

impl Shared {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns true if the calling thread is the manager, or is telling jobs of their end.
    pub(crate) fn is_notifying(&self) -> bool {
        let (me, state) = (thread::current().id(), self.state());
        state.manager == Some(me) || state.notifiers.contains(&me)
    }

    /// Wakes the manager to look at the state.
    pub(crate) fn wake_manager(&self) {
        // If the queue is full, the manager is awake anyway.
        let _ = self.reports.try_put(&Report::Wake.alone());
    }

    pub(crate) fn close(&self) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.wake_manager();
    }

    pub(crate) fn join(&self) -> Result<(), Error> {
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

    /// Ends the workers now, and all unfinished jobs for this reason.
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
        self.notify_jobs(jobs, |sink| sink.give_up(&reason));
    }

    /// Puts a task into the queue; returns false if the queue is full. For tasks for which the
    /// queue [has room](State::has_room).
    pub(crate) fn put(
        &self,
        state: &mut State,
        job: u64,
        message: &[u8],
    ) -> Result<bool, TaskError> {
        match self.tasks.try_put(message) {
            Ok(position) => {
                state.outstanding.tasks += 1;
                state.outstanding.bytes += message.len() as u64;
                let slot = &mut state.queued[(position % CAPACITY as u64) as usize];
                if let Some(before) = slot.replace(QueuedTask { position, job })
                    && let Some(before) = state.jobs.get_mut(&before.job)
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

    /// Moves tasks from the backlog into the queue while there is room.
    pub(crate) fn feed(&self, mut state: MutexGuard<'_, State>) {
        let mut refused = Vec::new();
        let next = |state: &mut State| {
            let has_room = state.backlog.front().is_some_and(|next| state.has_room(next.len()));
            if has_room { state.backlog.pop_front() } else { None }
        };
        while let Some(message) = next(&mut state) {
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

    /// Cancels this job; returns false if one of its tasks has started.
    pub(crate) fn cancel(&self, job: u64) -> bool {
        let mut state = self.state();
        if state.jobs.get(&job).is_none_or(|job| job.has_begun) {
            return false;
        }
        let queued = state.queued_of(job).collect::<Vec<_>>();
        // A job that can be cancelled has one task: it is in the queue or in the backlog.
        if queued.iter().any(|position| !self.claims.cancel(*position)) {
            return false;
        }
        if let Some(job) = state.jobs.get_mut(&job) {
            job.cancelled = true;
        }
        true
    }

    /// Cancels all jobs that have not started, except those that a free worker is about to take.
    pub(crate) fn cancel_waiting(&self) {
        let mut state = self.state();
        let queued =
            state.queued.iter().flatten().filter(|task| state.jobs.contains_key(&task.job));
        let (begun, mut next): (Vec<&QueuedTask>, Vec<&QueuedTask>) =
            queued.partition(|task| self.claims.has_begun(task.position));
        next.sort_unstable_by_key(|task| task.position);
        let mut go_on: HashSet<u64> = begun.iter().map(|task| task.job).collect();
        go_on.extend(state.jobs.iter().filter(|(_, job)| job.has_begun).map(|(number, _)| number));
        let free = state.workers().count().saturating_sub(go_on.len());
        let (next, late) = next.split_at(free.min(next.len()));
        let late = late.iter().filter(|task| !self.claims.cancel(task.position));
        go_on.extend(next.iter().chain(late).map(|task| task.job));
        let jobs = take(&mut state.jobs).into_iter();
        let (jobs, waiting): (BTreeMap<_, _>, BTreeMap<_, _>) =
            jobs.partition(|(number, _)| go_on.contains(number));
        state.jobs = jobs;
        state.forget_waiting(waiting.values().map(|job| job.waiting).sum());
        drop(state);
        self.notify_jobs(waiting, GuardedSink::cancelled);
        self.wake_manager();
    }

    pub(crate) fn close_job(&self, job: u64) {
        let mut state = self.state();
        for position in state.queued_of(job) {
            let _ = self.claims.cancel(position);
        }
        let over = state.jobs.remove(&job);
        state.forget_waiting(over.as_ref().map_or(0, |job| job.waiting));
        let is_open = state.phase == Phase::Open;
        drop(state);
        // Unlocked: dropping results may call the owner back.
        drop(over);
        if !is_open {
            // It may have been the last job.
            self.wake_manager();
        }
    }

    /// Delivers outcomes of items to their job.
    pub(crate) fn done<'r>(
        &self,
        job: u64,
        outcomes: impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)>,
    ) {
        let sink = self.state().sink_of(job);
        self.deliver(sink, job, outcomes);
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
            self.forget(job);
        }
    }

    /// Tells the sinks of these jobs one after the other. Meanwhile their callbacks can't wait for
    /// results of another one.
    pub(crate) fn notify_jobs(&self, jobs: BTreeMap<u64, Job>, notify: impl Fn(&GuardedSink)) {
        let me = thread::current().id();
        self.state().notifiers.push(me);
        // Unlocked: sinks run callbacks.
        jobs.into_values().for_each(|job| notify(&job.sink));
        let mut state = self.state();
        if let Some(index) = state.notifiers.iter().rposition(|notifier| *notifier == me) {
            state.notifiers.swap_remove(index);
        }
    }

    /// Removes this job, which is over.
    fn forget(&self, job: u64) {
        let over = self.state().jobs.remove(&job);
        // Unlocked: dropping results may call the owner back.
        drop(over);
    }
}

impl Awaited for Shared {
    fn finish(&self) {
        self.close();
        let _ = self.join();
    }
}
