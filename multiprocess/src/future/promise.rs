//! [`Promise`]: the producer's end of a result.

use std::fmt;
use std::sync::Arc;

use crate::future::TaskError;

use crate::future::control::{Control, Controlled};
use crate::future::error::InvalidState;
use crate::future::future::{CallControl, Ends, Future};
use crate::future::progress::Phase;

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
    /// What it shares with the future; `None` once fulfilled.
    ends: Option<Arc<Ends<R>>>,
}

impl<R> Promise<R> {
    /// Makes a promise and its future. Python: `Future()`.
    #[must_use]
    pub fn new() -> (Self, Future<R>) {
        Self::of(())
    }

    /// Makes a promise and its future, which asks `control` before it is cancelled or waited for:
    /// for those who write an executor.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    ///
    /// use multiprocess::futures::{Control, Future, FutureError, Kept, Promise};
    ///
    /// /// The calls that wait, in their order.
    /// #[derive(Clone, Default)]
    /// struct Calls(Arc<Mutex<Vec<Option<(u64, Promise<u64>)>>>>);
    ///
    /// struct Call {
    ///     calls: Calls,
    ///     index: usize,
    /// }
    ///
    /// impl Control for Call {
    ///     fn cancel(&self) -> Option<Kept> {
    ///         let mut calls = self.calls.0.lock().unwrap();
    ///         // Taken out, and not dropped here.
    ///         calls[self.index].take().map(Kept::new)
    ///     }
    /// }
    ///
    /// impl Calls {
    ///     fn square(&self, number: u64) -> Future<u64> {
    ///         let mut calls = self.0.lock().unwrap();
    ///         let call = Call { calls: self.clone(), index: calls.len() };
    ///         let (promise, future) = Promise::with_control(call);
    ///         calls.push(Some((number, promise)));
    ///         future
    ///     }
    ///
    ///     fn run(&self) {
    ///         let calls: Vec<_> = self.0.lock().unwrap().iter_mut().map(Option::take).collect();
    ///         for (number, promise) in calls.into_iter().flatten() {
    ///             let _ = promise.set_result(number * number);
    ///         }
    ///     }
    /// }
    ///
    /// let calls = Calls::default();
    /// let (first, second) = (calls.square(3), calls.square(4));
    /// assert!(first.cancel());
    /// calls.run();
    /// assert_eq!(first.result(), Err(FutureError::Cancelled));
    /// assert_eq!(second.result(), Ok(&16));
    /// assert!(!second.cancel());
    /// ```
    #[must_use]
    pub fn with_control(control: impl Control + 'static) -> (Self, Future<R>) {
        Self::of(Controlled::new(control))
    }

    /// Makes a promise and its future, with control over the call behind it.
    pub(crate) fn of(call: impl CallControl<R> + 'static) -> (Self, Future<R>) {
        let (ends, future) = Ends::new_future(call);
        (Self { ends: Some(ends) }, future)
    }

    /// Marks the call as started: from now on the future can't be cancelled. Returns false if it
    /// was. Python: `set_running_or_notify_cancel`.
    ///
    /// # Errors
    /// [`InvalidState`] the second time, unless the future was cancelled.
    pub fn set_running(&self) -> Result<bool, InvalidState> {
        let Some(ends) = &self.ends else { return Err(InvalidState("finished")) };
        match ends.core.begin() {
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

    /// Cancels the future from this end, if it is still pending. The control isn't asked.
    pub fn cancel(mut self) {
        if let Some(ends) = self.ends.take() {
            let _ = ends.cancel(|| true);
        }
    }

    pub(crate) fn complete(mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        self.fulfil(outcome)
    }

    /// Returns true if no callback would run now, and no task would be woken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ends.as_ref().is_none_or(|ends| ends.core.lock().is_quiet())
    }

    /// Fulfils the promise if it [is quiet](Self::is_quiet), and the future wasn't cancelled;
    /// returns it, and the outcome, otherwise.
    pub(crate) fn complete_quietly(
        mut self,
        outcome: Result<R, TaskError>,
    ) -> Result<(), (Self, Result<R, TaskError>)> {
        let Some(ends) = &self.ends else { return Ok(()) };
        let completed = match ends.core.begin() {
            Phase::Pending | Phase::Running => ends.complete_quietly(outcome),
            _ => Err(outcome),
        };
        if let Err(outcome) = completed {
            return Err((self, outcome));
        }
        self.ends = None;
        Ok(())
    }

    fn phase(&self) -> Phase {
        self.ends.as_ref().map_or(Phase::Finished, |ends| ends.core.progress().phase())
    }

    fn fulfil(&mut self, outcome: Result<R, TaskError>) -> Result<(), InvalidState> {
        let Some(ends) = self.ends.take() else { return Err(InvalidState("finished")) };
        match ends.core.begin() {
            // Only this promise lets the future run.
            Phase::Pending | Phase::Running => ends.complete(outcome),
            phase => return Err(InvalidState(phase.name())),
        }
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

#[cfg(test)]
mod tests {
    use std::panic::{RefUnwindSafe, UnwindSafe};

    use super::*;

    #[test]
    fn a_result_may_borrow() {
        let text = String::from("borrowed");
        let (promise, future) = Promise::new();
        promise.set_result(&*text).unwrap();
        assert_eq!(future.into_result(), Ok("borrowed"));
    }

    #[test]
    fn a_future_of_plain_data_may_go_anywhere() {
        fn goes_anywhere<T: Send + Sync + UnwindSafe + RefUnwindSafe>(_: T) {}
        let (promise, future) = Promise::<u64>::new();
        goes_anywhere(promise);
        goes_anywhere(future);
    }
}
