//! [`ProcessPoolExecutor`]: calls that other processes run.
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
//! life yet.
//!
//! **Strict**, a death breaks the whole executor, as in Python, for those who rely on it: a worker
//! may hold half of a state.
//!
//! **A callback that waits** for a call of the same executor would wait for its own thread, the
//! one that brings the results: an error at once. No other worker process can do that call
//! meanwhile, as a thread of an executor of threads does (`thread_calls.rs`): the executor can't
//! be sent there.

use std::any::Any;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use crate::pool::engine::{Engine, Link};
use crate::pool::owner::Owner;
use crate::pool::settings::{Initializer, Kind, Settings};
use crate::pool::sink::Sink;
use crate::process::FunctionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::callbacks::together;
use crate::future::error::{BuildError, SubmitError};
use crate::future::executor::Executor;
use crate::future::future::Future;
use crate::future::promise::Promise;
use crate::pool::executor_calls::{Chunk, One, ProcessCall};

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

/// Settings of an executor of processes; made by [`ProcessPoolExecutor::builder`].
///
/// ```
/// use std::sync::OnceLock;
///
/// use multiprocess::futures::{Executor, ProcessPoolExecutor};
/// use multiprocess::{Failure, tasks};
///
/// tasks![prepare, greet];
///
/// static NAME: OnceLock<String> = OnceLock::new();
///
/// fn prepare(name: String) {
///     let _ = NAME.set(name);
/// }
///
/// fn greet(word: String) -> String {
///     format!("{word} {}", NAME.get().map_or("nobody", |name| name))
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let builder = ProcessPoolExecutor::builder().max_workers(2).max_tasks_per_child(100);
///         let executor = builder.initializer(prepare, String::from("Ada")).build()?;
///         assert_eq!(executor.submit(greet, String::from("hello"))?.into_result()?, "hello Ada");
///         Ok(())
///     })
/// }
/// ```
#[derive(Default)]
#[must_use]
pub struct ProcessPoolBuilder {
    settings: Settings,
}

impl ProcessPoolBuilder {
    /// Sets the maximum number of workers; by default the number of usable cores. Python:
    /// `max_workers`.
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.settings.processes = Some(workers);
        self
    }

    /// Sets a function that each worker calls before its first call, and its arguments, which may
    /// contain queues and connections. Python: `initializer`, `initargs`.
    ///
    /// If it panics, or returns an `Err` or an [`Exit`](crate::process::Exit) other than 0, in
    /// three workers in a row (in the first, if the executor is [`strict`](Self::strict)), the
    /// executor is broken.
    pub fn initializer<A, R, F>(mut self, function: F, arguments: A) -> Self
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.settings.initializer = Some(Initializer::new(function, arguments));
        self
    }

    /// Sets after how many calls a worker ends; another replaces it if there is more to do. Python:
    /// `max_tasks_per_child`.
    pub fn max_tasks_per_child(mut self, tasks: u64) -> Self {
        self.settings.max_tasks = Some(tasks);
        self
    }

    /// Sets whether the first worker that dies breaks the executor, as in Python
    /// (`BrokenProcessPool`): then all futures that are not done end in
    /// [`TaskError::Broken`](crate::futures::TaskError::Broken), and no call is taken any more.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor, SubmitError, TaskError};
    /// # multiprocess::tasks![crash];
    /// fn crash(_: ()) {
    ///     std::process::exit(3);
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::builder().strict(true).build()?;
    /// let crashed = executor.submit(crash, ())?;
    /// assert!(matches!(crashed.exception()?, Some(TaskError::Broken(_))));
    /// assert!(matches!(executor.submit(crash, ()), Err(SubmitError::Broken(_))));
    /// # Ok(()) }) }
    /// ```
    pub fn strict(mut self, strict: bool) -> Self {
        self.settings.strict = strict;
        self
    }

    /// Builds the executor, which starts no worker yet.
    ///
    /// # Errors
    /// [`BuildError::NoWorkers`] for 0 workers; [`BuildError::NoTasks`] for 0 calls for each;
    /// [`BuildError::Unlisted`] if the initializer isn't listed; [`BuildError::System`] if the
    /// system refuses memory or a thread, or for more than 4,094 workers.
    pub fn build(self) -> Result<ProcessPoolExecutor, BuildError> {
        let engine = Owner::start(self.settings, Kind::Executor).map_err(|error| match error {
            crate::pool::Error::Function(error) => BuildError::Unlisted(error),
            crate::pool::Error::NoProcesses => BuildError::NoWorkers,
            crate::pool::Error::NoTasks => BuildError::NoTasks,
            crate::pool::Error::System(error) => BuildError::System(error),
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

fn refused(error: crate::pool::Error) -> SubmitError {
    match error {
        crate::pool::Error::Broken(reason) => SubmitError::Broken(reason),
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

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { processes, max_tasks, strict, .. } = &self.settings;
        write!(f, "ProcessPoolBuilder({processes:?}, {max_tasks:?}, strict: {strict})")
    }
}
