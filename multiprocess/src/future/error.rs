//! What can go wrong with executors and futures. Each error is one whole sentence, with its cause:
//! none has a [`source`](std::error::Error::source) that would say the same again.

use std::io;

use crate::future::TaskError;

/// Why a future gives no result.
///
/// ```
/// use multiprocess::futures::{FutureError, Promise};
///
/// let (_promise, future) = Promise::<u64>::new();
/// let _ = future.cancel();
/// assert_eq!(future.result().unwrap_err().to_string(), "the future was cancelled");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FutureError {
    /// It was cancelled. Python: `CancelledError`.
    #[error("the future was cancelled")]
    Cancelled,
    /// It is not done within the time; it may be asked again. Python: `TimeoutError`.
    #[error("the future is not done yet")]
    TimedOut,
    /// The call ended without a result. Python: the exception of the call, or `BrokenProcessPool`.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// Its result has been taken out.
    #[error("the future's result has been taken already")]
    Taken,
    /// Its result can't be taken out, because another handle on it is there, which keeps it.
    #[error(
        "another handle on the future is there: its result can be looked at, but not taken out"
    )]
    Shared,
    /// The calling thread is the one that would bring the result: in a callback of the same
    /// executor of processes, or in the very call whose result it is.
    #[error("this thread brings that result itself: it can't wait for it")]
    Deadlock,
}

/// Why an executor doesn't take a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// It was shut down, or the program is ending. Python:
    /// `RuntimeError("cannot schedule new futures after shutdown")`.
    #[error("cannot schedule new futures after shutdown")]
    Shutdown,
    /// It is broken, for this reason. Python: `BrokenExecutor`.
    #[error("the executor is broken and takes no more calls: {0}")]
    Broken(String),
    /// The function isn't listed by [`tasks!`](crate::tasks).
    #[error(transparent)]
    Unlisted(crate::process::Error),
    /// There is no worker, and none can be started.
    #[error("a worker can't be started: {0}")]
    Start(String),
    /// A map of chunks of 0 calls, or with 0 of them on their way, would never end. Python:
    /// `ValueError("buffersize must be None or > 0")`.
    #[error("{0} must be greater than 0")]
    Zero(&'static str),
}

/// Why an executor can't be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Python: `ValueError("max_workers must be greater than 0")`.
    #[error("max_workers must be greater than 0")]
    NoWorkers,
    /// Python: `ValueError("max_tasks_per_child must be >= 1")`.
    #[error("max_tasks_per_child must be greater than 0: leave it out for no limit")]
    NoTasks,
    /// The initializer isn't listed by [`tasks!`](crate::tasks).
    #[error(transparent)]
    Unlisted(crate::process::Error),
    /// The system refused what an executor is made of.
    #[error("the executor can't be made: {0}")]
    System(io::Error),
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// The promise was fulfilled, or its future cancelled. Python: `InvalidStateError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the future is {0} already")]
pub struct InvalidState(pub(crate) &'static str);

/// The time is over, and not all futures are done. Python: `TimeoutError("2 (of 4) futures
/// unfinished")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unfinished} (of {all}) futures unfinished")]
pub struct Unfinished {
    /// How many are not done.
    pub unfinished: usize,
    /// How many there are.
    pub all: usize,
}
