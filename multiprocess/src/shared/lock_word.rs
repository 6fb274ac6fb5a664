//! A lock of one word, which no death can wedge.
//!
//! ```text
//!   word:  deaths since the last recovery (19 bits) │ a thread sleeps (1) │ holder (12; 0: none)
//!
//!   lock     0, d ──────────▶ me, d          one compare-exchange; d > 0 is told
//!   unlock   me, d ─────────▶ 0, d           one swap; wakes one thread, if one slept
//!   inherit  dead, d ───────▶ me, d + 1      one compare-exchange under the dead number's lock; told
//!   bury     dead, d ───────▶ 0, d + 1       the dead number is about to be given away
//!   recover  me, d ─────────▶ me, 0          by a holder that was told
//! ```
//!
//! The holder's number gets into the word in the same step in which the lock is taken, so there is
//! no instant at which it is held and no process can tell by which one. The same holds for the
//! count of deaths.
//!
//! Behind the word lies the card of the process that died last. An heir writes it after it has
//! taken the lock; if it dies before, its own heir writes its card instead. So it is always that of
//! the process whose death was counted last.
//!
//! # Memory ordering
//!
//! Locking acquires what unlocking released: the compare-exchange is Acquire, the swap Release. An
//! heir has no Release to pair with: what the dead process wrote is visible to it because the kernel
//! frees the dead number after the process's last store. The word's other changes (the sleepers'
//! bit) order nothing. A sleeper's bit can't be missed: it and the unlocking swap change the same
//! word, and the system compares the word before it puts the thread to sleep.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::shared::Died;
use crate::shared::members::{Card, FIRST_NAP, LONGEST_NAP, Member, Members};
use crate::spin::{Spin, Waits};

const HOLDER: u32 = 0xfff;
const SLEEPERS: u32 = 1 << 12;
const ONE_DEATH: u32 = 1 << 13;

/// Wakes every sleeper.
const ALL: u32 = i32::MAX.cast_unsigned();

/// Number of words that a lock takes: a cache line.
pub(crate) const LOCK_WORDS: usize = 8;

/// Offset of the last dead process's card, and of the flag that it panicked.
const CARD: usize = 1;
const PANICKED: usize = CARD + Card::WORDS;

fn holder(word: u32) -> Member {
    (word & HOLDER) as Member
}

fn deaths(word: u32) -> u32 {
    word / ONE_DEATH
}

/// Counts one more death; at the most that fits it stays.
fn one_more_death(word: u32) -> u32 {
    word.checked_add(ONE_DEATH).unwrap_or(word)
}

/// One lock among the words of a memory's user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LockWord<'a> {
    members: &'a Members,
    index: usize,
}

impl<'a> LockWord<'a> {
    /// Returns the lock in [`LOCK_WORDS`] words from this index on.
    pub(crate) fn new(members: &'a Members, index: usize) -> Self {
        Self { members, index }
    }

    fn word(self) -> &'a AtomicU32 {
        self.members.half(self.index)
    }

    fn last(self) -> &'a [AtomicU64] {
        &self.members.words()[self.index..][..LOCK_WORDS]
    }

    /// Takes the lock if no process holds it, dead or alive; returns the deaths to be told.
    pub(crate) fn try_lock(self) -> Option<u32> {
        let me = u32::from(self.members.me());
        match self.word().compare_exchange(0, me, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => Some(0),
            Err(word) => self.take(word, 0),
        }
    }

    /// Takes the lock if no live process holds it; returns the deaths to be told.
    pub(crate) fn try_lock_thoroughly(self) -> Option<u32> {
        self.try_lock().or_else(|| self.inherit(0))
    }

    /// Takes the lock as long as it is free.
    fn take(self, mut word: u32, flag: u32) -> Option<u32> {
        while holder(word) == 0 {
            let mine = word | u32::from(self.members.me()) | flag;
            match self.word().compare_exchange(word, mine, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(deaths(mine)),
                Err(now) => word = now,
            }
        }
        None
    }

    /// Takes the lock from a dead holder.
    fn inherit(self, flag: u32) -> Option<u32> {
        let word = self.word().load(Ordering::Relaxed);
        let dead = holder(word);
        if dead == 0 {
            return self.take(word, flag);
        }
        let inherit = || {
            let mut now = self.word().load(Ordering::Relaxed);
            // Only sleepers change the word of a dead holder now.
            while holder(now) == dead {
                let me = u32::from(self.members.me());
                let mine = one_more_death(now) & !HOLDER | me | flag;
                let done =
                    self.word().compare_exchange(now, mine, Ordering::Acquire, Ordering::Relaxed);
                match done {
                    Ok(_) => {
                        self.write_last(dead, false);
                        return Some(deaths(mine));
                    }
                    Err(other) => now = other,
                }
            }
            None
        };
        self.members.while_dead(dead, inherit).flatten()
    }

    /// Waits for the lock, at most until the deadline; returns the deaths to be told.
    pub(crate) fn lock(self, spin: &Spin, deadline: Option<Instant>) -> Option<u32> {
        self.try_lock().or_else(|| self.lock_slowly(spin, deadline))
    }

    #[cold]
    fn lock_slowly(self, spin: &Spin, deadline: Option<Instant>) -> Option<u32> {
        if let Some(deaths) = spin.look(None, Waits::One, deadline, || self.try_lock()) {
            return Some(deaths);
        }
        let mut nap = FIRST_NAP;
        loop {
            let word = self.word().load(Ordering::Relaxed);
            // Other threads may sleep here, too: one that comes from a sleep says so.
            if let Some(deaths) = self.take(word, SLEEPERS) {
                return Some(deaths);
            }
            let word = self.word().fetch_or(SLEEPERS, Ordering::Relaxed) | SLEEPERS;
            if holder(word) == 0 {
                continue;
            }
            let left = deadline.map_or(Duration::MAX, |deadline| {
                deadline.saturating_duration_since(Instant::now())
            });
            if left.is_zero() {
                return self.inherit(SLEEPERS);
            }
            let (asleep, most) = (Instant::now(), left.min(nap));
            self.members.sleep(self.index, word, most);
            if asleep.elapsed() >= most {
                nap = (nap * 2).min(LONGEST_NAP);
                if let Some(deaths) = self.inherit(SLEEPERS) {
                    return Some(deaths);
                }
            }
        }
    }

    /// Unlocks; wakes a thread, if one sleeps. By the holder.
    pub(crate) fn unlock(self) {
        let word = self.word().load(Ordering::Relaxed);
        // Only sleepers change the word of a live holder.
        let before = if deaths(word) == 0 {
            self.word().swap(0, Ordering::Release)
        } else {
            self.word().fetch_and(!(HOLDER | SLEEPERS), Ordering::Release)
        };
        if before & SLEEPERS != 0 {
            self.members.wake(self.index, 1);
        }
    }

    /// Forgets the deaths: what the lock guards is whole. By the holder.
    pub(crate) fn recover(self) {
        self.word().fetch_and(HOLDER | SLEEPERS, Ordering::Relaxed);
    }

    /// Tells the next holder of a panic. By the holder.
    pub(crate) fn spoil(self) {
        let more = |word| Some(one_more_death(word));
        let _ = self.word().fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        self.write_last(self.members.me(), true);
    }

    /// Returns what is to be told of these deaths. By the holder.
    pub(crate) fn died(self, deaths: u32) -> Died {
        let last = self.last();
        let card = Card::read(last[CARD].load(Ordering::Relaxed), &last[CARD + 1..PANICKED]);
        let panicked = last[PANICKED].load(Ordering::Relaxed) != 0;
        Died { pid: card.pid, name: card.name, deaths, panicked }
    }

    /// Writes down which member died last. By the holder, or by the only one that buries.
    fn write_last(self, member: Member, panicked: bool) {
        let card = self.members.copy_card(member);
        for (word, value) in self.last()[CARD..].iter().zip(card) {
            word.store(value, Ordering::Relaxed);
        }
        self.last()[PANICKED].store(panicked.into(), Ordering::Relaxed);
    }

    /// Frees the lock from a dead member, whose number the caller has locked.
    pub(crate) fn bury(self, dead: Member) {
        let mut word = self.word().load(Ordering::Relaxed);
        while holder(word) == dead {
            self.write_last(dead, false);
            let free = one_more_death(word) & !(HOLDER | SLEEPERS);
            match self.word().compare_exchange(word, free, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => {
                    self.members.wake(self.index, ALL);
                    return;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Returns the member that holds the lock, dead or alive.
    pub(crate) fn holder(self) -> Option<Member> {
        let holder = holder(self.word().load(Ordering::Relaxed));
        (holder != 0).then_some(holder)
    }
}
