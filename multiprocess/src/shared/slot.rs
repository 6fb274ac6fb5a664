//! The slot of one permit: a word.
//!
//! ```text
//!   word:  changes (48 bits) | state (16 bits)
//!
//!              reserve            publish         take
//!   absent ───────────▶ reserved ─────────▶ free ──────────▶ held
//!     ▲  ▲                 │                 ▲                │ │
//!     │  └─────────────────┘                 └────────────────┘ │
//!     │   no room for all, or adder died      given back, or    │
//!     │                                       holder died       │
//!     └─────────────────────────────────────────────────────────┘
//!                              consumed
//! ```
//!
//! A held slot has its holder's number in it, a reserved one its adder's. Each arrow is one store
//! or one compare-exchange of that one word, so a permit is never between a count and an owner: a
//! death leaves it free or with the number of the dead process, and that number tells other
//! processes which permits come back.
//!
//! Only these change a word: for a free or an absent slot, any process, by compare-exchange; for a
//! slot with a number, a thread of the process of that number which has the slot's permit in its
//! hands; if that process is dead, the process that has locked its number.
//!
//! # Memory ordering
//!
//! - A look is an Acquire load, and each change is a Release. So a thread that takes a permit sees
//!   all that was done while its holders before had it, or before it was added. The exchange that
//!   takes it need not be an Acquire: no word comes a second time, so it finds the word that the
//!   look has seen, or fails.
//! - What a dead holder did is seen by the process that buries it, because the kernel frees a
//!   number after the last store of its process; and from there by the next holder.
//! - Why to take a permit is a Release, too: see `slots.rs`.

use crate::shared::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use crate::shared::members::{MEMBERS, Member};

#[cfg(loom)]
pub(crate) type Member = u16;
#[cfg(loom)]
const MEMBERS: Member = 4096;

/// What a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its permit can be taken.
    Free,
    /// Its permit is this process's.
    Held(Member),
    /// There is no permit, but room for one.
    Absent,
    /// This process is about to add a permit.
    Reserved(Member),
    /// None of these: the memory is damaged.
    Impossible,
}

/// States as numbers; below [`ABSENT`] it is the holder's number, or 0 for none.
const ABSENT: u64 = MEMBERS as u64;
/// The adder's number is added to this.
const RESERVED: u64 = 2 * ABSENT;
const RESERVED_END: u64 = RESERVED + ABSENT;
/// Largest number that fits; no state has it.
const IMPOSSIBLE: u64 = 0xffff;

impl State {
    #[inline]
    fn of(word: u64) -> Self {
        match word & IMPOSSIBLE {
            0 => Self::Free,
            holder @ 1..ABSENT => Self::Held(holder as Member),
            ABSENT => Self::Absent,
            adder if RESERVED < adder && adder < RESERVED_END => {
                Self::Reserved((adder - RESERVED) as Member)
            }
            _ => Self::Impossible,
        }
    }

    #[inline]
    fn number(self) -> u64 {
        match self {
            Self::Free => 0,
            Self::Held(holder) => holder.into(),
            Self::Absent => ABSENT,
            Self::Reserved(adder) => RESERVED + u64::from(adder),
            Self::Impossible => IMPOSSIBLE,
        }
    }

    /// Returns the process that has the slot, to hold or to add a permit.
    pub(crate) fn member(self) -> Option<Member> {
        match self {
            Self::Held(member) | Self::Reserved(member) => Some(member),
            Self::Free | Self::Absent | Self::Impossible => None,
        }
    }
}

/// What a look at a slot has seen. No other look sees the same, unless there was no change between
/// the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen(u64);

impl Seen {
    #[inline]
    pub(crate) fn state(self) -> State {
        State::of(self.0)
    }

    /// Returns a number that grows with each change of the slot.
    #[inline]
    pub(crate) fn changes(self) -> u64 {
        self.0
    }

    /// Returns the word after a change to this state.
    #[inline]
    fn changed(self, state: State) -> u64 {
        (self.0 | IMPOSSIBLE).wrapping_add(1) | state.number()
    }
}

/// A slot, as a view of its word.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot<'a>(pub(crate) &'a AtomicU64);

impl Slot<'_> {
    #[inline]
    pub(crate) fn look(self) -> Seen {
        Seen(self.0.load(Ordering::Acquire))
    }

    /// Changes the slot to this state; returns false if it has changed since the look.
    #[inline]
    pub(crate) fn change(self, seen: Seen, state: State) -> bool {
        let new = seen.changed(state);
        self.0.compare_exchange(seen.0, new, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Changes the slot, which has this process's number, to this state.
    #[inline]
    pub(crate) fn put(self, state: State) {
        let seen = Seen(self.0.load(Ordering::Relaxed));
        self.0.store(seen.changed(state), Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_a_state_or_impossible_and_each_change_makes_another_word() {
        for number in 0..=IMPOSSIBLE {
            // The next change is the one after which the count begins anew.
            let word = AtomicU64::new(!IMPOSSIBLE | number);
            let (slot, state) = (Slot(&word), State::of(number));
            assert_eq!(slot.look().state(), state);
            let is_there = number <= ABSENT || (RESERVED + 1..RESERVED_END).contains(&number);
            assert_eq!(is_there, state != State::Impossible, "{number}");
            assert_eq!(state.number(), if is_there { number } else { IMPOSSIBLE });
            let seen = slot.look();
            slot.put(state);
            assert!(slot.look() != seen && slot.look().state() == state);
            assert!(!slot.change(seen, State::Absent));
            let seen = slot.look();
            assert!(slot.change(seen, state));
            assert!(slot.look().changes() > seen.changes() && slot.look().state() == state);
        }
    }
}
