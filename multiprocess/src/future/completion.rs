//! Completion of a future: exactly once, whichever thread completes it, and seen by all at the same
//! time.
//!
//! ```text
//!              cancel                                  ┌▶ waiters are woken
//!   Pending ─────────────▶ Cancelled ─────┐            ├▶ callbacks run, in their order
//!      │                                  ├─ finish ───┤
//!      │ begin                            │            └▶ wakers (.await)
//!      ▼                                  │
//!   Running ─────────────▶ Finished ──────┘      once done, a callback that is added runs at once
//!         set_result, set_exception, the end of a call
//! ```
//!
//! A result, a panic, a killed worker, a cancel, an executor that breaks, a promise that is
//! dropped: `finish` sets the phase under the lock, and after the lock wakes the threads that sleep
//! and tells `wait` and `as_completed`; then callbacks run, and tasks that await are woken last. So
//! none of these can be forgotten for one kind of end, and a callback may use the future, panic, or
//! drop the executor.
//! A future that no thread has ever locked has nothing to notify: `finish_unwatched` completes it
//! by one compare-exchange ([`progress`](crate::future::progress)).
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

use std::num::NonZeroU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::thread::{self, ThreadId};
use std::time::Instant;

use crate::deadline::{has_passed, time_left};
use crate::future::callbacks::wake;
use crate::future::progress::{AtomicProgress, Phase, Progress};
use crate::future::waiter::Waiter;
use crate::spin::{Spin, Waits};

/// What this process remembers of its waits for results.
static SPIN: Spin = Spin::new();

/// State shared by a future's handles and its producer. `K` is what the handles' type keeps under
/// the lock: callbacks, and perhaps the outcome.
pub(crate) struct Core<K> {
    progress: AtomicProgress,
    /// Made when a thread first takes the lock: most futures get by without.
    watched: OnceLock<Box<Watched<K>>>,
}

struct Watched<K> {
    state: Mutex<State<K>>,
    changed: Condvar,
}

/// Everything to notify when the future is done.
#[derive(Default)]
pub(crate) struct State<K> {
    pub kept: K,
    pub waiters: Vec<(Arc<Waiter>, usize)>,
    pub wakers: Vec<(NonZeroU64, Waker)>,
    /// Number of threads that sleep until something changes.
    sleepers: usize,
    /// The thread that is running callbacks just now.
    caller: Option<ThreadId>,
}

impl<K> State<K> {
    pub(crate) fn take_waker(&mut self, number: NonZeroU64) -> Option<Waker> {
        let index = self.wakers.iter().position(|(other, _)| *other == number)?;
        Some(self.wakers.swap_remove(index).1)
    }

    /// Returns true if the calling thread is running the callbacks just now.
    pub(crate) fn is_called_here(&self) -> bool {
        self.caller.is_some_and(|caller| caller == thread::current().id())
    }
}

impl<K: Default> Core<K> {
    pub(crate) fn new() -> Self {
        Self { progress: AtomicProgress::new(), watched: OnceLock::new() }
    }

    fn watched(&self) -> &Watched<K> {
        self.watched
            .get_or_init(|| Box::new(Watched { state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Locks the state. While the lock is held, the progress stays as it is.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State<K>> {
        let state = self.watched().state.lock().unwrap_or_else(PoisonError::into_inner);
        self.progress.watch();
        state
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.load()
    }

    /// Marks the future as running, if it is pending; returns the phase that it was in.
    pub(crate) fn begin(&self) -> Phase {
        if self.progress.begin() {
            return Phase::Pending;
        }
        // One that has begun needs no lock.
        let mut phase = self.progress().phase();
        if phase != Phase::Pending {
            return phase;
        }
        let _state = self.lock();
        phase = self.progress().phase();
        if phase == Phase::Pending {
            self.progress.set(Phase::Running, false);
        }
        phase
    }

    /// Completes a future that is running, if there is nothing to notify; returns the lock if there
    /// is. The rest is for [`finish`](Self::finish).
    pub(crate) fn finish_unwatched(&self) -> Option<MutexGuard<'_, State<K>>> {
        if self.progress.finish() { None } else { Some(self.lock()) }
    }

    /// Looks for a while whether it `is_so`, and calls `before` before each look. The caller asks
    /// again afterwards.
    pub(crate) fn spin_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(Progress) -> bool,
        before: &dyn Fn(),
    ) {
        let look = || {
            before();
            is_so(self.progress()).then_some(())
        };
        if !is_so(self.progress()) && !has_passed(deadline) {
            SPIN.look(None, Waits::One, deadline, look);
        }
    }

    /// Sleeps until it `is_so`, and returns the lock under which it is; `None` at the deadline.
    pub(crate) fn sleep_until(
        &self,
        deadline: Option<Instant>,
        is_so: impl Fn(Progress, &State<K>) -> bool,
    ) -> Option<MutexGuard<'_, State<K>>> {
        let (mut state, changed) = (self.lock(), &self.watched().changed);
        while !is_so(self.progress(), &state) {
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            state.sleepers += 1;
            state = match left {
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = changed.wait_timeout(state, left);
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
        self.progress.set(self.progress().phase(), true);
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
        self.progress.set(phase, is_calling);
        state.caller = is_calling.then(|| thread::current().id());
        let waiters = std::mem::take(&mut state.waiters);
        // Tasks that await come after the callbacks.
        let wakers = if is_calling { Vec::new() } else { std::mem::take(&mut state.wakers) };
        let sleepers = state.sleepers;
        drop(state);
        if sleepers > 0 {
            self.watched().changed.notify_all();
        }
        waiters.iter().for_each(|(waiter, number)| waiter.notify(*number));
        wake(wakers);
    }

    /// Ends the running of callbacks.
    pub(crate) fn settle(&self) {
        self.finish(self.lock(), self.progress().phase(), false);
    }
}
