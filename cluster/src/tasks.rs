//! The client's tasks: which have begun, and where. A state machine without a lock and without I/O.
//!
//! ```text
//!              ┌──────────── lost, and an attempt is left; given up by its agent ────────────┐
//!              ▼                                                                             │
//!   insert ─▶ waiting ───────── question: the one yes ─────────▶ begun at (worker, nonce) ───┤
//!              │                                                                             │
//!              └─▶ all calls cancelled                all calls have their outcome, or lost ─┘
//! ```
//!
//! | event | waiting | begun at the same (worker, nonce) | begun elsewhere | over |
//! | --- | --- | --- | --- | --- |
//! | question | yes: it begins there | the same yes | no | no |
//! | outcome | ignored | the call ends | ignored | ignored |
//! | outcome of an earlier attempt | ignored | ignored | ignored | ignored |
//! | worker lost or ended | – | next attempt, or the calls end | – | – |
//! | worker gave it up | – | waits again, the same attempt | – | – |
//! | cancel a call | the call ends | too late | too late | too late |
//! | reconnected | offered again | – | – | – |
//! | no server for too long | the calls end | the calls end | the calls end | – |
//!
//! A task begins at most `1 + retries` times, and after the first time only if its machine was
//! lost. The engine may deliver a task twice, so the question decides, not the delivery: each
//! arrival of a task at an agent has a nonce of its own, and a repeated question the same one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use multiprocess::futures::TaskError;

use crate::protocol::{Answer, Outcome, Parts, Question, WorkerId};

/// A call that has ended: its completion, and what became of it.
pub(crate) type Ended<C> = (C, Result<Bytes, TaskError>);

/// The tasks of a client; `C` is what completes a call's future.
#[derive(Debug)]
pub(crate) struct Tasks<C> {
    /// How often a task whose machine was lost is given to another one.
    retries: u32,
    /// Tasks by the id of their first call.
    tasks: BTreeMap<u64, Task<C>>,
    /// Tasks that have begun, by their worker.
    begun: HashMap<WorkerId, BTreeSet<u64>>,
    /// Number of calls that have neither begun nor ended.
    waiting: usize,
    /// Tasks that the queue keeps, by what it has said and been asked: those that wait, and those
    /// that were cancelled in it. With the number of looks that had begun when it said so.
    kept: BTreeMap<u64, u64>,
    /// Number of looks at the queue that have begun.
    looks: u64,
}

/// A task as it is submitted.
#[derive(Debug)]
pub(crate) struct NewTask<C> {
    /// Its message for the queue.
    pub(crate) message: Bytes,
    /// Arguments that are too large for the message.
    pub(crate) arguments: Option<Bytes>,
    /// Completions of its calls, at least one.
    pub(crate) calls: Vec<C>,
}

#[derive(Debug)]
struct Task<C> {
    new: NewTask<Call<C>>,
    /// Number of calls that have not ended.
    left: usize,
    attempt: u32,
    begun: Option<(WorkerId, u64)>,
}

/// A call: its completion until it has ended, and the parts of its result.
#[derive(Debug)]
struct Call<C> {
    completion: Option<C>,
    parts: Parts,
}

/// What follows from the loss of a worker.
#[derive(Debug)]
pub(crate) struct Lost<C> {
    /// Completions of calls that end.
    pub(crate) ended: Vec<C>,
    /// Tasks to be offered again.
    pub(crate) again: Vec<u64>,
}

impl<C> Tasks<C> {
    pub(crate) fn new(retries: u32) -> Self {
        let (tasks, begun, kept) = (BTreeMap::new(), HashMap::new(), BTreeMap::new());
        Self { retries, tasks, begun, waiting: 0, kept, looks: 0 }
    }

    /// Returns true if all tasks are over.
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Returns the number of calls that have neither begun nor ended.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a task, whose first call has this id: higher than all earlier ones.
    pub(crate) fn insert(&mut self, id: u64, new: NewTask<C>) {
        let NewTask { message, arguments, calls } = new;
        let left = calls.len();
        let call = |completion| Call { completion: Some(completion), parts: Parts::default() };
        let new = NewTask { message, arguments, calls: calls.into_iter().map(call).collect() };
        self.tasks.insert(id, Task { new, left, attempt: 0, begun: None });
        self.waiting += left;
    }

    /// Returns the message of a task that waits, for the queue.
    pub(crate) fn message(&self, id: u64) -> Option<Bytes> {
        let task = self.tasks.get(&id)?;
        task.begun.is_none().then(|| task.new.message.clone())
    }

    /// Returns a part of a task's arguments.
    pub(crate) fn part(&self, id: u64, from: u64, most: usize) -> Option<Bytes> {
        let arguments = self.tasks.get(&id)?.new.arguments.as_ref()?;
        let from = usize::try_from(from).ok()?.min(arguments.len());
        Some(arguments.slice(from..arguments.len().min(from.saturating_add(most))))
    }

    /// Answers a worker's question.
    pub(crate) fn ask(&mut self, worker: &WorkerId, question: Question) -> Answer {
        let Question { task: id, nonce } = question;
        // It has come out of the queue.
        self.kept.remove(&id);
        let Some(task) = self.tasks.get_mut(&id) else { return Answer::No };
        match &task.begun {
            Some((at, at_nonce)) if (at, at_nonce) != (worker, &nonce) => return Answer::No,
            Some(_) => {}
            None => {
                task.begun = Some((worker.clone(), nonce));
                self.waiting -= task.left;
                self.begun.entry(worker.clone()).or_default().insert(id);
            }
        }
        let over = (0..).zip(&task.new.calls).filter(|(_, call)| call.completion.is_none());
        Answer::Yes { attempt: task.attempt, without: over.map(|(number, _)| number).collect() }
    }

    /// Takes a call's outcome or a part of it. Returns the call if that ends it.
    pub(crate) fn done(
        &mut self,
        worker: &WorkerId,
        call: u64,
        attempt: u32,
        outcome: Outcome,
    ) -> Option<Ended<C>> {
        let id = self.task_of(call)?;
        let task = self.tasks.get_mut(&id)?;
        // A machine that was lost and is back may still be at an earlier attempt.
        (task.begun.as_ref()?.0 == *worker && task.attempt == attempt).then_some(())?;
        let state = task.call(id, call)?;
        state.completion.as_ref()?;
        let outcome = match outcome {
            Outcome::Result(bytes) => Ok(bytes),
            Outcome::Failed(error) => Err(error),
            Outcome::Dropped => Err(TaskError::WorkerDied { end: dropped(worker), exitcode: None }),
            Outcome::Part(part) => {
                if state.parts.whole() != part.whole {
                    state.parts = Parts::of(part.whole);
                }
                match state.parts.add(part.from, part.bytes) {
                    Ok(true) => Ok(std::mem::take(&mut state.parts).join()),
                    Ok(false) => return None,
                    Err(wrong) => Err(TaskError::ResultNotReceived(wrong.to_string())),
                }
            }
        };
        let completion = state.completion.take()?;
        self.call_ended(id);
        Some((completion, outcome))
    }

    /// Ends what has begun at this worker, or lets it wait for its next attempt.
    pub(crate) fn lost(&mut self, worker: &WorkerId) -> Lost<C> {
        let mut lost = Lost { ended: Vec::new(), again: Vec::new() };
        for id in self.begun.remove(worker).unwrap_or_default() {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            if task.attempt < self.retries {
                task.attempt += 1;
                task.wait_again();
                self.waiting += task.left;
                lost.again.push(id);
            } else if let Some(task) = self.tasks.remove(&id) {
                lost.ended.extend(task.completions());
            }
        }
        lost
    }

    /// Lets a task wait again that its agent gave up before it began; returns true if it is to be
    /// offered again.
    pub(crate) fn given_up(&mut self, worker: &WorkerId, question: Question) -> bool {
        let Question { task: id, nonce } = question;
        let task = self.tasks.get_mut(&id);
        let task =
            task.filter(|it| it.begun.as_ref().is_some_and(|at| *at == (worker.clone(), nonce)));
        let Some(task) = task else { return false };
        task.wait_again();
        self.waiting += task.left;
        self.forget_begun(worker, id);
        true
    }

    /// Ends a call whose task has not begun; returns its completion.
    pub(crate) fn cancel(&mut self, call: u64) -> Option<C> {
        let id = self.task_of(call)?;
        let task = self.tasks.get_mut(&id).filter(|task| task.begun.is_none())?;
        let completion = task.call(id, call)?.completion.take()?;
        self.waiting -= 1;
        self.call_ended(id);
        Some(completion)
    }

    /// Cancels all that has not begun; returns the completions.
    pub(crate) fn cancel_waiting(&mut self) -> Vec<C> {
        self.waiting = 0;
        let waiting: Vec<u64> = self.waiting_tasks().collect();
        let waiting = waiting.iter().filter_map(|id| self.tasks.remove(id));
        waiting.flat_map(Task::completions).collect()
    }

    /// Ends all calls; returns their completions.
    pub(crate) fn give_up(&mut self) -> Vec<C> {
        self.waiting = 0;
        self.begun.clear();
        std::mem::take(&mut self.tasks).into_values().flat_map(Task::completions).collect()
    }

    /// Notes that the queue keeps a task.
    pub(crate) fn note_kept(&mut self, id: u64) {
        // A question may come before the queue's word.
        if self.tasks.get(&id).is_some_and(|task| task.begun.is_none()) {
            self.kept.insert(id, self.looks);
        }
    }

    /// Notes that nothing is known of what the queue keeps.
    pub(crate) fn forget_kept(&mut self) {
        self.kept.clear();
    }

    /// Returns the number of tasks that the queue keeps, also of those that were cancelled.
    pub(crate) fn kept(&self) -> usize {
        self.kept.len()
    }

    /// Begins a look at the queue; returns its number.
    pub(crate) fn begin_look(&mut self) -> u64 {
        self.looks += 1;
        self.looks
    }

    /// Returns the number of tasks that have been in the queue since before this look began.
    pub(crate) fn kept_since(&self, look: u64) -> usize {
        self.kept.values().filter(|it| **it < look).count()
    }

    /// Returns the tasks that wait and that the queue doesn't keep, in their order.
    pub(crate) fn to_offer(&self) -> Vec<u64> {
        self.waiting_tasks().filter(|id| !self.kept.contains_key(id)).collect()
    }

    /// Returns true if the call has begun and not ended.
    pub(crate) fn has_begun(&self, call: u64) -> bool {
        let task = self.task_of(call).and_then(|id| self.tasks.get(&id));
        task.is_some_and(|task| task.begun.is_some())
    }

    fn waiting_tasks(&self) -> impl Iterator<Item = u64> {
        self.tasks.iter().filter(|(_, task)| task.begun.is_none()).map(|(id, _)| *id)
    }

    fn task_of(&self, call: u64) -> Option<u64> {
        self.tasks.range(..=call).next_back().map(|(id, _)| *id)
    }

    fn call_ended(&mut self, id: u64) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.left -= 1;
        if task.left == 0
            && let Some((worker, _)) = self.tasks.remove(&id).and_then(|task| task.begun)
        {
            self.forget_begun(&worker, id);
        }
    }

    fn forget_begun(&mut self, worker: &WorkerId, id: u64) {
        if let Some(begun) = self.begun.get_mut(worker) {
            begun.remove(&id);
            if begun.is_empty() {
                self.begun.remove(worker);
            }
        }
    }
}

/// Says that a worker has dropped an outcome.
fn dropped(worker: &WorkerId) -> String {
    format!("{worker} dropped the outcome, because this client was away for 10 min")
}

impl<C> Task<C> {
    fn call(&mut self, id: u64, call: u64) -> Option<&mut Call<C>> {
        usize::try_from(call - id).ok().and_then(|number| self.new.calls.get_mut(number))
    }

    fn wait_again(&mut self) {
        self.begun = None;
        self.new.calls.iter_mut().for_each(|call| call.parts = Parts::default());
    }

    fn completions(self) -> impl Iterator<Item = C> {
        self.new.calls.into_iter().filter_map(|call| call.completion)
    }
}
