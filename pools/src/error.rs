//! What can go wrong with a pool and with its tasks. Each error is one whole sentence, with its
//! cause: none has a [`source`](std::error::Error::source) that would say the same again.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

/// Why a task has no result. A task that returns `Err` has that as its result: it is none of these.
///
/// ```
/// # use pools::{Pool, TaskError};
/// # process_basics::tasks![crash];
/// fn crash(_: ()) {
///     std::process::exit(3);
/// }
///
/// # fn main() -> std::process::ExitCode {
/// #     process_basics::main(|| -> Result<(), process_basics::Failure> {
/// let pool = Pool::new(2)?;
/// let error = pool.apply_async(crash, ())?.get().unwrap_err();
/// assert!(matches!(error, TaskError::WorkerDied { exitcode: Some(3), .. }));
/// assert_eq!(error.to_string(), "the task's worker ended: exit code 3");
/// # Ok(()) }) }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked. The worker goes on. Python: the task's exception.
    #[error("the task panicked: {message}")]
    Panicked {
        /// What it said, and where.
        message: String,
    },
    /// The worker ended while the task ran: it was killed, crashed, or the task called
    /// [`std::process::exit`]. Another worker takes its place. (Python's `get` waits for ever.)
    #[error("the task's worker ended: {end}")]
    WorkerDied {
        /// How: `exit code 3`, `killed by signal 9 (SIGKILL)`.
        end: String,
        /// Its exit code, or −N after signal N; `None` if somebody else collected it.
        exitcode: Option<i32>,
    },
    /// The arguments can't be serialised; the task never ran.
    #[error("the task's arguments can't be sent: {0}")]
    ArgumentsNotSent(String),
    /// The arguments can't be deserialised in the worker; the task never ran.
    #[error("the task's arguments can't be received: {0}")]
    ArgumentsNotReceived(String),
    /// The result can't be serialised in the worker.
    #[error("the task's result can't be sent: {0}")]
    ResultNotSent(String),
    /// The result can't be deserialised here.
    #[error("the task's result can't be received: {0}")]
    ResultNotReceived(String),
    /// The pool was terminated before the task had a result.
    #[error("the pool was terminated before the task had a result")]
    Terminated,
    /// The pool has given up, because its workers end before they can work.
    #[error("the pool has given up: {0}")]
    Broken(String),
    /// Who should have given the result has gone without giving any.
    #[error("nobody is left who could give the task a result")]
    Abandoned,
    /// No result came within the time. The task goes on. Python: `multiprocessing.TimeoutError`.
    #[error("the task has no result yet")]
    TimedOut,
    /// The calling thread brings the result itself: a callback of the same pool can't wait for it.
    #[error("this thread brings the results of that pool: it can't wait for one")]
    Deadlock,
    /// The result has been taken already: it is handed out once.
    #[error("the task's result has been taken already")]
    Taken,
}

/// Why a pool can't be made, or doesn't take a task.
#[derive(thiserror::Error)]
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
    Function(process_basics::Error),
    /// A worker can't be started. None is left.
    #[error("{0}")]
    Start(process_basics::Error),
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
/// # use pools::Pool;
/// # process_basics::tasks![half];
/// # fn half(number: u64) -> u64 { assert!(number % 2 == 0, "{number} is odd"); number / 2 }
/// # fn main() -> std::process::ExitCode {
/// #     process_basics::main(|| -> Result<(), process_basics::Failure> {
/// let pool = Pool::new(2)?;
/// let error = pool.map(half, [2, 3, 6]).unwrap_err();
/// assert_eq!(error.index, Some(1));
/// let halves: Vec<u64> = error.results.into_iter().flatten().collect();
/// assert_eq!(halves, [1, 3]);
/// # Ok(()) }) }
/// ```
#[derive(thiserror::Error)]
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

/// The same sentence as [`Display`](fmt::Display).
impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The same sentence as [`Display`](fmt::Display).
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The same sentence as [`Display`](fmt::Display).
impl<R> fmt::Debug for MapError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
