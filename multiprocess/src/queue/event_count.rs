//! An event count: a thread that finds nothing to do sleeps at it, and a thread that makes
//! something to do notifies it.
//!
//! ```text
//!   sleeper                                    notifier
//!   word = 1 ("a thread may sleep")            does its work
//!   fence                                      fence
//!   looks once more ◀─ one sees the other ──▶  looks at the word: if 1, wakes one sleeper
//!   sleeps, 100 ms at most                     none woken? word = 0, wakes all
//! ```
//!
//! A kill leaves nothing behind but a set word, which the next notification resets, or a wake-up
//! that went to the dead thread, which costs the others 100 ms.
//!
//! Where the system can't count wake-ups, one may stand for several. A sleeper that has consumed
//! such a wake-up, and has found something to do, passes it on: it sets the word for the threads
//! that still sleep, and then wakes one of them if there is more to do.
//!
//! # Memory ordering
//!
//! Sleeper and notifier each store, fence (`SeqCst`), then load; at least one sees the other's
//! store, so no wake-up is lost. Acquire and Release can't give that: they let a load move before
//! an earlier store to another word.
//!
//! - `notify`: the work (a Release store in the ring), fence, Relaxed load of the word.
//! - `wait`: the word is set, fence, Acquire loads in the ring. Then the system compares the word
//!   and puts the thread to sleep in one step, so a word that was reset in between keeps it awake.
//!   (On Windows a token that the notifier leaves does that.)
//! - `notify` resets the word before it wakes all. A thread that set the word before the reset is
//!   asleep and is woken, or is kept awake by the reset. A thread that sets it afterwards sees the
//!   work: set and reset are `SeqCst`, too, so they have one order with the fences.
//! - `pass_on` sets the word, fences and looks, as a sleeper does: later notifications see the
//!   word, and `more` sees earlier work.
//!
//! The word orders nothing else. What a woken thread finds, it acquires from the slot.

use std::hint::spin_loop;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

use crate::sys::queue::{Opening, Participation};

/// Wakes every sleeper.
const ALL: u32 = i32::MAX.cast_unsigned();

/// Longest sleep before the next look.
const NAP: Duration = Duration::from_millis(100);

/// Longest pause of the spinning before the first sleep; each pause is twice the one before. All
/// together last about as long as it takes to be woken on another core.
const LAST_PAUSE: u32 = 1024;

/// First pause of a wait that lets items accumulate: about 6 µs.
const BATCH_PAUSE: u32 = 256;

/// Number of items since the last wait that counts as a stream.
const STREAM: u64 = 8;

/// Number of waits between two trials whether batching pays.
const TRIAL: u32 = 32;

/// True if this process has a single core: other threads work only when this one yields.
static ONE_CORE: LazyLock<bool> =
    LazyLock::new(|| available_parallelism().is_ok_and(|cores| cores.get() == 1));

/// Adaptive spinning: how a process waits, learned from what came of earlier waits.
///
/// A consumer that polls all the time sees an item at once, but takes the slot's cache line away
/// from the producer that is filling it. When items come one by one, polling often is best; when
/// they stream, it is better to let some accumulate and then take them in one go. A long
/// first pause tells the two apart: have many items passed until the next wait? Measured from one
/// producer to one consumer, a stream and a round trip: with short pauses 4.6 million items a
/// second and 0.7 µs, with long ones 11.7 million and 5 µs, adaptive 19.0 million and 0.8 µs.
#[derive(Debug, Default)]
pub(crate) struct AdaptiveSpin {
    streams: AtomicBool,
    /// True if the last wait began with a long pause.
    batched: AtomicBool,
    waits: AtomicU32,
    /// Sequence number of the item that ended the last wait.
    last: AtomicU64,
}

// Threads that wait at the same time may mix up what is learned, which costs only time: all
// Relaxed.
impl AdaptiveSpin {
    /// Returns true if the wait that begins now should let items accumulate.
    pub(crate) fn batches(&self) -> bool {
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        self.streams.load(Ordering::Relaxed) || waits.is_multiple_of(TRIAL)
    }

    /// Records how a wait ended: with the item of this sequence number.
    pub(crate) fn learn(&self, batched: bool, sequence: u64) {
        let passed = sequence.wrapping_sub(self.last.swap(sequence, Ordering::Relaxed));
        if self.batched.swap(batched, Ordering::Relaxed) {
            self.streams.store(passed >= STREAM, Ordering::Relaxed);
        }
    }
}

/// An event count, as a view of its word.
pub(crate) struct EventCount<'a> {
    /// The word: not 0 if a thread sleeps, or may.
    pub(crate) word: &'a AtomicU32,
    /// Index of this event count in its queue.
    pub(crate) number: usize,
    pub(crate) opening: &'a Opening,
}

impl EventCount<'_> {
    /// Wakes a sleeper, if there is one; all of them, if there is `more` to do than for one.
    pub(crate) fn notify(&self, more: impl FnOnce() -> bool) {
        // Pairs with the fence in `wait`: a sleeper that is not seen here sees the work itself.
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) == 0 {
            return;
        }
        // Earlier items behind a claimed slot woke a thread in vain: now there is work for more.
        let most = if more() { ALL } else { 1 };
        if self.wake(most) == 0 {
            self.word.store(0, Ordering::SeqCst);
            // Threads that went to sleep between the two steps get no other notification.
            self.wake(ALL);
        }
    }

    /// Wakes every sleeper.
    pub(crate) fn notify_all(&self) {
        fence(Ordering::SeqCst);
        if self.word.swap(0, Ordering::SeqCst) != 0 {
            self.wake(ALL);
        }
    }

    fn wake(&self, most: u32) -> usize {
        self.opening.wake(self.number, self.word, most)
    }

    /// Passes on a wake-up that may have stood for several.
    fn pass_on(&self, more: impl FnOnce() -> bool) {
        // Work made from here on is notified of; `more` sees work that was there before.
        self.word.store(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if more() {
            self.wake(1);
        }
    }

    /// Waits until `look` finds something or the deadline has passed: spins first, then sleeps.
    ///
    /// With `batch` the spinning begins with a long pause, so that items accumulate. `look(true)`,
    /// the last look before each sleep, is a thorough one. `more` returns true if there is
    /// something for another waiting thread, too.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        batch: bool,
        mut look: impl FnMut(bool) -> Option<T>,
        more: impl Fn() -> bool,
    ) -> Option<T> {
        let mut pause = if batch { BATCH_PAUSE } else { 1 };
        while pause <= LAST_PAUSE {
            if *ONE_CORE {
                yield_now();
            } else {
                (0..pause).for_each(|_| spin_loop());
            }
            if let Some(found) = look(false) {
                return Some(found);
            }
            pause *= 2;
        }
        let mut passes_on = false;
        loop {
            self.word.store(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let mut found = look(true);
            if found.is_none() {
                // Nothing was found with the word set, so there is nothing to pass on either.
                let left = deadline
                    .map_or(NAP, |deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return None;
                }
                passes_on = self.opening.sleep(self.number, self.word, 1, left.min(NAP));
                found = look(false);
            }
            if found.is_some() {
                if passes_on {
                    self.pass_on(more);
                }
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits several times; from wait to wait `after[0]` items pass, after a batching one
    /// `after[1]`.
    fn wait_often(spin: &AdaptiveSpin, sequence: &mut u64, after: [u64; 2]) {
        let mut batched = false;
        for _ in 0..3 * TRIAL {
            *sequence += after[usize::from(batched)];
            batched = spin.batches();
            spin.learn(batched, *sequence);
        }
    }

    #[test]
    fn it_lets_a_stream_gather_and_is_quick_when_items_come_one_by_one() {
        let (spin, mut sequence) = (AdaptiveSpin::default(), 0);
        let batches = |spin: &AdaptiveSpin| (0..TRIAL).filter(|_| spin.batches()).count();
        for _ in 0..2 {
            wait_often(&spin, &mut sequence, [1, 50]);
            assert_eq!(batches(&spin), TRIAL as usize);
            wait_often(&spin, &mut sequence, [1, 1]);
            assert_eq!(batches(&spin), 1, "only to try");
        }
    }
}
