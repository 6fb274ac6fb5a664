//! [`Waiter`]: notifications for a thread that waits for several futures.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Queue of the numbers of the futures that are done.
#[derive(Debug, Default)]
pub(crate) struct Waiter {
    done: Mutex<VecDeque<usize>>,
    changed: Condvar,
}

impl Waiter {
    pub(crate) fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a future that is done, and wakes the waiting thread.
    pub(crate) fn notify(&self, number: usize) {
        self.lock().push_back(number);
        self.changed.notify_all();
    }

    /// Waits for the next future that is done; `None` at the deadline.
    pub(crate) fn next(&self, deadline: Option<Instant>) -> Option<usize> {
        let mut done = self.lock();
        loop {
            if let Some(number) = done.pop_front() {
                return Some(number);
            }
            done = match deadline {
                None => self.changed.wait(done).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.changed.wait_timeout(done, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}
