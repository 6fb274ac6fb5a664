//! [`ConditionGuard`]: what the holder of a condition's lock can do: wait, and notify.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use crate::deadline::deadline;
use crate::shared::Died;
use crate::shared::condition_handle::ConditionHandle;
use crate::shared::lock_error::sealed::Recover;
use crate::shared::wakeups::{ALL, Step, reach};
use crate::spin::Waits;

#[cfg(test)]
mod step_by_step;

/// Number of threads that are woken one by one; for more, all are, and some go back to sleep.
const FEW: u64 = 64;

/// The held lock of a [`Condition`](super::Condition): dropped, it is free. Python: the body of
/// `with condition:`.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
///
/// # let condition = multiprocess::shared::Condition::new()?;
/// static READY: AtomicBool = AtomicBool::new(false);
///
/// let mut guard = condition.lock().expect("no process died");
/// guard.notify_all();
/// let is_ready = || READY.load(Ordering::Relaxed);
/// assert!(!guard.wait_until(is_ready, Duration::from_millis(10))?, "none has made it ready");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Only the holder can wait or notify:
///
/// ```compile_fail,E0599
/// # // COND-09
/// # let condition = multiprocess::shared::Condition::new()?;
/// condition.notify(1);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// And the holder is a thread:
///
/// ```compile_fail,E0277
/// # let condition = multiprocess::shared::Condition::new()?;
/// # let guard = condition.lock().expect("no process died");
/// std::thread::scope(|scope| scope.spawn(move || drop(guard)).join().is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped at once, it unlocks at once"]
pub struct ConditionGuard<'a> {
    handle: &'a ConditionHandle,
    /// Number of threads that are to be woken when this unlocks.
    notified: Cell<u64>,
    of_thread: PhantomData<*const ()>,
}

impl<'a> ConditionGuard<'a> {
    /// Makes the guard of a lock that this thread has just taken.
    pub(crate) fn of(handle: &'a ConditionHandle) -> Self {
        Self { handle, notified: Cell::new(0), of_thread: PhantomData }
    }
}

impl ConditionGuard<'_> {
    /// Unlocks, waits until notified, and locks again. Python: `Condition.wait()`.
    ///
    /// # Errors
    /// [`Died`] if a process died holding the lock meanwhile, or before and no holder has said
    /// [`recover`](Self::recover) since. This thread was notified, and holds the lock, all the
    /// same.
    pub fn wait(&mut self) -> Result<(), Died> {
        self.wait_at_most(None).map(drop)
    }

    /// Waits at most for the timeout; returns true if notified. The time until the lock can be had
    /// again comes to it. Python: `Condition.wait(timeout)`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); then the time may be over.
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<bool, Died> {
        self.wait_at_most(deadline(timeout))
    }

    /// Waits until the condition is met, which is looked at under the lock: at first, and after
    /// each notification. Returns false if it isn't met after the timeout (`None`: no limit).
    /// Python: `Condition.wait_for(predicate, timeout)`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); then the condition was not looked at again.
    pub fn wait_until(
        &mut self,
        mut is_met: impl FnMut() -> bool,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<bool, Died> {
        let deadline = deadline(timeout);
        while !is_met() {
            if !self.wait_at_most(deadline)? {
                return Ok(is_met());
            }
        }
        Ok(true)
    }

    /// Wakes at most this many of the threads that wait now, in any process, as soon as this guard
    /// unlocks: none is woken that has been notified already, or waits only later. Never waits.
    /// Python: `Condition.notify(n)`.
    pub fn notify(&self, most: usize) {
        self.give(most as u64);
    }

    /// Wakes all threads that wait now, as soon as this guard unlocks. Never waits. Python:
    /// `Condition.notify_all()`.
    pub fn notify_all(&self) {
        self.give(ALL);
    }

    /// Says that what the lock guards is whole: no later holder is told of deaths so far.
    pub fn recover(&self) {
        self.handle.lock.recover();
    }

    fn give(&self, most: u64) {
        let given = self.handle.wakeups().give(most);
        self.notified.set(self.notified.get().saturating_add(given));
    }

    fn wait_at_most(&mut self, deadline: Option<Instant>) -> Result<bool, Died> {
        let handle = self.handle;
        let wakeups = handle.wakeups();
        let generation = wakeups.begin();
        self.wake_notified();
        let is_there = || wakeups.has_one_for(generation).then_some(());
        let mut deaths;
        let is_notified = loop {
            handle.lock.unlock();
            let found = handle.waiters().wait(deadline, Waits::One, |_| is_there(), || false);
            reach(Step::Woken);
            deaths = handle.lock();
            if wakeups.take(generation) {
                break true;
            }
            if found.is_none() {
                wakeups.give_up();
                break false;
            }
            // Another thread has taken the wake-up that was there.
        };
        handle.died(deaths).map_or(Ok(is_notified), Err)
    }

    /// Wakes the threads that were notified. Before this unlocks: afterwards a thread that begins
    /// to wait could be woken in their place.
    fn wake_notified(&self) {
        match self.notified.take() {
            0 => return,
            some @ 1..=FEW => (0..some).for_each(|_| self.handle.waiters().notify(|| false)),
            _ => self.handle.waiters().notify_all(),
        }
        reach(Step::Notified);
    }
}

impl Recover for ConditionGuard<'_> {
    fn recover(&self) {
        self.handle.lock.recover();
    }
}

impl Drop for ConditionGuard<'_> {
    fn drop(&mut self) {
        self.wake_notified();
        self.handle.lock.leave();
    }
}

impl fmt::Debug for ConditionGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConditionGuard({:?})", self.handle.lock)
    }
}
