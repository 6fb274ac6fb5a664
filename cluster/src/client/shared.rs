//! The state of a client, which its handle, its futures and its threads share.
//!
//! **Locks.** A future's lock may be held where the lock on the state is taken (`cancel`), never
//! the other way round: completions are taken out of the state, and called without it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc as std_mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use bytes::Bytes;
use multiprocess::futures::{SubmitError, TaskError};
use tokio::sync::{Notify, mpsc};

use crate::garbage::Garbage;
use crate::presence::Presence;
use crate::protocol::{self, Place};
use crate::tasks::{NewTask, Tasks};

/// What became of a call.
pub(crate) enum End {
    /// A result, or an error.
    Outcome(Result<Bytes, TaskError>),
    /// Cancelled before it began.
    Cancelled,
}

/// Completes a call's future.
pub(crate) type Completion = Box<dyn FnOnce(End) + Send>;

/// Calls that have ended.
pub(super) type Results = std_mpsc::Sender<Vec<(Completion, End)>>;

/// What is to be put into the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer {
    /// This task.
    One(u64),
    /// Everything that waits, once more.
    All,
}

/// Settings of a client.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Silence after which a worker is lost.
    pub(crate) lost_after: Duration,
    /// Time without a server after which all futures end.
    pub(crate) give_up_after: Option<Duration>,
    /// How often a task whose machine was lost is given to another one.
    pub(crate) retries: u32,
    /// Largest number of bytes of arguments, and of a result.
    pub(crate) most_bytes: u64,
    /// Number of waiting calls above which `submit` waits.
    pub(crate) most_waiting: usize,
}

/// What the executor's handle, the futures and the threads share.
pub(crate) struct Shared {
    /// Name of the client.
    pub(crate) name: String,
    /// The cluster and the build.
    pub(crate) place: Place,
    /// Addresses of the servers, for messages.
    pub(crate) servers: String,
    /// Settings.
    pub(crate) limits: Limits,
    state: Mutex<State>,
    changed: Condvar,
    /// Id of the next call.
    next: AtomicU64,
    offers: mpsc::UnboundedSender<Offer>,
    /// Wakes the thread of the network to look whether all is over.
    pub(super) look: Notify,
    /// Wakes what puts tasks into the queue to look whether it has room.
    pub(super) room: Notify,
    completer: OnceLock<ThreadId>,
}

pub(crate) struct State {
    pub(crate) tasks: Tasks<Completion>,
    pub(crate) presence: Presence,
    pub(super) life: Life,
    /// Number of threads that wait for a change.
    watching: usize,
    pub(super) garbage: Garbage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// Takes tasks.
    Open,
    /// Takes no more tasks.
    Closed,
    /// Takes no more tasks, for this reason; all are over.
    Broken(String),
    /// All futures are completed.
    Over(Option<String>),
}

/// The state, and the way to the server.
pub(super) type Both<E> = (Arc<Shared>, E);

impl Shared {
    /// Makes the state of a client; returns the other end of its offers, too.
    pub(crate) fn new(
        name: String,
        place: Place,
        servers: String,
        limits: Limits,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Offer>) {
        let (offers, receiver) = mpsc::unbounded_channel();
        let presence = Presence::new(place.build.clone(), limits.lost_after);
        let tasks = Tasks::new(limits.retries);
        let state =
            State { tasks, presence, life: Life::Open, watching: 0, garbage: Garbage::default() };
        let shared = Self {
            name,
            place,
            servers,
            limits,
            state: Mutex::new(state),
            changed: Condvar::new(),
            next: AtomicU64::new(0),
            offers,
            look: Notify::new(),
            room: Notify::new(),
            completer: OnceLock::new(),
        };
        (Arc::new(shared), receiver)
    }

    /// Returns the subjects that the client listens to.
    pub(crate) fn subjects(name: &str, place: &Place) -> Vec<String> {
        use protocol::{done, echo, may, part};
        vec![may(name), part(name), done(name), place.news(), echo(name)]
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves ids for so many calls; returns the first.
    pub(crate) fn reserve(&self, calls: usize) -> u64 {
        self.next.fetch_add(calls as u64, Ordering::Relaxed)
    }

    /// Takes tasks, all or none, and lets them be offered. Waits while too many calls wait.
    ///
    /// # Errors
    /// [`SubmitError::Shutdown`], [`SubmitError::Broken`].
    pub(crate) fn submit(&self, tasks: Vec<(u64, NewTask<Completion>)>) -> Result<(), SubmitError> {
        let ids: Vec<u64> = tasks.iter().map(|(id, _)| *id).collect();
        let is_full = |state: &State| {
            state.life == Life::Open && state.tasks.waiting() >= self.limits.most_waiting
        };
        let mut state = self.wait_while(self.state(), None, is_full);
        match &state.life {
            Life::Open => tasks.into_iter().for_each(|(id, task)| state.tasks.insert(id, task)),
            Life::Broken(reason) | Life::Over(Some(reason)) => {
                return Err(SubmitError::Broken(reason.clone()));
            }
            Life::Closed | Life::Over(None) => return Err(SubmitError::Shutdown),
        }
        drop(state);
        ids.into_iter().for_each(|id| self.offer(id));
        Ok(())
    }

    /// Waits until so many processes are there; returns their number.
    pub(crate) fn wait_for_processes(&self, wanted: usize, timeout: Duration) -> usize {
        let is_missing = |state: &State| state.presence.processes() < wanted;
        let state = self.wait_while(self.state(), Instant::now().checked_add(timeout), is_missing);
        state.presence.processes()
    }

    /// Takes no more tasks.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if state.life == Life::Open {
            state.life = Life::Closed;
        }
        self.notify(&state);
        self.look.notify_one();
    }

    /// Waits until all futures are completed.
    pub(crate) fn wait_until_over(&self) {
        drop(self.wait_while(self.state(), None, |state| !matches!(state.life, Life::Over(_))));
    }

    /// Cancels all calls that have not begun; returns their completions.
    pub(crate) fn cancel_waiting(&self) -> Vec<Completion> {
        let cancelled = self.state().tasks.cancel_waiting();
        self.look.notify_one();
        cancelled
    }

    /// Cancels a call that has not begun; returns its completion.
    pub(crate) fn cancel(&self, call: u64) -> Option<Completion> {
        let mut state = self.state();
        let completion = state.tasks.cancel(call)?;
        self.notify_ended(&state);
        Some(completion)
    }

    /// Returns true in the thread that completes futures.
    pub(crate) fn is_completing(&self) -> bool {
        self.completer.get() == Some(&thread::current().id())
    }

    /// Completes futures, in this thread, until the network has ended.
    pub(crate) fn complete(&self, results: &std_mpsc::Receiver<Vec<(Completion, End)>>) {
        let _ = self.completer.set(thread::current().id());
        for (completion, end) in results.iter().flatten() {
            // It contains its panics.
            completion(end);
        }
        let reason = self.end_what_is_left();
        let mut state = self.state();
        state.life = Life::Over(reason);
        self.notify(&state);
    }

    /// Ends calls whose network has ended before them, by a panic; returns why, if not all had
    /// ended as they should.
    fn end_what_is_left(&self) -> Option<String> {
        let mut state = self.state();
        if state.life == Life::Open || !state.tasks.is_empty() {
            state.life = Life::Broken(String::from("the thread of the network has ended"));
        }
        let Life::Broken(reason) = state.life.clone() else { return None };
        let left = state.tasks.give_up();
        drop(state);
        let error = TaskError::Broken(reason.clone());
        left.into_iter().for_each(|it| it(End::Outcome(Err(error.clone()))));
        Some(reason)
    }

    fn wait_while<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
        goes_on: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        state.watching += 1;
        while goes_on(&state) {
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.watching -= 1;
        state
    }

    pub(super) fn notify(&self, state: &State) {
        if state.watching > 0 {
            self.changed.notify_all();
        }
    }

    /// Wakes those who wait for the end of a call, and the network if that was the last task.
    pub(super) fn notify_ended(&self, state: &State) {
        self.notify(state);
        if state.life != Life::Open && state.tasks.is_empty() {
            self.look.notify_one();
        }
    }

    /// Waits until no task can come any more, and all are over.
    pub(super) async fn until_all_is_over(&self) {
        loop {
            let look = self.look.notified();
            {
                let state = self.state();
                if state.life != Life::Open && state.tasks.is_empty() {
                    return;
                }
            }
            look.await;
        }
    }

    /// Lets everything that waits be offered once more: workers may have seen nobody here, and
    /// removed it; or the server has forgotten it.
    pub(super) fn offer_again(&self) {
        let _ = self.offers.send(Offer::All);
    }

    /// Lets the network put a task into the queue.
    pub(super) fn offer(&self, id: u64) {
        // Once the network has ended, nothing is left to be offered.
        let _ = self.offers.send(Offer::One(id));
    }

    /// Counts a message that is none.
    pub(super) fn garbage(&self, what: &protocol::Malformed) {
        self.state().garbage.drop_one("cluster", what);
    }
}
