//! Putting and getting bytes: the ring, its memory and its event counts put together.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::io::ErrorKind::{FileTooLarge, InvalidData, UnexpectedEof};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::deadline::deadline;
use crate::queue::batching::Batching;
use crate::queue::error::{Error, GetError, PutError};
use crate::queue::memory::INLINE;
use crate::queue::participant::Participant;
use crate::queue::ring::{Blocked, Claim};
use crate::shared::event_count::EventCount;
use crate::shared::waiters::{AtEventCount, Waiters};
use crate::spin::{Processor, Waits};
use crate::sys::shared as sys;

/// Maximum size in bytes of a buffer that a thread keeps for its next large item. Without it, half
/// of the time of a stream of 20 MB items went into new buffers, whose memory the system clears.
pub(crate) const MAX_REUSED: usize = 32 << 20;

/// Longest sleep before the next look: a wake-up may have gone to a thread that died.
const NAP: Duration = Duration::from_millis(100);

/// Reasons why bytes could not be put or got.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The queue was full or empty until the deadline.
    Blocked,
    /// The queue is full or empty, and no other handle is left that could change that.
    Alone,
    /// The message is too long; both lengths in bytes.
    TooLong { length: u64, longest: u64 },
    /// A slot holds no valid message, and was skipped.
    Damaged,
    /// The system refused.
    System(io::Error),
}

impl Failed {
    /// Returns the error of a put of this item.
    pub(crate) fn of_put<T>(self, item: T) -> PutError<T> {
        match self {
            Self::Blocked => PutError::Full(item),
            Self::Alone => PutError::Disconnected(item),
            Self::TooLong { length, longest } => PutError::TooLong { length, longest },
            Self::System(reason) => PutError::System(reason),
            Self::Damaged => unreachable!("nothing is read when an item is put"),
        }
    }

    /// Returns the error of a get.
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
    /// A message that a process has left behind, or why it can't be read.
    Spilled(Result<Vec<u8>, Failed>),
}

/// Time limit of a wait.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Now,
    Then(Instant),
    Forever,
}

impl Until {
    /// Makes a time limit; a timeout too long for the clock means no limit.
    pub(crate) fn after(timeout: Duration) -> Self {
        deadline(timeout).map_or(Self::Forever, Self::Then)
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
    /// Returns the threads that wait for an item.
    pub(crate) fn items(&self) -> Waiters<'_, AtEventCount<'_>> {
        self.waiters(0)
    }

    /// Returns the threads that wait for a free slot.
    pub(crate) fn room(&self) -> Waiters<'_, AtEventCount<'_>> {
        self.waiters(1)
    }

    /// Returns the threads that wait until all is done.
    pub(crate) fn done(&self) -> Waiters<'_, AtEventCount<'_>> {
        self.waiters(2)
    }

    fn waiters(&self, number: usize) -> Waiters<'_, AtEventCount<'_>> {
        let [word, processor] = self.memory().event_count(number);
        let is_watched = self.memory().is_watched();
        let nap = if is_watched { Duration::MAX } else { NAP };
        let system = AtEventCount { opening: self.memory().opening(), number };
        Waiters {
            event_count: EventCount { word: sys::half(word), system, first_nap: nap, nap },
            // The last notifier isn't the only thread of a pool that a waiting one could keep from
            // running: there are the manager, other workers, and callers that wait for results.
            notifier: (!is_watched).then_some(Processor(processor)),
            spin: self.spin(number),
        }
    }

    /// Puts a message; returns its sequence number. `alone` returns true if no other handle could
    /// get an item.
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
        let sequence = |claim: &Claim| Some(self.ring().sequence_of(claim));
        let (waiters, batching) = (self.room(), self.batching_of_puts());
        let claim = self.wait(&waiters, batching, until, claim, alone, more, sequence)?;
        let payload = self.ring().payload(claim.slot);
        payload[0].store(length, Ordering::Relaxed);
        if claim.is_large() {
            if let Err(error) = self.memory().write(claim.position(), message) {
                self.clear(claim, None);
                // The items behind this slot were out of reach until now.
                self.items().notify_all();
                return Err(match error.kind() {
                    FileTooLarge => self.too_long(length),
                    _ => Failed::System(error),
                });
            }
        } else {
            sys::store(&payload[1..], message);
        }
        let (position, sequence) = (claim.position(), self.ring().sequence_of(&claim));
        self.ring().publish(claim);
        self.items().notify(|| self.ring().is_next_full(position));
        Ok(sequence)
    }

    /// Checks that a message of this length can be put, at the latest once others have been got. A
    /// message that can lie in mapped memory costs no system call here.
    pub(crate) fn check_length(&self, message: &[u8]) -> Result<(), Failed> {
        let length = message.len() as u64;
        if message.len() > self.memory().longest_mapped() && length > self.memory().longest() {
            return Err(self.too_long(length));
        }
        Ok(())
    }

    fn too_long(&self, length: u64) -> Failed {
        Failed::TooLong { length, longest: self.memory().longest() }
    }

    /// Gets the next message, passes its bytes to `taken` and returns that function's value.
    ///
    /// Before the slot is freed, `record` is given the delivery's number and the bytes, to write an
    /// intent record.
    pub(crate) fn get<T>(
        &self,
        until: Until,
        alone: impl Fn() -> bool,
        record: impl FnOnce(u64, &[u8]),
        taken: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Failed> {
        let find = |thorough| {
            let claim = || self.claim(thorough, |ring, me| ring.claim_to_get(me));
            let spilled = || self.take_spilled().map(Found::Spilled);
            let found = spilled().or_else(|| claim().map(Found::Slot));
            // A thorough look may have cleared a dead process's slot, which made a left item due.
            found.or_else(|| if thorough { spilled() } else { None })
        };
        let more = || self.ring().has_item() || self.memory().has_spilled();
        let sequence = |found: &Found| match found {
            Found::Slot(claim) => Some(self.ring().sequence_of(claim)),
            Found::Spilled(_) => None,
        };
        let (waiters, batching) = (self.items(), self.batching_of_gets());
        let claim = match self.wait(&waiters, batching, until, find, alone, more, sequence)? {
            Found::Slot(claim) => claim,
            Found::Spilled(message) => return message.map(|message| taken(&message)),
        };
        if self.memory().has_spilled() {
            // This item may have been the last one before the next that was left behind.
            self.items().notify(|| true);
        }
        let payload = self.ring().payload(claim.slot);
        let length = payload[0].load(Ordering::Relaxed);
        if claim.is_large() {
            return self.get_large(claim, length, record, taken);
        }
        let mut message = [0; INLINE];
        let Some(message) = message.get_mut(..length as usize) else {
            self.clear(claim, None);
            return Err(Failed::Damaged);
        };
        sys::load(&payload[1..], message);
        record(self.ring().delivery_of(&claim), message);
        self.count_held(1);
        self.release(claim);
        Ok(taken(message))
    }

    /// Waits until there is an item in a slot, and leaves it there. No other thread may sleep here.
    pub(crate) fn wait_for_item(&self, until: Until) -> Result<(), Failed> {
        let find = |thorough| match self.ring().next_item() {
            Err(Blocked::ByClaim) if thorough && self.repair() => self.ring().next_item().ok(),
            next => next.ok(),
        };
        let (waiters, batching) = (self.items(), self.batching_of_gets());
        let sequence = |next: &u64| Some(*next);
        self.wait(&waiters, batching, until, find, || false, || false, sequence).map(drop)
    }

    /// Gets a message that doesn't lie in its slot, through a buffer of this thread.
    fn get_large<T>(
        &self,
        claim: Claim,
        length: u64,
        record: impl FnOnce(u64, &[u8]),
        taken: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, Failed> {
        thread_local! {
            static MESSAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        if !self.memory().holds(claim.position(), length) {
            self.clear(claim, None);
            return Err(Failed::Damaged);
        }
        let (mut message, length) = (MESSAGE.take(), length as usize);
        if let Err(error) = self.memory().read(claim.position(), &mut message, length) {
            self.ring().give_back(claim);
            self.items().notify(|| true);
            return Err(Failed::System(error));
        }
        record(self.ring().delivery_of(&claim), &message[..length]);
        self.count_held(1);
        self.clear(claim, Some(length as u64));
        let taken = taken(&message[..length]);
        message.truncate(MAX_REUSED);
        message.shrink_to(MAX_REUSED);
        MESSAGE.set(message);
        Ok(taken)
    }

    /// Takes the next item that a process has left behind, if it is due. It needs no intent record:
    /// only bounded queues have such records.
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
                self.items().notify(|| self.memory().has_spilled());
                return Some(Ok(next.message));
            }
            self.count_held(-1);
        }
    }

    /// Leaves the first of these messages behind, for other processes to get; returns how many.
    pub(crate) fn leave_behind(&self, messages: &VecDeque<Box<[u8]>>) -> io::Result<usize> {
        let messages = messages.iter().map(|message| &**message);
        let left = self.memory().spill().leave(messages, self.ring().end())?.unwrap_or(0);
        if left > 0 {
            self.items().notify_all();
        }
        Ok(left)
    }

    /// Waits until a put may succeed, or `given_up` returns true.
    pub(crate) fn wait_for_room(&self, given_up: impl Fn() -> bool) {
        let look = |thorough: bool| {
            let repaired = thorough && !self.ring().has_room() && self.repair();
            (repaired || self.ring().has_room() || given_up()).then_some(())
        };
        self.room().wait(None, Waits::One, look, || self.ring().has_room());
    }

    /// Counts the items that have not been got, in slots, in the spill and in living producers.
    pub(crate) fn items_waiting(&self) -> usize {
        self.repair_all();
        let waiting = |owner| self.memory().account(owner).map_or(0, |account| account.waiting());
        let elsewhere = (1..=self.members().highest()).map(waiting);
        let spilled = if self.is_bounded() { 0 } else { self.memory().spill().count() };
        elsewhere.fold(self.ring().count().0 + spilled, usize::saturating_add)
    }

    /// Returns true if the queue is bounded and no slot is free.
    pub(crate) fn is_full(&self) -> bool {
        self.repair_all();
        self.is_bounded() && self.ring().count().1 == self.memory().capacity() as usize
    }

    /// Reports one of the items that this participant has got as done.
    pub(crate) fn task_done(&self) -> Result<(), Error> {
        let account = self.memory().account(self.me()).ok_or(Error::DoneTooOften)?;
        let one_less = |held: u64| held.checked_sub(1);
        let before = account.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_less);
        before.map_err(|_| Error::DoneTooOften)?;
        self.done().notify_all();
        Ok(())
    }

    /// Waits until no item is left: waiting in a producer, in a slot, or held by a consumer.
    /// Returns how many were lost.
    pub(crate) fn join(&self, alone: impl Fn() -> bool) -> Result<u64, Error> {
        let look = |thorough: bool| {
            if thorough {
                self.repair_all();
            }
            // In the order of an item's way, which is in its next stage before it leaves the one
            // before: see "Memory ordering" in `memory.rs`.
            let done = || {
                let all = |what: fn(&crate::queue::memory::Account<'_>) -> bool| {
                    (1..=self.members().highest()).all(|owner| {
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
                // The last participant may have done its work, or died, since that look.
                self.repair_all();
                is_done = done();
            }
            if is_done {
                Some(Ok(self.memory().lost().swap(0, Ordering::AcqRel)))
            } else {
                alone.then_some(Err(Error::Disconnected))
            }
        };
        // The end of this wait is the end of all others, too.
        self.done().wait(None, Waits::One, look, || true).unwrap_or(Err(Error::Disconnected))
    }

    /// Changes the count of this participant's items that have found no slot.
    pub(crate) fn count_waiting(&self, change: i64) {
        if let Some(account) = self.memory().account(self.me()) {
            account.waiting.fetch_add(change.cast_unsigned(), Ordering::AcqRel);
        }
        self.done().notify_all();
    }

    /// Claims a slot; a thorough attempt repairs first if a claimed slot is in the way.
    fn claim(
        &self,
        thorough: bool,
        claim: impl Fn(crate::queue::ring::Ring<'_>, u16) -> Result<Claim, Blocked>,
    ) -> Option<Claim> {
        match claim(self.ring(), self.me()) {
            Ok(claim) => Some(claim),
            Err(Blocked::ByClaim) if thorough && self.repair() => {
                claim(self.ring(), self.me()).ok()
            }
            Err(_) => None,
        }
    }

    /// Waits until `find` finds something; `sequence` returns its sequence number, for the
    /// batching.
    #[expect(clippy::too_many_arguments, reason = "what differs between putting and getting")]
    fn wait<T>(
        &self,
        waiters: &Waiters<'_, AtEventCount<'_>>,
        batching: &Batching,
        until: Until,
        find: impl Fn(bool) -> Option<T>,
        alone: impl Fn() -> bool,
        more: impl Fn() -> bool,
        sequence: impl Fn(&T) -> Option<u64>,
    ) -> Result<T, Failed> {
        if let Some(found) = find(false) {
            return Ok(found);
        }
        if let Until::Now = until {
            return find(true).ok_or(Failed::Blocked);
        }
        let look = |thorough| match find(thorough) {
            Some(found) => Some(Ok(found)),
            // The last participant may have put an item and gone. (A time limit ends the wait
            // anyway.)
            None if thorough && until.is_forever() && alone() => {
                Some(find(true).ok_or(Failed::Alone))
            }
            None => None,
        };
        let waits_for = batching.waits_for();
        let waited = waiters.wait(until.deadline(), waits_for, look, more);
        let found = waited.unwrap_or(Err(Failed::Blocked))?;
        if let Some(sequence) = sequence(&found) {
            batching.learn(waits_for, sequence);
        }
        Ok(found)
    }

    /// Changes the count of items that this participant holds.
    fn count_held(&self, change: i64) {
        if let Some(account) = self.memory().account(self.me()) {
            account.held.fetch_add(change.cast_unsigned(), Ordering::AcqRel);
        }
    }

    /// Frees a slot and notifies a producer.
    fn release(&self, claim: Claim) {
        let position = claim.position();
        self.ring().release(claim);
        self.room().notify(|| self.ring().is_next_free(position));
    }

    /// Frees a slot, and the memory outside the slot in which its message lies.
    fn clear(&self, claim: Claim, length: Option<u64>) {
        let claim = self.ring().begin_clearing(claim);
        self.memory().clear(claim.position(), length);
        self.release(claim);
    }
}
