//! A participant: one opening of a queue's memory, with a number that is its own while it lives.
//!
//! ```text
//!   memory ──┬── opening 1: number 1 ── mapped by process A (its threads share it)
//!            ├── opening 2: number 2 ── mapped by process B
//!            └── opening 3: number 3 ── on its way to a child, not yet born
//! ```
//!
//! The number belongs to the opening, and the kernel gives it up when the last handle of that goes
//! (on Linux it is a lock on a byte of the file): a participant on its way in the arguments of a
//! new process lives already, and one that is killed is dead at once. So no process has to announce
//! anything.
//!
//! **On its way.** The parent opens the memory once more, takes a number by that opening, and
//! sends it along. So nobody has to wait until the child has attached, and "nobody else is left"
//! is never said too early. The kernel gives a number up at death and at exec, not while a process
//! is stopped.
//!
//! **Repair.** A repairer takes the dead participant's number before it touches what that left,
//! instead of only asking whether it is free. So two can't repair at once, and no new participant
//! can get the number meanwhile and be taken for its dead predecessor: without that, an item given
//! back and claimed again under the same number could be given back a second time.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::queue::bell::Rhythm;
use crate::queue::memory::{self, Account, Kind, Memory, PARTICIPANTS};
use crate::queue::ring::{Owner, Ring};
use crate::sys::queue::{Opening, Participation};

/// The number of the process that made the queue.
const MAKER: Owner = 1;

#[derive(Debug)]
pub(crate) struct Participant {
    memory: Memory,
    me: Owner,
    /// Of the threads of this process only one repairs at a time: they share its locks.
    repairing: Mutex<()>,
    /// Deliveries that came to nothing; only of a queue of work, by its maker.
    given_back: Mutex<Vec<u64>>,
    /// How its gets and its puts wait.
    rhythms: [Rhythm; 2],
}

impl Participant {
    /// The first participant of a new queue.
    pub(crate) fn create(capacity: u32, kind: Kind) -> io::Result<Self> {
        let mut opening = memory::create(capacity, kind)?;
        opening.become_number(MAKER)?;
        let first = Self::attach(opening, MAKER)?;
        first.memory.count_number(MAKER);
        Ok(first)
    }

    /// Begins to take part, by an opening that has this number already.
    pub(crate) fn attach(opening: Opening, me: Owner) -> io::Result<Self> {
        Ok(Self {
            memory: Memory::open(opening)?,
            me,
            repairing: Mutex::default(),
            given_back: Mutex::default(),
            rhythms: Default::default(),
        })
    }

    /// Makes one more participant, for another process.
    pub(crate) fn invite(&self) -> io::Result<(Opening, Owner)> {
        if let Some((opening, number)) = self.memory.opening().invite(1..PARTICIPANTS)? {
            self.memory.count_number(number);
            // What a predecessor left would look as if the new one worked on it.
            self.bury(number);
            return Ok((opening, number));
        }
        let most = PARTICIPANTS - 1;
        Err(io::Error::other(format!("{most} processes use this queue already")))
    }

    pub(crate) fn me(&self) -> Owner {
        self.me
    }

    pub(crate) fn rhythm_of_gets(&self) -> &Rhythm {
        &self.rhythms[0]
    }

    pub(crate) fn rhythm_of_puts(&self) -> &Rhythm {
        &self.rhythms[1]
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

    /// Repairs what dead participants left in the ring; returns whether there was anything.
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

    /// Repairs that too, and the accounts of the dead: who held items may have left no slot.
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

    /// Repairs, and tells which deliveries came to nothing since the last call.
    pub(crate) fn given_back(&self) -> Vec<u64> {
        self.repair();
        std::mem::take(&mut *self.given_back.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn leaves_repairs(&self) -> bool {
        self.memory.kind() == Kind::Work && self.me != MAKER
    }

    /// Takes the number of a dead one for as long as it takes to repair what it left.
    fn repair_after(&self, owner: Owner) -> bool {
        let _one_at_a_time = self.repairing.lock().unwrap_or_else(PoisonError::into_inner);
        // Not to know whether it lives means that it does.
        let work = || self.bury(owner);
        owner != self.me
            && matches!(self.memory.opening().while_locked(owner, work), Ok(Some(true)))
    }

    /// Ends what this number began. We hold its lock.
    fn bury(&self, owner: Owner) -> bool {
        // A corrupted slot may name somebody who can't be.
        let unfinished = self.memory.account(owner).map_or(0, |account| {
            account.leaving.store(0, Ordering::Release);
            let take = |word: &AtomicU64| word.swap(0, Ordering::AcqRel);
            take(account.held).saturating_add(take(account.waiting))
        });
        if unfinished > 0 {
            self.memory.lost().fetch_add(unfinished, Ordering::AcqRel);
        }
        let repaired = self.ring().repair(owner, self.me, |place| self.memory.clear(place, None));
        if self.memory.kind() == Kind::Work {
            let mut given_back = self.given_back.lock().unwrap_or_else(PoisonError::into_inner);
            given_back.extend(&repaired.given_back);
        }
        if repaired.any {
            // Some may have been woken in vain by what lies behind it.
            self.items().ring_for_all();
            self.room().ring_for_all();
        }
        repaired.any || unfinished > 0
    }

    /// Whether anybody else takes part, in this or another process or on the way to one.
    pub(crate) fn is_alone(&self) -> bool {
        loop {
            let given = self.memory.numbers_given();
            if self.lives(1..PARTICIPANTS) {
                return false;
            }
            // Where participants are asked for one after the other, the last may have given the
            // number of one that was found dead to a new process, and died, too: that was counted.
            if self.memory.numbers_given() == given {
                return true;
            }
        }
    }

    /// Whether another opening has one of these numbers.
    fn lives(&self, numbers: Range<Owner>) -> bool {
        // Our own locks don't count, and not to know means that there is somebody.
        self.memory.opening().is_any_taken(numbers, self.memory.highest()).unwrap_or(true)
    }

    /// From here on this participant gets nothing.
    pub(crate) fn leave(&self) {
        if let Some(account) = self.memory.account(self.me) {
            account.leaving.store(1, Ordering::Release);
        }
    }

    /// Whether nobody else could get an item: all others have gone or are leaving, too.
    pub(crate) fn is_last_to_get(&self) -> bool {
        let is_leaving = |account: Account<'_>| account.leaving.load(Ordering::Acquire) != 0;
        self.others().all(|owner| {
            let account = self.memory.account(owner);
            account.is_some_and(is_leaving) || !self.lives(owner..owner + 1)
        })
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = Owner> {
        (1..=self.memory.highest()).filter(|owner| *owner != self.me)
    }
}
