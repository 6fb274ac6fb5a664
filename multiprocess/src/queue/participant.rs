//! A participant: a member of a queue's memory, and what its death leaves in the queue.
//!
//! **Repair.** A repairer takes the dead participant's number before it touches what that left,
//! instead of only asking whether it is free. So two can't repair at once, and no new participant
//! can get the number meanwhile and be taken for its dead predecessor: without that, an item given
//! back and claimed again under the same number could be given back a second time. The numbers are
//! those of [`Members`].
//!
//! # Lock order
//!
//! As in [`Members`]; a repair locks `given_back`.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::queue::batching::Batching;
use crate::queue::memory::{Account, Kind, Memory};
use crate::queue::ring::{Owner, Ring};
use crate::shared::members::{MAKER, Members};
use crate::spin::Spin;
use crate::sys::shared::Opening;

/// A process's part in a queue, shared by its threads.
#[derive(Debug)]
pub(crate) struct Participant {
    memory: Memory,
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
        Memory::create(capacity, kind).map(Self::new)
    }

    /// Takes part through an opening that has this number already.
    pub(crate) fn attach(opening: Opening, me: Owner) -> io::Result<Self> {
        Memory::open(opening, me).map(Self::new)
    }

    fn new(memory: Memory) -> Self {
        Self {
            memory,
            given_back: Mutex::default(),
            spins: Default::default(),
            batching: Default::default(),
        }
    }

    /// Makes one more participant, for another process.
    pub(crate) fn invite(&self) -> io::Result<(Opening, Owner)> {
        // A slot that a dead predecessor claimed would look like the new participant's.
        self.members().invite(|number| {
            self.bury(number);
        })
    }

    pub(crate) fn members(&self) -> &Members {
        self.memory.members()
    }

    pub(crate) fn me(&self) -> Owner {
        self.members().me()
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
            self.ring().owners().filter(|owner| *owner != self.me()).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().filter(|owner| self.repair_after(*owner)).count() > 0
    }

    /// Repairs the ring and the dead participants' accounts: items may be held without a slot.
    pub(crate) fn repair_all(&self) {
        if self.leaves_repairs() {
            return;
        }
        for owner in self.members().others() {
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
        self.memory.kind() == Kind::Work && self.me() != MAKER
    }

    /// Repairs what a dead participant left; does nothing if it is alive.
    fn repair_after(&self, owner: Owner) -> bool {
        self.members().while_dead(owner, || self.bury(owner)).unwrap_or(false)
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
        let repaired = self.ring().repair(owner, self.me(), clear);
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
        self.members().is_alone()
    }

    /// Announces that this participant gets no more items.
    pub(crate) fn leave(&self) {
        if let Some(account) = self.memory.account(self.me()) {
            account.leaving.store(1, Ordering::Release);
        }
    }

    /// Returns true if no other participant could get an item: all are dead or leaving, too.
    pub(crate) fn is_last_to_get(&self) -> bool {
        let is_leaving = |account: Account<'_>| account.leaving.load(Ordering::Acquire) != 0;
        self.members().others().all(|owner| {
            let account = self.memory.account(owner);
            account.is_some_and(is_leaving) || !self.members().lives(owner)
        })
    }
}
