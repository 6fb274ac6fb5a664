//! [`ThreadPoolExecutor`]: calls that other threads of this process do.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::future::at_exit::wait_at_exit;
use crate::process::cpu_count;
use crossbeam_channel::unbounded;
use crossbeam_utils::CachePadded;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::error::{BuildError, SubmitError};
use crate::future::executor::Executor;
use crate::future::future::Future;
use crate::future::promise::Promise;
use crate::future::thread_calls::{Call, Message, Shared, Step};

/// Calls that threads of this process do: of any function, and of closures
/// ([`spawn`](Self::spawn)). Python: `concurrent.futures.ThreadPoolExecutor`.
///
/// A thread is started when there is a call and none is free for it. If a call panics, that is its
/// error, and its thread goes on.
///
/// A call may wait for another one of the same executor, even if no thread is free: a call that
/// hasn't begun is then done by the thread that waits for it. (In Python they wait for each other
/// for ever.) What such a call must not do is to wait by other means, such as a channel, for one
/// that hasn't begun.
///
/// At the end of the program's [`main`](crate::process::main) all calls are waited for.
///
/// ```
/// use multiprocess::futures::ThreadPoolExecutor;
///
/// let executor = ThreadPoolExecutor::new(3);
/// let numbers = vec![1, 2, 3];
/// let sum = executor.spawn(move || numbers.iter().sum::<i32>())?;
/// assert_eq!(sum.result()?, &6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ThreadPoolExecutor {
    shared: Arc<Shared>,
    max_workers: usize,
}

/// How an executor of threads is to be. [`ThreadPoolExecutor::builder`] makes one.
#[derive(Default)]
#[must_use]
pub struct ThreadPoolBuilder {
    max_workers: Option<usize>,
    prefix: Option<String>,
    initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

impl ThreadPoolBuilder {
    /// Maximum number of threads; else four more than there are cores to use, and not more than 32,
    /// as in Python. Python: `max_workers`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::builder().max_workers(2).build()?;
    /// assert_eq!(executor.max_workers(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// What the threads' names begin with: `Prefix_0`, `Prefix_1`. (Tools of the system show the
    /// first 15 bytes.) Python: `thread_name_prefix`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::builder().thread_name_prefix("Loader").build()?;
    /// let name = executor.spawn(|| std::thread::current().name().map(String::from))?;
    /// assert_eq!(name.into_result()?.as_deref(), Some("Loader_0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// What each thread does before its first call. If it panics, the executor is broken. Python:
    /// `initializer`, `initargs`.
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// thread_local! {
    ///     static IS_READY: Cell<bool> = const { Cell::new(false) };
    /// }
    ///
    /// let executor = ThreadPoolExecutor::builder().initializer(|| IS_READY.set(true)).build()?;
    /// assert_eq!(executor.spawn(|| IS_READY.get())?.into_result()?, true);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn initializer(mut self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.initializer = Some(Box::new(initializer));
        self
    }

    /// Makes the executor.
    ///
    /// ```
    /// use multiprocess::futures::{BuildError, ThreadPoolExecutor};
    ///
    /// assert!(ThreadPoolExecutor::builder().build().is_ok());
    /// let refused = ThreadPoolExecutor::builder().max_workers(0).build();
    /// assert!(matches!(refused, Err(BuildError::NoWorkers)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::NoWorkers`] for 0 threads.
    pub fn build(self) -> Result<ThreadPoolExecutor, BuildError> {
        static EXECUTORS: AtomicUsize = AtomicUsize::new(0);
        let max_workers = self.max_workers.unwrap_or_else(|| (cpu_count() + 4).min(32));
        if max_workers == 0 {
            return Err(BuildError::NoWorkers);
        }
        let prefix = self.prefix.filter(|prefix| !prefix.is_empty()).unwrap_or_else(|| {
            format!("ThreadPoolExecutor-{}", EXECUTORS.fetch_add(1, Ordering::Relaxed))
        });
        // No thread can be started with such a name: it would be a panic at the first call.
        let prefix = prefix.replace('\0', "\u{fffd}");
        let (sender, receiver) = unbounded();
        let shared = Arc::new(Shared {
            sender,
            receiver,
            unfinished: CachePadded::default(),
            state: CachePadded::default(),
            prefix,
            initializer: self.initializer,
        });
        let awaited = Arc::downgrade(&shared);
        wait_at_exit(awaited);
        Ok(ThreadPoolExecutor { shared, max_workers })
    }
}

impl ThreadPoolExecutor {
    /// An executor of so many threads at most. Python: `ThreadPoolExecutor(max_workers)`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// assert_eq!(executor.spawn(|| 6 * 7)?.result()?, &42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Panics
    /// If that is 0, which can do nothing; the [`builder`](Self::builder) gives an error instead.
    #[must_use]
    pub fn new(max_workers: usize) -> Self {
        match Self::builder().max_workers(max_workers).build() {
            Ok(executor) => executor,
            Err(error) => panic!("ThreadPoolExecutor::new({max_workers}): {error}"),
        }
    }

    /// An executor of which more is to be said. Python: `ThreadPoolExecutor(…)`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::builder().max_workers(2).thread_name_prefix("Loader").build()?;
    /// assert_eq!(executor.spawn(|| 6 * 7)?.result()?, &42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    /// How many threads it has at most. (In Python one looks into `_max_workers`.)
    ///
    /// ```
    /// assert_eq!(multiprocess::futures::ThreadPoolExecutor::new(3).max_workers(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// How many threads it has. (In Python one looks into `_threads`.)
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// assert_eq!(executor.threads(), 0);
    /// executor.spawn(|| 6 * 7)?.result()?;
    /// assert_eq!(executor.threads(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.state().handles.len()
    }

    /// Calls a closure in another thread. Python: `submit(lambda: …)`.
    ///
    /// ```
    /// use multiprocess::futures::ThreadPoolExecutor;
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let words = vec!["a", "closure", "may", "own"];
    /// let count = executor.spawn(move || words.len())?;
    /// assert_eq!(count.result()?, &4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubmitError::Broken`] if its initializer has panicked; [`SubmitError::Start`] if it has no
    /// thread, and none can be started; [`SubmitError::Shutdown`] when the program is ending.
    pub fn spawn<R, F>(&self, work: F) -> Result<Future<R>, SubmitError>
    where
        R: Send + Sync + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let shared = &self.shared;
        let (promise, future) = Promise::new();
        let step = Mutex::new(Step::Waiting(work, promise));
        let call = Arc::new(Call { step, shared: Arc::downgrade(shared) });
        let mut state = shared.state();
        if state.closed {
            return Err(state.why_closed());
        }
        shared.start_for_one_more(&mut state, self.max_workers)?;
        shared.unfinished.fetch_add(1, Ordering::AcqRel);
        future.set_doer(Arc::clone(&call) as _);
        // With the lock: nobody closes it in between. It holds the other end itself.
        let _ = shared.sender.send(Message::Call(call));
        Ok(future)
    }
}

impl Executor for ThreadPoolExecutor {
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        self.spawn(move || function(argument))
    }

    fn shutdown(self, wait: bool, cancel_futures: bool) {
        if cancel_futures {
            self.shared.cancel_waiting();
        }
        self.shared.close();
        if !wait {
            self.shared.state().is_left = true;
        }
    }
}

/// Waits for all calls, unless one of them, or a callback, holds the last handle: its thread would
/// wait for itself.
impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        self.shared.close();
        if !self.shared.state().is_left && !self.shared.is_mine() {
            self.shared.join();
        }
    }
}

impl fmt::Debug for ThreadPoolExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared, max_workers } = self;
        write!(
            f,
            "ThreadPoolExecutor({}, {} of {max_workers} threads)",
            shared.prefix,
            self.threads()
        )
    }
}

impl fmt::Debug for ThreadPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ThreadPoolBuilder({:?}, {:?})", self.max_workers, self.prefix)
    }
}
