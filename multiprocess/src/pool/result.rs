//! [`AsyncResult`]: a result that comes later.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::future::TaskError;
use crate::future::panics::caught;
use crate::pool::engine::Link;

/// How often to look for a result before sleeping, letting others run in between.
const LOOKS: u32 = 50;

/// A result that comes later. Python: `multiprocessing.pool.AsyncResult`.
///
/// To drop it changes nothing for the task, whose result is thrown away when it comes.
pub struct AsyncResult<T, E = TaskError> {
    pub(crate) cell: Arc<ResultCell<T, E>>,
}

impl<T, E> AsyncResult<T, E> {
    /// Waits until the result is there, and takes it. Python: `get()`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::TaskError;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let result = pool.apply_async(square, 5)?;
    /// assert_eq!(result.get(), Ok(25));
    /// assert_eq!(result.get(), Err(TaskError::Taken));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// What became of the task instead; [`TaskError::Taken`] the second time;
    /// [`TaskError::Deadlock`] in a callback that would wait for itself (see
    /// [`on_result`](Self::on_result)).
    pub fn get(&self) -> Result<T, E>
    where
        E: From<TaskError>,
    {
        self.cell.wait(None)?.take()
    }

    /// Takes the result, if it is there within the time. Python: `get(timeout)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::TaskError;
    /// # multiprocess::tasks![forever, square];
    /// # fn forever(_: ()) { loop { std::thread::park() } }
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let result = pool.apply_async(forever, ())?;
    /// assert_eq!(result.get_timeout(Duration::from_millis(10)), Err(TaskError::TimedOut));
    /// let result = pool.apply_async(square, 5)?;
    /// assert_eq!(result.get_timeout(Duration::from_secs(60)), Ok(25));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get); [`TaskError::TimedOut`] after the time. It may be asked again then.
    pub fn get_timeout(&self, timeout: Duration) -> Result<T, E>
    where
        E: From<TaskError>,
    {
        self.cell.wait(Some(timeout))?.take()
    }

    /// Waits until the result is there, or there is none to come. Python: `wait()`.
    ///
    /// In a callback that would wait for itself it returns at once.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let result = pool.apply_async(square, 5)?;
    /// result.wait();
    /// assert!(result.ready());
    /// assert_eq!(result.get()?, 25);
    /// # Ok(()) }) }
    /// ```
    pub fn wait(&self) {
        drop(self.cell.wait(None));
    }

    /// The same, but no longer than this; says whether it is there. Python: `wait(timeout)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![forever];
    /// # fn forever(_: ()) { loop { std::thread::park() } }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let result = pool.apply_async(forever, ())?;
    /// assert!(!result.wait_timeout(Duration::from_millis(10)));
    /// # Ok(()) }) }
    /// ```
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        drop(self.cell.wait(Some(timeout)));
        self.ready()
    }

    /// Whether the result is there, or there is none to come. Python: `ready()`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![forever, square];
    /// # fn forever(_: ()) { loop { std::thread::park() } }
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let (never, soon) = (pool.apply_async(forever, ())?, pool.apply_async(square, 5)?);
    /// soon.wait();
    /// assert!(soon.ready() && !never.ready());
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn ready(&self) -> bool {
        self.cell.is_there.load(Ordering::Acquire)
    }

    /// Whether there is a result and no error; `None` if it isn't there yet. Python:
    /// `successful()`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![half];
    /// # fn half(number: u64) -> u64 { assert!(number % 2 == 0, "{number} is odd"); number / 2 }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let (even, odd) = (pool.apply_async(half, 4)?, pool.apply_async(half, 5)?);
    /// even.wait();
    /// odd.wait();
    /// // Half of 5 is a panic.
    /// assert_eq!((even.successful(), odd.successful()), (Some(true), Some(false)));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        self.cell.lock().successful
    }

    /// Calls this with the result when it comes, or at once if it is there and not taken. Python:
    /// `apply_async(callback=…, error_callback=…)`.
    ///
    /// The thread that brings the result calls it: most often the pool's own, which does nothing
    /// else meanwhile. So it may submit more, but can't wait for the pool: what would wait is
    /// [`TaskError::Deadlock`], or [`Error::Deadlock`](crate::pool::Error::Deadlock), at once;
    /// [`wait`](Self::wait) just returns. If it panics, the panic is printed, and nothing else
    /// happens.
    ///
    /// ```
    /// # use std::sync::mpsc;
    /// # use std::time::Duration;
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let (sender, results) = mpsc::channel();
    /// pool.apply_async(square, 5)?.on_result(move |result| {
    ///     let _ = sender.send(result.clone());
    /// });
    /// assert_eq!(results.recv_timeout(Duration::from_secs(60))?, Ok(25));
    /// # Ok(()) }) }
    /// ```
    pub fn on_result(&self, callback: impl FnOnce(&Result<T, E>) + Send + 'static) {
        let mut state = self.cell.lock();
        if state.successful.is_none() || state.caller.is_some() {
            // Whoever calls the others calls it, too.
            state.callbacks.push(Box::new(callback));
        } else if let Some(result) = state.result.take() {
            state.callbacks.push(Box::new(callback));
            self.cell.call_back(state, result);
        }
    }
}

/// Where the result will be.
pub(crate) struct ResultCell<T, E> {
    /// The engine that brings it.
    engine: Link,
    pub is_there: AtomicBool,
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

struct State<T, E> {
    result: Option<Result<T, E>>,
    /// What it was, also when it has been taken.
    successful: Option<bool>,
    callbacks: Vec<Callback<T, E>>,
    /// The thread that has the result just now, to call the callbacks with it.
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
            is_there: AtomicBool::new(false),
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

    /// The result has come; the first that does counts.
    pub(crate) fn set(&self, result: Result<T, E>) {
        let state = self.lock();
        if state.successful.is_none() && state.caller.is_none() {
            self.call_back(state, result);
        }
    }

    /// Calls the callbacks, also those that come in the meantime, and lays the result down.
    fn call_back<'a>(&'a self, mut state: MutexGuard<'a, State<T, E>>, result: Result<T, E>) {
        state.caller = Some(thread::current().id());
        while !state.callbacks.is_empty() {
            let callbacks = std::mem::take(&mut state.callbacks);
            // Without our lock: they may do anything.
            drop(state);
            for callback in callbacks {
                let _ = caught(|| callback(&result));
            }
            state = self.lock();
        }
        state.caller = None;
        state.successful = Some(result.is_ok());
        state.result = Some(result);
        self.is_there.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// Waits until the result has come, or there is none to come.
    fn wait(&self, timeout: Option<Duration>) -> Result<MutexGuard<'_, State<T, E>>, TaskError> {
        let deadline = timeout.map(|timeout| Instant::now().checked_add(timeout));
        for _ in 0..LOOKS {
            if self.is_there.load(Ordering::Acquire) {
                break;
            }
            thread::yield_now();
        }
        let can_wait = self.is_there.load(Ordering::Acquire) || !self.engine.is_manager();
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
