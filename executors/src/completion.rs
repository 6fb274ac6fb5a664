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
//! Everything that ends a future passes through `finish`, whichever executor it is of.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::Instant;

use pools::TaskError;

use crate::error::FutureError;
use crate::future::Future;
use crate::waiting::Waiter;

/// What came of a call.
pub(crate) type Outcome<R> = OnceLock<Result<R, TaskError>>;

/// What all handles share, but for the outcome. That one lies apart so that the last handle can take it
/// out.
pub(crate) struct Core<R> {
    pub state: Mutex<State<R>>,
    pub changed: Condvar,
}

/// How far it is, and who is to hear of it.
pub(crate) struct State<R> {
    pub phase: Phase,
    /// Who does the work, until it is done.
    pub doer: Option<Arc<dyn Doer>>,
    pub callbacks: Vec<Callback<R>>,
    pub waiters: Vec<(Arc<Waiter>, usize)>,
    pub wakers: Vec<(u64, Waker)>,
    /// How many threads sleep until something changes.
    pub sleepers: usize,
    /// The thread that runs the callbacks just now.
    pub caller: Option<ThreadId>,
}

impl<R> State<R> {
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

pub(crate) type Callback<R> = Box<dyn FnOnce(&Future<R>) + Send>;

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

    /// The calling thread is going to wait. It may do the work itself; false if it must not wait.
    fn before_waiting(&self) -> bool {
        true
    }
}

impl<R> Core<R> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn sleep_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(&State<R>) -> bool,
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

    /// The future is done: from here on everybody sees it so. `handle` makes one for the callbacks; it is
    /// gone when the last of them has returned.
    pub(crate) fn finish(
        &self,
        mut state: MutexGuard<'_, State<R>>,
        phase: Phase,
        handle: impl FnOnce() -> Option<Future<R>>,
    ) {
        state.phase = phase;
        let doer = state.doer.take();
        let callbacks = std::mem::take(&mut state.callbacks);
        let waiters = std::mem::take(&mut state.waiters);
        state.caller = (!callbacks.is_empty()).then(|| thread::current().id());
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
        if !callbacks.is_empty() {
            if let Some(future) = handle() {
                callbacks.into_iter().for_each(|callback| call(callback, &future));
            }
            let mut state = self.lock();
            state.caller = None;
            wakers = std::mem::take(&mut state.wakers);
            drop(state);
            self.changed.notify_all();
        }
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

/// Does this; if it panics, because of what users give or of what is dropped with it, that ends it and nothing
/// else.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) {
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _ = work();
    }));
}

/// Calls a callback; a panic ends it and nothing else.
pub(crate) fn call<R>(callback: Callback<R>, future: &Future<R>) {
    if catch_unwind(AssertUnwindSafe(|| callback(future))).is_err() {
        // Not by `eprintln!`: it panics if nobody reads it. Python says the same.
        let _ = writeln!(std::io::stderr(), "exception calling callback for {future:?}");
    }
}
