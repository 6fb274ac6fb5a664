//! [`Promise`]: the producer's end of a result.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::future::TaskError;

use crate::future::completion::{Core, Phase};
use crate::future::error::InvalidState;
use crate::future::future::{Future, Kept, Outcome};

/// The other end of a [`Future`], for those who write an executor. Python: the methods of a
/// `Future` that only executors should call.
///
/// Dropping it unfulfilled ends the future in [`TaskError::Abandoned`].
///
/// ```
/// use multiprocess::futures::{FutureError, InvalidState, Promise, TaskError};
///
/// let (promise, future) = Promise::new();
/// let worker = std::thread::spawn(move || {
///     // False if the future was cancelled.
///     if promise.set_running()? {
///         promise.set_result(42)?;
///     }
///     Ok::<(), InvalidState>(())
/// });
/// assert_eq!(future.result()?, &42);
/// # let _ = worker.join();
///
/// let (promise, future) = Promise::<u64>::new();
/// drop(promise);
/// assert_eq!(future.result(), Err(FutureError::Task(TaskError::Abandoned)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Promise<R> {
    /// The shared halves of the future; `None` once fulfilled.
    ends: Option<Ends<R>>,
}

type Ends<R> = (Arc<Core<Kept<R>>>, Arc<Outcome<R>>);

impl<R> Promise<R> {
    /// Makes a promise and its future. Python: `Future()`.
    #[must_use]
    pub fn new() -> (Self, Future<R>) {
        let core = Arc::new(Core::new());
        let outcome = Arc::new(OnceLock::new());
        let future = Future { core: Arc::clone(&core), outcome: Arc::clone(&outcome), waker: None };
        (Self { ends: Some((core, outcome)) }, future)
    }

    /// Marks the call as started: from now on the future can't be cancelled. Returns false if it
    /// was. Python: `set_running_or_notify_cancel`.
    ///
    /// # Errors
    /// [`InvalidState`] the second time, unless the future was cancelled.
    pub fn set_running(&self) -> Result<bool, InvalidState> {
        let Some((core, _)) = &self.ends else { return Err(InvalidState("finished")) };
        match core.set_running() {
            Phase::Pending => Ok(true),
            Phase::Cancelled => Ok(false),
            phase => Err(InvalidState(phase.name())),
        }
    }

    /// Returns true if the future was cancelled. Python: `cancelled()`.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.phase() == Phase::Cancelled
    }

    /// Fulfils the promise with a result. Python: `set_result`.
    ///
    /// Twice doesn't compile:
    ///
    /// ```compile_fail,E0382
    /// # // FUT-B03
    /// let (promise, _future) = multiprocess::futures::Promise::new();
    /// promise.set_result(1).unwrap();
    /// promise.set_exception(multiprocess::futures::TaskError::Terminated).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`InvalidState`] if the future was cancelled.
    pub fn set_result(self, result: R) -> Result<(), InvalidState> {
        self.complete(Ok(result))
    }

    /// Fulfils the promise with an error. Python: `set_exception`.
    ///
    /// # Errors
    /// [`InvalidState`] if the future was cancelled.
    pub fn set_exception(self, error: TaskError) -> Result<(), InvalidState> {
        self.complete(Err(error))
    }

    /// Cancels the future from this end.
    pub(crate) fn cancel(mut self) {
        let Some((core, _)) = self.ends.take() else { return };
        let state = core.lock();
        if !core.progress().is_done() {
            core.finish_and_call(state, Phase::Cancelled);
        }
    }

    pub(crate) fn complete(mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        self.fulfil(outcome)
    }

    fn phase(&self) -> Phase {
        self.ends.as_ref().map_or(Phase::Finished, |(core, _)| core.progress().phase())
    }

    fn fulfil(&mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        let Some((core, cell)) = self.ends.take() else { return Err(InvalidState("finished")) };
        let state = core.lock();
        if core.progress().is_done() {
            drop(state);
            return Err(InvalidState(core.progress().phase().name()));
        }
        // Only this promise sets the cell.
        let _ = cell.set(outcome);
        // Would keep a waiting thread from taking the result out.
        drop(cell);
        core.finish_and_call(state, Phase::Finished);
        Ok(())
    }
}

impl<R> Drop for Promise<R> {
    fn drop(&mut self) {
        let _ = self.fulfil(Err(TaskError::Abandoned));
    }
}

impl<R> fmt::Debug for Promise<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Promise state={}>", self.phase().name())
    }
}
