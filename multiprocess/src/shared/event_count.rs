//! An event count: a thread that finds nothing to do sleeps at it, and a thread that makes
//! something to do notifies it.
//!
//! ```text
//!   sleeper                                    notifier
//!   makes the word odd ("one may sleep")       does its work
//!   fence                                      fence
//!   looks once more ◀─ one sees the other ──▶  looks at the word: if odd, wakes one sleeper
//!   sleeps, if the word is still the same      none woken? makes it even, wakes all
//! ```
//!
//! The word counts: from even to odd when a thread is about to sleep, from odd to even when a
//! notifier has found no sleeper. With a flag instead, which is set and reset, a thread could be on
//! its way to sleep while the flag is reset for work that it has not seen, and set again by another
//! thread that then finds work and leaves: the first would sleep though there is work for it.
//!
//! A kill leaves an odd word without a sleeper, which a later notification resets; or a wake-up
//! that went to the dead thread; or work that no notifier told of; or sleepers at an even word, if
//! a notifier died between reset and wake, which no later notification sees. So a sleeper looks
//! again every 100 ms, unless another process wakes all sleepers after a kill, as the owner of a
//! pool does. (A notifier that is stopped there hides sleepers, too, until the next such look.)
//!
//! Where the system can't count wake-ups, one may stand for several. A sleeper that has consumed
//! such a wake-up, and has found something to do, passes it on: it makes the word odd for the
//! threads that still sleep, and then wakes one of them if there is more to do.
//!
//! A thread that looks all the time can spare the notifiers the wake-ups: the beginning of its
//! *lookout* makes the word even, though another thread sleeps. At its end the word is made odd for
//! that one, which is then woken if there is something to do.
//!
//! # Memory ordering
//!
//! Sleeper and notifier each store, fence (`SeqCst`), then load; at least one sees the other's
//! store, so no wake-up is lost. Acquire and Release can't give that: they let a load move before
//! an earlier store to another word.
//!
//! - `notify`: the work (a Release store in the ring), fence, Relaxed load of the word.
//! - `sleep`: the word is made odd, fence, Acquire loads in the ring. Then the system compares the
//!   word and puts the thread to sleep in one step, so a word that was reset in between keeps it
//!   awake. (On Windows a token that the notifier leaves does that.)
//! - `notify` resets the word before it wakes all. A thread that made it odd before the reset is
//!   asleep and is woken, or is kept awake by the reset. A thread that makes it odd afterwards sees
//!   the work: these steps are `SeqCst`, too, so they have one order with the fences.
//! - `pass_on` makes the word odd, fences and looks, as a sleeper does: later notifications see the
//!   word, and `more` sees earlier work. So it is at the end of a lookout, whose beginning needs no
//!   order: a thread that makes the word odd again is woken.
//!
//! The word orders nothing else. What a woken thread finds, it acquires from the slot.

use std::time::{Duration, Instant};

use crate::shared::atomic::{AtomicU32, Ordering, fence};

/// Wakes every sleeper.
const ALL: u32 = i32::MAX.cast_unsigned();

/// How the system puts threads to sleep at a word, and wakes them: see
/// [`Participation`](crate::sys::shared::Participation).
pub(crate) trait Sleep {
    fn sleep(&self, word: &AtomicU32, value: u32, timeout: Duration) -> bool;
    fn wake(&self, word: &AtomicU32, most: u32) -> usize;
}

/// An event count, as a view of its word.
pub(crate) struct EventCount<'a, S> {
    /// The word: odd if a thread sleeps, or may.
    pub(crate) word: &'a AtomicU32,
    pub(crate) system: S,
    /// Longest first sleep before the next look; each further one may be twice as long.
    pub(crate) first_nap: Duration,
    /// Longest sleep before the next look.
    pub(crate) nap: Duration,
}

impl<S: Sleep> EventCount<'_, S> {
    /// Wakes a sleeper, if there is one; all of them, if there is `more` to do than for one.
    ///
    /// One notification is for one new thing. If it wakes a sleeper, a thread that is just about to
    /// sleep may sleep on though there is more: several new things need
    /// [`notify_all`](Self::notify_all).
    pub(crate) fn notify(&self, more: impl FnOnce() -> bool) {
        // Pairs with the fence in `sleep`: a sleeper that is not seen here sees the work itself.
        fence(Ordering::SeqCst);
        if self.word.load(Ordering::Relaxed).is_multiple_of(2) {
            return;
        }
        // Earlier items behind a claimed slot woke a thread in vain: now there is work for more.
        let most = if more() { ALL } else { 1 };
        if self.wake(most) == 0 {
            self.reset();
            // Threads that went to sleep between the two steps get no other notification.
            self.wake(ALL);
        }
    }

    /// Wakes every sleeper.
    pub(crate) fn notify_all(&self) {
        fence(Ordering::SeqCst);
        if self.reset() {
            self.wake(ALL);
        }
    }

    /// Wakes every sleeper, also if a notifier died after it had reset the word.
    pub(crate) fn wake_all(&self) {
        fence(Ordering::SeqCst);
        self.reset();
        self.wake(ALL);
    }

    /// Begins a lookout: the calling thread looks instead of the sleeper, of which there may be
    /// one. Until it [ends](Self::end_lookout) the lookout, notifications don't wake a thread that
    /// sleeps already; one that goes to sleep meanwhile is woken as usual.
    ///
    /// If the thread's process is killed or stopped meanwhile, a sleeper in another process is
    /// found only by [`wake_all`](Self::wake_all), or when it looks again by itself.
    pub(crate) fn begin_lookout(&self) {
        self.reset();
    }

    /// Ends a lookout, and wakes the sleeper if there is `more` to do.
    pub(crate) fn end_lookout(&self, more: impl FnOnce() -> bool) {
        self.pass_on(more);
    }

    fn wake(&self, most: u32) -> usize {
        self.system.wake(self.word, most)
    }

    /// Makes the word even; returns false if it was.
    fn reset(&self) -> bool {
        let even = |word: u32| (!word.is_multiple_of(2)).then(|| word.wrapping_add(1));
        self.word.fetch_update(Ordering::SeqCst, Ordering::SeqCst, even).is_ok()
    }

    /// Makes the word odd, and returns it.
    fn set(&self) -> u32 {
        let word = self.word.fetch_or(1, Ordering::SeqCst) | 1;
        fence(Ordering::SeqCst);
        word
    }

    /// Passes on a wake-up that may have stood for several, or that a lookout kept from a sleeper.
    fn pass_on(&self, more: impl FnOnce() -> bool) {
        // Work made from here on is notified of; `more` sees work that was there before.
        self.set();
        if more() {
            self.wake(1);
        }
    }

    /// Sleeps until `look` finds something or the deadline has passed.
    ///
    /// `look(true)`, the last look before each sleep, is a thorough one. `more` returns true if
    /// there is something for another sleeper, too.
    pub(crate) fn sleep<T>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(bool) -> Option<T>,
        more: impl Fn() -> bool,
    ) -> Option<T> {
        let (mut passes_on, mut nap) = (false, self.first_nap);
        loop {
            let word = self.set();
            let mut found = look(true);
            if found.is_none() {
                // Nothing was found with the word set, so there is nothing to pass on either.
                let left = deadline.map_or(nap, |deadline| {
                    deadline.saturating_duration_since(Instant::now()).min(nap)
                });
                if left.is_zero() {
                    return None;
                }
                let asleep = Instant::now();
                passes_on = self.system.sleep(self.word, word, left);
                if asleep.elapsed() >= nap {
                    nap = nap.saturating_mul(2).min(self.nap);
                }
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

/// The event count over a model of what the systems do, in every interleaving.
#[cfg(all(test, loom))]
pub(crate) mod in_every_order {
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    use super::*;

    /// Where threads sleep.
    #[derive(Default)]
    struct Bed {
        sleepers: usize,
        /// Wake-ups that no sleeper has consumed.
        tokens: usize,
    }

    /// A futex, which wakes as many sleepers as it is told to; or a semaphore, which holds one
    /// token at most.
    pub(crate) struct System {
        is_futex: bool,
        bed: Mutex<Bed>,
        woken: Condvar,
    }

    impl System {
        pub(crate) fn new(is_futex: bool) -> Self {
            Self { is_futex, bed: Mutex::default(), woken: Condvar::new() }
        }

        /// Returns the event count with this word. No sleep ends by itself: a lost wake-up is a
        /// deadlock, which loom reports.
        pub(crate) fn event_count<'a>(&'a self, word: &'a AtomicU32) -> EventCount<'a, &'a Self> {
            EventCount { word, system: self, first_nap: Duration::MAX, nap: Duration::MAX }
        }
    }

    impl Sleep for &System {
        fn sleep(&self, word: &AtomicU32, value: u32, _: Duration) -> bool {
            let mut bed = self.bed.lock().unwrap();
            if word.load(Ordering::SeqCst) != value {
                return false;
            }
            bed.sleepers += 1;
            while bed.tokens == 0 {
                bed = self.woken.wait(bed).unwrap();
            }
            bed.tokens -= 1;
            if !self.is_futex {
                bed.sleepers -= 1;
            }
            !self.is_futex
        }

        fn wake(&self, _: &AtomicU32, most: u32) -> usize {
            let mut bed = self.bed.lock().unwrap();
            let woken = if self.is_futex {
                let woken = bed.sleepers.min(most as usize);
                bed.sleepers -= woken;
                woken
            } else {
                1 - bed.tokens
            };
            bed.tokens += woken;
            self.woken.notify_all();
            woken
        }
    }

    /// Items, and the threads that wait for one.
    struct Shared {
        items: AtomicU32,
        word: AtomicU32,
        system: System,
    }

    impl Shared {
        fn event_count(&self) -> EventCount<'_, &System> {
            self.system.event_count(&self.word)
        }

        fn take(&self) -> Option<()> {
            let one_less = |items: u32| items.checked_sub(1);
            self.items.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less).ok().map(|_| ())
        }

        fn has_item(&self) -> bool {
            self.items.load(Ordering::Acquire) > 0
        }

        fn put(&self) {
            self.items.fetch_add(1, Ordering::Release);
        }

        fn notify(&self) {
            self.event_count().notify(|| self.items.load(Ordering::Acquire) > 1);
        }

        fn get(&self) {
            let got = self.event_count().sleep(None, |_| self.take(), || self.has_item());
            assert_eq!(got, Some(()));
        }
    }

    fn model(is_futex: bool, run: impl Fn(Arc<Shared>) + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        // Of all interleavings those with at most so many preemptions: the others take hours.
        model.preemption_bound = Some(3);
        model.check(move || {
            let system = System::new(is_futex);
            let (items, word) = (AtomicU32::new(0), AtomicU32::new(0));
            run(Arc::new(Shared { items, word, system }));
        });
    }

    fn consumer(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
        let shared = Arc::clone(shared);
        thread::spawn(move || shared.get())
    }

    #[test]
    fn a_sleeper_is_woken_for_each_item() {
        for is_futex in [true, false] {
            model(is_futex, |shared| {
                let consumer = consumer(&shared);
                shared.put();
                shared.notify();
                consumer.join().unwrap();
            });
        }
    }

    #[test]
    fn two_sleepers_share_two_items() {
        for is_futex in [true, false] {
            model(is_futex, |shared| {
                let consumers = [consumer(&shared), consumer(&shared)];
                for _ in 0..2 {
                    shared.put();
                    shared.notify();
                }
                consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
            });
        }
    }

    #[test]
    fn a_lookout_that_ends_leaves_no_sleeper_asleep() {
        for (is_futex, takes) in [(true, true), (true, false), (false, true), (false, false)] {
            model(is_futex, move |shared| {
                let consumer = consumer(&shared);
                let producer = {
                    let shared = Arc::clone(&shared);
                    thread::spawn(move || {
                        shared.put();
                        shared.notify();
                    })
                };
                shared.event_count().begin_lookout();
                let took = takes && shared.take().is_some();
                shared.event_count().end_lookout(|| shared.has_item());
                if took {
                    shared.put();
                    shared.notify();
                }
                producer.join().unwrap();
                consumer.join().unwrap();
            });
        }
    }

    #[test]
    fn a_notifier_that_died_before_it_woke_is_made_up_for() {
        for (is_futex, resets) in [(true, true), (true, false), (false, true), (false, false)] {
            model(is_futex, move |shared| {
                let consumer = consumer(&shared);
                shared.put();
                if resets {
                    // The last step before the death.
                    shared.event_count().reset();
                }
                shared.event_count().wake_all();
                consumer.join().unwrap();
            });
        }
    }
}
