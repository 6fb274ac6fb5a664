//! [`AsyncResult`]: a result that comes later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::future::TaskError;
use crate::future::panics::caught;
use crate::pool::engine::Link;
use crate::spin::{Spin, Waits};

/// What this process remembers of its waits for results.
static SPIN: Spin = Spin::new();

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
    pub(crate) cell: Arc<ResultCell<T, E>>,
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
        self.cell.wait(None)?.take()
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
        self.cell.wait(Some(timeout))?.take()
    }

    /// Waits until there is a result or an error. Python: `wait()`.
    ///
    /// In a callback that would wait for itself it returns at once.
    pub fn wait(&self) {
        drop(self.cell.wait(None));
    }

    /// Waits until there is a result or an error, at most `timeout`; returns true if there is.
    /// Python: `wait(timeout)`.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        drop(self.cell.wait(Some(timeout)));
        self.ready()
    }

    /// Returns true if there is a result or an error. Python: `ready()`.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.cell.is_ready.load(Ordering::Acquire)
    }

    /// Returns true for a result, false for an error, and `None` before either has come. Python:
    /// `successful()`.
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        self.cell.lock().successful
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
        let mut state = self.cell.lock();
        if state.successful.is_none() || state.caller.is_some() {
            // The thread that calls the others calls it, too.
            state.callbacks.push(Box::new(callback));
        } else if let Some(result) = state.result.take() {
            state.callbacks.push(Box::new(callback));
            self.cell.call_back(state, result);
        }
    }
}

/// The cell that receives a result.
pub(crate) struct ResultCell<T, E> {
    /// The engine that delivers the result.
    engine: Link,
    /// True once the result is in the cell, or was taken from it.
    pub is_ready: AtomicBool,
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

struct State<T, E> {
    result: Option<Result<T, E>>,
    /// True for a result, false for an error, even if it has been taken; `None` before.
    successful: Option<bool>,
    callbacks: Vec<Callback<T, E>>,
    /// The thread that is calling the callbacks just now, and holds the result meanwhile.
    caller: Option<ThreadId>,
}

impl<T, E: From<TaskError>> State<T, E> {
    /// Takes the result, which has come.
    fn take(&mut self) -> Result<T, E> {
        self.result.take().unwrap_or_else(|| Err(TaskError::Taken.into()))
    }
}

type Callback<T, E> = Box<dyn FnOnce(&Result<T, E>) + Send>;

impl<T, E> ResultCell<T, E> {
    pub(crate) fn new(engine: Link) -> Arc<Self> {
        Arc::new(Self {
            engine,
            is_ready: AtomicBool::new(false),
            state: Mutex::new(State {
                result: None,
                successful: None,
                callbacks: Vec::new(),
                caller: None,
            }),
            changed: Condvar::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the result, unless there is one.
    pub(crate) fn set(&self, result: Result<T, E>) {
        let state = self.lock();
        if state.successful.is_none() && state.caller.is_none() {
            self.call_back(state, result);
        }
    }

    /// Calls the callbacks, also those added meanwhile, and then stores the result.
    fn call_back<'a>(&'a self, mut state: MutexGuard<'a, State<T, E>>, result: Result<T, E>) {
        state.caller = Some(thread::current().id());
        while !state.callbacks.is_empty() {
            let callbacks = std::mem::take(&mut state.callbacks);
            // Unlocked: callbacks may do anything.
            drop(state);
            for callback in callbacks {
                let _ = caught(|| callback(&result));
            }
            state = self.lock();
        }
        state.caller = None;
        state.successful = Some(result.is_ok());
        state.result = Some(result);
        self.is_ready.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// Waits until there is a result or an error.
    fn wait(&self, timeout: Option<Duration>) -> Result<MutexGuard<'_, State<T, E>>, TaskError> {
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        SPIN.look(None, Waits::One, || self.is_ready.load(Ordering::Acquire).then_some(()));
        let can_wait = self.is_ready.load(Ordering::Acquire) || !self.engine.is_notifying();
        let mut state = self.lock();
        while state.successful.is_none() || state.caller.is_some() {
            let left = deadline.flatten().map(|it| it.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(TaskError::TimedOut);
            }
            if !can_wait || state.caller == Some(thread::current().id()) {
                return Err(TaskError::Deadlock);
            }
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        Ok(state)
    }
}
