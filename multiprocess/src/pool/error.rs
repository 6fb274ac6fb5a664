//! What can go wrong with a pool and with its tasks. Each error is one whole sentence, with its
//! cause: none has a [`source`](std::error::Error::source) that would say the same again.

use std::io;

use crate::future::TaskError;

/// Why a pool can't be made, or doesn't take a task.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Python: `ValueError("Number of processes must be at least 1")`.
    #[error("a pool needs at least one process")]
    NoProcesses,
    /// Python: `ValueError("maxtasksperchild must be a positive int or None")`.
    #[error("a worker has to be allowed at least one task: leave the limit out for none")]
    NoTasks,
    /// A map in chunks of 0 items would never end.
    #[error("a chunk has at least one item")]
    NoItems,
    /// The function isn't listed by `tasks!`.
    #[error(transparent)]
    Function(crate::process::Error),
    /// A worker can't be started. None is left.
    #[error("{0}")]
    Start(crate::process::Error),
    /// The system refused what a pool is made of.
    #[error("the pool can't be made: {0}")]
    System(io::Error),
    /// No task is taken any more. Python: `ValueError("Pool not running")`.
    #[error("the pool takes no more tasks: it was closed or terminated")]
    NotRunning,
    /// Joined before it was closed. Python: `ValueError("Pool is still running")`.
    #[error("the pool is still running: close or terminate it before it is joined")]
    StillRunning,
    /// This thread has an `imap` of unknown length, which goes on only when its results are taken.
    #[error(
        "an imap of unknown length goes on only as its results are taken: take them, or drop it, before the pool is joined"
    )]
    Unfinished,
    /// It has given up, because its workers end before they can work.
    #[error("the pool has given up: {0}")]
    Broken(String),
    /// The calling thread brings the results: a callback of the same pool can't wait for it.
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

/// Why a map has not all results: the first error, and what came of each item all the same.
///
/// ```
/// # use multiprocess::Pool;
/// # multiprocess::tasks![half];
/// # fn half(number: u64) -> u64 { assert!(number % 2 == 0, "{number} is odd"); number / 2 }
/// # fn main() -> std::process::ExitCode {
/// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let pool = Pool::new(2)?;
/// let error = pool.map(half, [2, 3, 6]).unwrap_err();
/// assert_eq!(error.index, Some(1));
/// let halves: Vec<u64> = error.results.into_iter().flatten().collect();
/// assert_eq!(halves, [1, 3]);
/// # Ok(()) }) }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{}{error}", index.map(|index| format!("item {index}: ")).unwrap_or_default())]
pub struct MapError<R> {
    /// Which item it was, from 0; `None` if the map never began.
    pub index: Option<usize>,
    /// What went wrong.
    pub error: Error,
    /// What came of each item, in their order.
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
