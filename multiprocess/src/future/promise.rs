//! [`Promise`]: the end of a future by which its result comes.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, OnceLock};

use crate::future::TaskError;

use crate::future::completion::{Core, Outcome, Phase, State};
use crate::future::error::InvalidState;
use crate::future::future::Future;

/// The other end of a [`Future`]: for those who write an executor. Python: the methods of a
/// `Future` that only executors should call.
///
/// To drop it unfulfilled ends the future in [`TaskError::Abandoned`].
///
/// ```
/// use multiprocess::futures::{FutureError, Promise, TaskError};
///
/// let (promise, future) = Promise::<u64>::new();
/// drop(promise);
/// assert_eq!(future.result(), Err(FutureError::Task(TaskError::Abandoned)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Promise<R> {
    /// Gone when the promise is fulfilled.
    ends: Option<Ends<R>>,
}

type Ends<R> = (Arc<Core<Future<R>>>, Arc<Outcome<R>>);

impl<R> Promise<R> {
    /// A promise and its future. Python: `Future()`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::new();
    /// let worker = std::thread::spawn(move || promise.set_result(42));
    /// assert_eq!(future.result()?, &42);
    /// # let _ = worker.join();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new() -> (Self, Future<R>) {
        let state = State {
            phase: Phase::Pending,
            doer: None,
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

    /// The work begins: true, and from now on the future can't be cancelled; or false if it was.
    /// Python: `set_running_or_notify_cancel`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::new();
    /// if promise.set_running()? {
    ///     promise.set_result(42)?;
    /// }
    /// assert_eq!(future.result()?, &42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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

    /// Whether the future was cancelled. Python: `cancelled()`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::<u64>::new();
    /// assert!(!promise.is_cancelled());
    /// assert!(future.cancel());
    /// assert!(promise.is_cancelled());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.ends.as_ref().is_some_and(|(core, _)| core.lock().phase == Phase::Cancelled)
    }

    /// Fulfils it with a result. Python: `set_result`.
    ///
    /// ```
    /// use multiprocess::futures::Promise;
    ///
    /// let (promise, future) = Promise::new();
    /// promise.set_result(42)?;
    /// assert_eq!(future.result()?, &42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// It can't be fulfilled twice:
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

    /// Fulfils it with an error. Python: `set_exception`.
    ///
    /// ```
    /// use multiprocess::futures::{FutureError, Promise, TaskError};
    ///
    /// let (promise, future) = Promise::<u64>::new();
    /// promise.set_exception(TaskError::Terminated)?;
    /// assert_eq!(future.result(), Err(FutureError::Task(TaskError::Terminated)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`InvalidState`] if the future was cancelled.
    pub fn set_exception(self, error: TaskError) -> Result<(), InvalidState> {
        self.complete(Err(error))
    }

    /// Cancels the future from this side.
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
        let Some((core, place)) = self.ends.take() else { return Err(InvalidState("finished")) };
        let state = core.lock();
        if state.phase.is_done() {
            let name = state.phase.name();
            drop(state);
            return Err(InvalidState(name));
        }
        // Nobody else has the promise.
        let _ = place.set(outcome);
        let mut place = Some(place);
        if state.callbacks.is_none() {
            // Who sees that it is done may take it out.
            place = None;
        }
        let handle = || Some(Future { core: Arc::clone(&core), outcome: place?, waker: None });
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
