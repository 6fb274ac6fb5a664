//! Errors of pools and of maps. Each is one whole sentence, with its cause: none has a
//! [`source`](std::error::Error::source) that would say the same again.

use std::io;

use crate::future::TaskError;

/// Reason why a pool can't be made, or refuses a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No processes: a pool needs at least one. Python: `ValueError("Number of processes must be at
    /// least 1")`.
    #[error("a pool needs at least one process")]
    NoProcesses,
    /// No tasks for a worker. Python: `ValueError("maxtasksperchild must be a positive int or
    /// None")`.
    #[error("a worker has to be allowed at least one task: leave the limit out for none")]
    NoTasks,
    /// Chunks of 0 items, with which a map would never end.
    #[error("a chunk has at least one item")]
    NoItems,
    /// A function that isn't listed in [`tasks!`](crate::tasks).
    #[error(transparent)]
    Function(crate::process::Error),
    /// A worker can't be started. None is left.
    #[error("{0}")]
    Start(crate::process::Error),
    /// The system refused a resource of the pool.
    #[error("the pool can't be made: {0}")]
    System(io::Error),
    /// The pool takes no more tasks. Python: `ValueError("Pool not running")`.
    #[error("the pool takes no more tasks: it was closed or terminated")]
    NotRunning,
    /// The pool was joined before it was closed. Python: `ValueError("Pool is still running")`.
    #[error("the pool is still running: close or terminate it before it is joined")]
    StillRunning,
    /// This thread has an `imap` of unknown length, which goes on only while its results are taken.
    #[error(
        "an imap of unknown length goes on only as its results are taken: \
        take them, or drop it, before the pool is joined"
    )]
    Unfinished,
    /// The pool has given up, because its workers end before they are ready.
    #[error("the pool has given up: {0}")]
    Broken(String),
    /// The calling thread delivers the results: a callback can't wait for its own pool.
    #[error("this thread brings the results of that pool: it can't wait for it")]
    Deadlock,
    /// The task has no result.
    #[error(transparent)]
    Task(TaskError),
}

impl From<TaskError> for Error {
    fn from(error: TaskError) -> Self {
        match error {
            TaskError::Deadlock => Self::Deadlock,
            error => Self::Task(error),
        }
    }
}

/// Reason why a map is incomplete: the first error, and the outcome of each item.
///
/// ```
/// use multiprocess::{Failure, Pool, tasks};
///
/// tasks![half];
///
/// fn half(number: u64) -> u64 {
///     assert!(number % 2 == 0, "{number} is odd");
///     number / 2
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let error = Pool::new(2)?.map(half, [2, 3, 6]).unwrap_err();
///         assert_eq!(error.index, Some(1));
///         let halves: Vec<u64> = error.results.into_iter().flatten().collect();
///         assert_eq!(halves, [1, 3]);
///         Ok(())
///     })
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{}{error}", index.map(|index| format!("item {index}: ")).unwrap_or_default())]
pub struct MapError<R> {
    /// Index of the first item without a result, from 0; `None` if the map never began.
    pub index: Option<usize>,
    /// The error of that item, or of the whole map.
    pub error: Error,
    /// Outcome of each item, in order.
    pub results: Vec<Result<R, TaskError>>,
}

impl<R> From<Error> for MapError<R> {
    fn from(error: Error) -> Self {
        Self { index: None, error, results: Vec::new() }
    }
}

impl<R> From<TaskError> for MapError<R> {
    fn from(error: TaskError) -> Self {
        Error::from(error).into()
    }
}
