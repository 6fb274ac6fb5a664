//! Jobs, and the way of their tasks into the queue.
//!
//! ```text
//!   submit ──▶ backlog ──feed──▶ queue of tasks ──▶ a worker begins it, or it is cancelled
//!                 ▲
//!                 └── put_in_front: what is left of a task whose worker died
//! ```

use std::collections::{BTreeMap, HashSet};
use std::mem::take;
use std::ops::Deref;
use std::sync::{Arc, MutexGuard};
use std::thread::{self, ThreadId};

use crate::queue::PutError;

use crate::future::TaskError;
use crate::future::panics::caught;
use crate::pool::engine::{PLACES, Shared, Sink};
use crate::pool::message::Items;
use crate::pool::state::{Phase, State};

/// So many bytes of tasks are in the queue at most, unless each worker needs one. What waits
/// longer, waits in this process.
const BYTES: u64 = 32 << 20;

/// A call of `apply`, `map` and so on, until it is over.
pub(crate) struct Job {
    pub sink: Held,
    /// The thread that submits its items little by little, as results are taken.
    pub fed_by: Option<ThreadId>,
    /// Its tasks of several items, by their first: if a worker dies, the rest is still to do.
    pub chunks: BTreeMap<u64, Arc<[u8]>>,
    /// How many of its tasks are in the backlog.
    pub waiting: usize,
    /// How many places of the queue speak of it.
    pub queued: usize,
    /// Whether one that spoke of it has another task now: what was there has begun.
    pub has_begun: bool,
    /// Whether nothing of it is to begin any more.
    pub cancelled: bool,
}

/// A hold on a job's sink. A sink calls users' code, and the last hold drops what has come: if that
/// panics, it harms nothing here.
#[derive(Clone)]
pub(crate) struct Held(pub Option<Arc<dyn Sink>>);

impl Held {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let sink = self.0.as_ref();
        sink.is_some_and(|sink| caught(|| sink.done(item, outcome)).unwrap_or(false))
    }

    pub(crate) fn cancelled(&self) {
        if let Some(sink) = &self.0 {
            let _ = caught(|| sink.cancelled());
        }
    }

    pub(crate) fn give_up(&self, error: &TaskError) {
        if let Some(sink) = &self.0 {
            let _ = caught(|| sink.give_up(error));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let sink = self.0.take();
        let _ = caught(|| drop(sink));
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

impl State {
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
        let workers = self.places.len();
        tasks < PLACES.max(2 * workers) && (tasks <= workers || all_bytes + bytes as u64 <= BYTES)
    }

    /// A task of this job waits for its turn: as the last, or as the first.
    pub(crate) fn wait_for_turn(&mut self, job: u64, message: Waiting) {
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

    /// Nobody wants so many of those that wait. They are taken out when they are half of all: so
    /// each costs the same, however many there are.
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
}

impl Shared {
    /// Puts a task into the queue, which [has room](State::has_room); says whether that is so.
    pub(crate) fn put(
        &self,
        state: &mut State,
        job: u64,
        message: &[u8],
    ) -> Result<bool, TaskError> {
        let (tasks, bytes) = state.outstanding;
        let length = message.len() as u64;
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

    /// Sees to it that nothing of this job begins; false if something has.
    pub(crate) fn cancel(&self, job: u64) -> bool {
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

    /// Ends all jobs of which nothing has begun, nor will at once because a worker is free: nothing
    /// of them will.
    pub(crate) fn cancel_waiting(&self) {
        let mut state = self.state();
        let queued = state.queued.iter().flatten().filter(|(_, job)| state.jobs.contains_key(job));
        let (begun, mut next): (Vec<_>, Vec<_>) =
            queued.partition(|(position, _)| self.claims.has_begun(*position));
        next.sort_unstable();
        let mut go_on: HashSet<u64> = begun.iter().map(|(_, job)| *job).collect();
        go_on.extend(state.jobs.iter().filter(|(_, job)| job.has_begun).map(|(number, _)| number));
        let free = state.workers().count().saturating_sub(go_on.len());
        let (next, late) = next.split_at(free.min(next.len()));
        let late = late.iter().filter(|(position, _)| !self.claims.cancel(*position));
        go_on.extend(next.iter().chain(late).map(|(_, job)| *job));
        let jobs = take(&mut state.jobs).into_iter();
        let (jobs, waiting): (BTreeMap<_, _>, BTreeMap<_, _>) =
            jobs.partition(|(number, _)| go_on.contains(number));
        state.jobs = jobs;
        state.forget_waiting(waiting.values().map(|job| job.waiting).sum());
        drop(state);
        self.tell_all(waiting, Held::cancelled);
        self.look();
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
        // Without our lock: to drop what nobody wants may call the owner back.
        drop(over);
        if !is_open {
            // It may have been the last.
            self.look();
        }
    }

    /// Something came of these items.
    pub(crate) fn done<'r>(
        &self,
        job: u64,
        outcomes: impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)>,
    ) {
        let sink = self.state().sink_of(job);
        self.tell(sink, job, outcomes);
    }

    /// Something came of these items, whose job has this sink, if it isn't over.
    pub(crate) fn tell<'r>(
        &self,
        sink: Option<Held>,
        job: u64,
        outcomes: impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)>,
    ) {
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

    /// Tells the sinks of these jobs, one after the other: none of their callbacks can wait for
    /// what comes of another.
    pub(crate) fn tell_all(&self, jobs: BTreeMap<u64, Job>, tell: impl Fn(&Held)) {
        let me = thread::current().id();
        self.state().bringers.push(me);
        // Without our lock: they call their owners back.
        jobs.into_values().for_each(|job| tell(&job.sink));
        let mut state = self.state();
        if let Some(place) = state.bringers.iter().rposition(|bringer| *bringer == me) {
            state.bringers.swap_remove(place);
        }
    }

    /// This job is over.
    fn forget(&self, job: u64) {
        let over = self.state().jobs.remove(&job);
        // Without our lock: to drop what nobody wants may call the owner back.
        drop(over);
    }
}
