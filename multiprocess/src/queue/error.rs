//! What can go wrong with a queue.

use std::fmt;
use std::io;

use crate::process::frame;

/// Reasons why a queue could not be made, or waited for. Python: the error that each names.
///
/// ```
/// use multiprocess::Queue;
/// use multiprocess::queue::Error;
///
/// let refused = Queue::<u32>::bounded(usize::MAX);
/// assert!(matches!(refused, Err(Error::TooManyPlaces { .. })));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A capacity of 0, which Python takes for "no limit" though it is easily meant otherwise.
    #[error(
        "a queue of 0 places could never hold anything: for no limit, write Queue::unbounded()"
    )]
    NoPlaces,
    /// A capacity larger than a queue can have. Python: `OverflowError`.
    #[error("a queue of {places} places is too large: take {most} at most, or Queue::unbounded()")]
    TooManyPlaces {
        /// The capacity asked for.
        places: usize,
        /// The largest possible capacity.
        most: u32,
    },
    /// More items were reported done than this process has got.
    /// Python: `ValueError("task_done() called too many times")`.
    #[error("task_done was called more often than this process has got items")]
    DoneTooOften,
    /// The wait could never end: there is no other handle on the queue. Python waits for ever.
    #[error("nobody else uses the queue any more, so this would wait for ever")]
    Disconnected,
    /// The operating system refused. Python: `OSError`.
    #[error("the system refused: {0}")]
    System(io::Error),
}

/// Reasons why an item was not put. The item comes back, unless it can never be put. Python:
/// `queue.Full`.
///
/// ```
/// use multiprocess::Queue;
/// use multiprocess::queue::PutError;
///
/// let queue = Queue::bounded(1)?;
/// queue.put("first".to_string())?;
/// match queue.try_put("second".to_string()) {
///     Err(PutError::Full(item)) => assert_eq!(item, "second"),
///     other => other?,
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum PutError<T> {
    /// No slot is free, or none became free in time. Python: `queue.Full`.
    #[error("the queue is full")]
    Full(T),
    /// No slot is free, there is no other handle that could get an item, and no time limit would
    /// end the wait. Python waits for ever.
    #[error("the queue is full, and nobody else is left to get an item")]
    Disconnected(T),
    /// The item can't be serialised; the queue is unchanged. Python: `PicklingError`, in the feeder
    /// thread.
    #[error(transparent)]
    Encode(frame::Error),
    /// The item's bytes are more than a message may have.
    #[error("an item of {length} bytes is longer than the {longest} that this queue can take")]
    TooLong {
        /// Size of the item, in bytes.
        length: u64,
        /// Largest possible size, in bytes.
        longest: u64,
    },
    /// The operating system refused, for example because there is no memory.
    #[error("the system refused: {0}")]
    System(io::Error),
}

/// Reasons why no item was got. Python: `queue.Empty`.
///
/// ```
/// use multiprocess::Queue;
/// use multiprocess::queue::GetError;
///
/// let queue = Queue::<u32>::bounded(1)?;
/// let nothing = queue.try_get().unwrap_err();
/// assert!(matches!(nothing, GetError::Empty));
/// assert_eq!(nothing.to_string(), "the queue is empty");
/// # Ok::<(), multiprocess::queue::Error>(())
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GetError {
    /// There is no item, or none came in time. Python: `queue.Empty`.
    #[error("the queue is empty")]
    Empty,
    /// There is no item, there is no other handle that could put one, and no time limit would end
    /// the wait. Python waits for ever.
    #[error("the queue is empty, and nobody else is left to put an item")]
    Disconnected,
    /// The item's bytes are not a `T`; the item is used up. Python: `UnpicklingError`.
    #[error(transparent)]
    Decode(frame::Error),
    /// The queue's memory was damaged; the item was skipped.
    #[error("an item was damaged in the queue's memory, and skipped")]
    Damaged,
    /// The operating system refused; the item stays.
    #[error("the system refused: {0}")]
    System(io::Error),
}

macro_rules! debug_as_display {
    ($($error:ty $(, $item:ident)?);+) => { $(
        /// As [`Display`](fmt::Display).
        impl$(<$item>)? fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    )+ };
}

debug_as_display!(Error; PutError<T>, T; GetError);
