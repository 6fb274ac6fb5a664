//! The slots of a semaphore: one for each permit that there is, or may be.
//!
//! **That no permit is free** can't be seen by looking at one slot after the other: a permit may be
//! given back in front of the look while another one is taken behind it. But each look at a slot
//! tells how often that has changed. If two rounds of looks see the same, then no slot has changed
//! between the end of the first and the beginning of the second, and none was free at that time.
//!
//! # Memory ordering
//!
//! That of a single slot stands in `slot.rs`. That taking a permit is a Release is for these two
//! rounds: one that sees a slot taken sees in its second round all slots that were free before.
//! Otherwise a process that gives one permit back and takes another could be seen with both in both
//! rounds.

use crate::shared::atomic::AtomicU64;
#[cfg(not(loom))]
use crate::shared::members::Member;
#[cfg(loom)]
use crate::shared::slot::Member;
use crate::shared::slot::{Seen, Slot, State};

/// The most rounds of looks for two that see the same. While other processes take and give back all
/// the time, that may never be, if there are many slots.
const ROUNDS: usize = 64;

/// A step after which a process may die.
#[cfg_attr(test, derive(Debug, serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// A free slot is found.
    Found = 400,
    /// The permit is taken.
    Taken,
    /// About to give a permit back, or to consume it.
    Leaving,
    /// The permit is given back or consumed, and no thread was woken.
    Left,
    /// A dead process's number is locked.
    NumberLocked,
    /// The first of the dead process's slots is free, or absent.
    Buried,
    /// The first slot is reserved.
    Reserved,
    /// The first reserved slot is free.
    Added,
}

/// Marks a step. In tests a process may die here.
fn reach(_step: Step) {
    #[cfg(all(test, not(loom)))]
    crate::crash::reach(_step as u32);
}

/// The slots of a semaphore, used by the process of one number.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'a> {
    words: &'a [AtomicU64],
    me: Member,
}

impl<'a> Slots<'a> {
    #[inline]
    pub(crate) const fn new(words: &'a [AtomicU64], me: Member) -> Self {
        Self { words, me }
    }

    /// Leaves so many permits in new slots, which are all free and not shared yet.
    pub(crate) fn begin_with(self, permits: usize) {
        self.words[permits..].iter().for_each(|word| Slot(word).put(State::Absent));
    }

    fn slot(self, slot: usize) -> Slot<'a> {
        Slot(&self.words[slot])
    }

    /// Looks at all slots, from this one on, and then from the first.
    #[inline]
    fn looks(self, first: usize) -> impl Iterator<Item = (usize, Seen)> {
        let (first, end) = (first.min(self.words.len()), self.words.len());
        (first..end).chain(0..first).map(move |slot| (slot, self.slot(slot).look()))
    }

    /// Looks for the slots in this state.
    fn find(self, state: State, first: usize) -> impl Iterator<Item = (usize, Seen)> {
        self.looks(first).filter(move |(_, seen)| seen.state() == state)
    }

    /// Takes a permit, the first that is free from this slot on, and returns its slot. Otherwise
    /// returns the sum of what was seen, which no change of a slot leaves as it was.
    #[inline]
    pub(crate) fn take(self, first: usize) -> Result<usize, u64> {
        let mut sum = 0_u64;
        for (slot, seen) in self.looks(first) {
            if seen.state() == State::Free {
                reach(Step::Found);
                if self.slot(slot).change(seen, State::Held(self.me)) {
                    reach(Step::Taken);
                    return Ok(slot);
                }
            }
            sum = sum.wrapping_add(seen.changes());
        }
        Err(sum)
    }

    /// Takes a permit; returns `None` only if at some moment of this call none was free (or if it
    /// never came to two rounds that see the same).
    pub(crate) fn take_any(self, first: usize) -> Option<usize> {
        let mut before = None;
        for _ in 0..ROUNDS {
            match self.take(first) {
                Ok(slot) => return Some(slot),
                Err(sum) if before == Some(sum) => break,
                Err(sum) => before = Some(sum),
            }
        }
        None
    }

    /// Gives back a permit of this process.
    #[inline]
    pub(crate) fn give_back(self, slot: usize) {
        self.leave(slot, State::Free);
    }

    /// Consumes a permit of this process: its slot is room for another one.
    pub(crate) fn consume(self, slot: usize) {
        self.leave(slot, State::Absent);
    }

    #[inline]
    fn leave(self, slot: usize, state: State) {
        reach(Step::Leaving);
        self.slot(slot).put(state);
        reach(Step::Left);
    }

    /// Adds so many permits, in the first slots that have none from this one on, and returns the
    /// last of these slots. Adds none and returns `None` if there are too few.
    ///
    /// If this process dies here, none, some or all of the permits are there.
    pub(crate) fn add(self, permits: usize, first: usize) -> Option<usize> {
        // Not to be in the way of an addition of fewer permits.
        if self.find(State::Absent, first).take(permits).count() < permits {
            return None;
        }
        let mut slots = Vec::with_capacity(permits);
        for (slot, seen) in self.find(State::Absent, first) {
            if self.slot(slot).change(seen, State::Reserved(self.me)) {
                reach(Step::Reserved);
                slots.push(slot);
            }
            if slots.len() == permits {
                break;
            }
        }
        let are_enough = slots.len() == permits;
        for slot in &slots {
            self.slot(*slot).put(if are_enough { State::Free } else { State::Absent });
            reach(Step::Added);
        }
        slots.pop().filter(|_| are_enough)
    }

    /// Counts the free permits.
    pub(crate) fn free(self) -> usize {
        self.find(State::Free, 0).count()
    }

    /// Returns true if more than one permit is free.
    pub(crate) fn has_several_free(self) -> bool {
        self.find(State::Free, 0).nth(1).is_some()
    }

    /// Counts the permits of this process.
    pub(crate) fn held_by(self, member: Member) -> usize {
        self.find(State::Held(member), 0).count()
    }

    /// Counts the permits, held and reserved ones among them.
    pub(crate) fn taken_up(self) -> usize {
        self.room() - self.find(State::Absent, 0).count()
    }

    /// Counts the permits that there is room for.
    pub(crate) fn room(self) -> usize {
        self.words.len()
    }

    /// Lists the other processes that have permits or reserved slots, each once.
    pub(crate) fn others(self) -> Vec<Member> {
        let members = self.looks(0).filter_map(|(_, seen)| seen.state().member());
        let mut others: Vec<Member> = members.filter(|member| *member != self.me).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Gives back the permits of a dead process, and frees what it had reserved; returns true if
    /// there was anything. The caller has locked its number.
    pub(crate) fn bury(self, dead: Member) -> bool {
        reach(Step::NumberLocked);
        let mut is_any_buried = false;
        for (slot, seen) in self.looks(0) {
            let state = match seen.state() {
                State::Held(holder) if holder == dead => State::Free,
                State::Reserved(adder) if adder == dead => State::Absent,
                _ => continue,
            };
            is_any_buried |= self.slot(slot).change(seen, state);
            reach(Step::Buried);
        }
        is_any_buried
    }

    /// Returns true if a slot is in no state that there is: the memory is damaged.
    pub(crate) fn are_damaged(self) -> bool {
        self.find(State::Impossible, 0).next().is_some()
    }
}

#[cfg(all(test, loom))]
mod in_every_order;
#[cfg(all(test, not(loom)))]
mod tests;
