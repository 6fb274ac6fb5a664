//! Errors of executors and futures. Each is one whole sentence, with its cause: none has a
//! [`source`](std::error::Error::source) that would say the same again.

use std::io;

use crate::future::TaskError;

/// Reason why a future gives no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FutureError {
    /// The future was cancelled. Python: `CancelledError`.
    #[error("the future was cancelled")]
    Cancelled,
    /// The future is not done within the time; it can be asked again. Python: `TimeoutError`.
    #[error("the future is not done yet")]
    TimedOut,
    /// The call ended without a result. Python: the exception of the call, or `BrokenProcessPool`.
    #[error(transparent)]
    Task(#[from] TaskError),
    /// The result has been taken out.
    #[error("the future's result has been taken already")]
    Taken,
    /// The result can't be taken out, because another handle keeps it.
    #[error(
        "another handle on the future is there: its result can be looked at, but not taken out"
    )]
    Shared,
    /// The calling thread would deliver the result itself: in a callback of the same executor of
    /// processes, or in the very call whose result it is.
    #[error("this thread brings that result itself: it can't wait for it")]
    Deadlock,
}

/// Reason why an executor refuses a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The executor was shut down, or the program is ending. Python: `RuntimeError("cannot schedule
    /// new futures after shutdown")`.
    #[error("cannot schedule new futures after shutdown")]
    Shutdown,
    /// The executor is broken, for this reason. Python: `BrokenExecutor`.
    #[error("the executor is broken and takes no more calls: {0}")]
    Broken(String),
    /// The function isn't listed in [`tasks!`](crate::tasks).
    #[error(transparent)]
    Unlisted(crate::process::Error),
    /// There is no worker, and none can be started.
    #[error("a worker can't be started: {0}")]
    Start(String),
    /// A map of chunks of 0 calls, or with 0 tasks in flight, would never end. Python:
    /// `ValueError("buffersize must be None or > 0")`.
    #[error("{0} must be greater than 0")]
    Zero(&'static str),
}

/// Reason why an executor can't be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No workers. Python: `ValueError("max_workers must be greater than 0")`.
    #[error("max_workers must be greater than 0")]
    NoWorkers,
    /// No calls for a worker. Python: `ValueError("max_tasks_per_child must be >= 1")`.
    #[error("max_tasks_per_child must be greater than 0: leave it out for no limit")]
    NoTasks,
    /// The initializer isn't listed in [`tasks!`](crate::tasks).
    #[error(transparent)]
    Unlisted(crate::process::Error),
    /// The system refused a resource of the executor.
    #[error("the executor can't be made: {0}")]
    System(io::Error),
}

impl From<io::Error> for BuildError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Error of a promise that is fulfilled twice, or after its future was cancelled. Python:
/// `InvalidStateError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the future is {0} already")]
pub struct InvalidState(pub(crate) &'static str);

/// Error of a time limit that is over before all futures are done. Python: `TimeoutError("2 (of 4)
/// futures unfinished")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unfinished} (of {all}) futures unfinished")]
pub struct Unfinished {
    /// Number of futures that are not done.
    pub unfinished: usize,
    /// Number of futures in all.
    pub all: usize,
}
