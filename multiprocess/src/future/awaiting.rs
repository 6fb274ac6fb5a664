//! Awaiting a [`Future`], in any async runtime.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use crate::future::callbacks::is_waking;
use crate::future::error::FutureError;
use crate::future::future::Future;

/// Awaiting takes the result out; the errors are those of [`Future::into_result`]. As when it
/// waits, a thread of the same executor of threads runs the call itself if it has not started.
///
/// ```
/// use std::pin::pin;
/// use std::task::{Context, Poll, Waker};
///
/// use multiprocess::futures::Promise;
///
/// let (promise, future) = Promise::new();
/// promise.set_result(42)?;
/// // What an async runtime does for `future.await`.
/// let polled = std::future::Future::poll(pin!(future), &mut Context::from_waker(Waker::noop()));
/// assert_eq!(polled, Poll::Ready(Ok(42)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
impl<R> std::future::Future for Future<R> {
    type Output = Result<R, FutureError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let this = self.get_mut();
        // A poll from inside a waker doesn't wait; any other may be that of a thread that blocks.
        if !is_waking()
            && let Err(error) = this.before_waiting(false)
        {
            return Poll::Ready(Err(error));
        }
        let waker = context.waker().clone();
        let core = &this.ends.counted().core;
        let mut state = core.lock();
        if this.done() && (this.progress().is_settled() || state.is_called_here()) {
            drop(state);
            return Poll::Ready(this.take());
        }
        let next = || NonZeroU64::MIN.saturating_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let number = *this.waker.get_or_insert_with(next);
        let before = state.take_waker(number);
        state.wakers.push((number, waker));
        drop(state);
        // Unlocked: the waker may hold another handle to this future.
        drop(before);
        Poll::Pending
    }
}
