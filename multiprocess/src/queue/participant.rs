//! A participant: one opening of a queue's memory, with a number of its own while it is alive.
//!
//! ```text
//!   memory ──┬── opening 1: number 1 ── mapped by process A (its threads share it)
//!            ├── opening 2: number 2 ── mapped by process B
//!            └── opening 3: number 3 ── on its way to a child, not yet born
//! ```
//!
//! The number belongs to the opening, and the kernel frees it when the last handle to the opening
//! is closed (on Linux it is a lock on a byte of the file): a participant on its way in the
//! arguments of a new process is alive already, and a killed one is dead at once. So no process has
//! to announce anything.
//!
//! **On its way.** The parent opens the memory once more, takes a number by that opening, and sends
//! it along. So no process has to wait until the child has attached, and "disconnected" is never
//! said too early. The kernel frees a number at death and at exec, not while a process is stopped.
//!
//! **Repair.** A repairer takes the dead participant's number before it touches what that left,
//! instead of only asking whether it is free. So two can't repair at once, and no new participant
//! can get the number meanwhile and be taken for its dead predecessor: without that, an item given
//! back and claimed again under the same number could be given back a second time.
//!
//! # Numbers
//!
//! A new participant gets the lowest number that is free. To try one costs a walk over all locks,
//! so numbers that were given have a mark, and are not tried. Marks of the dead are removed by
//! later invitations, of which each looks at two numbers, round and round: so an invitation tries
//! three numbers, however many participants there are, unless another process invites, too.
//!
//! The highest number, to which all loops over accounts go, is at most twice the largest number of
//! participants that lived at one time. For a number above the highest, *h*, is given only if all
//! up to *h* have marks. Each of these was looked at during the last *h* / 2 invitations: it was
//! alive when they began, or was given since.
//!
//! A mark decides nothing: the system does. An inviter that dies
//!
//! - after it has removed a mark, or before it sets one: nothing has begun;
//! - after it has set the mark: a free number has a mark, which a later invitation removes;
//! - after it has taken the number, before or after it is counted or buried: the number is free
//!   again, because its opening died, too. As no participant has used the number, only its
//!   predecessor's slots have that name, and are repaired as before.
//!
//! If the mark of a number is missing because it was removed while the number was being given, the
//! next invitation tries that number in vain, and leaves the mark there.
//!
//! # Lock order
//!
//! `repairing`, then the kernel's lock of the dead participant's number, then `given_back`. No lock
//! is held while a thread waits for another process: a number that is taken is skipped. A repairer
//! sees all that the dead participant wrote, because the kernel frees the number after its end.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::queue::batching::Batching;
use crate::queue::memory::{self, Account, Kind, Memory, PARTICIPANTS};
use crate::queue::ring::{Owner, Ring};
use crate::spin::Spin;
use crate::sys::queue::{Opening, Participation};

/// The number of the process that made the queue.
const MAKER: Owner = 1;

/// Count of the numbers that each invitation looks at.
const LOOKS: usize = 2;

/// A process's part in a queue, shared by its threads.
#[derive(Debug)]
pub(crate) struct Participant {
    memory: Memory,
    me: Owner,
    /// Lets one thread of this process repair at a time: the kernel's locks are the process's.
    repairing: Mutex<()>,
    /// Deliveries that came to nothing; kept only by the maker of a work queue.
    given_back: Mutex<Vec<u64>>,
    /// What it has learned of its waits, for each event count.
    spins: [Spin; 3],
    /// What it has learned of its gets and of its puts.
    batching: [Batching; 2],
}

impl Participant {
    /// Creates a queue, and its first participant.
    pub(crate) fn create(capacity: u32, kind: Kind) -> io::Result<Self> {
        let mut opening = memory::create(capacity, kind)?;
        opening.become_number(MAKER)?;
        let first = Self::attach(opening, MAKER)?;
        first.memory.mark(MAKER);
        first.memory.count_number(MAKER);
        Ok(first)
    }

    /// Takes part through an opening that has this number already.
    pub(crate) fn attach(opening: Opening, me: Owner) -> io::Result<Self> {
        Ok(Self {
            memory: Memory::open(opening)?,
            me,
            repairing: Mutex::default(),
            given_back: Mutex::default(),
            spins: Default::default(),
            batching: Default::default(),
        })
    }

    /// Makes one more participant, for another process.
    ///
    /// A death at any step leaves nothing but hints: see "Numbers" above.
    pub(crate) fn invite(&self) -> io::Result<(Opening, Owner)> {
        self.unmark_dead();
        if let Some((opening, number)) = self.memory.opening().invite(self.numbers_to_try())? {
            self.memory.count_number(number);
            // A slot that a dead predecessor claimed would look like the new participant's.
            self.bury(number);
            return Ok((opening, number));
        }
        let most = PARTICIPANTS - 1;
        Err(io::Error::other(format!("{most} processes use this queue already")))
    }

    /// Asks whether the next two numbers are free, and unmarks those that are.
    fn unmark_dead(&self) {
        for _ in 0..LOOKS {
            let number = self.memory.next_number();
            self.while_dead(number, || self.memory.unmark(number));
        }
    }

    /// Lists the numbers for a new participant, and marks each that it returns: first those without
    /// a mark, from the lowest.
    fn numbers_to_try(&self) -> impl Iterator<Item = Owner> {
        let unmarked = (1..PARTICIPANTS).filter(|number| self.memory.mark(*number));
        // If all are marked, some may be free all the same.
        unmarked.chain(1..PARTICIPANTS)
    }

    pub(crate) fn me(&self) -> Owner {
        self.me
    }

    pub(crate) fn spin(&self, event_count: usize) -> &Spin {
        &self.spins[event_count]
    }

    pub(crate) fn batching_of_gets(&self) -> &Batching {
        &self.batching[0]
    }

    pub(crate) fn batching_of_puts(&self) -> &Batching {
        &self.batching[1]
    }

    pub(crate) fn is_bounded(&self) -> bool {
        self.memory.kind() != Kind::Unbounded
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    pub(crate) fn ring(&self) -> Ring<'_> {
        self.memory.ring()
    }

    /// Repairs what dead participants left in the ring; returns true if there was anything.
    pub(crate) fn repair(&self) -> bool {
        if self.leaves_repairs() {
            return false;
        }
        let mut owners: Vec<Owner> =
            self.ring().owners().filter(|owner| *owner != self.me).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().filter(|owner| self.repair_after(*owner)).count() > 0
    }

    /// Repairs the ring and the dead participants' accounts: items may be held without a slot.
    pub(crate) fn repair_all(&self) {
        if self.leaves_repairs() {
            return;
        }
        for owner in self.others() {
            if self.memory.account(owner).is_some_and(|account| account.total() > 0) {
                self.repair_after(owner);
            }
        }
        self.repair();
    }

    /// Repairs, and returns the deliveries that came to nothing since the last call.
    pub(crate) fn given_back(&self) -> Vec<u64> {
        self.repair();
        std::mem::take(&mut *self.given_back.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns true if repairs are left to the queue's maker.
    fn leaves_repairs(&self) -> bool {
        self.memory.kind() == Kind::Work && self.me != MAKER
    }

    /// Repairs what a dead participant left; does nothing if it is alive.
    fn repair_after(&self, owner: Owner) -> bool {
        self.while_dead(owner, || self.bury(owner)).unwrap_or(false)
    }

    /// Locks a dead participant's number and runs the work; returns `None` if it is alive.
    fn while_dead<T>(&self, owner: Owner, work: impl FnOnce() -> T) -> Option<T> {
        let _one_at_a_time = self.repairing.lock().unwrap_or_else(PoisonError::into_inner);
        // If liveness cannot be determined, assume the owner is alive.
        let lock = || self.memory.opening().while_locked(owner, work).ok().flatten();
        if owner == self.me { None } else { lock() }
    }

    /// Ends what this number's participant began. The caller holds the number's lock.
    fn bury(&self, owner: Owner) -> bool {
        // A corrupted slot may name an impossible participant.
        let unfinished = self.memory.account(owner).map_or(0, |account| {
            account.leaving.store(0, Ordering::Release);
            let take = |word: &AtomicU64| word.swap(0, Ordering::AcqRel);
            take(account.held).saturating_add(take(account.waiting))
        });
        if unfinished > 0 {
            self.memory.lost().fetch_add(unfinished, Ordering::AcqRel);
        }
        let clear = |position| self.memory.clear(position, None);
        let repaired = self.ring().repair(owner, self.me, clear);
        if self.memory.kind() == Kind::Work {
            let mut given_back = self.given_back.lock().unwrap_or_else(PoisonError::into_inner);
            given_back.extend(&repaired.given_back);
        }
        if repaired.any {
            // The slots behind may have woken threads in vain, which can now go on.
            self.items().notify_all();
            self.room().notify_all();
        }
        repaired.any || unfinished > 0
    }

    /// Returns true if there is no other participant, in any process or on the way to one.
    pub(crate) fn is_alone(&self) -> bool {
        loop {
            let given = self.memory.numbers_given();
            if self.lives(1..PARTICIPANTS) {
                return false;
            }
            // Where numbers are asked for one by one, the last participant may have invited another
            // under a number that was already found free, and died: the count shows that.
            if self.memory.numbers_given() == given {
                return true;
            }
        }
    }

    /// Returns true if another opening has one of these numbers.
    fn lives(&self, numbers: Range<Owner>) -> bool {
        // This opening's own locks don't count. If unknown, assume that one is alive.
        self.memory.opening().is_any_taken(numbers, self.memory.highest()).unwrap_or(true)
    }

    /// Announces that this participant gets no more items.
    pub(crate) fn leave(&self) {
        if let Some(account) = self.memory.account(self.me) {
            account.leaving.store(1, Ordering::Release);
        }
    }

    /// Returns true if no other participant could get an item: all are dead or leaving, too.
    pub(crate) fn is_last_to_get(&self) -> bool {
        let is_leaving = |account: Account<'_>| account.leaving.load(Ordering::Acquire) != 0;
        self.others().all(|owner| {
            let account = self.memory.account(owner);
            account.is_some_and(is_leaving) || !self.lives(owner..owner + 1)
        })
    }

    /// Lists every number ever given but this participant's own.
    pub(crate) fn others(&self) -> impl Iterator<Item = Owner> {
        (1..=self.memory.highest()).filter(|owner| *owner != self.me)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Participant {
        Participant::create(1, Kind::Bounded).unwrap()
    }

    #[test]
    fn an_invitation_tries_one_number_however_many_are_taken() {
        let queue = queue();
        let mut others: Vec<_> = (0..200).map(|_| queue.invite().unwrap()).collect();
        for _ in 0..100 {
            let first = queue.numbers_to_try().next().unwrap();
            queue.memory.unmark(first);
            let other = queue.invite().unwrap();
            assert_eq!(other.1, first, "the first one was free");
            others.push(other);
        }
        assert!((2..302).eq(others.into_iter().map(|(_, number)| number)));
    }

    #[test]
    fn the_highest_number_is_bounded_by_how_many_live_at_a_time() {
        let queue = queue();
        for living in [1, 5, 40] {
            let others: Vec<_> = (0..living).map(|_| queue.invite().unwrap()).collect();
            // One more at a time lives for a moment.
            (0..50 * living).for_each(|_| drop(queue.invite().unwrap()));
            assert!(queue.memory.highest() <= 2 * (living + 2), "{living}");
            drop(others);
        }
    }

    #[test]
    fn a_dead_inviters_marks_keep_no_number_from_being_given() {
        let queue = queue();
        assert!((2..PARTICIPANTS).all(|number| queue.memory.mark(number)));
        assert_eq!(queue.invite().unwrap().1, 2);
        // A mark that is missing costs a try in vain, and is set again.
        let second = queue.invite().unwrap();
        queue.memory.unmark(second.1);
        assert_ne!(queue.invite().unwrap().1, second.1);
        assert!(!queue.memory.mark(second.1));
    }
}
