//! The typed queue: values in, values out.
//!
//! ```text
//!   put(item) ── serde ──▶ bytes ──▶ a slot ──▶ bytes ── serde ──▶ get() = item
//!                               │         ▲
//!    unbounded, no free slot:   └─▶ own memory ── feeder thread
//!                                       └── end of the process ──▶ left behind
//! ```

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use crate::process::ends::OwnedEnd;
use crate::process::frame;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::queue::error::{Error, GetError, PutError};
use crate::queue::handle::Handle;
use crate::queue::memory::Kind;
use crate::queue::raw::{Failed, MAX_REUSED, Until};
use crate::sys::shared::{Opening, Participation};

/// Number of slots of an unbounded queue.
const SLOTS: usize = 1024;

/// A queue between processes, with any number of producers and consumers. One type answers
/// Python's `Queue`, `JoinableQueue` and `SimpleQueue`.
///
/// A clone is the same queue, for another thread; as an argument it is the same queue, for a new
/// process. Elsewhere it can't be serialised. Give each thread a clone of its own: a thread that
/// waits without a time limit gets [`Disconnected`](GetError::Disconnected) when no other handle is
/// left.
///
/// A consumer gets the items of one producer in their order. A kill, of any process at any instant,
/// stops no other process; an item whose `put` had returned is lost only if the killed process had
/// got it, and no item comes twice. An item that a consumer was just getting when it was killed
/// goes to another consumer, perhaps later than its neighbours.
///
/// ```
/// use std::time::Duration;
///
/// use multiprocess::Queue;
/// use multiprocess::queue::{GetError, PutError};
///
/// let queue = Queue::bounded(2)?;
/// queue.put("milk")?;
/// queue.put("bread")?;
/// assert_eq!((queue.qsize(), queue.is_full()), (2, true));
/// assert!(matches!(queue.try_put("eggs"), Err(PutError::Full("eggs"))));
///
/// let queue: Queue<String> = Queue::bounded(2)?;
/// queue.put("dishes".to_string())?;
/// assert_eq!(queue.get_timeout(Duration::from_secs(1))?, "dishes");
/// assert!(matches!(queue.try_get(), Err(GetError::Empty)));
/// queue.task_done()?;
/// assert_eq!(queue.join()?, 0, "no item was lost");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Between processes:
///
/// ```
/// use multiprocess::{Failure, Process, Queue, tasks};
///
/// tasks![square];
///
/// fn square((numbers, squares): (Queue<u32>, Queue<u32>)) -> Result<(), Failure> {
///     let number = numbers.get()?;
///     Ok(squares.put(number * number)?)
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let (numbers, squares) = (Queue::bounded(3)?, Queue::bounded(3)?);
/// let mut process = Process::new(square, (numbers.clone(), squares.clone()));
/// process.start()?;
/// numbers.put(12)?;
/// assert_eq!(squares.get()?, 144);
/// process.join()?;
/// # Ok(()) }) }
/// ```
///
/// There is no `close`: a handle is closed by dropping it, and can't be used after that. Items that
/// a process has put when it drops its last handle or ends, also by [`std::process::exit`] or a
/// panic, go to the others afterwards, even if the process is joined before they are got. (Only on
/// a full disk, or under a limit of file sizes, does its end wait for room.) If no other process is
/// left to get the items, standard error says how many are lost.
///
/// ```compile_fail,E0382
/// # // QUEUE-09
/// let queue = multiprocess::Queue::bounded(1)?;
/// queue.put(1)?;
/// drop(queue);
/// queue.try_get()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0382
/// # // QUEUE-09
/// let queue = multiprocess::Queue::bounded(1)?;
/// drop(queue);
/// queue.put(1)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0382
/// # // QUEUE-10, QUEUE-13
/// let queue = multiprocess::Queue::<u32>::unbounded()?;
/// drop(queue);
/// queue.is_empty();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// ```compile_fail,E0382
/// # // QUEUE-12
/// let queue = multiprocess::Queue::<u32>::unbounded()?;
/// drop(queue);
/// drop(queue);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Queue<T> {
    handle: Handle,
    #[serde(skip)]
    item: PhantomData<fn(T) -> T>,
}

impl<T> Queue<T> {
    /// Makes a queue of at most this many items; a `put` waits while it is full. Python:
    /// `Queue(maxsize)`, `JoinableQueue(maxsize)`. A capacity of 0 is no "no limit" here:
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let refused = Queue::<u32>::bounded(0).unwrap_err();
    /// assert!(refused.to_string().ends_with("for no limit, write Queue::unbounded()"));
    /// ```
    ///
    /// # Errors
    /// [`Error::NoPlaces`], [`Error::TooManyPlaces`]; [`Error::System`] if there are no descriptors
    /// or the limit of file sizes (`ulimit -f`) is too low.
    pub fn bounded(capacity: usize) -> Result<Self, Error> {
        Handle::create(capacity, Kind::Bounded).map(Self::of)
    }

    /// Makes a queue limited by memory only: a `put` never waits. Python: `Queue()`,
    /// `SimpleQueue()`.
    ///
    /// An item that finds no free slot waits in the memory of its producer, and is lost if that is
    /// killed or aborts before [`flush`](Self::flush) has returned. Any other end of the producer
    /// leaves the item to the other processes.
    ///
    /// # Errors
    /// As [`bounded`](Self::bounded).
    pub fn unbounded() -> Result<Self, Error> {
        Handle::create(SLOTS, Kind::Unbounded).map(Self::of)
    }

    /// Opens the queue in this file, whatever is in it, as the participant of this number: for
    /// tests with damaged memory.
    ///
    /// # Errors
    /// If it is no queue, or the system refuses; always where a queue is more than a file.
    #[doc(hidden)]
    pub fn open(file: OwnedEnd, number: u16) -> io::Result<Self> {
        Handle::open(Opening::of_file(file)?, number).map(Self::of)
    }

    pub(crate) fn of(handle: Handle) -> Self {
        Self { handle, item: PhantomData }
    }

    /// Returns the number of items that have not been got, those that wait in producers included:
    /// exact while no process puts or gets, also after deaths. Python: `Queue.qsize`.
    #[must_use]
    pub fn qsize(&self) -> usize {
        self.handle.participant().items_waiting()
    }

    /// Returns true if every item has been got. Python: `Queue.empty`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Returns true if no slot is free; an unbounded queue is never full. Python: `Queue.full`.
    ///
    /// Slots are used in turn: while an item of a dead consumer waits for redelivery, a put may
    /// have to wait for its slot although slots behind it are free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.handle.participant().is_full()
    }

    /// Reports one item that this process has got as done. Python: `JoinableQueue.task_done`.
    ///
    /// # Errors
    /// [`Error::DoneTooOften`] if this process has reported all that it has got.
    pub fn task_done(&self) -> Result<(), Error> {
        self.handle.participant().task_done()
    }

    /// Waits until every item put so far has been got and reported done; returns how many never
    /// will be, because the processes that had got them have ended. Each lost item is counted once.
    /// Python: `JoinableQueue.join`.
    ///
    /// ```
    /// # use multiprocess::{Failure, Process, Queue, tasks};
    /// tasks![forget];
    ///
    /// fn forget(queue: Queue<u32>) -> Result<(), Failure> {
    ///     queue.get()?;
    ///     Ok(()) // and never reports it done
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let queue = Queue::bounded(3)?;
    /// queue.put(1)?;
    /// let mut process = Process::new(forget, queue.clone());
    /// process.start()?;
    /// process.join()?;
    /// assert_eq!(queue.join()?, 1);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Disconnected`] if no other handle is left that could get the items.
    pub fn join(&self) -> Result<u64, Error> {
        self.handle.join()
    }

    /// Lets the end of this process lose the items it has put that have found no slot. Without this
    /// call the other processes get them. Python: `Queue.cancel_join_thread`.
    pub fn cancel_join_thread(&self) {
        self.handle.cancel_join_thread();
    }

    /// Waits until all items that this process has put are in slots, where its death can't harm
    /// them: a bounded queue's always are. Python: `Queue.join_thread`.
    ///
    /// # Errors
    /// [`Error::Disconnected`] if no other handle is left that could make room.
    pub fn flush(&self) -> Result<(), Error> {
        self.handle.flush()
    }
}

impl<T: Serialize> Queue<T> {
    /// Puts an item; waits for a free slot. Python: `Queue.put`.
    ///
    /// # Errors
    /// [`PutError`], but not `Full`. `Disconnected` gives the item back where Python would wait for
    /// ever.
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_until(item, Until::Forever)
    }

    /// Puts an item if a slot is free within the timeout. Python: `Queue.put(timeout=…)`.
    ///
    /// # Errors
    /// [`PutError`]; `Full` after the timeout, also if no other handle is left that could get an
    /// item. A timeout that is too long for the clock, such as `Duration::MAX`, means no limit: as
    /// [`put`](Self::put).
    pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
        self.put_until(item, Until::after(timeout))
    }

    /// Puts an item if a slot is free now. Python: `Queue.put_nowait`.
    ///
    /// # Errors
    /// [`PutError`]; `Full` at once.
    pub fn try_put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_until(item, Until::Now)
    }

    fn put_until(&self, item: T, until: Until) -> Result<(), PutError<T>> {
        thread_local! {
            static FRAME: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        let mut frame = FRAME.take();
        let put = match frame::encode_body(&item, &mut frame) {
            Err(reason) => Err(PutError::Encode(reason)),
            Ok(()) => match self.handle.put(&frame, until) {
                Ok(_) => Ok(()),
                Err(failed) => Err(failed.of_put(item)),
            },
        };
        frame.clear();
        frame.shrink_to(MAX_REUSED);
        FRAME.set(frame);
        put
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// Gets the next item; waits for it. Python: `Queue.get`.
    ///
    /// An item whose bytes are not a `T` counts as got.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::<u32>::bounded(3)?;
    /// // There is no other handle that could put an item: Python would wait for ever.
    /// assert!(matches!(queue.get(), Err(multiprocess::queue::GetError::Disconnected)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`GetError`], but not `Empty`. `Disconnected` comes where Python would wait for ever.
    pub fn get(&self) -> Result<T, GetError> {
        self.get_until(Until::Forever)
    }

    /// Gets the next item, if there is one within the timeout. Python: `Queue.get(timeout=…)`.
    ///
    /// # Errors
    /// [`GetError`]; `Empty` after the timeout, also if no other handle is left that could put an
    /// item. A timeout that is too long for the clock, such as `Duration::MAX`, means no limit: as
    /// [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        self.get_until(Until::after(timeout))
    }

    /// Gets the next item, if there is one now. Python: `Queue.get_nowait`.
    ///
    /// # Errors
    /// [`GetError`]; `Empty` at once.
    pub fn try_get(&self) -> Result<T, GetError> {
        self.get_until(Until::Now)
    }

    fn get_until(&self, until: Until) -> Result<T, GetError> {
        let got = self.handle.get(until, |_, _| (), frame::decode);
        got.map_err(Failed::of_get)?.map_err(GetError::Decode)
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue<{}>, {} items", std::any::type_name::<T>(), self.qsize())
    }
}
