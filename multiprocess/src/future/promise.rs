//! [`Promise`]: the producer's end of a result.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use crate::future::TaskError;

use crate::future::completion::{Core, Outcome, Phase, State};
use crate::future::error::InvalidState;
use crate::future::future::Future;

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

type Ends<R> = (Arc<Core<Future<R>>>, Arc<Outcome<R>>);

impl<R> Promise<R> {
    /// Makes a promise and its future. Python: `Future()`.
    #[must_use]
    pub fn new() -> (Self, Future<R>) {
        let state = State {
            phase: Phase::Pending,
            control: None,
            callbacks: None,
            waiters: Vec::new(),
            wakers: Vec::new(),
            sleepers: 0,
            caller: None,
        };
        let core = Arc::new(Core { state: Mutex::new(state), changed: Condvar::new() });
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
        let mut state = core.lock();
        match state.phase {
            Phase::Pending => {
                state.phase = Phase::Running;
                Ok(true)
            }
            Phase::Cancelled => Ok(false),
            phase => Err(InvalidState(phase.name())),
        }
    }

    /// Returns true if the future was cancelled. Python: `cancelled()`.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ends.as_ref().is_some_and(|(core, _)| core.lock().phase == Phase::Cancelled)
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
        let Some((core, outcome)) = self.ends.take() else { return };
        let state = core.lock();
        if !state.phase.is_done() {
            let handle = || Some(Future { core: Arc::clone(&core), outcome, waker: None });
            core.finish(state, Phase::Cancelled, handle);
        }
    }

    pub(crate) fn complete(mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        self.fulfil(outcome)
    }

    fn fulfil(&mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        let Some((core, cell)) = self.ends.take() else { return Err(InvalidState("finished")) };
        let state = core.lock();
        if state.phase.is_done() {
            let name = state.phase.name();
            drop(state);
            return Err(InvalidState(name));
        }
        // Only this promise sets the cell.
        let _ = cell.set(outcome);
        let mut cell = Some(cell);
        if state.callbacks.is_none() {
            // No handle is needed, and one would keep a waiting thread from taking the result out.
            cell = None;
        }
        let handle = || Some(Future { core: Arc::clone(&core), outcome: cell?, waker: None });
        core.finish(state, Phase::Finished, handle);
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
        let phase = self.ends.as_ref().map_or(Phase::Finished, |(core, _)| core.lock().phase);
        write!(f, "<Promise state={}>", phase.name())
    }
}
