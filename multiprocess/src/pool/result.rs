//! [`AsyncResult`]: a result that comes later.

use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::deadline::{deadline, has_passed};
use crate::future::TaskError;
use crate::future::callbacks::Callback;
use crate::future::completion::{Core, State};
use crate::future::panics::caught;
use crate::future::progress::{Phase, Progress};
use crate::pool::engine::Link;
use crate::pool::message::{Sink, decoded};

/// A result that will come. Python: `multiprocessing.pool.AsyncResult`.
///
/// Dropping it does not affect the task, whose result is discarded when it comes.
///
/// ```
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// use multiprocess::pool::TaskError;
/// use multiprocess::{Failure, Pool, tasks};
///
/// tasks![square, forever];
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn forever(_: ()) {
///     loop {
///         std::thread::park();
///     }
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let pool = Pool::new(2)?;
///         let never = pool.apply_async(forever, ())?;
///         assert_eq!(never.get_timeout(Duration::from_millis(10)), Err(TaskError::TimedOut));
///         assert!(!never.ready());
///
///         let result = pool.apply_async(square, 5)?;
///         let (sender, results) = mpsc::channel();
///         result.on_result(move |result| {
///             let _ = sender.send(result.clone());
///         });
///         result.wait();
///         assert_eq!(result.successful(), Some(true));
///         assert_eq!(result.get(), Ok(25));
///         // A result is handed out once.
///         assert_eq!(result.get(), Err(TaskError::Taken));
///         assert_eq!(results.recv()?, Ok(25));
///         Ok(())
///     })
/// }
/// ```
pub struct AsyncResult<T, E = TaskError> {
    pub(crate) delivery: Arc<Delivery<T, E>>,
}

impl<T, E> AsyncResult<T, E> {
    /// Waits for the result and takes it. Python: `get()`.
    ///
    /// # Errors
    /// The task's error; [`TaskError::Taken`] the second time; [`TaskError::Deadlock`] in a
    /// callback that would wait for itself (see [`on_result`](Self::on_result)).
    pub fn get(&self) -> Result<T, E>
    where
        E: From<TaskError>,
    {
        self.delivery.wait(None)?.kept.take()
    }

    /// Waits for the result, at most `timeout`, and takes it. Python: `get(timeout)`.
    ///
    /// # Errors
    /// As [`get`](Self::get); [`TaskError::TimedOut`] after `timeout`: the result can be asked for
    /// again.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, E>
    where
        E: From<TaskError>,
    {
        self.delivery.wait(Some(timeout))?.kept.take()
    }

    /// Waits until there is a result or an error. Python: `wait()`.
    ///
    /// In a callback that would wait for itself it returns at once.
    pub fn wait(&self) {
        drop(self.delivery.wait(None));
    }

    /// Waits until there is a result or an error, at most `timeout`; returns true if there is.
    /// Python: `wait(timeout)`.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        drop(self.delivery.wait(Some(timeout)));
        self.ready()
    }

    /// Returns true if there is a result or an error. Python: `ready()`.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.delivery.is_ready()
    }

    /// Returns true for a result, false for an error, and `None` before either has come. Python:
    /// `successful()`.
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        self.delivery.core.lock().kept.successful
    }

    /// Calls `callback` with the result when it comes, or at once if it is there and has not been
    /// taken. Python: `apply_async(callback=…, error_callback=…)`.
    ///
    /// The callback runs in the thread that delivers the result: most often the pool's own, which
    /// does nothing else meanwhile. It may submit more, but can't wait for the pool: waiting calls
    /// return [`TaskError::Deadlock`] or [`Error::Deadlock`](crate::pool::Error::Deadlock) at once,
    /// and [`wait`](Self::wait) just returns. If it panics, the panic is printed, and nothing else
    /// happens.
    pub fn on_result(&self, callback: impl FnOnce(&Result<T, E>) + Send + 'static) {
        let core = &self.delivery.core;
        let mut state = core.lock();
        if !core.progress().is_settled() {
            // The thread that calls the others calls it, too.
            state.kept.callbacks.push(Box::new(callback));
        } else if let Some(result) = state.kept.result.take() {
            state.kept.callbacks.push(Box::new(callback));
            self.delivery.call_back(state, result);
        }
    }
}

/// The future of a result that is handed out once, between the engine and an [`AsyncResult`].
pub(crate) struct Delivery<T, E> {
    core: Core<Kept<T, E>>,
    /// The engine that delivers the result.
    engine: Link,
}

pub(crate) struct Kept<T, E> {
    /// The result, until it is taken; while callbacks run, their thread holds it.
    result: Option<Result<T, E>>,
    /// True for a result, false for an error, even if it has been taken; `None` before.
    successful: Option<bool>,
    callbacks: Vec<Callback<Result<T, E>>>,
}

impl<T, E> Default for Kept<T, E> {
    fn default() -> Self {
        Self { result: None, successful: None, callbacks: Vec::new() }
    }
}

impl<T, E: From<TaskError>> Kept<T, E> {
    /// Takes the result, which has come.
    fn take(&mut self) -> Result<T, E> {
        self.result.take().unwrap_or_else(|| Err(TaskError::Taken.into()))
    }
}

impl<T, E> Delivery<T, E> {
    pub(crate) fn new(engine: Link) -> Arc<Self> {
        Arc::new(Self { core: Core::new(), engine })
    }

    /// Returns true once the result is there, or was taken.
    pub(crate) fn is_ready(&self) -> bool {
        self.core.progress().is_done()
    }

    /// Sets the result, unless there is one.
    pub(crate) fn set(&self, result: Result<T, E>) {
        let state = self.core.lock();
        if !self.is_ready() && !self.core.progress().is_calling() {
            self.call_back(state, result);
        }
    }

    /// Calls the callbacks, also those added meanwhile, and then stores the result.
    fn call_back<'a>(&'a self, mut state: MutexGuard<'a, State<Kept<T, E>>>, result: Result<T, E>) {
        self.core.call_here(&mut state);
        while !state.kept.callbacks.is_empty() {
            let callbacks = std::mem::take(&mut state.kept.callbacks);
            // Unlocked: callbacks may do anything.
            drop(state);
            for callback in callbacks {
                let _ = caught(|| callback(&result));
            }
            state = self.core.lock();
        }
        state.kept.successful = Some(result.is_ok());
        state.kept.result = Some(result);
        self.core.finish(state, Phase::Finished, false);
    }

    /// Waits until there is a result or an error, and no callback has it.
    fn wait(
        &self,
        timeout: Option<Duration>,
    ) -> Result<MutexGuard<'_, State<Kept<T, E>>>, TaskError> {
        let deadline = deadline(timeout);
        let is_settled = || self.core.progress().is_settled();
        self.engine.look_for_result(is_settled, |before| {
            self.core.spin_until(deadline, Progress::is_settled, before);
        });
        if !is_settled() && !has_passed(deadline) && self.would_wait_for_itself() {
            return Err(TaskError::Deadlock);
        }
        let state = self.core.sleep_until(deadline, |progress, _| progress.is_settled());
        state.ok_or(TaskError::TimedOut)
    }

    /// Returns true if the calling thread is to deliver the result, or is running its callbacks.
    fn would_wait_for_itself(&self) -> bool {
        (!self.is_ready() && self.engine.is_notifying()) || self.core.lock().is_called_here()
    }
}

/// The future is itself the sink of a job of one item: very many such jobs may wait.
impl<R: DeserializeOwned + Send> Sink for Delivery<R, TaskError> {
    fn done(&self, _item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        if !self.is_ready() {
            self.set(decoded(outcome));
        }
        true
    }

    fn is_quiet(&self) -> bool {
        self.core.lock().kept.callbacks.is_empty()
    }

    fn done_quietly(&self, outcome: Result<&[u8], TaskError>) -> bool {
        let result = decoded(outcome);
        let state = self.core.lock();
        let is_quiet = state.kept.callbacks.is_empty();
        if is_quiet && !self.is_ready() && !self.core.progress().is_calling() {
            self.call_back(state, result);
        }
        is_quiet
    }

    fn give_up(&self, error: &TaskError) {
        self.done(0, Err(error.clone()));
    }
}
