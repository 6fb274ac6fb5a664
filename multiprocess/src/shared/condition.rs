//! [`Condition`]: a lock whose holders wait to be notified by other holders.
//!
//! ```text
//!   words:   lock │ wake-ups │ event count
//!
//!   waiter   lock ─▶ waiting + 1 ─▶ unlock ─▶ sleeps … ─▶ lock ─▶ takes a wake-up ─▶ goes on
//!   notifier lock ─▶ wake-ups + 1, at most one for each that waits ─▶ wakes, unlock
//! ```
//!
//! Python's condition waits in `notify` until each process that it has woken has said so: one that
//! was killed never does, and `notify` hangs with the lock in hand. Here `notify` waits for no
//! process. It counts wake-ups, and wakes as many threads; these count themselves out
//! (`wakeups.rs`, with what a death leaves at each step). An event count alone would wake more
//! threads than one.
//!
//! Threads are woken when the notifier unlocks: before that they could only wait for the lock. If
//! it dies before, they see their wake-ups at the next look, and one of them gets the lock from the
//! dead holder.
//!
//! # Memory ordering
//!
//! What the condition guards, and the wake-ups, are ordered by the lock (`lock_word.rs`). A thread
//! that looks for a wake-up without the lock decides nothing by it. That a wake-up is not missed
//! between a look and the sleep: see the event count (`event_count.rs`); the notifier's stores to
//! the wake-ups are its "work".

use std::cell::Cell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shared::lock_error::sealed::Recover;
use crate::shared::lock_word::{LOCK_WORDS, LockWord};
use crate::shared::members::{self, Members};
use crate::shared::waiters::{AtWord, Waiters};
use crate::shared::wakeups::{ALL, Step, WAKEUP_WORDS, Wakeups, reach};
use crate::shared::{Died, LockError};
use crate::spin::{Spin, Waits};

#[cfg(test)]
mod step_by_step;

/// Offsets of the parts, in words.
const LOCK: usize = 0;
const WAKEUPS: usize = LOCK_WORDS;
const EVENT_COUNT: usize = WAKEUPS + WAKEUP_WORDS;
const WORDS: usize = EVENT_COUNT + 1;

/// Number of threads that are woken one by one; for more, all are, and some go back to sleep.
const FEW: u64 = 64;

/// A lock between processes whose holders can wait until another holder notifies them. Clones, and
/// copies in the arguments of new processes, are the same condition. Python:
/// `multiprocessing.Condition`.
///
/// A thread waits for a notification, not for a state of something: look at the state each time
/// ([`wait_until`](ConditionGuard::wait_until) does). If the state is a value that fits into a
/// [`Value`](crate::shared::Value), its `wait_until` is simpler.
///
/// ```
/// let condition = multiprocess::shared::Condition::new()?;
/// let notifier = condition.clone();
/// let mut guard = condition.lock().expect("no process died");
/// let notifier = std::thread::spawn(move || {
///     // Gets the lock when the other thread waits, so the notification isn't too early.
///     notifier.lock().expect("no process died").notify(1);
/// });
/// guard.wait()?;
/// drop(guard);
/// notifier.join().expect("it doesn't panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **What a kill can cost.** A process that is killed while it holds the lock: the next holder is
/// told, as with a [`Lock`](crate::shared::Lock). One that is killed while it waits: nothing. If it
/// had been notified already, another thread that waited then goes on instead, within 100 ms; if
/// there is none, a thread may later be woken that no notification was for.
#[derive(Clone)]
pub struct Condition(Arc<Shared>);

struct Shared {
    members: Members,
    /// What this process remembers of its waits for the lock, and for notifications.
    locking: Spin,
    waiting: Spin,
}

impl Shared {
    fn lock(&self) -> LockWord<'_> {
        LockWord::new(&self.members, LOCK)
    }

    fn wakeups(&self) -> Wakeups<'_> {
        Wakeups::new(&self.members, WAKEUPS)
    }

    fn waiters(&self) -> Waiters<'_, AtWord<'_>> {
        self.members.waiters(EVENT_COUNT, &self.waiting)
    }

    /// Waits for the lock; returns the deaths to be told.
    fn wait_for_lock(&self) -> u32 {
        let deaths = self.lock().lock(&self.locking, None);
        deaths.unwrap_or_else(|| unreachable!("there is no deadline"))
    }
}

impl Condition {
    /// Makes a condition whose lock is free. Python: `Condition()`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Members::create(WORDS).map(Self::of)
    }

    fn of(members: Members) -> Self {
        let (locking, waiting) = (Spin::default(), Spin::default());
        Self(Arc::new(Shared { members, locking, waiting }))
    }

    /// Waits for the lock, and holds it as long as the guard lives. Python: `with condition:`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn lock(&self) -> Result<ConditionGuard<'_>, LockError<ConditionGuard<'_>>> {
        self.guard(self.0.wait_for_lock())
    }

    /// Takes the lock if no living process holds it. Python: `acquire(False)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn try_lock(&self) -> Result<Option<ConditionGuard<'_>>, LockError<ConditionGuard<'_>>> {
        let deaths = self.0.lock().try_lock_thoroughly();
        deaths.map(|deaths| self.guard(deaths)).transpose()
    }

    /// Waits for the lock at most for the timeout; `None` if another thread holds it still. Python:
    /// `acquire(timeout=…)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Option<ConditionGuard<'_>>, LockError<ConditionGuard<'_>>> {
        let deadline = Instant::now().checked_add(timeout);
        let deaths = self.0.lock().lock(&self.0.locking, deadline);
        deaths.map(|deaths| self.guard(deaths)).transpose()
    }

    fn guard(&self, deaths: u32) -> Result<ConditionGuard<'_>, LockError<ConditionGuard<'_>>> {
        let guard = ConditionGuard {
            shared: &self.0,
            notified: Cell::new(0),
            was_panicking: thread::panicking(),
            of_thread: PhantomData,
        };
        if deaths == 0 {
            return Ok(guard);
        }
        Err(LockError::new(guard, self.0.lock().died(deaths)))
    }
}

/// The held lock of a [`Condition`]: dropped, it is free. Only its holder can wait or notify.
/// Python: the body of `with condition:`.
pub struct ConditionGuard<'a> {
    shared: &'a Shared,
    /// Number of threads that are to be woken when this unlocks.
    notified: Cell<u64>,
    /// True if the thread was panicking already when it took the lock.
    was_panicking: bool,
    of_thread: PhantomData<*const ()>,
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
        self.wait_at_most(Instant::now().checked_add(timeout))
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
        let deadline = timeout.into().and_then(|timeout| Instant::now().checked_add(timeout));
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
        self.shared.lock().recover();
    }

    fn give(&self, most: u64) {
        let given = self.shared.wakeups().give(most);
        self.notified.set(self.notified.get().saturating_add(given));
    }

    fn wait_at_most(&mut self, deadline: Option<Instant>) -> Result<bool, Died> {
        let shared = self.shared;
        let wakeups = shared.wakeups();
        let generation = wakeups.begin();
        self.unlock();
        let is_there = || wakeups.has_one_for(generation).then_some(());
        let mut deaths;
        let is_notified = loop {
            let found = shared.waiters().wait(deadline, Waits::One, |_| is_there(), || false);
            reach(Step::Woken);
            deaths = shared.wait_for_lock();
            if wakeups.take(generation) {
                break true;
            }
            if found.is_none() {
                wakeups.give_up();
                break false;
            }
            // Another thread has taken the wake-up that was there.
            shared.lock().unlock();
        };
        self.was_panicking = thread::panicking();
        if deaths == 0 { Ok(is_notified) } else { Err(shared.lock().died(deaths)) }
    }

    /// Wakes the threads that were notified, and unlocks. In this order: a thread that begins to
    /// wait afterwards would be woken in their place.
    fn unlock(&self) {
        match self.notified.take() {
            0 => {}
            some @ 1..=FEW => (0..some).for_each(|_| self.shared.waiters().notify(|| false)),
            _ => self.shared.waiters().notify_all(),
        }
        reach(Step::Notified);
        self.shared.lock().unlock();
    }
}

impl Recover for ConditionGuard<'_> {
    fn recover(&self) {
        self.shared.lock().recover();
    }
}

impl Drop for ConditionGuard<'_> {
    fn drop(&mut self) {
        if thread::panicking() && !self.was_panicking {
            self.shared.lock().spoil();
        }
        self.unlock();
    }
}

impl fmt::Debug for ConditionGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConditionGuard")
    }
}

/// Names the holder of the lock, and the number of threads that wait.
impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?}; {} waiting)", self.0.lock(), self.0.wakeups().count())
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        members::serialize(&self.0.members, |dead| self.0.lock().bury(dead), serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        members::deserialize(deserializer).map(Self::of)
    }
}
