//! Futures, polled by hand.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// A waker that counts how often it is woken, and wakes the thread that made it.
#[derive(Debug)]
pub struct Bell {
    /// How often it was woken.
    pub rung: AtomicUsize,
    thread: thread::Thread,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, Ordering::SeqCst);
        self.thread.unpark();
    }
}

/// Makes a waker for this thread.
#[must_use]
pub fn bell() -> (Arc<Bell>, Waker) {
    let bell = Arc::new(Bell { rung: AtomicUsize::new(0), thread: thread::current() });
    (Arc::clone(&bell), Waker::from(bell))
}

/// Runs a future to its end in this thread.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let (_, waker) = bell();
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
