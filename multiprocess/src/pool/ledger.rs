//! The ledger of an engine: its jobs, their tasks, and what each worker is at.
//!
//! ```text
//!                  ┌──────────── died: the items behind the dead one ◀───────────┐
//!                  ▼                                                             │
//!   submitted ─▶ backlog ─was_put─▶ outstanding: in the queue, or at a worker ───┤
//!                  │                   │                                         │
//!                  └─▶ cancelled, or its job is over                reported ◀───┘
//! ```
//!
//! A pure state machine. Each function is an event, and returns what is to be done about it. Locks,
//! queues, processes and time are the [`Engine`](crate::pool::engine::Engine)'s; what the flags in
//! shared memory say comes in as an answer.
//!
//! A worker's end is handled behind everything that the worker reported itself. So its intent
//! record tells exactly which item died with it:
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

#[cfg(test)]
mod histories;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;
use std::thread::ThreadId;

use crate::future::TaskError;
use crate::pool::error::Error;
use crate::pool::message::{Items, Message, Progress};
use crate::pool::worker::{Intent, Kept};

/// Maximum size in bytes of the tasks in the queue and at workers, once there are more of them than
/// workers; all others wait in this process.
const BYTES: u64 = 32 << 20;

/// Life cycle of an engine, which only moves forward.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes tasks.
    Open,
    /// Takes no tasks; ends when all are done.
    Closed,
    /// Is ending its workers, for this reason.
    Ending(TaskError),
    /// Has ended all its workers: for this reason, or because all tasks are done.
    Ended(Option<TaskError>),
}

/// Jobs and tasks of an engine; `S` is a handle to a job's sink.
pub(crate) struct Ledger<S> {
    phase: Phase,
    jobs: Jobs<S>,
    next_job: u64,
    /// Tasks that are not in the queue yet, in order.
    backlog: VecDeque<Waiting>,
    /// Number of tasks in the backlog whose job is over.
    unwanted: usize,
    /// Latest task of each slot of the queue.
    queued: Vec<Option<Queued>>,
    outstanding: Outstanding,
    /// Latest report of each worker.
    latest: Vec<Option<Progress>>,
    /// Deliveries that the queue took back and that no intent record has named yet. Those of
    /// workers that died before they wrote one stay here.
    given_back: Vec<u64>,
}

/// Jobs by their numbers.
pub(crate) type Jobs<S> = BTreeMap<u64, Job<S>>;

/// A call of `apply`, `map` and so on, until all its items are done.
pub(crate) struct Job<S> {
    pub sink: S,
    /// The thread that submits the items little by little, as it takes results.
    fed_by: Option<ThreadId>,
    /// Messages of the unfinished tasks of several items, by their first item: if a worker dies,
    /// the rest of its task is submitted again.
    #[expect(clippy::box_collection, reason = "one word in the very many jobs without a chunk")]
    chunks: Option<Box<BTreeMap<u64, Arc<[u8]>>>>,
    /// Number of the job's tasks in the backlog.
    waiting: usize,
    /// Number of queue slots whose latest task is one of this job's.
    queued: usize,
    /// True once a queue slot that held one of this job's tasks was reused: that task must have
    /// started.
    has_begun: bool,
    /// True if no task of the job may start any more.
    cancelled: bool,
}

/// A task in the backlog.
struct Waiting {
    job: u64,
    message: Arc<[u8]>,
}

/// A task that was put into the queue.
#[derive(Clone, Copy)]
struct Queued {
    position: u64,
    job: u64,
}

/// The tasks that are in the queue or at a worker: their number and total size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outstanding {
    tasks: usize,
    bytes: u64,
}

/// Items of a task that the queue has refused.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused<S> {
    pub job: u64,
    pub sink: S,
    pub items: Range<u64>,
}

/// Outcomes of the items of a dead worker, to be delivered.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Death<'k, S> {
    pub job: u64,
    /// `None` if the job is over.
    pub sink: Option<S>,
    /// Results that the worker had computed but not reported.
    pub results: Vec<(u64, &'k [u8])>,
    /// The item that died with the worker.
    pub lost: Option<u64>,
}

/// The life cycle.
impl<S> Ledger<S> {
    /// Opens a ledger for this many workers and a queue of this capacity.
    pub(crate) fn new(workers: usize, capacity: usize) -> Self {
        Self {
            phase: Phase::Open,
            jobs: Jobs::new(),
            next_job: 1,
            backlog: VecDeque::new(),
            unwanted: 0,
            queued: vec![None; capacity],
            outstanding: Outstanding::default(),
            latest: vec![None; workers],
            given_back: Vec::new(),
        }
    }

    pub(crate) fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Takes no more jobs.
    pub(crate) fn close(&mut self) {
        if self.phase == Phase::Open {
            self.phase = Phase::Closed;
        }
    }

    /// Gives up all jobs, which are returned; `None` if that was done before.
    pub(crate) fn give_up(&mut self, reason: TaskError) -> Option<Jobs<S>> {
        if matches!(self.phase, Phase::Ending(_) | Phase::Ended(_)) {
            return None;
        }
        self.phase = Phase::Ending(reason);
        self.backlog.clear();
        self.unwanted = 0;
        Some(take(&mut self.jobs))
    }

    /// Notes that all workers have ended.
    pub(crate) fn all_ended(&mut self) {
        let reason = match &self.phase {
            Phase::Ending(reason) => Some(reason.clone()),
            _ => None,
        };
        self.phase = Phase::Ended(reason);
    }

    /// Returns the number of tasks that have not ended.
    pub(crate) fn unfinished(&self) -> usize {
        self.outstanding.tasks + self.backlog.len() - self.unwanted
    }

    /// Returns true if a task waits that is not in the queue yet.
    pub(crate) fn has_backlog(&self) -> bool {
        self.backlog.len() > self.unwanted
    }

    /// Returns true if nothing is left to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.unfinished() == 0
    }

    /// Returns true while dead workers are replaced.
    pub(crate) fn goes_on(&self) -> bool {
        match self.phase {
            Phase::Open => true,
            Phase::Closed => !self.is_idle(),
            Phase::Ending(_) | Phase::Ended(_) => false,
        }
    }
}

/// Jobs.
impl<S> Ledger<S> {
    /// Opens a job, and returns its number.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Broken`].
    pub(crate) fn open_job(&mut self, sink: S, fed_by: Option<ThreadId>) -> Result<u64, Error> {
        match &self.phase {
            Phase::Open => {}
            Phase::Ending(TaskError::Broken(reason))
            | Phase::Ended(Some(TaskError::Broken(reason))) => {
                return Err(Error::Broken(reason.clone()));
            }
            _ => return Err(Error::NotRunning),
        }
        let job = Job {
            sink,
            fed_by,
            chunks: None,
            waiting: 0,
            queued: 0,
            has_begun: false,
            cancelled: false,
        };
        self.jobs.insert(self.next_job, job);
        self.next_job += 1;
        Ok(self.next_job - 1)
    }

    /// Marks the job's items as all submitted.
    pub(crate) fn all_submitted(&mut self, job: u64) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.fed_by = None;
        }
    }

    /// Returns true if this thread has still to submit items of a job.
    pub(crate) fn is_fed_by(&self, thread: ThreadId) -> bool {
        self.jobs.values().any(|job| job.fed_by == Some(thread))
    }

    /// Returns true if a task of the job has started; `has_begun` says so of a queue position.
    pub(crate) fn has_begun(&self, job: u64, has_begun: impl FnMut(u64) -> bool) -> bool {
        self.jobs.get(&job).is_some_and(|job| job.has_begun)
            || self.positions_of(job).any(has_begun)
    }

    /// Cancels a job of one task; returns false if it has started. `cancel` does the same with a
    /// queue position.
    pub(crate) fn cancel(&mut self, job: u64, cancel: impl FnMut(u64) -> bool) -> bool {
        if self.jobs.get(&job).is_none_or(|job| job.has_begun) {
            return false;
        }
        if !self.positions_of(job).all(cancel) {
            return false;
        }
        if let Some(job) = self.jobs.get_mut(&job) {
            job.cancelled = true;
        }
        true
    }

    /// Cancels all jobs that have not started, except those that a free one of these workers is
    /// about to take; returns them. For jobs of one task each.
    pub(crate) fn cancel_waiting(
        &mut self,
        workers: usize,
        has_begun: impl Fn(u64) -> bool,
        cancel: impl Fn(u64) -> bool,
    ) -> Jobs<S> {
        let begun = self.jobs.iter().filter(|(_, job)| job.has_begun).map(|(number, _)| *number);
        let mut go_on: HashSet<u64> = begun.collect();
        let queued = self.queued.iter().flatten();
        go_on.extend(queued.clone().filter(|task| has_begun(task.position)).map(|task| task.job));
        go_on.retain(|job| self.jobs.contains_key(job));
        let is_next =
            |task: &&Queued| self.jobs.contains_key(&task.job) && !go_on.contains(&task.job);
        let mut next: Vec<&Queued> = queued.filter(is_next).collect();
        next.sort_unstable_by_key(|task| task.position);
        let free = workers.saturating_sub(go_on.len());
        let (next, late) = next.split_at(free.min(next.len()));
        let late = late.iter().filter(|task| !cancel(task.position));
        go_on.extend(next.iter().chain(late).map(|task| task.job));
        let jobs = take(&mut self.jobs).into_iter();
        let (jobs, cancelled): (Jobs<S>, Jobs<S>) =
            jobs.partition(|(number, _)| go_on.contains(number));
        self.jobs = jobs;
        self.forget_waiting(cancelled.values().map(|job| job.waiting).sum());
        cancelled
    }

    /// Closes a job, and returns it: none of its tasks starts any more. `cancel` cancels a queue
    /// position.
    pub(crate) fn close_job(&mut self, job: u64, mut cancel: impl FnMut(u64)) -> Option<Job<S>> {
        self.positions_of(job).for_each(&mut cancel);
        self.job_is_done(job)
    }

    /// Removes a job whose items all have an outcome, and returns it.
    pub(crate) fn job_is_done(&mut self, job: u64) -> Option<Job<S>> {
        let job = self.jobs.remove(&job)?;
        self.forget_waiting(job.waiting);
        Some(job)
    }

    /// Returns the queue positions of a job's tasks, as far as their slots have not been reused.
    fn positions_of(&self, job: u64) -> impl Iterator<Item = u64> {
        let count = self.jobs.get(&job).map_or(0, |job| job.queued);
        let of_job = self.queued.iter().flatten().filter(move |task| task.job == job);
        of_job.map(|task| task.position).take(count)
    }

    /// Counts tasks in the backlog as unwanted. They are removed once they are half of the backlog,
    /// so the cost per task is constant (amortised).
    fn forget_waiting(&mut self, unwanted: usize) {
        self.unwanted += unwanted;
        if self.unwanted > self.backlog.len() / 2 {
            self.backlog.retain(|waiting| self.jobs.contains_key(&waiting.job));
            self.unwanted = 0;
        }
    }
}

/// Tasks on their way into the queue.
impl<S: Clone> Ledger<S> {
    /// Returns the job's sink, unless the job is over.
    pub(crate) fn sink_of(&self, job: u64) -> Option<S> {
        self.jobs.get(&job).map(|job| job.sink.clone())
    }

    /// Returns the only open job, and its sink; `None` if there is another, or none.
    pub(crate) fn only_job(&self) -> Option<(u64, S)> {
        let mut jobs = self.jobs.iter();
        let (number, job) = jobs.next()?;
        jobs.next().is_none().then(|| (*number, job.sink.clone()))
    }

    /// Returns true if a task of one item of this job can be put into the queue without waiting in
    /// the backlog, and without a copy. If it is, [`was_put_at_once`](Self::was_put_at_once).
    pub(crate) fn can_be_put_at_once(&self, job: u64, bytes: usize) -> bool {
        self.backlog.is_empty() && self.has_room(bytes) && self.jobs.contains_key(&job)
    }

    /// Notes that a task, which is not in the backlog, was put into the queue at this position.
    pub(crate) fn was_put_at_once(&mut self, job: u64, bytes: usize, position: u64) {
        self.note_put(Queued { position, job }, bytes);
    }

    /// Adds a task to the backlog's end; does nothing if the job is over.
    pub(crate) fn submitted(&mut self, job: u64, items: Range<u64>, message: &[u8]) {
        let chunk = (items.end - items.start > 1).then_some(items.start);
        self.add(job, chunk, message, VecDeque::push_back);
    }

    /// Returns the message of the backlog's first task, if it may be put into the queue now. Then
    /// [`was_put`](Self::was_put) or [`was_refused`](Self::was_refused); else it stays the first.
    pub(crate) fn next_to_put(&mut self) -> Option<&[u8]> {
        while let Some(waiting) = self.backlog.front()
            && self.has_room(waiting.message.len())
        {
            if self.jobs.get(&waiting.job).is_some_and(|job| !job.cancelled) {
                return Some(&self.backlog.front()?.message);
            }
            self.take_waiting();
        }
        None
    }

    /// Notes that the backlog's first task was put into the queue at this position.
    pub(crate) fn was_put(&mut self, position: u64) {
        let Some(Waiting { job, message }) = self.backlog.pop_front() else { return };
        if let Some(job) = self.note_put(Queued { position, job }, message.len()) {
            job.waiting -= 1;
        }
    }

    /// Drops the backlog's first task, which the queue can't take; its items have to fail.
    pub(crate) fn was_refused(&mut self) -> Option<Refused<S>> {
        let Waiting { job: number, message } = self.take_waiting()?;
        let (task, items) = Items::of(&message)?;
        let items = task.first..task.first + items.count() as u64;
        let job = self.jobs.get_mut(&number)?;
        job.take_chunk(task.first);
        Some(Refused { job: number, sink: job.sink.clone(), items })
    }

    /// Puts a task into the backlog, if its job isn't over. A task of several items, the first of
    /// which is `chunk`, is kept with the job, too.
    fn add(
        &mut self,
        job: u64,
        chunk: Option<u64>,
        message: &[u8],
        put: impl FnOnce(&mut VecDeque<Waiting>, Waiting),
    ) {
        let Some(open) = self.jobs.get_mut(&job) else { return };
        let message: Arc<[u8]> = message.into();
        if let Some(first) = chunk {
            open.chunks.get_or_insert_default().insert(first, Arc::clone(&message));
        }
        open.waiting += 1;
        put(&mut self.backlog, Waiting { job, message });
    }

    /// Notes that a task was put into the queue; returns its job, if that isn't over.
    fn note_put(&mut self, task: Queued, bytes: usize) -> Option<&mut Job<S>> {
        self.outstanding.tasks += 1;
        self.outstanding.bytes += bytes as u64;
        let index = (task.position % self.queued.len() as u64) as usize;
        if let Some(before) = self.queued[index].replace(task)
            && let Some(before) = self.jobs.get_mut(&before.job)
        {
            before.queued -= 1;
            before.has_begun = true;
        }
        let job = self.jobs.get_mut(&task.job)?;
        job.queued += 1;
        Some(job)
    }

    fn take_waiting(&mut self) -> Option<Waiting> {
        let waiting = self.backlog.pop_front()?;
        match self.jobs.get_mut(&waiting.job) {
            Some(job) => job.waiting -= 1,
            None => self.unwanted -= 1,
        }
        Some(waiting)
    }

    /// Returns true if another task of this many bytes may be put into the queue.
    ///
    /// (A full queue would refuse it, but only after checking the owners of its slots. So the queue
    /// isn't asked, unless there are very many workers.)
    fn has_room(&self, bytes: usize) -> bool {
        let Outstanding { tasks, bytes: all_bytes } = self.outstanding;
        let (workers, capacity) = (self.latest.len(), self.queued.len());
        tasks < capacity.max(2 * workers) && (tasks <= workers || all_bytes + bytes as u64 <= BYTES)
    }
}

/// What becomes of tasks at the workers.
impl<S: Clone> Ledger<S> {
    /// Notes a worker's report; returns the sink that gets its results, unless the job is over.
    pub(crate) fn reported(&mut self, progress: Progress) -> Option<&S> {
        if let Some(latest) = self.latest.get_mut(progress.worker) {
            *latest = Some(progress);
        }
        if let Some(bytes) = progress.ends {
            self.outstanding.remove(bytes);
        }
        let job = self.jobs.get_mut(&progress.job)?;
        if progress.ends.is_some() {
            job.take_chunk(progress.first);
        }
        Some(&job.sink)
    }

    /// Notes which deliveries the queue took back: their workers died before they freed the slot,
    /// so the tasks never ran, and are in the queue again.
    pub(crate) fn were_given_back(&mut self, deliveries: &[u64]) {
        self.given_back.extend(deliveries);
    }

    /// Handles the end of a worker, whose intent record said this. Returns what to deliver, if its
    /// task has ended with it.
    pub(crate) fn died<'k>(
        &mut self,
        worker: usize,
        intent: Option<Intent>,
        kept: &'k Kept,
    ) -> Option<Death<'k, S>> {
        let latest = self.latest.get_mut(worker).and_then(Option::take);
        let intent = intent?;
        let given_back = self.given_back.iter().position(|given| *given == intent.delivery);
        if let Some(index) = given_back {
            self.given_back.swap_remove(index);
            return None;
        }
        // A report about an earlier task says nothing.
        let latest = latest.filter(|it| (it.job, it.first) == (intent.job, intent.first));
        if latest.is_some_and(|latest| latest.ends.is_some()) {
            return None;
        }
        self.outstanding.remove(intent.bytes);
        let (results, lost) = outcomes(intent.item, latest.map(|latest| latest.to), kept);
        let (mut sink, mut chunk) = (None, None);
        if let Some(job) = self.jobs.get_mut(&intent.job) {
            // The rest of the task will have another position, which has not begun.
            job.has_begun = true;
            sink = Some(job.sink.clone());
            chunk = job.take_chunk(intent.first);
        }
        // The items behind it never ran.
        let next = intent.item.wrapping_add(1);
        if let Some(rest) = chunk.and_then(|chunk| Message::from(&chunk, next)) {
            self.add(intent.job, Some(next), rest.bytes(), VecDeque::push_front);
        }
        Some(Death { job: intent.job, sink, results, lost })
    }
}

/// Returns the kept results that were not reported, and the item that was lost: the one that ran,
/// unless it has a result. `reported` is the last item that was reported.
fn outcomes(item: u64, reported: Option<u64>, kept: &Kept) -> (Vec<(u64, &[u8])>, Option<u64>) {
    let is_new = |(item, _): &(u64, _)| reported.is_none_or(|reported| *item > reported);
    let results: Vec<_> =
        Items { rest: &kept.results }.numbered(kept.from).filter(is_new).collect();
    let known = results.last().map(|(item, _)| *item).or(reported);
    (results, known.is_none_or(|known| item > known).then_some(item))
}

impl<S> Job<S> {
    /// Removes the message of a chunk that has ended, whatever its outcome.
    fn take_chunk(&mut self, first: u64) -> Option<Arc<[u8]>> {
        self.chunks.as_mut()?.remove(&first)
    }
}

impl Outstanding {
    /// Removes a task that has ended.
    fn remove(&mut self, bytes: u64) {
        self.tasks = self.tasks.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}
