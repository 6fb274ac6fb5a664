//! How a future is done: once, whoever does it, and for everybody at the same time.
//!
//! ```text
//!              cancel                                  ┌▶ waiters are woken
//!   Pending ─────────────▶ Cancelled ─────┐            ├▶ callbacks run, in their order
//!      │                                  ├─ finish ───┤
//!      │ set_running                      │            └▶ wakers (.await)
//!      ▼                                  │
//!   Running ─────────────▶ Finished ──────┘      once done, a callback that is added runs at once
//!         set_result, set_exception
//! ```
//!
//! Everything that ends a future passes through `finish`, whichever executor it is of. `F` is the
//! future's own type, which stands on these.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::future::TaskError;

use crate::future::callbacks::{Callback, call, contained, in_turn, wake};
use crate::future::error::FutureError;
use crate::future::waiter::Waiter;

/// What came of a call.
pub(crate) type Outcome<R> = OnceLock<Result<R, TaskError>>;

/// What all handles share, but for the outcome. That one lies apart so that the last handle can
/// take it out.
pub(crate) struct Core<F> {
    pub state: Mutex<State<F>>,
    pub changed: Condvar,
}

/// How far it is, and who is to hear of it.
pub(crate) struct State<F> {
    pub phase: Phase,
    /// Who does the work, until it is done.
    pub doer: Option<Arc<dyn Doer>>,
    pub callbacks: Option<Callbacks<F>>,
    pub waiters: Vec<(Arc<Waiter>, usize)>,
    pub wakers: Vec<(u64, Waker)>,
    /// How many threads sleep until something changes.
    pub sleepers: usize,
    /// The thread that runs the callbacks just now.
    pub caller: Option<ThreadId>,
}

impl<F> State<F> {
    pub(crate) fn take_waker(&mut self, number: u64) -> Option<Waker> {
        let place = self.wakers.iter().position(|(other, _)| *other == number)?;
        Some(self.wakers.swap_remove(place).1)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Pending,
    Running,
    Cancelled,
    Finished,
}

impl Phase {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Cancelled => "cancelled",
            Self::Finished => "finished",
        }
    }

    pub(crate) fn is_done(self) -> bool {
        matches!(self, Self::Cancelled | Self::Finished)
    }
}

/// What is to be called when the future is done, and how.
pub(crate) struct Callbacks<F> {
    pub list: Vec<Callback<F>>,
    /// Chosen where the result's type is known to borrow nothing: the callbacks may have to wait
    /// for their turn.
    pub run: fn(Completion<F>),
}

/// A future that is done, whose callbacks haven't run.
pub(crate) struct Completion<F> {
    core: Arc<Core<F>>,
    future: F,
    callbacks: Vec<Callback<F>>,
}

impl<F: Debug + 'static> Completion<F> {
    pub(crate) fn run(self) {
        let Self { core, future, callbacks } = self;
        in_turn(move || {
            callbacks.into_iter().for_each(|callback| call(callback, &future));
            contained(|| drop(future));
            let mut state = core.lock();
            state.caller = None;
            let wakers = std::mem::take(&mut state.wakers);
            drop(state);
            core.changed.notify_all();
            wake(wakers);
        });
    }
}

/// Who does the work of a future that isn't done, as the future sees it.
pub(crate) trait Doer: Send + Sync {
    /// Sees to it that the work doesn't begin; false if it has.
    fn cancel(&self) -> bool {
        true
    }

    /// The future has been cancelled: what is kept for it can go.
    fn forget(&self) {}

    /// Whether the work has begun, if the future doesn't know.
    fn has_begun(&self) -> bool {
        false
    }

    /// The calling thread is going to wait, perhaps with a time limit. Without one it may do the
    /// work itself; false if it must not wait.
    fn before_waiting(&self, _has_limit: bool) -> bool {
        true
    }
}

impl<F> Core<F> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sleep_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(&State<F>) -> bool,
    ) -> Result<(), FutureError> {
        let mut state = self.lock();
        while !is_so(&state) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(FutureError::TimedOut);
            }
            state.sleepers += 1;
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.sleepers -= 1;
        }
        Ok(())
    }

    /// The future is done: from here on everybody sees it so. `handle` makes one for the callbacks;
    /// it is gone when the last of them has returned.
    pub(crate) fn finish(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<F>>,
        phase: Phase,
        handle: impl FnOnce() -> Option<F>,
    ) {
        state.phase = phase;
        let doer = state.doer.take();
        let callbacks = state.callbacks.take();
        let waiters = std::mem::take(&mut state.waiters);
        state.caller = callbacks.as_ref().map(|_| thread::current().id());
        let sleepers = state.sleepers;
        let mut wakers = Vec::new();
        if state.caller.is_none() {
            wakers = std::mem::take(&mut state.wakers);
        }
        drop(state);
        if sleepers > 0 {
            self.changed.notify_all();
        }
        drop(doer);
        waiters.iter().for_each(|(waiter, number)| waiter.hear(*number));
        match callbacks.and_then(|callbacks| Some((callbacks, handle()?))) {
            Some((Callbacks { list: callbacks, run }, future)) => {
                run(Completion { core: Arc::clone(self), future, callbacks });
            }
            None => wake(wakers),
        }
    }
}
