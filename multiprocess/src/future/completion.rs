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
//! A result, a panic, a killed worker, a cancel, an executor that breaks, a promise that is
//! dropped: `finish` sets the phase under the lock, and after the lock wakes the threads that
//! sleep, tells `wait` and `as_completed`, and wakes tasks that await. So none of these can be
//! forgotten for one kind of end, and a callback may use the future, panic, or drop the executor.
//!
//! Two types show a core, and differ in how an outcome is had:
//!
//! | | [`Future`] | [`AsyncResult`] |
//! | --- | --- | --- |
//! | outcome | stays; handles look at it, the last one may take it out | is handed out once |
//! | callbacks run | once it is done: they see what all see | before: they see it first |
//! | one more callback meanwhile | is run by the thread that adds it | by the thread at it |
//!
//! [`Future`]: crate::future::Future
//! [`AsyncResult`]: crate::pool::AsyncResult

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::future::callbacks::wake;
use crate::future::waiter::Waiter;

/// Number of checks for a result before sleeping, yielding in between (adaptive spinning).
const SPINS: u32 = 50;

/// State shared by a future's handles and its producer. `K` is what the handles' type keeps under
/// the lock: callbacks, and perhaps the outcome.
pub(crate) struct Core<K> {
    /// The [`Progress`]. Changes under the lock; is read without.
    progress: AtomicU8,
    state: Mutex<State<K>>,
    changed: Condvar,
}

/// Everything to notify when the future is done.
#[derive(Default)]
pub(crate) struct State<K> {
    pub kept: K,
    pub waiters: Vec<(Arc<Waiter>, usize)>,
    pub wakers: Vec<(u64, Waker)>,
    /// Number of threads that sleep until something changes.
    sleepers: usize,
    /// The thread that is running callbacks just now.
    caller: Option<ThreadId>,
}

impl<K> State<K> {
    pub(crate) fn take_waker(&mut self, number: u64) -> Option<Waker> {
        let index = self.wakers.iter().position(|(other, _)| *other == number)?;
        Some(self.wakers.swap_remove(index).1)
    }

    /// Returns true if the calling thread is running the callbacks just now.
    pub(crate) fn is_called_here(&self) -> bool {
        self.caller.is_some_and(|caller| caller == thread::current().id())
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
}

/// What became of a future so far, as seen at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Progress(u8);

impl Progress {
    /// The bits of the phase.
    const PHASE: u8 = 0b11;
    /// Bit that is set while a thread runs callbacks.
    const CALLING: u8 = 0b100;

    pub(crate) fn phase(self) -> Phase {
        const PHASES: [Phase; 4] =
            [Phase::Pending, Phase::Running, Phase::Cancelled, Phase::Finished];
        PHASES[usize::from(self.0 & Self::PHASE)]
    }

    pub(crate) fn is_done(self) -> bool {
        matches!(self.phase(), Phase::Cancelled | Phase::Finished)
    }

    pub(crate) fn is_calling(self) -> bool {
        self.0 & Self::CALLING != 0
    }

    /// Returns true if the future is done, and no callback is running.
    pub(crate) fn is_settled(self) -> bool {
        self.is_done() && !self.is_calling()
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

impl<K: Default> Core<K> {
    pub(crate) fn new() -> Self {
        Self { progress: AtomicU8::new(0), state: Mutex::default(), changed: Condvar::new() }
    }
}

impl<K> Core<K> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the progress; under the lock it stays so.
    pub(crate) fn progress(&self) -> Progress {
        // Whoever sees the future done sees its outcome: pairs with the store in `set`.
        Progress(self.progress.load(Ordering::Acquire))
    }

    fn set(&self, _: &mut State<K>, phase: Phase, is_calling: bool) {
        let calling = if is_calling { Progress::CALLING } else { 0 };
        self.progress.store(phase as u8 | calling, Ordering::Release);
    }

    /// Marks the future as running, if it is pending; returns the phase that it was in.
    pub(crate) fn set_running(&self) -> Phase {
        let mut state = self.lock();
        let phase = self.progress().phase();
        if phase == Phase::Pending {
            self.set(&mut state, Phase::Running, false);
        }
        phase
    }

    /// Checks for a while; returns true once it `is_so`.
    pub(crate) fn spin_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(Progress) -> bool,
    ) -> bool {
        for _ in 0..SPINS {
            if is_so(self.progress()) {
                return true;
            }
            if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                break;
            }
            thread::yield_now();
        }
        false
    }

    /// Sleeps until it `is_so`, and returns the lock under which it is; `None` at the deadline.
    pub(crate) fn sleep_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(Progress, &State<K>) -> bool,
    ) -> Option<MutexGuard<'_, State<K>>> {
        let mut state = self.lock();
        while !is_so(self.progress(), &state) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return None;
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
        Some(state)
    }

    /// Marks the calling thread as the one that runs the callbacks, until it calls
    /// [`finish`](Self::finish).
    pub(crate) fn call_here(&self, state: &mut State<K>) {
        self.set(state, self.progress().phase(), true);
        state.caller = Some(thread::current().id());
    }

    /// Completes the future: from here on all threads see it done. With `is_calling` the calling
    /// thread then runs the callbacks, and calls [`settle`](Self::settle).
    pub(crate) fn finish(
        &self,
        mut state: MutexGuard<'_, State<K>>,
        phase: Phase,
        is_calling: bool,
    ) {
        self.set(&mut state, phase, is_calling);
        state.caller = is_calling.then(|| thread::current().id());
        let waiters = std::mem::take(&mut state.waiters);
        // Tasks that await come after the callbacks.
        let wakers = if is_calling { Vec::new() } else { std::mem::take(&mut state.wakers) };
        let sleepers = state.sleepers;
        drop(state);
        if sleepers > 0 {
            self.changed.notify_all();
        }
        waiters.iter().for_each(|(waiter, number)| waiter.notify(*number));
        wake(wakers);
    }

    /// Ends the running of callbacks.
    pub(crate) fn settle(&self) {
        self.finish(self.lock(), self.progress().phase(), false);
    }
}
