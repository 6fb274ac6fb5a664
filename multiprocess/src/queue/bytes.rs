//! The queue of bytes, for those who build something else than a [`Queue`](crate::queue::Queue) on it: a
//! pool of processes.
//!
//! ```text
//!   maker ──put──▶ ▓ ▓ ▓ ▓ ──▶ worker A   get: ① notes what it is getting  ② gives the place up  ③ works
//!                          └─▶ worker B   ✝ before ②: the item goes to another, and the maker is told
//!                                         ✝ after ②: it is gone, and B's note tells which it was
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::queue::error::{Error, GetError, PutError};
use crate::queue::handle::Handle;
use crate::queue::memory::Kind;
use crate::queue::raw::{Failed, Until};
use crate::queue::ring::Ring;

/// A bounded queue of bytes. What is true of a [`Queue`](crate::queue::Queue) is true of it; besides, who
/// gets an item can take a note of it before the item is gone from the queue.
///
/// ```
/// use multiprocess::queue::ByteQueue;
///
/// let queue = ByteQueue::bounded(3)?;
/// queue.put(b"wash up")?;
/// let mut note = String::new();
/// let length = queue.get(
///     None,
///     |_delivery, item| note = format!("I am about to {}", String::from_utf8_lossy(item)),
///     |item| item.len(),
/// )?;
/// assert_eq!((length, note.as_str()), (7, "I am about to wash up"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct ByteQueue(Handle);

impl ByteQueue {
    /// A queue of so many places. Python: `Queue(maxsize)`, of bytes.
    ///
    /// ```
    /// # use multiprocess::queue::ByteQueue;
    /// let queue = ByteQueue::bounded(1)?;
    /// queue.put(b"wash up")?;
    /// assert!(queue.try_put(b"dry up").is_err(), "there is one place");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::bounded`](crate::queue::Queue::bounded).
    pub fn bounded(places: usize) -> Result<Self, Error> {
        Handle::create(places, Kind::Bounded).map(Self)
    }

    /// A queue of so many places that only its maker repairs, so that it can be told which items
    /// the dead have given back. Only the maker is to put: then nobody else ever waits for a
    /// repair.
    ///
    /// ```
    /// # use multiprocess::queue::ByteQueue;
    /// let work = ByteQueue::of_work(3)?;
    /// let position = work.try_put(b"task")?;
    /// let mut delivered = None;
    /// work.get(None, |delivery, _| delivered = Some(delivery), |_| ())?;
    /// assert_eq!(delivered, Some(ByteQueue::first_delivery(position)));
    /// assert!(work.given_back().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Queue::bounded`](crate::queue::Queue::bounded).
    pub fn of_work(places: usize) -> Result<Self, Error> {
        Handle::create(places, Kind::Work).map(Self)
    }

    /// Puts an item; waits for a free place. Python: `Queue.put`.
    ///
    /// ```
    /// # use multiprocess::queue::ByteQueue;
    /// let queue = ByteQueue::bounded(1)?;
    /// queue.put(b"wash up")?;
    /// assert_eq!(queue.try_get(<[u8]>::len)?, 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PutError`], but not `Full`.
    pub fn put(&self, item: &[u8]) -> Result<(), PutError<()>> {
        self.0.put(item, Until::Forever).map(|_| ()).map_err(|failed| failed.of_put(()))
    }

    /// Puts an item if a place is free now; returns its position: how many were put before it,
    /// modulo 2³² rounds through the places. Python: `Queue.put_nowait`.
    ///
    /// ```
    /// # use multiprocess::queue::{ByteQueue, PutError};
    /// let queue = ByteQueue::bounded(2)?;
    /// assert_eq!((queue.try_put(b"wash up")?, queue.try_put(b"dry up")?), (0, 1));
    /// assert!(matches!(queue.try_put(b"rest"), Err(PutError::Full(()))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PutError`]; `Full` at once.
    pub fn try_put(&self, item: &[u8]) -> Result<u64, PutError<()>> {
        let position = self.0.put(item, Until::Now).map_err(|failed| failed.of_put(()))?;
        Ok(position.expect("a bounded queue keeps its items in slots only"))
    }

    /// The position of the item that this delivery, as [`get`](Self::get)'s note is told, is of.
    ///
    /// ```
    /// # use multiprocess::queue::ByteQueue;
    /// let queue = ByteQueue::bounded(3)?;
    /// let position = queue.try_put(b"wash up")?;
    /// let mut gets = None;
    /// queue.get(None, |delivery, _| gets = Some(ByteQueue::delivered(delivery)), |_| ())?;
    /// assert_eq!(gets, Some(position));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub const fn delivered(delivery: u64) -> u64 {
        Ring::delivered(delivery)
    }

    /// The number of the first delivery of the item in this position.
    ///
    /// ```
    /// # use multiprocess::queue::ByteQueue;
    /// assert_eq!(ByteQueue::delivered(ByteQueue::first_delivery(5)), 5);
    /// ```
    #[must_use]
    pub const fn first_delivery(position: u64) -> u64 {
        Ring::first_delivery(position)
    }

    /// Gets the next item if there is one within the time (`None`: however long it takes), and
    /// gives it to `work`, whose value is returned. Python: `Queue.get`.
    ///
    /// Before that, while the item is still in its place, `note` sees it, and the number of this
    /// delivery, which no other has, not even of the same item. If this process is killed before
    /// `note` has returned, the item stays in the queue; once `work` has begun, it doesn't.
    ///
    /// ```
    /// # use multiprocess::queue::{ByteQueue, GetError};
    /// # use std::time::Duration;
    /// let queue = ByteQueue::bounded(3)?;
    /// queue.put(b"wash up")?;
    /// let mut seen = 0;
    /// let first = queue.get(None, |_, item| seen = item.len(), |item| item[0])?;
    /// assert_eq!((seen, first), (7, b'w'));
    /// let nothing = queue.get(Duration::from_millis(1), |_, _| (), |_| ());
    /// assert!(matches!(nothing, Err(GetError::Empty)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`GetError`], but not `Decode`. With a time limit it is `Empty` in the end, without one
    /// `Disconnected`.
    pub fn get<R>(
        &self,
        timeout: impl Into<Option<Duration>>,
        note: impl FnOnce(u64, &[u8]),
        work: impl FnOnce(&[u8]) -> R,
    ) -> Result<R, GetError> {
        let until = timeout.into().map_or(Until::Forever, Until::after);
        self.0.get(until, note, work).map_err(Failed::of_get)
    }

    /// Gets the next item if there is one now, and gives it to `work`, whose value is returned.
    /// Python: `Queue.get_nowait`.
    ///
    /// ```
    /// # use multiprocess::queue::{ByteQueue, GetError};
    /// let queue = ByteQueue::bounded(3)?;
    /// queue.put(b"wash up")?;
    /// assert_eq!(queue.try_get(<[u8]>::to_vec)?, b"wash up");
    /// assert!(matches!(queue.try_get(|_| ()), Err(GetError::Empty)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`GetError`]; `Empty` at once.
    pub fn try_get<R>(&self, work: impl FnOnce(&[u8]) -> R) -> Result<R, GetError> {
        self.0.get(Until::Now, |_, _| (), work).map_err(Failed::of_get)
    }

    /// The numbers of the deliveries that have come to nothing since the last call: who was getting
    /// the items has died, and they are in the queue again.
    ///
    /// Only the maker of a [queue of work](Self::of_work) is told; others, and of other queues, get
    /// none.
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
    /// assert_eq!(work.try_get(<[u8]>::to_vec)?, b"task", "it is there for another");
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn given_back(&self) -> Vec<u64> {
        self.0.participant().given_back()
    }
}

/// One more handle on the same queue, for another thread.
impl Clone for ByteQueue {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}
