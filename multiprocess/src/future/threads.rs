//! [`ThreadPoolExecutor`]: calls that other threads of this process run.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::future::at_exit::wait_at_exit;
use crate::process::cpu_count;
use crossbeam_channel::unbounded;
use crossbeam_utils::CachePadded;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::error::{BuildError, SubmitError};
use crate::future::executor::Executor;
use crate::future::future::{Ends, Future};
use crate::future::thread_calls::{Call, Message, Shared};

/// Executor whose calls run in threads of this process: any function, and closures
/// ([`spawn`](Self::spawn)). Python: `concurrent.futures.ThreadPoolExecutor`.
///
/// ```
/// use multiprocess::futures::{Executor, ThreadPoolExecutor};
///
/// let executor = ThreadPoolExecutor::new(3);
/// let root = executor.submit(u64::isqrt, 81)?;
/// let numbers = vec![1, 2, 3];
/// let sum = executor.spawn(move || numbers.iter().sum::<i32>())?;
/// assert_eq!((root.result()?, sum.result()?), (&9, &6));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A thread is started when there is a call and none is free for it. A panic ends its call in an
/// error, and the thread goes on.
///
/// A call may wait for another one of the same executor, even if no thread is free: the waiting
/// thread then runs that call itself, if it has not started. (In Python they wait for each other
/// forever.) A call must not wait by other means, such as a channel, for one that has not started.
///
/// At the end of the program's [`main`](crate::process::main) all calls are waited for.
pub struct ThreadPoolExecutor {
    shared: Arc<Shared>,
    max_workers: usize,
}

/// Settings of an executor of threads; made by [`ThreadPoolExecutor::builder`].
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
/// let builder = ThreadPoolExecutor::builder().max_workers(2).thread_name_prefix("Loader");
/// let executor = builder.initializer(|| IS_READY.set(true)).build()?;
/// let name = executor.spawn(|| std::thread::current().name().map(String::from))?;
/// assert_eq!(name.into_result()?.as_deref(), Some("Loader_0"));
/// assert!(executor.spawn(|| IS_READY.get())?.into_result()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
#[must_use]
pub struct ThreadPoolBuilder {
    max_workers: Option<usize>,
    prefix: Option<String>,
    initializer: Option<Box<dyn Fn() + Send + Sync>>,
}

impl ThreadPoolBuilder {
    /// Sets the maximum number of threads; by default four more than there are usable cores, but at
    /// most 32, as in Python. Python: `max_workers`.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// Sets the prefix of the threads' names: `Prefix_0`, `Prefix_1`. (System tools show the first
    /// 15 bytes.) Python: `thread_name_prefix`.
    pub fn thread_name_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// Sets a function that each thread calls before its first call. If it panics, the executor is
    /// broken. Python: `initializer`, `initargs`.
    pub fn initializer(mut self, initializer: impl Fn() + Send + Sync + 'static) -> Self {
        self.initializer = Some(Box::new(initializer));
        self
    }

    /// Builds the executor, which starts no thread yet.
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
        // A NUL in a thread's name would panic at the first call.
        let prefix = prefix.replace('\0', "\u{fffd}");
        let (sender, receiver) = unbounded();
        let shared = Arc::new(Shared {
            sender,
            receiver,
            ended: CachePadded::default(),
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
    /// Makes an executor of at most `max_workers` threads. Python:
    /// `ThreadPoolExecutor(max_workers)`.
    ///
    /// # Panics
    /// If `max_workers` is 0; the [`builder`](Self::builder) returns an error instead.
    #[must_use]
    pub fn new(max_workers: usize) -> Self {
        match Self::builder().max_workers(max_workers).build() {
            Ok(executor) => executor,
            Err(error) => panic!("ThreadPoolExecutor::new({max_workers}): {error}"),
        }
    }

    /// Returns a builder, for more settings than the number of threads. Python:
    /// `ThreadPoolExecutor(…)`.
    pub fn builder() -> ThreadPoolBuilder {
        ThreadPoolBuilder::default()
    }

    /// Returns the maximum number of threads. (In Python one looks into `_max_workers`.)
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// Returns the number of threads that have been started. (In Python one looks into `_threads`.)
    #[must_use]
    pub fn threads(&self) -> usize {
        self.shared.state().handles.len()
    }

    /// Runs a closure in another thread. Python: `submit(lambda: …)`.
    ///
    /// # Errors
    /// [`SubmitError::Broken`] if the executor's initializer has panicked; [`SubmitError::Start`]
    /// if there is no thread, and none can be started; [`SubmitError::Shutdown`] when the program
    /// is ending.
    pub fn spawn<R, F>(&self, work: F) -> Result<Future<R>, SubmitError>
    where
        R: Send + Sync + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let shared = &self.shared;
        let (call, future) = Ends::new_future(Call::new(work, shared));
        let mut state = shared.state();
        if state.closed {
            return Err(state.why_closed());
        }
        shared.start_for_one_more(&mut state, self.max_workers)?;
        state.submitted = state.submitted.wrapping_add(1);
        // Under the lock, so the executor isn't closed meanwhile. Can't fail: we hold a receiver.
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
            self.shared.state().is_detached = true;
        }
    }
}

/// Waits for all calls, unless one of them, or a callback, holds the last handle: its thread would
/// wait for itself.
impl Drop for ThreadPoolExecutor {
    fn drop(&mut self) {
        self.shared.close();
        if !self.shared.state().is_detached && !self.shared.is_worker_thread() {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    use testing::Deadline;

    use super::*;
    use crate::future::FutureError;

    #[test]
    fn a_call_that_waits_is_not_put_behind_the_ends_of_all_threads() {
        let _deadline = Deadline::seconds(60);
        let (first, second) = (channel::<()>(), channel::<()>());
        let (count, gate) = (AtomicUsize::new(0), Mutex::new(second.1));
        let initializer = move || {
            // The second thread has begun, but takes no call yet.
            if count.fetch_add(1, Ordering::AcqRel) == 1 {
                let _ = gate.lock().map(|gate| gate.recv());
            }
        };
        let builder = ThreadPoolExecutor::builder().max_workers(2).initializer(initializer);
        let executor = builder.build().unwrap();
        let running = executor.spawn(move || first.1.recv().is_err()).unwrap();
        testing::until("the first call runs", || running.running());
        let waiting = executor.spawn(|| 7).unwrap();
        // As an initializer that panics does, between the steps of a shutdown.
        executor.shared.close();
        executor.shared.cancel_waiting();
        drop((first.0, second.0));
        assert_eq!(waiting.result(), Err(FutureError::Cancelled));
        assert_eq!(running.result(), Ok(&true));
    }
}
