//! Waiting: who finds nothing to do sleeps at a bell, and who makes something to do rings it.
//!
//! ```text
//!   sleeper                              ringer
//!   says "somebody sleeps"               does its work
//!   looks once more ◀──── or ──────────▶ sees "somebody sleeps": wakes one
//!   sleeps, 100 ms at most               nobody woke? says "nobody sleeps", wakes all
//! ```
//!
//! Of the two who cross, one sees the other. Whoever is killed here leaves nothing behind but a
//! "somebody sleeps", which the next ring takes back, or a wake-up that went to the dead, which
//! costs the others 100 ms.
//!
//! Where the system can't count wake-ups, one may stand for several. A sleeper that has used up
//! such a one, and has found something to do, hands it on: it says "somebody sleeps" for the
//! threads that still sleep, and then wakes one of them if there is more to do.

use std::hint::spin_loop;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

use crate::sys::queue::{Opening, Participation};

/// As many sleepers as there are.
const ALL: u32 = i32::MAX.cast_unsigned();

/// The longest sleep before looking again.
const NAP: Duration = Duration::from_millis(100);

/// The pauses between the looks before the first sleep: each is twice the last, up to this one. All
/// together last about as long as it takes to be woken on another core.
const LAST_PAUSE: u32 = 1024;

/// The first pause of who lets items gather: about 6 µs.
const GATHERING: u32 = 256;

/// So many items since the last wait are a stream.
const STREAM: u64 = 8;

/// Every so many waits somebody tries whether a stream would come of it to let items gather.
const TRIAL: u32 = 32;

/// Whether this process has one core only: others can work there only if it lets them.
static ONE_CORE: LazyLock<bool> =
    LazyLock::new(|| available_parallelism().is_ok_and(|cores| cores.get() == 1));

/// How a process waits at a bell, learned from what came of it before.
///
/// Who looks all the time is there at once when something happens, but takes the slot's cache line
/// away from who is filling it. When items come one by one, it is best to look often; when they
/// stream, to let some gather and then take them in one go. The two are told apart after a long first
/// pause: have many items passed until the next wait? Measured from one to one, a stream and a round
/// trip: with short pauses 4.6 million items a second and 0.7 µs, with long ones 11.7 million and
/// 5 µs, learning 19.0 million and 0.8 µs.
#[derive(Debug, Default)]
pub(crate) struct Rhythm {
    streams: AtomicBool,
    /// Whether the last wait began with a long pause.
    gathered: AtomicBool,
    waits: AtomicU32,
    /// The position of the item that ended the last wait.
    last: AtomicU64,
}

// Threads that wait at the same time may mix up what is learned: that costs only time.
impl Rhythm {
    /// Whether the wait that begins now should let items gather.
    pub(crate) fn gathers(&self) -> bool {
        let waits = self.waits.fetch_add(1, Ordering::Relaxed);
        self.streams.load(Ordering::Relaxed) || waits.is_multiple_of(TRIAL)
    }

    /// The wait is over, with the item at this position.
    pub(crate) fn learn(&self, gathered: bool, position: u64) {
        let passed = position.wrapping_sub(self.last.swap(position, Ordering::Relaxed));
        if self.gathered.swap(gathered, Ordering::Relaxed) {
            self.streams.store(passed >= STREAM, Ordering::Relaxed);
        }
    }
}

pub(crate) struct Bell<'a> {
    /// Not 0 if a thread sleeps, or may.
    pub(crate) word: &'a AtomicU32,
    /// Which of the queue's bells it is.
    pub(crate) number: usize,
    pub(crate) opening: &'a Opening,
}

impl Bell<'_> {
    /// Wakes one who sleeps here, if there is one; all, if there is `more` to do than for one.
    pub(crate) fn ring(&self, more: impl FnOnce() -> bool) {
        // What was done before, others see before we look whether they sleep.
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed) == 0 {
            return;
        }
        // What was done earlier behind an obstacle woke somebody in vain: now there is more to do.
        let most = if more() { ALL } else { 1 };
        if self.wake(most) == 0 {
            self.word.store(0, Ordering::SeqCst);
            // Some may have gone to sleep between the two, and nobody would ring for them.
            self.wake(ALL);
        }
    }

    /// Wakes all.
    pub(crate) fn ring_for_all(&self) {
        fence(Ordering::SeqCst);
        if self.word.swap(0, Ordering::SeqCst) != 0 {
            self.wake(ALL);
        }
    }

    fn wake(&self, most: u32) -> usize {
        self.opening.wake(self.number, self.word, most)
    }

    /// Sees to other sleepers after a wake-up that may have stood for several.
    fn hand_on(&self, more: impl FnOnce() -> bool) {
        // What is made to do from here on is rung for; what was there before, `more` sees.
        self.word.store(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if more() {
            self.wake(1);
        }
    }

    /// Looks until there is something, or the deadline has passed; lets items gather first or not.
    /// The last look before each sleep is a thorough one. `more` tells whether there is something
    /// for another thread that waits here.
    pub(crate) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        gather: bool,
        mut look: impl FnMut(bool) -> Option<T>,
        more: impl Fn() -> bool,
    ) -> Option<T> {
        let mut pause = if gather { GATHERING } else { 1 };
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
        let mut hands_on = false;
        loop {
            self.word.store(1, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let mut found = look(true);
            if found.is_none() {
                // There is nothing, and the word is set: so there is nothing to hand on, either.
                let left = deadline
                    .map_or(NAP, |deadline| deadline.saturating_duration_since(Instant::now()));
                if left.is_zero() {
                    return None;
                }
                hands_on = self.opening.sleep(self.number, self.word, 1, left.min(NAP));
                found = look(false);
            }
            if found.is_some() {
                if hands_on {
                    self.hand_on(more);
                }
                return found;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits so often, and so many items pass from wait to wait if those before it gathered, or not.
    fn wait_often(rhythm: &Rhythm, position: &mut u64, after: [u64; 2]) {
        let mut gathered = false;
        for _ in 0..3 * TRIAL {
            *position += after[usize::from(gathered)];
            gathered = rhythm.gathers();
            rhythm.learn(gathered, *position);
        }
    }

    #[test]
    fn it_lets_a_stream_gather_and_is_quick_when_items_come_one_by_one() {
        let (rhythm, mut position) = (Rhythm::default(), 0);
        let gathers = |rhythm: &Rhythm| (0..TRIAL).filter(|_| rhythm.gathers()).count();
        for _ in 0..2 {
            wait_often(&rhythm, &mut position, [1, 50]);
            assert_eq!(gathers(&rhythm), TRIAL as usize);
            wait_often(&rhythm, &mut position, [1, 1]);
            assert_eq!(gathers(&rhythm), 1, "only to try");
        }
    }
}
