//! The queue of bytes, on which other things than a [`Queue`](crate::queue::Queue) are built: a
//! pool of processes.
//!
//! ```text
//!   maker ──put──▶ ▓ ▓ ▓ ▓ ──▶ worker A   get: ① writes an intent record ② frees the slot ③ works
//!                          └─▶ worker B   ✝ before ②: redelivery to another; the maker is told
//!                                         ✝ after ②: the item is gone, and B's record names it
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::queue::error::{Error, GetError, PutError};
use crate::queue::handle::Handle;
use crate::queue::memory::Kind;
use crate::queue::participant::Participant;
use crate::queue::raw::{Failed, Until};
use crate::queue::ring::Ring;

/// A bounded queue of bytes, with all properties of a [`Queue`](crate::queue::Queue); besides, a
/// consumer can write an intent record of an item before the item is gone from the queue.
///
/// ```
/// use multiprocess::queue::ByteQueue;
///
/// let queue = ByteQueue::bounded(3)?;
/// queue.put(b"wash up")?;
/// let mut record = String::new();
/// let length = queue.get(
///     None,
///     |_delivery, item| record = format!("I am about to {}", String::from_utf8_lossy(item)),
///     |item| item.len(),
/// )?;
/// assert_eq!((length, record.as_str()), (7, "I am about to wash up"));
///
/// // A work queue: its maker knows each item by its position, and each delivery by a number.
/// let work = ByteQueue::of_work(3)?;
/// let position = work.try_put(b"task")?;
/// let mut delivered = None;
/// work.get(None, |delivery, _| delivered = Some(delivery), |_| ())?;
/// assert_eq!(delivered, Some(ByteQueue::first_delivery(position)));
/// assert_eq!(delivered.map(ByteQueue::delivered), Some(position));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct ByteQueue(Handle);

impl ByteQueue {
    /// Makes a queue of this capacity. Python: `Queue(maxsize)`, of bytes.
    ///
    /// # Errors
    /// As [`Queue::bounded`](crate::queue::Queue::bounded).
    pub fn bounded(capacity: usize) -> Result<Self, Error> {
        Handle::create(capacity, Kind::Bounded).map(Self)
    }

    /// Makes a work queue of this capacity: only its maker repairs it, and so can be told which
    /// deliveries came to nothing. Only the maker is to put: then no other process ever waits for a
    /// repair.
    ///
    /// # Errors
    /// As [`Queue::bounded`](crate::queue::Queue::bounded).
    pub fn of_work(capacity: usize) -> Result<Self, Error> {
        Handle::create(capacity, Kind::Work).map(Self)
    }

    /// Marks the queue as watched: a thread that waits at it sleeps until it is woken, however long
    /// that takes. So its maker must [wake all](Self::wake_all) after the end of every other
    /// participant, which may have died with a wake-up in its hands.
    pub(crate) fn watched(self) -> Self {
        self.0.participant().memory().set_watched();
        self
    }

    /// Wakes every thread that waits for an item or for a free slot, to look again.
    pub(crate) fn wake_all(&self) {
        self.0.participant().items().wake_all();
        self.0.participant().room().wake_all();
    }

    /// Waits until there is an item, and leaves it in the queue. No other thread may sleep here.
    ///
    /// # Errors
    /// [`GetError::Empty`] after the timeout, or [`GetError::System`].
    pub(crate) fn wait_for_item(&self, timeout: Duration) -> Result<(), GetError> {
        let waited = self.0.participant().wait_for_item(Until::after(timeout));
        waited.map_err(Failed::of_get)
    }

    /// Begins a lookout: until it is dropped, a new item doesn't wake the thread that sleeps here,
    /// of which there may be one, and the calling thread looks for it. For a
    /// [watched](Self::watched) queue.
    pub(crate) fn look_out(&self) -> Lookout<'_> {
        let participant = self.0.participant();
        participant.items().event_count.begin_lookout();
        Lookout(participant)
    }

    /// Puts an item; waits for a free slot. Python: `Queue.put`.
    ///
    /// # Errors
    /// [`PutError`], but not `Full`.
    pub fn put(&self, item: &[u8]) -> Result<(), PutError<()>> {
        self.0.put(item, Until::Forever).map(|_| ()).map_err(|failed| failed.of_put(()))
    }

    /// Puts an item if a slot is free now; returns its position: the number of items put before it,
    /// modulo 2³² times the capacity. Python: `Queue.put_nowait`.
    ///
    /// # Errors
    /// [`PutError`]; `Full` at once.
    pub fn try_put(&self, item: &[u8]) -> Result<u64, PutError<()>> {
        let position = self.0.put(item, Until::Now).map_err(|failed| failed.of_put(()))?;
        Ok(position.expect("a bounded queue keeps its items in slots only"))
    }

    /// Returns the position of the item that was delivered, from the number that [`get`](Self::get)
    /// gives to `record`.
    #[must_use]
    pub const fn delivered(delivery: u64) -> u64 {
        Ring::delivered(delivery)
    }

    /// Returns the number of the first delivery of the item at this position.
    #[must_use]
    pub const fn first_delivery(position: u64) -> u64 {
        Ring::first_delivery(position)
    }

    /// Gets the next item if there is one within the timeout (`None`: no limit), passes it to
    /// `work`, and returns that function's value. Python: `Queue.get`.
    ///
    /// Before that, while the item is still in its slot, `record` is given the number of this
    /// delivery, which no other delivery has, not even of the same item, and the item. If this
    /// process is killed before `record` has returned, the item stays in the queue; once `work` has
    /// begun, it doesn't: delivery is at most once from there on.
    ///
    /// # Errors
    /// [`GetError`], but not `Decode`: `Empty` only with a timeout, `Disconnected` only without.
    pub fn get<R>(
        &self,
        timeout: impl Into<Option<Duration>>,
        record: impl FnOnce(u64, &[u8]),
        work: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, GetError> {
        let until = timeout.into().map_or(Until::Forever, Until::after);
        self.0.get(until, record, work).map_err(Failed::of_get)
    }

    /// Gets the next item if there is one now, passes it to `work`, and returns that function's
    /// value. Python: `Queue.get_nowait`.
    ///
    /// # Errors
    /// [`GetError`]; `Empty` at once.
    pub fn try_get<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R, GetError> {
        self.0.get(Until::Now, |_, _| (), work).map_err(Failed::of_get)
    }

    /// Returns the numbers of the deliveries that have come to nothing since the last call: the
    /// consumers that were getting the items have died, and the items are in the queue again.
    ///
    /// Only the maker of a [work queue](Self::of_work) is told; in all other cases there are none.
    ///
    /// ```
    /// # use multiprocess::queue::ByteQueue;
    /// # use multiprocess::{Failure, Process, tasks};
    /// tasks![die_before_it_is_mine];
    ///
    /// fn die_before_it_is_mine(work: ByteQueue) -> Result<(), Failure> {
    ///     Ok(work.get(None, |_, _| std::process::abort(), |_| ())?)
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let work = ByteQueue::of_work(3)?;
    /// let position = work.try_put(b"task")?;
    /// let mut worker = Process::new(die_before_it_is_mine, work.clone());
    /// worker.start()?;
    /// worker.join()?;
    /// assert_eq!(work.given_back(), [ByteQueue::first_delivery(position)]);
    /// assert_eq!(work.try_get(<[u8]>::to_vec)?, b"task", "redelivery");
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn given_back(&self) -> Vec<u64> {
        self.0.participant().given_back()
    }
}

/// A thread's lookout for items: see [`ByteQueue::look_out`].
pub(crate) struct Lookout<'a>(&'a Participant);

impl Drop for Lookout<'_> {
    fn drop(&mut self) {
        self.0.items().event_count.end_lookout(|| self.0.ring().has_item());
    }
}

/// Makes another handle on the same queue, for another thread.
impl Clone for ByteQueue {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;
    use std::thread;

    use testing::{Deadline, until};

    use super::*;

    #[test]
    fn a_lookout_that_ends_wakes_a_sleeper_for_what_has_come_meanwhile() {
        let _deadline = Deadline::seconds(60);
        let queue = ByteQueue::bounded(3).unwrap().watched();
        let other = queue.clone();
        let sleeper = thread::spawn(move || other.get(None, |_, _| (), <[u8]>::to_vec).unwrap());
        let word = queue.0.participant().items().event_count.word;
        let is_odd = || word.load(Ordering::Acquire) % 2 == 1;
        until("it is about to sleep", is_odd);
        // Once it sleeps, the word stays even.
        let lookout = loop {
            let lookout = queue.look_out();
            thread::yield_now();
            if !is_odd() {
                break lookout;
            }
        };
        queue.put(b"new").unwrap();
        drop(lookout);
        assert_eq!(sleeper.join().unwrap(), b"new");
    }

    #[test]
    fn a_sleeper_at_a_watched_queue_finds_what_it_was_not_notified_of_once_all_are_woken() {
        let _deadline = Deadline::seconds(60);
        let queue = ByteQueue::bounded(3).unwrap().watched();
        let other = queue.clone();
        let sleeper = thread::spawn(move || other.get(None, |_, _| (), <[u8]>::to_vec).unwrap());
        let participant = queue.0.participant();
        let word = participant.items().event_count.word;
        until("it is about to sleep", || word.load(Ordering::Acquire) % 2 == 1);
        // A producer that is killed before it notifies.
        let claim = participant.ring().claim_to_put(participant.me(), false).unwrap();
        participant.ring().payload(claim.slot)[0].store(0, Ordering::Relaxed);
        participant.ring().publish(claim);
        queue.wake_all();
        assert_eq!(sleeper.join().unwrap(), b"");
    }
}
