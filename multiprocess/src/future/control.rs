//! [`Control`]: what an executor outside this crate tells a future about its call.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::future::callbacks::contained;
use crate::future::future::{CallControl, Ends};

/// Control over a call, for the future that stands for it: for those who write an executor. See
/// [`Promise::with_control`](crate::futures::Promise::with_control).
///
/// Each function is called by the thread that uses the future, at any time until the future is
/// done.
pub trait Control: Send + Sync {
    /// Prevents the call from starting, for [`Future::cancel`](crate::futures::Future::cancel).
    /// Returns `None` if it has started or is over, and otherwise what the executor kept for the
    /// call (its promise, its arguments), which is dropped once the future is cancelled.
    ///
    /// **The promise must not be used or dropped in here.** The future is locked meanwhile, so that
    /// no other thread ends it, and the calling thread would wait for itself. Therefore what was
    /// kept is returned.
    fn cancel(&self) -> Option<Kept>;

    /// Returns true if the call has started. An executor that calls
    /// [`Promise::set_running`](crate::futures::Promise::set_running) doesn't need it.
    fn has_begun(&self) -> bool {
        false
    }

    /// Returns false if the calling thread must not wait for the call, because it is the one that
    /// ends futures; to wait is then [`FutureError::Deadlock`](crate::futures::FutureError).
    fn may_wait(&self) -> bool {
        true
    }
}

/// What an executor kept for a call that was cancelled.
pub struct Kept(Box<dyn Send>);

impl Kept {
    /// Wraps what was kept.
    #[must_use]
    pub fn new(kept: impl Send + 'static) -> Self {
        Self(Box::new(kept))
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept(…)")
    }
}

/// A control, with what it gave away between `cancel` and `forget`.
pub(crate) struct Controlled<C> {
    control: C,
    kept: Mutex<Option<Kept>>,
}

impl<C> Controlled<C> {
    pub(crate) fn new(control: C) -> Self {
        Self { control, kept: Mutex::new(None) }
    }
}

impl<R, C: Control> CallControl<R> for Controlled<C> {
    fn cancel(&self) -> bool {
        let Some(kept) = self.control.cancel() else { return false };
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(kept);
        true
    }

    fn forget(&self) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        contained(|| kept.map(|Kept(kept)| kept));
    }

    fn has_begun(&self) -> bool {
        self.control.has_begun()
    }

    fn before_waiting(&self, _: &Ends<R>, _: bool) -> bool {
        self.control.may_wait()
    }
}
