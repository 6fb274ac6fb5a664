//! [`TaskError`]: why a task has no result.

use serde::{Deserialize, Serialize};

/// Reason why a task has no result. A task that returns `Err` has that as its result, and none of
/// these.
///
/// ```
/// use multiprocess::pool::TaskError;
/// use multiprocess::{Failure, Pool, tasks};
///
/// tasks![crash];
///
/// fn crash(_: ()) {
///     std::process::exit(3);
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let error = Pool::new(2)?.apply_async(crash, ())?.get().unwrap_err();
///         assert!(matches!(error, TaskError::WorkerDied { exitcode: Some(3), .. }));
///         assert_eq!(error.to_string(), "the task's worker ended: exit code 3");
///         Ok(())
///     })
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[non_exhaustive]
pub enum TaskError {
    /// The function panicked. The worker goes on. Python: the task's exception.
    #[error("the task panicked: {message}")]
    Panicked {
        /// The panic's message and source location.
        message: String,
    },
    /// The worker ended while the task ran: it was killed, crashed, or the task called
    /// [`std::process::exit`]. Another worker replaces it. (Python's `get` waits forever.)
    #[error("the task's worker ended: {end}")]
    WorkerDied {
        /// How the worker ended: `exit code 3`, `killed by signal 9 (SIGKILL)`.
        end: String,
        /// Exit code, or −N after signal N; `None` if other code in this process collected it.
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
    /// The pool has given up, because its workers end before they are ready.
    #[error("the pool has given up: {0}")]
    Broken(String),
    /// The promise was dropped without a result.
    #[error("nobody is left who could give the task a result")]
    Abandoned,
    /// No result came within the time. The task goes on. Python: `multiprocessing.TimeoutError`.
    #[error("the task has no result yet")]
    TimedOut,
    /// The calling thread delivers the result itself: a callback can't wait for its own pool.
    #[error("this thread brings the results of that pool: it can't wait for one")]
    Deadlock,
    /// The result has been taken already: it is handed out once.
    #[error("the task's result has been taken already")]
    Taken,
}
