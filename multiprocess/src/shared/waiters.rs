//! [`Waiters`]: look, then sleep. The threads that wait for one thing, and how they are notified.

use std::time::{Duration, Instant};

use crate::shared::atomic::AtomicU32;
use crate::shared::event_count::{EventCount, Sleep};
use crate::spin::{Processor, Spin, Waits};
use crate::sys::shared::{Block, Opening, Participation, SharedMemory};

/// The threads of all processes that wait for one thing, such as an item or a free slot of a queue.
pub(crate) struct Waiters<'a, S> {
    pub(crate) event_count: EventCount<'a, S>,
    /// The processor of the last notifier; `None` if that says nothing of the thread that is waited
    /// for.
    pub(crate) notifier: Option<Processor<'a>>,
    /// What this process remembers of its waits.
    pub(crate) spin: &'a Spin,
}

/// Sleep at one of a queue's event counts.
pub(crate) struct AtEventCount<'a> {
    pub(crate) opening: &'a Opening,
    /// Index of the event count.
    pub(crate) number: usize,
}

impl Sleep for AtEventCount<'_> {
    fn sleep(&self, word: &AtomicU32, value: u32, timeout: Duration) -> bool {
        self.opening.sleep(self.number, word, value, timeout)
    }

    fn wake(&self, word: &AtomicU32, most: u32) -> usize {
        self.opening.wake(self.number, word, most)
    }
}

/// Sleep at any word of a shared memory.
pub(crate) struct AtWord<'a> {
    pub(crate) block: &'a Block,
    /// Index of the word in the memory.
    pub(crate) index: usize,
}

impl Sleep for AtWord<'_> {
    fn sleep(&self, word: &AtomicU32, value: u32, timeout: Duration) -> bool {
        self.block.sleep(self.index, word, value, timeout);
        // Where a wake-up may stand for several, the block passes it on by itself.
        false
    }

    fn wake(&self, word: &AtomicU32, most: u32) -> usize {
        self.block.wake(self.index, word, most)
    }
}

impl<S: Sleep> Waiters<'_, S> {
    /// Notifies a waiting thread, if there is one; all of them, if there is `more` than for one.
    pub(crate) fn notify(&self, more: impl FnOnce() -> bool) {
        if let Some(notifier) = &self.notifier {
            notifier.note();
        }
        self.event_count.notify(more);
    }

    /// Notifies every waiting thread.
    pub(crate) fn notify_all(&self) {
        self.event_count.notify_all();
    }

    /// Wakes every waiting thread, also if the last notifier died halfway.
    pub(crate) fn wake_all(&self) {
        self.event_count.wake_all();
    }

    /// Waits until `look` finds something or the deadline has passed.
    ///
    /// `look(true)`, the last look before each sleep, is a thorough one. `more` returns true if
    /// there is something for another waiting thread, too.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        waits_for: Waits,
        mut look: impl FnMut(bool) -> Option<T>,
        more: impl Fn() -> bool,
    ) -> Option<T> {
        let found = self.spin.look(self.notifier.as_ref(), waits_for, deadline, || look(false));
        found.or_else(|| self.event_count.sleep(deadline, look, more))
    }
}
