//! [`ProcessPoolExecutor`]: calls that other processes run.
//!
//! ```text
//!   future ──cancel? begun?──▶ ProcessCall ──▶ engine ──▶ One, Chunk ──result──▶ promise
//! ```
//!
//! **Workers.** One is started for a call, if those that are there have enough to do. If it can't
//! be started, fewer will do; only with none at all is that an error. They are no daemons, which
//! couldn't start processes, as a call of Python's executor can, and which are ended at the end of
//! the program, where an executor's calls are waited for. But unlike Python's they end with a
//! killed parent: they watch the control line.
//!
//! **Shutting down with cancel** spares what a free worker is about to begin: as many of the first
//! calls that wait as there are free workers. Otherwise it would be a matter of luck, because of
//! three calls given to three new workers those would be cancelled whose worker has not come to
//! life yet. The calls of a chunk are cancelled one by one, as long as the chunk has not begun;
//! with the last of them the chunk goes.
//!
//! **Strict**, a death breaks the whole executor, as in Python, for those who rely on it: a worker
//! may hold half of a state.
//!
//! **A callback that waits** for a call of the same executor would wait for its own thread, the
//! one that brings the results: an error at once. No other worker process can do that call
//! meanwhile, as a thread of an executor of threads does (`thread_calls.rs`): the executor can't
//! be sent there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::TaskError;
use crate::future::callbacks::{contained, together};
use crate::future::error::{BuildError, SubmitError};
use crate::future::executor::Executor;
use crate::future::future::{CallControl, Ends, Future};
use crate::future::promise::Promise;
use crate::pool::builder::ProcessPoolBuilder;
use crate::pool::engine::{Engine, Link};
use crate::pool::error::Error;
use crate::pool::message::{Sink, decoded};
use crate::pool::owner::Owner;
use crate::pool::settings::Kind;
use crate::process::FunctionId;

/// Executor whose calls run in other processes; their functions are listed in
/// [`tasks!`](crate::tasks). Python: `concurrent.futures.ProcessPoolExecutor`.
///
/// ```
/// use multiprocess::futures::{Executor, ProcessPoolExecutor};
/// use multiprocess::{Failure, tasks};
///
/// tasks![square];
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let executor = ProcessPoolExecutor::new(2)?;
///         // Workers start as they are needed.
///         assert!(executor.worker_pids().is_empty());
///         let square_of_five = executor.submit(square, 5)?;
///         assert_eq!(square_of_five.result()?, &25);
///         assert_eq!(executor.worker_pids().len(), 1);
///         Ok(())
///     })
/// }
/// ```
///
/// A worker is started when there is a call and none is free for it. If a worker dies, for whatever
/// reason, the call that it was running ends in
/// [`TaskError::WorkerDied`](crate::futures::TaskError::WorkerDied), and all others are done, each
/// once. Python's executor breaks as a whole; [`strict`](ProcessPoolBuilder::strict) does the same.
///
/// Calls may start processes. Workers end when this process does, however it ends. At the end of
/// the program's [`main`](crate::process::main) all calls are waited for. Workers ignore Ctrl-C:
/// this process decides what it means.
///
/// A future's callbacks run in the executor's own thread, which must not wait for another of its
/// futures: [`FutureError::Deadlock`](crate::futures::FutureError::Deadlock).
#[derive(Debug)]
pub struct ProcessPoolExecutor {
    /// The engine; `None` once shut down.
    engine: Option<Owner>,
    link: Link,
    max_workers: usize,
}

impl ProcessPoolBuilder {
    /// Builds the executor, which starts no worker yet.
    ///
    /// # Errors
    /// [`BuildError::NoWorkers`] for 0 workers; [`BuildError::NoTasks`] for 0 calls for each;
    /// [`BuildError::Unlisted`] if the initializer isn't listed; [`BuildError::System`] if the
    /// system refuses memory or a thread, or for more than 4,094 workers.
    pub fn build(self) -> Result<ProcessPoolExecutor, BuildError> {
        let engine = Owner::start(self.settings, Kind::Executor).map_err(|error| match error {
            Error::Function(error) => BuildError::Unlisted(error),
            Error::NoProcesses => BuildError::NoWorkers,
            Error::NoTasks => BuildError::NoTasks,
            Error::System(error) => BuildError::System(error),
            other => BuildError::System(std::io::Error::other(other.to_string())),
        })?;
        let (link, max_workers) = (engine.link(), engine.processes);
        Ok(ProcessPoolExecutor { engine: Some(engine), link, max_workers })
    }
}

impl ProcessPoolExecutor {
    /// Makes an executor of at most `max_workers` processes. Python:
    /// `ProcessPoolExecutor(max_workers)`.
    ///
    /// # Errors
    /// As [`ProcessPoolBuilder::build`].
    pub fn new(max_workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(max_workers).build()
    }

    /// Returns a builder, for more settings than the number of workers. Python:
    /// `ProcessPoolExecutor(…)`.
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::default()
    }

    /// Returns the maximum number of workers. (In Python one looks into `_max_workers`.)
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// Returns the workers' process ids. (In Python one looks into `_processes`.)
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.engine.as_deref().map(Engine::worker_pids).unwrap_or_default()
    }

    /// Ends the workers now, by SIGTERM: calls that are not done end in
    /// [`TaskError::Terminated`](crate::futures::TaskError::Terminated), and no call is taken any
    /// more. Python: `terminate_workers()`.
    pub fn terminate_workers(&self) {
        together(|| self.engine.as_deref().iter().for_each(|engine| engine.terminate()));
    }

    /// Ends the workers now, by SIGKILL; otherwise as
    /// [`terminate_workers`](Self::terminate_workers). Python: `kill_workers()`.
    pub fn kill_workers(&self) {
        together(|| self.engine.as_deref().iter().for_each(|engine| engine.kill()));
    }

    /// Submits these arguments as one task, whose outcomes go to `sink`, and binds the call of the
    /// futures to it.
    fn submit_all<A: Serialize, R>(
        &self,
        function: FunctionId,
        arguments: &[A],
        (call, futures): (&ProcessCall, &[Future<R>]),
        sink: Arc<dyn Sink>,
    ) -> Result<(), SubmitError> {
        let Some(engine) = &self.engine else { return Err(SubmitError::Shutdown) };
        let job = engine.open_job(sink, None).map_err(refused)?;
        let _ = call.job.set(job);
        if arguments.is_empty() {
            engine.close_job(job);
        }
        engine.submit_chunk(job, 0, function, arguments).map_err(|error| {
            engine.close_job(job);
            match error {
                crate::process::Error::Ending => SubmitError::Shutdown,
                error => SubmitError::Start(error.to_string()),
            }
        })?;
        // Futures of arguments that could not be serialised are done already.
        let done = futures.iter().filter(|future| future.done()).count();
        call.left.fetch_sub(done, Ordering::AcqRel);
        Ok(())
    }
}

fn refused(error: Error) -> SubmitError {
    match error {
        Error::Broken(reason) => SubmitError::Broken(reason),
        _ => SubmitError::Shutdown,
    }
}

impl Executor for ProcessPoolExecutor {
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        let function = FunctionId::of(&function).map_err(SubmitError::Unlisted)?;
        let call = ProcessCall::new(self.link.clone(), 1);
        let (promise, future) = Promise::of(Arc::clone(&call));
        let sink = Arc::new(One(Mutex::new(Some(promise))));
        self.submit_all(function, &[argument], (&call, std::slice::from_ref(&future)), sink)?;
        Ok(future)
    }

    fn submit_chunk<A, R, F>(
        &self,
        function: F,
        arguments: Vec<A>,
    ) -> Result<Vec<Future<R>>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
    {
        let function = FunctionId::of(&function).map_err(SubmitError::Unlisted)?;
        let call = ProcessCall::new(self.link.clone(), arguments.len());
        let (promises, futures): (Vec<_>, Vec<_>) =
            arguments.iter().map(|_| Promise::of(Arc::clone(&call))).unzip();
        let sink = Arc::new(Chunk::new(promises));
        self.submit_all(function, &arguments, (&call, &futures), sink)?;
        Ok(futures)
    }

    fn shutdown(mut self, wait: bool, cancel_futures: bool) {
        let Some(engine) = self.engine.take() else { return };
        engine.close();
        if cancel_futures {
            together(|| engine.cancel_waiting());
        }
        finish(engine, wait);
    }
}

/// Waits for all calls.
impl Drop for ProcessPoolExecutor {
    fn drop(&mut self) {
        if let Some(engine) = self.engine.take() {
            finish(engine, true);
        }
    }
}

fn finish(engine: Owner, wait: bool) {
    engine.close();
    // A callback that drops the last handle would wait for itself.
    if wait && !engine.link().is_notifying() {
        let _ = engine.join();
    } else {
        engine.detach();
    }
}

/// Control over the job of one task, shared by its futures.
struct ProcessCall {
    link: Link,
    /// The job, once it is open: before any other thread has a future of it.
    job: OnceLock<u64>,
    /// Number of futures that are neither cancelled nor were done when the task had been submitted.
    left: AtomicUsize,
}

impl ProcessCall {
    fn new(link: Link, calls: usize) -> Arc<Self> {
        Arc::new(Self { link, job: OnceLock::new(), left: AtomicUsize::new(calls) })
    }
}

impl<R> CallControl<R> for Arc<ProcessCall> {
    fn cancel(&self) -> bool {
        let Some(job) = self.job.get() else { return false };
        if self.left.load(Ordering::Acquire) > 1 {
            // A call can't be stopped alone while others of its chunk are wanted.
            return !self.link.has_begun(*job);
        }
        self.link.cancel(*job)
    }

    fn forget(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(job) = self.job.get()
        {
            self.link.close_job(*job);
        }
    }

    fn has_begun(&self) -> bool {
        self.job.get().is_some_and(|job| self.link.has_begun(*job))
    }

    fn before_waiting(&self, _: &Ends<R>, _: bool) -> bool {
        !self.link.is_notifying()
    }

    fn look_for_result(&self, is_done: &dyn Fn() -> bool, look: &mut dyn FnMut(&dyn Fn())) {
        self.link.look_for_result(is_done, look);
    }
}

/// Sink of a task of one call.
struct One<R>(Mutex<Option<Promise<R>>>);

impl<R> One<R> {
    fn take(&self) -> Option<Promise<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<R: DeserializeOwned + Send + Sync> Sink for One<R> {
    fn done(&self, _item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        if let Some(promise) = self.take() {
            // An error means that the future was cancelled meanwhile.
            contained(|| promise.complete(decoded(outcome)));
        }
        true
    }

    fn is_quiet(&self) -> bool {
        let promise = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        promise.as_ref().is_some_and(Promise::is_quiet)
    }

    fn done_quietly(&self, outcome: Result<&[u8], TaskError>) -> bool {
        let outcome = decoded(outcome);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(promise) = kept.take() else { return true };
        let Err((promise, refused)) = promise.complete_quietly(outcome) else { return true };
        *kept = Some(promise);
        // The outcome is the user's, and not dropped under the lock.
        drop(kept);
        drop(refused);
        false
    }

    fn give_up(&self, error: &TaskError) {
        self.done(0, Err(error.clone()));
    }

    fn cancelled(&self) {
        if let Some(promise) = self.take() {
            contained(|| promise.cancel());
        }
    }
}

/// Sink of a task of several calls.
struct Chunk<R>(Mutex<Calls<R>>);

struct Calls<R> {
    left: usize,
    /// Promises of the calls that are left.
    promises: Vec<Option<Promise<R>>>,
}

impl<R> Chunk<R> {
    fn new(promises: impl IntoIterator<Item = Promise<R>>) -> Self {
        let promises: Vec<_> = promises.into_iter().map(Some).collect();
        Self(Mutex::new(Calls { left: promises.len(), promises }))
    }

    fn take_all(&self) -> Vec<Option<Promise<R>>> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.left = 0;
        std::mem::take(&mut calls.promises)
    }
}

impl<R: DeserializeOwned + Send + Sync> Sink for Chunk<R> {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let promise = usize::try_from(item).ok().and_then(|item| calls.promises.get_mut(item));
        let promise = promise.and_then(Option::take);
        calls.left = calls.left.saturating_sub(usize::from(promise.is_some()));
        let is_over = calls.left == 0;
        drop(calls);
        if let Some(promise) = promise {
            contained(|| promise.complete(decoded(outcome)));
        }
        is_over
    }

    fn give_up(&self, error: &TaskError) {
        for promise in self.take_all().into_iter().flatten() {
            contained(|| promise.set_exception(error.clone()));
        }
    }

    fn cancelled(&self) {
        let promises = self.take_all().into_iter().flatten();
        promises.for_each(|promise| contained(|| promise.cancel()));
    }
}
