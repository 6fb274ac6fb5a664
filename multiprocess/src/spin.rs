//! Adaptive spinning: how a thread that waits spends the time before it sleeps.
//!
//! Waking a thread takes 5 to 50 µs, most of all on another processor. So a thread first looks for
//! a while whether what it waits for has come. What it does between two looks depends on where the
//! thread that it waits for ran last:
//!
//! ```text
//!   on another processor        pauses, each twice as long as the one before
//!   on the same one, or unknown yields: to pause may keep that thread from running
//! ```
//!
//! Looking is worth nothing if it takes longer than the sleep would, so a process remembers two
//! things of waits for one item:
//!
//! - **Looks in vain.** After a wait for one thing that had to sleep in the end, the next 2 waits
//!   for it sleep at once; after each further such wait in a row, the next 4, 8 … 32.
//! - **Slow yields.** Beside a thread that computes all the time, a yield gives away a whole time
//!   slice, 3 to 4 ms. After a yield of more than 200 µs, the next 256, 512 … 4096 waits of this
//!   process don't yield. Where the other thread is on the same processor, such a wait sleeps at
//!   once. Where its processor is unknown, it pauses instead: to wake a thread on another processor
//!   that is busy takes 13 µs. (Calls of a pool beside two busy loops: with sleeping 12 to 145 µs,
//!   median 53; with pauses 4 to 27 µs, median 16. On an idle machine, where a single slow yield
//!   made the next 256 waits slow: 2 to 12 µs, and 2 to 5.)
//!
//! A thread that waits for the next of a stream looks in any case, and yields however long that
//! takes: meanwhile other threads make more, which it then takes in one go. (With 15 producers on
//! two processors, sleeping at once halves the rate.) It stops at its deadline: beside 20 threads
//! that compute, 40 yields take more than a second. Where the other thread's processor is unknown,
//! as in a pool, such a wait begins with a pause, so that items gather: without it the workers of a
//! pool slept six to thirteen times as often.
//!
//! Everything here is a hint: it decides how long a wait takes, never how it ends. So all atomics
//! are Relaxed, and threads that wait for one thing at the same time may lose each other's updates.

use std::hint::spin_loop;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::{available_parallelism, yield_now};
use std::time::{Duration, Instant};

use crate::deadline::has_passed;
use crate::sys::processor;

/// Time for which a thread looks before it sleeps: about as long as it may take to be woken.
const LOOKING: Duration = Duration::from_micros(40);

/// First pause: a single spin-loop hint.
const SHORT: Duration = Duration::from_nanos(20);

/// First pause of a wait that lets items accumulate.
const BATCH: Duration = Duration::from_micros(6);

/// Time charged for a yield of a wait for a stream, however long it took.
const SHORT_YIELD: Duration = Duration::from_micros(1);

/// Duration from which a yield counts as having given away a time slice.
const SLOW: Duration = Duration::from_micros(200);

/// True if this process has a single processor: other threads work only when this one yields.
static ONE_PROCESSOR: LazyLock<bool> =
    LazyLock::new(|| available_parallelism().is_ok_and(|processors| processors.get() == 1));

/// Memory of the yields of this process.
static YIELDS: Backoff = Backoff::new(256, 4096);

/// The processor on which the thread that makes something happen ran last.
pub(crate) struct Processor<'a>(pub(crate) &'a AtomicU64);

/// Another processor than this one, for a wait that isn't told which it is.
pub(crate) static ELSEWHERE: Processor<'_> = Processor(&NONE);
static NONE: AtomicU64 = AtomicU64::new(u64::MAX);

impl Processor<'_> {
    /// Notes the calling thread's processor.
    pub(crate) fn note(&self) {
        let here = processor::current() + 1;
        // Most often it is the same one: then the cache line is only read.
        if self.0.load(Ordering::Relaxed) != here {
            self.0.store(here, Ordering::Relaxed);
        }
    }

    /// Returns true if that thread ran on this processor.
    fn is_here(&self) -> bool {
        self.0.load(Ordering::Relaxed) == processor::current() + 1
    }
}

/// What a thread waits for, as far as it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// For one thing.
    One,
    /// Perhaps for the next of a stream.
    Trial,
    /// For the next of a stream.
    Stream,
}

/// Exponential backoff: something that has failed is left out for a number of times.
#[derive(Debug)]
struct Backoff {
    /// Number of times after the first failure; twice as many after each further one in a row.
    first: u32,
    most: u32,
    /// Number of times after the next failure.
    next: AtomicU32,
    /// Number of times left.
    left: AtomicU32,
}

impl Backoff {
    const fn new(first: u32, most: u32) -> Self {
        Self { first, most, next: AtomicU32::new(first), left: AtomicU32::new(0) }
    }

    /// Returns true if it is to be left out this time.
    fn leaves_out(&self) -> bool {
        let left = self.left.load(Ordering::Relaxed);
        if left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
        }
        left > 0
    }

    fn has_failed(&self) {
        let next = self.next.load(Ordering::Relaxed);
        self.left.store(next, Ordering::Relaxed);
        self.next.store((2 * next).min(self.most), Ordering::Relaxed);
    }

    fn has_succeeded(&self) {
        if self.next.load(Ordering::Relaxed) != self.first {
            self.next.store(self.first, Ordering::Relaxed);
        }
    }
}

/// What a process remembers of its waits for one thing.
#[derive(Debug)]
pub(crate) struct Spin {
    vain: Backoff,
}

impl Default for Spin {
    fn default() -> Self {
        Self::new()
    }
}

impl Spin {
    pub(crate) const fn new() -> Self {
        Self { vain: Backoff::new(2, 32) }
    }

    /// Looks for a while; returns `None` if nothing was found, so that the thread has to sleep.
    ///
    /// The caller has looked once. `by` is the processor of the thread that is waited for, if that
    /// is known. Yields end at the `deadline`; pauses are too short to check it.
    pub(crate) fn look<T>(
        &self,
        by: Option<&Processor<'_>>,
        waits_for: Waits,
        deadline: Option<Instant>,
        mut look: impl FnMut() -> Option<T>,
    ) -> Option<T> {
        let streams = waits_for == Waits::Stream;
        if !streams && self.vain.leaves_out() {
            return None;
        }
        let mut pause = if waits_for == Waits::One { SHORT } else { BATCH };
        let may_be_here = *ONE_PROCESSOR || by.is_none_or(Processor::is_here);
        let leaves_out_yields = !streams && may_be_here && YIELDS.leaves_out();
        let mut left = LOOKING;
        while !left.is_zero() {
            let gathers = by.is_none() && waits_for != Waits::One && left == LOOKING;
            let is_here = *ONE_PROCESSOR || by.is_some_and(Processor::is_here);
            if is_here && leaves_out_yields {
                break;
            }
            let yields = is_here || by.is_none() && !gathers && !leaves_out_yields;
            let spent = if !yields {
                let spent = pause;
                spin_for(pause);
                pause *= 2;
                spent
            } else if streams {
                // However long it takes: meanwhile others make more.
                yield_now();
                SHORT_YIELD
            } else {
                timed_yield()
            };
            let found = look();
            if found.is_some() {
                self.vain.has_succeeded();
                return found;
            }
            left = left.saturating_sub(spent);
            if yields && has_passed(deadline) {
                break;
            }
        }
        if !streams {
            self.vain.has_failed();
        }
        None
    }
}

/// Yields and returns how long that took.
fn timed_yield() -> Duration {
    let begun = Instant::now();
    yield_now();
    let spent = begun.elapsed();
    if spent > SLOW {
        YIELDS.has_failed();
    } else {
        YIELDS.has_succeeded();
    }
    spent
}

/// Spins for about this long. By the clock: a spin-loop hint takes from 3 to 50 ns, depending on
/// the processor.
fn spin_for(time: Duration) {
    if time < Duration::from_nanos(100) {
        return spin_loop();
    }
    let begun = Instant::now();
    while begun.elapsed() < time {
        spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks in vain for what a thread on another processor does; returns the number of looks.
    fn looks_in_vain(spin: &Spin) -> usize {
        looks_in_vain_by(spin, Some(&ELSEWHERE))
    }

    fn looks_in_vain_by(spin: &Spin, by: Option<&Processor<'_>>) -> usize {
        let mut looks = 0;
        let found = spin.look(by, Waits::One, None, || {
            looks += 1;
            None::<()>
        });
        assert_eq!(found, None);
        looks
    }

    #[test]
    fn waits_that_look_in_vain_are_followed_by_more_and_more_that_sleep_at_once() {
        let spin = Spin::default();
        for pauses in [2, 4, 8, 16, 32, 32] {
            assert!(looks_in_vain(&spin) > 0 || *ONE_PROCESSOR);
            for _ in 0..pauses {
                assert_eq!(looks_in_vain(&spin), 0);
            }
        }
        let found = spin.look(Some(&ELSEWHERE), Waits::One, None, || Some(7));
        assert!(found == Some(7) || *ONE_PROCESSOR);
        assert!(looks_in_vain(&spin) > 0 || *ONE_PROCESSOR);
        let at_once = (0..100).take_while(|_| looks_in_vain(&spin) == 0).count();
        assert!(at_once == 2 || *ONE_PROCESSOR, "{at_once}");
    }

    #[test]
    fn who_yields_looks_no_longer_than_it_has_time() {
        // One of them after a pause.
        let [one, most] = if *ONE_PROCESSOR { [1, 40] } else { [2, 35] };
        for (time, expected) in [(Duration::ZERO, one), (Duration::from_secs(3600), most)] {
            let deadline = Some(Instant::now() + time);
            let mut looks = 0;
            Spin::default().look(None, Waits::Stream, deadline, || {
                looks += 1;
                None::<()>
            });
            assert_eq!(looks, expected);
        }
    }

    #[test]
    fn after_a_slow_yield_it_pauses_instead_if_that_can_help() {
        YIELDS.left.store(1 << 20, Ordering::Relaxed);
        // Pauses of 20, 40 … 20480 ns.
        let unknown = looks_in_vain_by(&Spin::default(), None);
        assert_eq!(unknown, if *ONE_PROCESSOR { 0 } else { 11 });
        let here = AtomicU64::new(processor::current() + 1);
        let on_this_one = looks_in_vain_by(&Spin::default(), Some(&Processor(&here)));
        // It looks only if the system has just moved this thread.
        assert!(on_this_one == 0 || here.into_inner() != processor::current() + 1);
        YIELDS.left.store(0, Ordering::Relaxed);
    }

    #[test]
    fn it_looks_again_and_again_for_a_while() {
        let begun = Instant::now();
        let looks = looks_in_vain(&Spin::default());
        assert!(looks >= 5 && begun.elapsed() >= LOOKING / 2 || *ONE_PROCESSOR, "{looks}");
    }
}
