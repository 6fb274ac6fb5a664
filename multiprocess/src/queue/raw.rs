//! Putting and getting bytes: the ring, its memory and its bells put together.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind::{InvalidData, UnexpectedEof};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::queue::bell::{Bell, Rhythm};
use crate::queue::error::{Error, GetError, PutError};
use crate::queue::memory::{self, INLINE};
use crate::queue::participant::Participant;
use crate::queue::ring::{Blocked, Claim};
use crate::sys::queue as sys;

/// Buffers that grew beyond this, in bytes, for one large item are given back.
pub(crate) const KEPT: usize = 4 << 20;

/// Why bytes could not be put or got.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The queue is full or empty, and so it was until the deadline.
    Blocked,
    /// The queue is full or empty, and nobody is left who could change that.
    Alone,
    /// The message is longer than the longest.
    TooLong { length: u64, longest: u64 },
    /// A slot holds what no producer puts there; it was skipped.
    Damaged,
    /// The system refused.
    System(io::Error),
}

impl Failed {
    /// The error of a put of this item.
    pub(crate) fn of_put<T>(self, item: T) -> PutError<T> {
        match self {
            Self::Blocked => PutError::Full(item),
            Self::Alone => PutError::Disconnected(item),
            Self::TooLong { length, longest } => PutError::TooLong { length, longest },
            Self::System(reason) => PutError::System(reason),
            Self::Damaged => unreachable!("nothing is read when an item is put"),
        }
    }

    /// The error of a get.
    pub(crate) fn of_get(self) -> GetError {
        match self {
            Self::Blocked => GetError::Empty,
            Self::Alone => GetError::Disconnected,
            Self::System(reason) => GetError::System(reason),
            Self::Damaged | Self::TooLong { .. } => GetError::Damaged,
        }
    }
}

/// An item that a get has found.
enum Found {
    /// A message in a slot.
    Slot(Claim),
    /// A message that a process has left behind, or why it can't be had.
    Spilled(Result<Vec<u8>, Failed>),
}

/// How long to wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Now,
    Then(Instant),
    Forever,
}

impl Until {
    /// So long, or for ever if that is too long for the clock.
    pub(crate) fn after(timeout: Duration) -> Self {
        Instant::now().checked_add(timeout).map_or(Self::Forever, Self::Then)
    }

    fn is_forever(self) -> bool {
        matches!(self, Self::Forever)
    }

    fn deadline(self) -> Option<Instant> {
        match self {
            Self::Then(deadline) => Some(deadline),
            Self::Now | Self::Forever => None,
        }
    }
}

impl Participant {
    pub(crate) fn items(&self) -> Bell<'_> {
        self.bell(0)
    }

    pub(crate) fn room(&self) -> Bell<'_> {
        self.bell(1)
    }

    pub(crate) fn done(&self) -> Bell<'_> {
        self.bell(2)
    }

    fn bell(&self, number: usize) -> Bell<'_> {
        let word = sys::half(self.memory().bell(number));
        Bell { word, number, opening: self.memory().opening() }
    }

    /// Puts a message; returns its position in the queue. `alone` tells whether nobody could take
    /// one.
    pub(crate) fn put(
        &self,
        message: &[u8],
        until: Until,
        alone: impl Fn() -> bool,
    ) -> Result<u64, Failed> {
        self.check_length(message)?;
        let length = message.len() as u64;
        let claim = |thorough| {
            self.claim(thorough, |ring, me| ring.claim_to_put(me, message.len() > INLINE))
        };
        let more = || self.ring().has_room();
        let position = |claim: &Claim| Some(self.ring().position_of(claim));
        let (bell, rhythm) = (self.room(), self.rhythm_of_puts());
        let claim = self.wait(&bell, rhythm, until, claim, alone, more, position)?;
        let payload = self.ring().payload(claim.slot);
        payload[0].store(length, Ordering::Relaxed);
        if claim.is_large() {
            if let Err(error) = self.memory().write(claim.place(), message) {
                self.clear(claim, None);
                // What lies behind it was out of reach.
                self.items().ring_for_all();
                return Err(Failed::System(error));
            }
        } else {
            memory::store(&payload[1..], message);
        }
        let (place, position) = (claim.place(), self.ring().position_of(&claim));
        self.ring().publish(claim);
        self.items().ring(|| self.ring().is_next_full(place));
        Ok(position)
    }

    /// Whether a message of this length can be put.
    pub(crate) fn check_length(&self, message: &[u8]) -> Result<(), Failed> {
        let length = message.len() as u64;
        if message.len() > INLINE && length > self.memory().longest() {
            return Err(Failed::TooLong { length, longest: self.memory().longest() });
        }
        Ok(())
    }

    /// Gets the next message and gives its bytes to `taken`; what that returns is returned. Before
    /// the slot is free, `note` sees them, and the number of the delivery.
    pub(crate) fn get<T>(
        &self,
        until: Until,
        alone: impl Fn() -> bool,
        note: impl FnOnce(u64, &[u8]),
        taken: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Failed> {
        let find = |thorough| {
            let claim = || self.claim(thorough, |ring, me| ring.claim_to_get(me));
            let spilled = || self.take_spilled().map(Found::Spilled);
            let found = spilled().or_else(|| claim().map(Found::Slot));
            // A thorough look may have cleared a dead process's slot, before which nothing was due.
            found.or_else(|| if thorough { spilled() } else { None })
        };
        let more = || self.ring().has_item() || self.memory().has_spilled();
        let position = |found: &Found| match found {
            Found::Slot(claim) => Some(self.ring().position_of(claim)),
            Found::Spilled(_) => None,
        };
        let (bell, rhythm) = (self.items(), self.rhythm_of_gets());
        let claim = match self.wait(&bell, rhythm, until, find, alone, more, position)? {
            Found::Slot(claim) => claim,
            Found::Spilled(message) => return message.map(|message| taken(&message)),
        };
        if self.memory().has_spilled() {
            // This may have been the last item before the next one that was left behind.
            self.items().ring(|| true);
        }
        let payload = self.ring().payload(claim.slot);
        let length = payload[0].load(Ordering::Relaxed);
        if claim.is_large() {
            return self.get_large(claim, length, note, taken);
        }
        let mut message = [0; INLINE];
        let Some(message) = message.get_mut(..length as usize) else {
            self.clear(claim, None);
            return Err(Failed::Damaged);
        };
        memory::load(&payload[1..], message);
        note(self.ring().delivery_of(&claim), message);
        self.count_held(1);
        self.release(claim);
        Ok(taken(message))
    }

    fn get_large<T>(
        &self,
        claim: Claim,
        length: u64,
        note: impl FnOnce(u64, &[u8]),
        taken: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Failed> {
        thread_local! {
            static MESSAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        if !self.memory().holds(claim.place(), length) {
            self.clear(claim, None);
            return Err(Failed::Damaged);
        }
        let (mut message, length) = (MESSAGE.take(), length as usize);
        if let Err(error) = self.memory().read(claim.place(), &mut message, length) {
            self.ring().give_back(claim);
            self.items().ring(|| true);
            return Err(Failed::System(error));
        }
        note(self.ring().delivery_of(&claim), &message[..length]);
        self.count_held(1);
        self.clear(claim, Some(length as u64));
        let taken = taken(&message[..length]);
        message.truncate(KEPT);
        message.shrink_to(KEPT);
        MESSAGE.set(message);
        Ok(taken)
    }

    /// Takes the next item that a process has left behind, if it is due. No note is taken of it: a
    /// getter that takes notes has a bounded queue.
    fn take_spilled(&self) -> Option<Result<Vec<u8>, Failed>> {
        if !self.memory().has_spilled() {
            return None;
        }
        let spill = self.memory().spill();
        loop {
            let next = match spill.read(|end| self.ring().is_got_before(end)).transpose()? {
                Ok(next) => next,
                Err(error) if matches!(error.kind(), InvalidData | UnexpectedEof) => {
                    spill.give_up();
                    return Some(Err(Failed::Damaged));
                }
                Err(error) => return Some(Err(Failed::System(error))),
            };
            self.count_held(1);
            if spill.take(&next) {
                self.items().ring(|| self.memory().has_spilled());
                return Some(Ok(next.message));
            }
            self.count_held(-1);
        }
    }

    /// Leaves some of these messages, from the first on, for others to get when this process has
    /// ended; returns how many.
    pub(crate) fn leave_behind(&self, messages: &VecDeque<Box<[u8]>>) -> io::Result<usize> {
        let messages = messages.iter().map(|message| &**message);
        let left = self.memory().spill().leave(messages, self.ring().end())?.unwrap_or(0);
        if left > 0 {
            self.items().ring_for_all();
        }
        Ok(left)
    }

    /// Waits until a put may succeed, or is given up.
    pub(crate) fn wait_for_room(&self, given_up: impl Fn() -> bool) {
        let look = |thorough: bool| {
            let repaired = thorough && !self.ring().has_room() && self.repair();
            (repaired || self.ring().has_room() || given_up()).then_some(())
        };
        self.room().wait(None, false, look, || self.ring().has_room());
    }

    /// Items that nobody has got, in slots and in the memory of living producers.
    pub(crate) fn items_waiting(&self) -> usize {
        self.repair_all();
        let waiting = |owner| self.memory().account(owner).map_or(0, |account| account.waiting());
        let elsewhere = (1..=self.memory().highest()).map(waiting);
        let spilled = if self.is_bounded() { 0 } else { self.memory().spill().count() };
        elsewhere.fold(self.ring().count().0 + spilled, usize::saturating_add)
    }

    /// Whether every slot is taken, and there is a limit.
    pub(crate) fn is_full(&self) -> bool {
        self.repair_all();
        self.is_bounded() && self.ring().count().1 == self.memory().capacity() as usize
    }

    /// Reports one of the items done that this participant has got.
    pub(crate) fn task_done(&self) -> Result<(), Error> {
        let account = self.memory().account(self.me()).ok_or(Error::DoneTooOften)?;
        let one_less = |held: u64| held.checked_sub(1);
        let before = account.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        before.map_err(|_| Error::DoneTooOften)?;
        self.done().ring_for_all();
        Ok(())
    }

    /// Waits until no item is left, in a slot, in a producer's memory or in anybody's hands.
    pub(crate) fn join(&self, alone: impl Fn() -> bool) -> Result<u64, Error> {
        let look = |thorough: bool| {
            if thorough {
                self.repair_all();
            }
            // In this order: an item is in a slot, or left behind, before it isn't counted as
            // waiting any more, and counted as held before it isn't there any more.
            let done = || {
                let all = |what: fn(&crate::queue::memory::Account<'_>) -> bool| {
                    (1..=self.memory().highest()).all(|owner| {
                        self.memory().account(owner).is_none_or(|account| what(&account))
                    })
                };
                all(|account| account.waiting() == 0)
                    && !self.memory().has_spilled()
                    && self.ring().count().1 == 0
                    && all(|account| account.total() == 0)
            };
            let mut is_done = done();
            let alone = !is_done && thorough && alone();
            if alone {
                // The last one may have done its work, or died, since we looked.
                self.repair_all();
                is_done = done();
            }
            if is_done {
                Some(Ok(self.memory().lost().swap(0, Ordering::AcqRel)))
            } else {
                alone.then_some(Err(Error::Disconnected))
            }
        };
        // What ends this wait ends that of others, too.
        self.done().wait(None, false, look, || true).unwrap_or(Err(Error::Disconnected))
    }

    /// Items of this participant that found no slot: so many more or fewer.
    pub(crate) fn count_waiting(&self, change: i64) {
        if let Some(account) = self.memory().account(self.me()) {
            account.waiting.fetch_add(change.cast_unsigned(), Ordering::AcqRel);
        }
        self.done().ring_for_all();
    }

    fn claim(
        &self,
        thorough: bool,
        claim: impl Fn(crate::queue::ring::Ring<'_>, u16) -> Result<Claim, Blocked>,
    ) -> Option<Claim> {
        match claim(self.ring(), self.me()) {
            Ok(claim) => Some(claim),
            Err(Blocked::Perhaps) if thorough && self.repair() => {
                claim(self.ring(), self.me()).ok()
            }
            Err(_) => None,
        }
    }

    /// Waits until there is something to be found; `position` tells the rhythm where it was.
    #[expect(clippy::too_many_arguments, reason = "what differs between putting and getting")]
    fn wait<T>(
        &self,
        bell: &Bell<'_>,
        rhythm: &Rhythm,
        until: Until,
        find: impl Fn(bool) -> Option<T>,
        alone: impl Fn() -> bool,
        more: impl Fn() -> bool,
        position: impl Fn(&T) -> Option<u64>,
    ) -> Result<T, Failed> {
        if let Some(found) = find(false) {
            return Ok(found);
        }
        if let Until::Now = until {
            return find(true).ok_or(Failed::Blocked);
        }
        let look = |thorough| match find(thorough) {
            Some(found) => Some(Ok(found)),
            // The last participant may have put something, and gone. A time limit ends it anyway.
            None if thorough && until.is_forever() && alone() => {
                Some(find(true).ok_or(Failed::Alone))
            }
            None => None,
        };
        let gather = rhythm.gathers();
        let waited = bell.wait(until.deadline(), gather, look, more);
        let found = waited.unwrap_or(Err(Failed::Blocked))?;
        if let Some(position) = position(&found) {
            rhythm.learn(gather, position);
        }
        Ok(found)
    }

    fn count_held(&self, change: i64) {
        if let Some(account) = self.memory().account(self.me()) {
            account.held.fetch_add(change.cast_unsigned(), Ordering::AcqRel);
        }
    }

    fn release(&self, claim: Claim) {
        let place = claim.place();
        self.ring().release(claim);
        self.room().ring(|| self.ring().is_next_free(place));
    }

    /// Releases a slot whose message lies elsewhere.
    fn clear(&self, claim: Claim, length: Option<u64>) {
        let claim = self.ring().begin_clearing(claim);
        self.memory().clear(claim.place(), length);
        self.release(claim);
    }
}
