//! A process's part in a condition: a lock whose holders wait to be notified by other holders.
//!
//! ```text
//!   words:   lock │ wake-ups │ event count
//!
//!   waiter   lock ─▶ waiting + 1 ─▶ unlock ─▶ sleeps … ─▶ lock ─▶ takes a wake-up ─▶ goes on
//!   notifier lock ─▶ wake-ups + 1, at most one for each that waits ─▶ wakes, unlock
//! ```
//!
//! Python's condition waits in `notify` until each process that it has woken has said so. A killed
//! process never does, and `notify` hangs with the lock in hand. Here `notify` waits for no
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

use std::io;

use crate::shared::Died;
use crate::shared::lock_handle::LockHandle;
use crate::shared::lock_word::LOCK_WORDS;
use crate::shared::members::Members;
use crate::shared::waiters::{AtWord, Waiters};
use crate::shared::wakeups::{WAKEUP_WORDS, Wakeups};
use crate::spin::Spin;

/// Offsets of the parts behind the lock, in words.
const WAKEUPS: usize = LOCK_WORDS;
const EVENT_COUNT: usize = WAKEUPS + WAKEUP_WORDS;
const WORDS: usize = EVENT_COUNT + 1;

/// A process's part in a condition.
pub(crate) struct ConditionHandle {
    pub(crate) lock: LockHandle,
    /// What this process remembers of its waits for notifications.
    spin: Spin,
}

impl ConditionHandle {
    /// Makes a condition, and the part of the first process.
    pub(crate) fn create() -> io::Result<Self> {
        let lock = LockHandle::of(Members::create(WORDS)?);
        Ok(Self { lock, spin: Spin::default() })
    }

    /// Makes the part of a process that has this lock; `None` if it isn't a condition's.
    pub(crate) fn of(lock: LockHandle) -> Option<Self> {
        let is_long_enough = lock.members().words().len() >= WORDS;
        is_long_enough.then(|| Self { lock, spin: Spin::default() })
    }

    pub(crate) fn wakeups(&self) -> Wakeups<'_> {
        Wakeups::new(self.lock.members(), WAKEUPS)
    }

    pub(crate) fn waiters(&self) -> Waiters<'_, AtWord<'_>> {
        self.lock.members().waiters(EVENT_COUNT, &self.spin)
    }

    /// Waits for the lock; returns the deaths to be told.
    pub(crate) fn lock(&self) -> u32 {
        if self.lock.try_lock_whole() {
            return 0;
        }
        loop {
            if let Some(deaths) = self.lock.lock_slowly(None) {
                return deaths;
            }
        }
    }

    /// Returns what is to be told of deaths, if there are any.
    pub(crate) fn died(&self, deaths: u32) -> Option<Died> {
        (deaths > 0).then(|| self.lock.died(deaths))
    }
}
