//! The typed queue: values in, values out.
//!
//! ```text
//!   put(item) ── serde ──▶ bytes ──▶ a slot ──▶ bytes ── serde ──▶ get() = item
//!                               │         ▲
//!        unbounded, none free:  └─▶ own memory ── feeder thread
//!                                       └── end of the process ──▶ behind the slots
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
use crate::queue::raw::{Failed, KEPT, Until};
use crate::sys::queue::{Opening, Participation};

/// Slots of an unbounded queue.
const SLOTS: usize = 1024;

/// A queue between processes, with any number of producers and consumers. One type answers
/// Python's `Queue`, `JoinableQueue` and `SimpleQueue`.
///
/// A clone is the same queue, for another thread; as an argument it is the same queue, for a new
/// process. Elsewhere it can't be serialised. Give each thread a clone of its own: a thread that
/// waits without a time limit is told [`Disconnected`](GetError::Disconnected) when no other handle
/// is left.
///
/// The items of one producer come in their order to one consumer. Whoever is killed, at whatever
/// instant: nobody else is stopped by it, an item whose `put` had returned is not lost unless the
/// killed one had got it, and none comes twice. An item that a consumer was just getting when it
/// was killed comes to another, perhaps later than its neighbours.
///
/// ```
/// let queue = multiprocess::Queue::bounded(3)?;
/// queue.put("milk".to_string())?;
/// assert_eq!(queue.qsize(), 1);
/// assert_eq!(queue.get()?, "milk");
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
/// There is no `close`: a handle is closed by dropping it, and can't be used after that. What a
/// process has put when it drops its last handle or ends, by [`std::process::exit`] or a panic,
/// too, the others get afterwards; it may be joined before. (Only on a full disk, or under a limit
/// of file sizes, its end waits for room.) If no other process is left to get the items, it says on
/// standard error how many are lost.
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
    /// A queue of exactly so many places; a `put` waits for one. Python: `Queue(maxsize)`,
    /// `JoinableQueue(maxsize)`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(2)?;
    /// queue.put("bread")?;
    /// queue.put("butter")?;
    /// assert!(queue.is_full());
    /// let refused = Queue::<u32>::bounded(0).unwrap_err();
    /// assert!(refused.to_string().ends_with("for no limit, write Queue::unbounded()"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoPlaces`], [`Error::TooManyPlaces`]; [`Error::System`] if there are no descriptors
    /// or the limit of file sizes (`ulimit -f`) is too low.
    pub fn bounded(places: usize) -> Result<Self, Error> {
        Handle::create(places, Kind::Bounded).map(Self::of)
    }

    /// A queue without a limit but memory: a `put` never waits. Python: `Queue()`, `SimpleQueue()`.
    ///
    /// What finds no place waits in the memory of its producer, and is lost with it if that is
    /// killed or aborts before [`flush`](Self::flush) has returned. Any other end leaves it to the
    /// others.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::unbounded()?;
    /// for number in 0..5000 {
    ///     queue.put(number)?;
    /// }
    /// assert_eq!((queue.qsize(), queue.is_full()), (5000, false));
    /// for number in 0..5000 {
    ///     assert_eq!(queue.get()?, number);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`bounded`](Self::bounded).
    pub fn unbounded() -> Result<Self, Error> {
        Handle::create(SLOTS, Kind::Unbounded).map(Self::of)
    }

    /// Opens the queue in this file, whatever is in it, for a participant of this number: for the
    /// tests with damaged memories.
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

    /// How many items there are that nobody has got, those of unbounded producers included: exact
    /// while nobody puts or gets, also after deaths. Python: `Queue.qsize`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(3)?;
    /// assert!(queue.is_empty());
    /// queue.put(1)?;
    /// queue.put(2)?;
    /// assert_eq!((queue.qsize(), queue.is_full()), (2, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn qsize(&self) -> usize {
        self.handle.participant().items_waiting()
    }

    /// Whether there are no items that nobody has got. Python: `Queue.empty`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(3)?;
    /// assert!(queue.is_empty());
    /// queue.put(1)?;
    /// assert!(!queue.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.qsize() == 0
    }

    /// Whether no place is free; an unbounded queue is never full. Python: `Queue.full`.
    ///
    /// Places are used in turn: while an item waits that a dead consumer gave back, a put may have
    /// to wait for it although others behind it are free.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(1)?;
    /// assert!(!queue.is_full());
    /// queue.put(1)?;
    /// assert!(queue.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.handle.participant().is_full()
    }

    /// Reports that an item this process has got is dealt with. Python: `JoinableQueue.task_done`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(3)?;
    /// queue.put("dishes".to_string())?;
    /// assert_eq!(queue.get()?, "dishes");
    /// queue.task_done()?;
    /// assert_eq!(queue.join()?, 0);
    /// assert!(matches!(queue.task_done(), Err(multiprocess::queue::Error::DoneTooOften)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::DoneTooOften`] if this process has reported all that it has got.
    pub fn task_done(&self) -> Result<(), Error> {
        self.handle.participant().task_done()
    }

    /// Waits until every item put so far has been got and reported done; returns how many will
    /// never be because those who had got them have ended. Each of those is counted once.
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
    /// [`Error::Disconnected`] if nobody else is left to do it.
    pub fn join(&self) -> Result<u64, Error> {
        self.handle.join()
    }

    /// Lets this process end without a look at what it has put and has found no place: that is lost
    /// then. Without this call the others get it. Python: `Queue.cancel_join_thread`.
    ///
    /// ```
    /// # use multiprocess::queue::GetError;
    /// # use multiprocess::{Failure, Process, Queue, tasks};
    /// tasks![change_my_mind];
    ///
    /// fn change_my_mind(queue: Queue<u32>) -> Result<(), Failure> {
    ///     (0..5000).try_for_each(|number| queue.put(number))?;
    ///     queue.cancel_join_thread();
    ///     Ok(())
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let queue = Queue::unbounded()?;
    /// let mut process = Process::new(change_my_mind, queue.clone());
    /// process.start()?;
    /// process.join()?;
    /// assert!(queue.qsize() < 5000, "nobody has got any, so most had found no place");
    /// # Ok(()) }) }
    /// ```
    pub fn cancel_join_thread(&self) {
        self.handle.cancel_join_thread();
    }

    /// Waits until all that this process has put is in the queue, where its death can't harm it. At
    /// once for a bounded queue. Python: `Queue.join_thread`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::unbounded()?;
    /// queue.put("safe".to_string())?;
    /// queue.flush()?;
    /// assert_eq!(queue.get()?, "safe");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Disconnected`] if nobody else is left to make room.
    pub fn flush(&self) -> Result<(), Error> {
        self.handle.flush()
    }
}

impl<T: Serialize> Queue<T> {
    /// Puts an item; waits for a free place. Python: `Queue.put`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(1)?;
    /// queue.put(1)?;
    /// let second = queue.clone();
    /// let puts = std::thread::spawn(move || second.put(2)); // waits for the place of the first
    /// assert_eq!((queue.get()?, queue.get()?), (1, 2));
    /// puts.join().expect("it doesn't panic")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PutError`], but not `Full`. `Disconnected` gives the item back when it would wait for
    /// ever.
    pub fn put(&self, item: T) -> Result<(), PutError<T>> {
        self.put_until(item, Until::Forever)
    }

    /// Puts an item if a place is free within the time. Python: `Queue.put(timeout=…)`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// # use std::time::Duration;
    /// let queue = Queue::bounded(1)?;
    /// queue.put(1)?;
    /// let refused = queue.put_timeout(2, Duration::from_millis(10));
    /// assert!(matches!(refused, Err(multiprocess::queue::PutError::Full(2))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`PutError`]; `Full` after the timeout, also if nobody else is left to get an item. A
    /// timeout that is too long for the clock, such as `Duration::MAX`, is none: as
    /// [`put`](Self::put).
    pub fn put_timeout(&self, item: T, timeout: Duration) -> Result<(), PutError<T>> {
        self.put_until(item, Until::after(timeout))
    }

    /// Puts an item if a place is free now. Python: `Queue.put_nowait`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(1)?;
    /// queue.try_put(1)?;
    /// let refused = queue.try_put(2);
    /// assert!(matches!(refused, Err(multiprocess::queue::PutError::Full(2))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
        frame.shrink_to(KEPT);
        FRAME.set(frame);
        put
    }
}

impl<T: DeserializeOwned> Queue<T> {
    /// The next item; waits for it. Python: `Queue.get`.
    ///
    /// An item that turns out to be no `T` counts as got.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(3)?;
    /// queue.put("milk".to_string())?;
    /// assert_eq!(queue.get()?, "milk");
    /// // There is no other handle: nobody could put anything any more.
    /// assert!(matches!(queue.get(), Err(multiprocess::queue::GetError::Disconnected)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`GetError`], but not `Empty`. `Disconnected` comes where Python would wait for ever.
    pub fn get(&self) -> Result<T, GetError> {
        self.get_until(Until::Forever)
    }

    /// The next item, if there is one within the time. Python: `Queue.get(timeout=…)`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// # use std::time::Duration;
    /// let queue = Queue::<u32>::bounded(3)?;
    /// let nothing = queue.get_timeout(Duration::from_millis(10));
    /// assert!(matches!(nothing, Err(multiprocess::queue::GetError::Empty)));
    /// queue.put(1)?;
    /// assert_eq!(queue.get_timeout(Duration::from_millis(10))?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`GetError`]; `Empty` after the timeout, also if nobody else is left to put an item. A
    /// timeout that is too long for the clock, such as `Duration::MAX`, is none: as
    /// [`get`](Self::get).
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, GetError> {
        self.get_until(Until::after(timeout))
    }

    /// The next item, if there is one now. Python: `Queue.get_nowait`.
    ///
    /// ```
    /// # use multiprocess::Queue;
    /// let queue = Queue::bounded(3)?;
    /// queue.put(1)?;
    /// assert_eq!(queue.try_get()?, 1);
    /// assert!(matches!(queue.try_get(), Err(multiprocess::queue::GetError::Empty)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
