//! The permits of a semaphore, as one process sees them: looked for, waited for, given back.
//!
//! ```text
//!   words:  event count | … | slot of permit 0 | slot of permit 1 | … | slot of the last permit
//!           0                 8
//!   slot:   free | the holder's number | no permit here
//! ```
//!
//! A counter, as other semaphores have, doesn't tell which permits are missing: those of a killed
//! process are missing for ever. Here each permit has a slot with its holder's number (`slots.rs`),
//! and the system tells which numbers are alive.
//!
//! **Two kinds of looks.** While a permit is free, it is taken by one compare-exchange. Before a
//! thread sleeps, and before it says that there is no permit, it looks thoroughly: it asks the
//! system about the processes that have permits, once for each, and gives back the permits of the
//! dead. A stopped process isn't dead, and keeps its permits.
//!
//! # A death at each step
//!
//! | dead process | the last that it did | what is left | what the others see |
//! | --- | --- | --- | --- |
//! | an acquirer | found a free slot | nothing | nothing |
//! | | took it | its permit | the next thorough look gives it back |
//! | a holder | began to give back | its permit | the same |
//! | | gave back, and woke no thread | a free permit, and sleepers | sleepers look after a nap |
//! | a sleeper | was woken, and took nothing | a free permit, and sleepers | the same (a) |
//! | a burier | locked a dead number | the number is free with it | the next thorough look buries |
//! | | freed some of its slots | slots of the dead | the same |
//! | | freed all, and woke no thread | free permits, and sleepers | sleepers look after a nap |
//! | an adder | reserved some slots | reserved slots | the next look for room frees them |
//! | | freed some of them | some permits more; reserved slots | the same |
//! | a consumer | began to consume | its permit | the next thorough look gives it back |
//! | | consumed | room for a permit | nothing |
//!
//! (a) Or a thread that gives another permit back wakes all, because it finds more than one free.
//!
//! An inviter is a burier, too: before a number is given to a new process, it buries what its
//! predecessor left. Naps last 1 ms at first, and twice as long each time, up to 100 ms.
//!
//! # Memory ordering
//!
//! That of the slots stands in `slots.rs`, that of sleeping and waking in `event_count.rs`: a slot
//! is changed, then the event count is looked at, with a fence between the two; and a sleeper
//! makes the event count odd before it looks at the slots. Where this process took and added
//! permits last is a hint, so Relaxed.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::deadline::deadline;
use crate::shared::members::{Card, Member, Members};
use crate::shared::slots::Slots;
use crate::shared::waiters::{AtWord, Waiters};
use crate::spin::{Spin, Waits};

/// Index of the event count at which threads sleep until a permit is free.
const EVENT_COUNT: usize = 0;
/// Index of the first slot: on another cache line.
pub(crate) const SLOTS: usize = 8;

/// What a look finds.
pub(crate) enum Found {
    /// A permit, in this slot, which is now this process's.
    Permit(usize),
    /// No permit, and a slot that can't be as it is.
    Damage,
}

/// The permits of a semaphore.
pub(crate) struct Permits {
    members: Members,
    /// What this process remembers of its waits.
    spin: Spin,
    /// Slots that are looked at first, to take a permit and to add one: the last ones.
    taken: AtomicUsize,
    added: AtomicUsize,
}

impl Permits {
    /// Makes so many permits, with room for this many.
    pub(crate) fn create(permits: usize, room: usize) -> io::Result<Self> {
        let new = Self::attach(Members::create(SLOTS + room)?);
        new.slots().begin_with(permits);
        Ok(new)
    }

    /// Takes part in the permits of this memory.
    pub(crate) fn attach(members: Members) -> Self {
        let (taken, added) = Default::default();
        Self { members, spin: Spin::new(), taken, added }
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    fn slots(&self) -> Slots<'_> {
        let words = self.members.words().get(SLOTS..).unwrap_or_default();
        Slots::new(words, self.members.me())
    }

    fn waiters(&self) -> Waiters<'_, AtWord<'_>> {
        self.members.waiters(EVENT_COUNT, &self.spin)
    }

    /// Takes a permit that is free, or, if the look is thorough, a dead process's.
    pub(crate) fn look(&self, is_thorough: bool) -> Option<Found> {
        let (slots, first) = (self.slots(), self.taken.load(Ordering::Relaxed));
        let found = |slot| {
            if slot != first {
                self.taken.store(slot, Ordering::Relaxed);
            }
            Some(Found::Permit(slot))
        };
        if !is_thorough {
            return slots.take(first).ok().and_then(found);
        }
        loop {
            if let Some(slot) = slots.take_any(first) {
                return found(slot);
            }
            if !self.bury_dead() {
                return slots.are_damaged().then_some(Found::Damage);
            }
        }
    }

    /// Waits for a permit, as long as the timeout lasts.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> Option<Found> {
        self.look(false).or_else(|| self.wait_long(timeout))
    }

    #[cold]
    fn wait_long(&self, timeout: Option<Duration>) -> Option<Found> {
        let deadline = deadline(timeout);
        let look = |is_thorough| self.look(is_thorough);
        self.waiters().wait(deadline, Waits::One, look, || self.slots().free() > 0)
    }

    /// Gives back a permit of this process.
    pub(crate) fn give_back(&self, slot: usize) {
        self.slots().give_back(slot);
        self.notify();
    }

    /// Notifies a thread that a permit is free; all, if there are several.
    fn notify(&self) {
        // Also because a thread that was notified of one of them may have died since.
        self.waiters().notify(|| self.slots().has_several_free());
    }

    /// Consumes a permit of this process.
    pub(crate) fn consume(&self, slot: usize) {
        self.slots().consume(slot);
    }

    /// Adds so many permits; returns false, and adds none, if there is no room for all.
    pub(crate) fn add(&self, permits: usize) -> bool {
        let slots = self.slots();
        loop {
            if let Some(last) = slots.add(permits, self.added.load(Ordering::Relaxed)) {
                self.added.store(last, Ordering::Relaxed);
                // A notification may miss a thread that is about to sleep, if it wakes another one.
                if permits == 1 {
                    self.notify()
                } else {
                    self.waiters().notify_all()
                }
                return true;
            }
            // What dead processes have reserved is room, too.
            if !self.bury_dead() {
                return false;
            }
        }
    }

    /// Counts the permits that are free, or a dead process's.
    pub(crate) fn available(&self) -> usize {
        self.bury_dead();
        self.slots().free()
    }

    /// Counts the permits, acquired ones among them.
    pub(crate) fn count(&self) -> usize {
        self.slots().taken_up()
    }

    pub(crate) fn room(&self) -> usize {
        self.slots().room()
    }

    /// Gives back the permits of all dead processes; returns true if there were any.
    fn bury_dead(&self) -> bool {
        let others = self.slots().others();
        let buried = others.into_iter().filter(|other| {
            let bury = || self.slots().bury(*other);
            self.members.while_dead(*other, bury).unwrap_or(false)
        });
        let are_any = buried.count() > 0;
        if are_any {
            self.waiters().notify_all();
        }
        are_any
    }

    /// Gives back the permits of a dead process, whose number the caller has locked.
    pub(crate) fn bury(&self, dead: Member) {
        if self.slots().bury(dead) {
            self.waiters().notify_all();
        }
    }
}

/// Names the holders: `1 of 3 permits free, 2 held by worker-1 (process 12)`.
impl fmt::Debug for Permits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slots, permits) = (self.slots(), self.count());
        write!(f, "{} of {permits} permits free", slots.free())?;
        match slots.held_by(self.members.me()) {
            0 => {}
            held => write!(f, ", {held} held by this process")?,
        }
        for other in slots.others() {
            write!(f, ", {} held by ", slots.held_by(other))?;
            let Card { pid, name } = self.members.card(other);
            match name {
                Some(name) => write!(f, "{name} (process {pid})")?,
                None => f.write_str("a process that was just starting")?,
            }
            if !self.members.lives(other) {
                f.write_str(", which is dead")?;
            }
        }
        match slots.room() - permits {
            0 => Ok(()),
            more => write!(f, ", room for {more} more"),
        }
    }
}
