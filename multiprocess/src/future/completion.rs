//! Completion of a future: exactly once, whichever thread completes it, and seen by all at the same
//! time.
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
//! Every executor's futures complete through `finish`. `F` is the type [`Future`], which is built
//! on this module.
//!
//! [`Future`]: crate::future::Future
//!
//! A result, a panic, a killed worker, a cancel, an executor that breaks, a promise that is
//! dropped: `finish` sets the state under the lock, and after the lock wakes the threads that
//! sleep, tells `wait` and `as_completed`, runs the callbacks and wakes tasks that await. So none
//! of these can be forgotten for one kind of end, and a callback may use the future, panic, or
//! drop the executor.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::future::TaskError;

use crate::future::callbacks::{Callback, call, contained, in_turn, wake};
use crate::future::error::FutureError;
use crate::future::waiter::Waiter;

/// The outcome of a call, once there is one.
pub(crate) type Outcome<R> = OnceLock<Result<R, TaskError>>;

/// State shared by a future's handles and its promise. The outcome lies apart, so that the last
/// handle can take it out.
pub(crate) struct Core<F> {
    pub state: Mutex<State<F>>,
    pub changed: Condvar,
}

/// Progress of a future, and everything to notify when it is done.
pub(crate) struct State<F> {
    pub phase: Phase,
    /// The call behind the future, until it is done.
    pub control: Option<Arc<dyn CallControl>>,
    pub callbacks: Option<Callbacks<F>>,
    pub waiters: Vec<(Arc<Waiter>, usize)>,
    pub wakers: Vec<(u64, Waker)>,
    /// Number of threads that sleep until something changes.
    pub sleepers: usize,
    /// The thread that is running the callbacks just now.
    pub caller: Option<ThreadId>,
}

impl<F> State<F> {
    pub(crate) fn take_waker(&mut self, number: u64) -> Option<Waker> {
        let index = self.wakers.iter().position(|(other, _)| *other == number)?;
        Some(self.wakers.swap_remove(index).1)
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

/// Callbacks of a future, and how to run them.
pub(crate) struct Callbacks<F> {
    pub list: Vec<Callback<F>>,
    /// Function chosen where the result's type is known to be `'static`: deferred callbacks need
    /// that.
    pub run: fn(Completion<F>),
}

/// A future that is done, whose callbacks have not run.
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

/// Control over the call behind a pending future, provided by its executor.
pub(crate) trait CallControl: Send + Sync {
    /// Prevents the call from starting; returns false if it has.
    fn cancel(&self) -> bool {
        true
    }

    /// Frees what the executor keeps for the call, whose future was cancelled.
    fn forget(&self) {}

    /// Returns true if the call has started although the future is still marked pending.
    fn has_begun(&self) -> bool {
        false
    }

    /// Prepares the calling thread for waiting for the call. Without a time limit it may run the
    /// call itself. Returns false if it must not wait.
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

    /// Completes the future: from here on all threads see it done. `handle` makes the handle for
    /// the callbacks, which is dropped after the last of them.
    pub(crate) fn finish(
        self: &Arc<Self>,
        mut state: MutexGuard<'_, State<F>>,
        phase: Phase,
        handle: impl FnOnce() -> Option<F>,
    ) {
        state.phase = phase;
        let control = state.control.take();
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
        drop(control);
        waiters.iter().for_each(|(waiter, number)| waiter.notify(*number));
        match callbacks.and_then(|callbacks| Some((callbacks, handle()?))) {
            Some((Callbacks { list: callbacks, run }, future)) => {
                run(Completion { core: Arc::clone(self), future, callbacks });
            }
            None => wake(wakers),
        }
    }
}
