//! A lock in one word, which goes on when its holder is killed, and tells the next holder.
//!
//! ```text
//!   word:  deaths since the last recovery (19 bits) │ a thread may sleep (1) │ holder (12)
//!
//!   lock      0, d ──────▶ me, d        one compare-exchange; with d > 0 the deaths are told
//!   unlock    me, d ─────▶ 0, d         one swap; wakes one thread if one may sleep
//!   recover   me, d ─────▶ me, 0        what the lock guards is whole
//!   spoil     me, d ─────▶ me, d + 1    the holder panics
//!   inherit   dead, d ───▶ me, d + 1    one compare-exchange, with the dead one's number locked
//!   bury      dead, d ───▶ 0, d + 1     the dead one's number is about to be given away
//! ```
//!
//! The word names its holder in the same step that takes the lock, so at no instant the lock is
//! held and nothing tells by which process; and it counts a death in the step that frees the lock
//! from the dead. Behind the word lies a record of the last process that died.
//!
//! # A death at each step
//!
//! | | the last step before the death | what is left | what the others see |
//! | --- | --- | --- | --- |
//! | L1 | none yet | nothing | nothing |
//! | L2, L6 | took the lock, at once or after a sleep | held by the dead | one death is told |
//! | L3 | found it held | nothing | nothing |
//! | L4 | announced that it sleeps | the bit | a wake-up in vain |
//! | L5 | was woken, and took nothing | nothing | the next sleeper looks after its nap |
//! | L7 | locked a dead holder's number | the number is free again | one death, the first |
//! | L8, L9 | inherited; recorded the death | held by a dead heir | both deaths are told |
//! | L10 | learned of the deaths | the same | both are told |
//! | L14 | said that all is whole | held by the dead | one death, the second |
//! | L11 | was about to unlock | held by the dead | one death, though all is whole |
//! | L12 | unlocked, and woke no thread | free, and a sleeper | the sleeper looks after its nap |
//! | L13 | unlocked | nothing | nothing |
//! | L15 | took a dead holder's number for a new member | the number is free again | as before |
//! | L16 | freed the word from that number | free, and sleepers | one death is told, after a nap |
//!
//! Naps last 1 ms at first, and twice as long each time, up to 100 ms. So a death costs the others
//! at most as long as they have waited already, and never more than 100 ms and the time in which
//! the system lets them run.
//!
//! The bit for sleepers heals itself: a thread that comes from a sleep takes the lock with the bit
//! set, because others may sleep, too, and a thread that gives up leaves it set for the same
//! reason. If none sleeps, that costs one wake-up.
//!
//! # Memory ordering
//!
//! - `lock` acquires what `unlock` released: the guarded data. Between the two, sleepers set their
//!   bit, and holders change the count; these are read-modify-writes, which keep a release sequence
//!   going, so Relaxed is enough for them.
//! - `inherit`: a dead holder released nothing. The kernel frees its number after its last store,
//!   and locking the number comes after that.
//! - `bury`: the same, and its compare-exchange releases that to the next `lock`. It has written
//!   the record before.
//! - The record is written by the holder, or by the process that has the dead holder's number
//!   locked, and read by a holder. So it needs no order of its own.
//! - The system compares the word and puts the thread to sleep in one step. So the sleeper sees the
//!   new word, or the notifier the sleeper.
//! - All changes of the word are read-modify-writes, and must stay so: a `Value` relies on it to
//!   order its writers with threads that wait (`transaction.rs`).

#[cfg(all(test, loom))]
mod in_every_order;
#[cfg(not(loom))]
mod in_memory;
#[cfg(all(test, not(loom)))]
mod step_by_step;

use std::time::{Duration, Instant};

use crate::deadline::has_passed;
use crate::shared::atomic::{AtomicU32, Ordering};
#[cfg(not(loom))]
use crate::shared::members::{LONGEST_NAP, Member, first_nap};

#[cfg(not(loom))]
pub(crate) use in_memory::{LOCK_WORDS, LockWord};

#[cfg(loom)]
type Member = u16;
#[cfg(loom)]
fn first_nap() -> Duration {
    Duration::from_millis(1)
}
#[cfg(loom)]
const LONGEST_NAP: Duration = Duration::from_millis(100);

const HOLDER: u32 = 0xfff;
const SLEEPERS: u32 = 1 << 12;
const ONE_DEATH: u32 = 1 << 13;

/// Wakes every sleeper.
const ALL: u32 = i32::MAX.cast_unsigned();

fn holder(word: u32) -> Member {
    (word & HOLDER) as Member
}

fn deaths(word: u32) -> u32 {
    word / ONE_DEATH
}

/// Counts one more death, up to the highest number that there is room for.
fn with_one_more_death(word: u32) -> u32 {
    word.checked_add(ONE_DEATH).unwrap_or(word)
}

/// What a lock needs of its memory and of the system.
pub(crate) trait System: Copy {
    fn word(&self) -> &AtomicU32;

    /// Returns the number of the process that asks.
    fn me(&self) -> Member;

    /// Writes down which process died last, and whether it only panicked.
    fn record(&self, member: Member, panicked: bool);

    /// Sleeps at the word while it has this value, at most until the end of the nap or the
    /// deadline; may return at any time. Returns true if the nap is over.
    fn sleep(&self, value: u32, nap: &mut Nap, deadline: Option<Instant>) -> bool;

    /// Wakes at most this many of the threads that sleep at the word.
    fn wake(&self, most: u32);

    /// Runs the work with the member's number locked; returns `None` if it is alive.
    fn while_dead<T>(&self, member: Member, work: impl FnOnce() -> T) -> Option<T>;

    /// Does nothing. In tests a process may die here.
    fn reach(&self, _step: Step) {}
}

/// A step after which a process may die: a row of the table above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
pub(crate) enum Step {
    /// L1: nothing yet.
    Begun,
    /// L2: the lock is taken at once.
    Taken,
    /// L3: it was found held.
    Refused,
    /// L4: it is announced that a thread sleeps.
    Announced,
    /// L5: the sleep is over.
    Woken,
    /// L6: the lock is taken after a sleep.
    TakenLate,
    /// L7: the dead holder's number is locked.
    NumberLocked,
    /// L8: the lock is inherited.
    Inherited,
    /// L9: the death is recorded.
    Recorded,
    /// L10: the deaths are known to the holder.
    Told,
    /// L14: the holder has said that all is whole.
    Recovered,
    /// L11: the holder is about to unlock.
    Leaving,
    /// L12: the lock is free, and no thread woken.
    Unlocked,
    /// L13: a thread is woken, if one may have slept.
    Left,
    /// L15: the dead holder's number is a new member's.
    NumberTaken,
    /// L16: the lock is freed from the dead, and no thread woken.
    Buried,
}

/// The time until a sleeping thread looks whether the holder is alive: twice as long each time.
pub(crate) struct Nap {
    length: Duration,
    end: Instant,
}

impl Nap {
    fn first() -> Self {
        let length = first_nap();
        Self { length, end: Instant::now() + length }
    }

    /// Returns the time that is left of the nap, or until the deadline.
    #[cfg(not(loom))]
    fn left(&self, deadline: Option<Instant>) -> Duration {
        let end = deadline.map_or(self.end, |deadline| deadline.min(self.end));
        end.saturating_duration_since(Instant::now())
    }

    /// Begins the next nap if this one is over; returns true if it is.
    #[cfg(not(loom))]
    fn next(&mut self) -> bool {
        let now = Instant::now();
        let is_over = now >= self.end;
        if is_over {
            self.length = (2 * self.length).min(LONGEST_NAP);
            self.end = now + self.length;
        }
        is_over
    }
}

/// A lock, as a view of its word.
#[derive(Clone, Copy)]
pub(crate) struct LockOn<S>(S);

impl<S: System> LockOn<S> {
    /// Takes the lock if it is free and no death is to be told; returns true if it is taken.
    #[inline]
    pub(crate) fn try_lock_whole(self) -> bool {
        self.0.reach(Step::Begun);
        let me = self.0.me().into();
        let (taken, seen) = (Ordering::Acquire, Ordering::Relaxed);
        let is_taken = self.0.word().compare_exchange(0, me, taken, seen).is_ok();
        if is_taken {
            self.0.reach(Step::Taken);
        }
        is_taken
    }

    /// Takes the lock if it is free; returns the number of deaths to tell.
    ///
    /// The quick way: it doesn't ask whether a holder is dead.
    #[inline]
    pub(crate) fn try_lock(self) -> Option<u32> {
        if self.try_lock_whole() { Some(0) } else { self.take(0) }
    }

    /// Takes the lock if it is free, or its holder dead; returns the number of deaths to tell.
    #[inline]
    pub(crate) fn try_lock_thoroughly(self) -> Option<u32> {
        self.try_lock().or_else(|| self.inherit(0))
    }

    /// Takes the lock if it is free, with this flag.
    fn take(self, flag: u32) -> Option<u32> {
        let mut word = self.0.word().load(Ordering::Relaxed);
        while holder(word) == 0 {
            let mine = word | u32::from(self.0.me()) | flag;
            match self.exchange(word, mine, Ordering::Acquire) {
                Ok(()) => {
                    self.0.reach(if flag == 0 { Step::Taken } else { Step::TakenLate });
                    return Some(deaths(mine));
                }
                Err(now) => word = now,
            }
        }
        None
    }

    /// Takes the lock from a dead holder, with this flag.
    #[cold]
    fn inherit(self, flag: u32) -> Option<u32> {
        let dead = holder(self.0.word().load(Ordering::Relaxed));
        if dead == 0 {
            return self.take(flag);
        }
        let inherited = self.0.while_dead(dead, || {
            self.0.reach(Step::NumberLocked);
            let mut word = self.0.word().load(Ordering::Relaxed);
            // Now only threads that are about to sleep change it.
            while holder(word) == dead {
                let mine = with_one_more_death(word) & !HOLDER | u32::from(self.0.me()) | flag;
                match self.exchange(word, mine, Ordering::Acquire) {
                    Ok(()) => {
                        self.0.reach(Step::Inherited);
                        self.0.record(dead, false);
                        self.0.reach(Step::Recorded);
                        return Some(deaths(mine));
                    }
                    Err(now) => word = now,
                }
            }
            None
        });
        inherited.flatten()
    }

    /// Sleeps until the lock is free or its holder dead, and takes it then; returns the number of
    /// deaths to tell. Returns `None` once the deadline has passed.
    fn sleep_and_lock(self, deadline: Option<Instant>) -> Option<u32> {
        let mut nap = Nap::first();
        loop {
            // Others may sleep here, too.
            let locked = self.take(SLEEPERS);
            if locked.is_some() {
                return locked;
            }
            self.0.reach(Step::Refused);
            let Some(value) = self.announce() else { continue };
            self.0.reach(Step::Announced);
            if has_passed(deadline) {
                return self.inherit(SLEEPERS);
            }
            let is_over = self.0.sleep(value, &mut nap, deadline);
            self.0.reach(Step::Woken);
            if is_over {
                let locked = self.inherit(SLEEPERS);
                if locked.is_some() {
                    return locked;
                }
            }
        }
    }

    /// Sets the bit for sleepers, and returns the word; `None` if the lock is free.
    fn announce(self) -> Option<u32> {
        let mut word = self.0.word().load(Ordering::Relaxed);
        while holder(word) != 0 {
            let sleeping = word | SLEEPERS;
            if word == sleeping || self.exchange(word, sleeping, Ordering::Relaxed).is_ok() {
                return Some(sleeping);
            }
            word = self.0.word().load(Ordering::Relaxed);
        }
        None
    }

    /// Unlocks, by a holder that was told of no deaths, or has recovered from them, and hasn't
    /// spoiled anything.
    #[inline]
    pub(crate) fn unlock_whole(self) {
        self.0.reach(Step::Leaving);
        let before = self.0.word().swap(0, Ordering::Release);
        self.wake_after(before);
    }

    /// Unlocks; deaths that the holder has not recovered from will be told to the next one.
    #[inline]
    pub(crate) fn unlock(self) {
        // Only threads that are about to sleep change the word of a living holder.
        if self.deaths() == 0 {
            return self.unlock_whole();
        }
        self.0.reach(Step::Leaving);
        let before = self.0.word().fetch_and(!(HOLDER | SLEEPERS), Ordering::Release);
        self.wake_after(before);
    }

    #[inline]
    fn wake_after(self, before: u32) {
        self.0.reach(Step::Unlocked);
        if before & SLEEPERS != 0 {
            self.wake(1);
        }
        self.0.reach(Step::Left);
    }

    #[cold]
    fn wake(self, most: u32) {
        self.0.wake(most);
    }

    /// Says that what the lock guards is whole. By the holder.
    pub(crate) fn recover(self) {
        self.0.reach(Step::Told);
        self.0.word().fetch_and(HOLDER | SLEEPERS, Ordering::Relaxed);
        self.0.reach(Step::Recovered);
    }

    /// Says that what the lock guards may be half changed, because the holder panics.
    pub(crate) fn spoil(self) {
        self.0.record(self.0.me(), true);
        let more = |word| Some(with_one_more_death(word));
        let _ = self.0.word().fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    /// Frees the lock from a dead member, whose number the caller has locked.
    pub(crate) fn bury(self, dead: Member) {
        self.0.reach(Step::NumberTaken);
        let mut word = self.0.word().load(Ordering::Relaxed);
        while dead != 0 && holder(word) == dead {
            // Before it is free: then the next holder may write there.
            self.0.record(dead, false);
            let free = with_one_more_death(word) & !(HOLDER | SLEEPERS);
            match self.exchange(word, free, Ordering::AcqRel) {
                Ok(()) => {
                    self.0.reach(Step::Buried);
                    return self.wake(ALL);
                }
                Err(now) => word = now,
            }
        }
    }

    /// Returns the holder, dead or alive.
    pub(crate) fn holder(self) -> Option<Member> {
        Some(holder(self.0.word().load(Ordering::Relaxed))).filter(|holder| *holder != 0)
    }

    /// Returns the number of deaths that are still to be told. By the holder.
    #[inline]
    pub(crate) fn deaths(self) -> u32 {
        deaths(self.0.word().load(Ordering::Relaxed))
    }

    fn exchange(self, old: u32, new: u32, order: Ordering) -> Result<(), u32> {
        self.0.word().compare_exchange(old, new, order, Ordering::Relaxed).map(drop)
    }
}
