//! [`ProcessPoolExecutor`]: calls that other processes do.

use std::any::Any;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::pool::engine::{Engine, Link};
use crate::pool::settings::{Initializer, Kind, Settings};
use crate::pool::sink::Sink;
use crate::process::{Listed, cpu_count};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::callbacks::together;
use crate::future::error::{BuildError, SubmitError};
use crate::future::executor::Executor;
use crate::future::future::Future;
use crate::future::promise::Promise;
use crate::pool::executor_calls::{Chunk, One, Process};

/// Calls that other processes do: of functions that are listed by
/// [`tasks!`](crate::tasks). Python: `concurrent.futures.ProcessPoolExecutor`.
///
/// A worker is started when there is a call and none is free for it. If one dies, however it dies,
/// the call it was at ends in [`TaskError::WorkerDied`](crate::future::TaskError::WorkerDied), and all
/// others are done, each once; Python's executor breaks as a whole, which
/// [`strict`](ProcessPoolBuilder::strict) gives, too.
///
/// Calls may start processes. Workers end when this process does, however that ends. At the end of
/// the program's [`main`](crate::process::main) all calls are waited for. Ctrl-C doesn't touch the
/// workers: this process decides what it means.
///
/// A future's callbacks run in the executor's own thread, which must not wait for another of its
/// futures: [`FutureError::Deadlock`](crate::future::FutureError::Deadlock).
///
/// ```
/// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
/// # multiprocess::tasks![square];
/// # fn square(number: u64) -> u64 { number * number }
/// # fn main() -> std::process::ExitCode {
/// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// let executor = ProcessPoolExecutor::new(2)?;
/// let square_of_five = executor.submit(square, 5)?;
/// assert_eq!(square_of_five.result()?, &25);
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct ProcessPoolExecutor {
    /// Gone when it is shut down.
    engine: Option<Engine>,
    link: Link,
    max_workers: usize,
}

/// How an executor of processes is to be. [`ProcessPoolExecutor::builder`] makes one.
#[derive(Default)]
#[must_use]
pub struct ProcessPoolBuilder {
    max_workers: Option<usize>,
    most_tasks: Option<u64>,
    initializer: Option<Result<Initializer, crate::process::Error>>,
    strict: bool,
}

impl ProcessPoolBuilder {
    /// So many workers at most; else as many as there are cores to use. Python: `max_workers`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::builder().max_workers(2).build()?;
    /// assert_eq!(executor.max_workers(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn max_workers(mut self, workers: usize) -> Self {
        self.max_workers = Some(workers);
        self
    }

    /// A function that each worker calls before its first call, with these arguments, in which
    /// queues and connections may be. Python: `initializer`, `initargs`.
    ///
    /// If it panics, or returns an `Err` or an [`Exit`](crate::process::Exit) that isn't 0, in
    /// three workers in a row (in the first, if it is [`strict`](Self::strict)), the executor is
    /// broken.
    ///
    /// ```
    /// # use std::sync::OnceLock;
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![prepare, greet];
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
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let builder = ProcessPoolExecutor::builder().initializer(prepare, String::from("Ada"));
    /// let executor = builder.build()?;
    /// assert_eq!(executor.submit(greet, String::from("hello"))?.into_result()?, "hello Ada");
    /// # Ok(()) }) }
    /// ```
    pub fn initializer<A, R, F>(mut self, function: F, arguments: A) -> Self
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.initializer = Some(Initializer::new(function, arguments));
        self
    }

    /// A worker ends after so many calls, and another takes its place if there is something to do.
    /// Python: `max_tasks_per_child`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![pid];
    /// # fn pid(_: ()) -> u32 { std::process::id() }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::builder().max_workers(1).max_tasks_per_child(1).build()?;
    /// let (first, second) = (executor.submit(pid, ())?, executor.submit(pid, ())?);
    /// assert_ne!(first.result()?, second.result()?);
    /// # Ok(()) }) }
    /// ```
    pub fn max_tasks_per_child(mut self, tasks: u64) -> Self {
        self.most_tasks = Some(tasks);
        self
    }

    /// The first worker that dies breaks the executor: all futures that are not done end in
    /// [`TaskError::Broken`](crate::future::TaskError::Broken), and no call is taken any more. So does
    /// Python's: `BrokenProcessPool`.
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
        self.strict = strict;
        self
    }

    /// Makes the executor.
    ///
    /// ```
    /// use multiprocess::futures::{BuildError, ProcessPoolExecutor};
    ///
    /// let executor = ProcessPoolExecutor::builder().build()?;
    /// assert_eq!(executor.max_workers(), multiprocess::cpu_count());
    /// let refused = ProcessPoolExecutor::builder().max_workers(0).build();
    /// assert!(matches!(refused, Err(BuildError::NoWorkers)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`BuildError::NoWorkers`] and [`BuildError::NoTasks`] for 0 workers, or 0 calls for each;
    /// [`BuildError::Unlisted`] if the initializer isn't listed; [`BuildError::System`] if the
    /// system refuses memory or a thread, or for more than 4,094 workers.
    pub fn build(self) -> Result<ProcessPoolExecutor, BuildError> {
        let max_workers = self.max_workers.unwrap_or_else(cpu_count);
        let settings = Settings {
            processes: max_workers,
            most_tasks: self.most_tasks,
            initializer: self.initializer.transpose().map_err(BuildError::Unlisted)?,
            kind: Kind::Executor,
            strict: self.strict,
        };
        let engine = Engine::start(settings).map_err(|error| match error {
            crate::pool::Error::NoProcesses => BuildError::NoWorkers,
            crate::pool::Error::NoTasks => BuildError::NoTasks,
            crate::pool::Error::System(error) => BuildError::System(error),
            other => BuildError::System(std::io::Error::other(other.to_string())),
        })?;
        Ok(ProcessPoolExecutor { link: engine.link(), engine: Some(engine), max_workers })
    }
}

impl ProcessPoolExecutor {
    /// An executor of so many processes at most. Python: `ProcessPoolExecutor(max_workers)`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::new(2)?;
    /// assert_eq!(executor.submit(square, 5)?.result()?, &25);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`ProcessPoolBuilder::build`].
    pub fn new(max_workers: usize) -> Result<Self, BuildError> {
        Self::builder().max_workers(max_workers).build()
    }

    /// An executor of which more is to be said. Python: `ProcessPoolExecutor(…)`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::builder().max_workers(2).max_tasks_per_child(100).build()?;
    /// assert_eq!(executor.submit(square, 5)?.result()?, &25);
    /// # Ok(()) }) }
    /// ```
    pub fn builder() -> ProcessPoolBuilder {
        ProcessPoolBuilder::default()
    }

    /// How many workers it has at most. (In Python one looks into `_max_workers`.)
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// assert_eq!(ProcessPoolExecutor::new(3)?.max_workers(), 3);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn max_workers(&self) -> usize {
        self.max_workers
    }

    /// The process ids of its workers. (In Python one looks into `_processes`.)
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor};
    /// # multiprocess::tasks![pid];
    /// # fn pid(_: ()) -> u32 { std::process::id() }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::new(2)?;
    /// assert!(executor.worker_pids().is_empty());
    /// let pid_of_a_worker = executor.submit(pid, ())?.into_result()?;
    /// assert_eq!(executor.worker_pids(), [pid_of_a_worker]);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.engine.as_ref().map(Engine::worker_pids).unwrap_or_default()
    }

    /// Ends the workers by SIGTERM, now: what is not done ends in
    /// [`TaskError::Terminated`](crate::future::TaskError::Terminated), and no call is taken any more.
    /// Python: `terminate_workers()`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor, TaskError};
    /// # multiprocess::tasks![forever];
    /// fn forever(_: ()) {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::new(2)?;
    /// let future = executor.submit(forever, ())?;
    /// executor.terminate_workers();
    /// assert_eq!(future.exception()?, Some(&TaskError::Terminated));
    /// # Ok(()) }) }
    /// ```
    pub fn terminate_workers(&self) {
        together(|| self.engine.iter().for_each(Engine::terminate));
    }

    /// The same by SIGKILL. Python: `kill_workers()`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, ProcessPoolExecutor, TaskError};
    /// # multiprocess::tasks![forever];
    /// # fn forever(_: ()) { loop { std::thread::park() } }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::new(2)?;
    /// let future = executor.submit(forever, ())?;
    /// executor.kill_workers();
    /// assert_eq!(future.exception()?, Some(&TaskError::Terminated));
    /// # Ok(()) }) }
    /// ```
    pub fn kill_workers(&self) {
        together(|| self.engine.iter().for_each(Engine::kill));
    }

    /// Submits these arguments as one task; `sink` and `doer` are of its futures.
    fn submit_all<A: Serialize, R>(
        &self,
        function: Listed,
        arguments: &[A],
        futures: &[Future<R>],
        sink: Arc<dyn Sink>,
    ) -> Result<(), SubmitError> {
        let Some(engine) = &self.engine else { return Err(SubmitError::Shutdown) };
        let job = engine.open_job(sink, None).map_err(refused)?;
        let (link, left) = (self.link.clone(), AtomicUsize::new(futures.len()));
        let doer = Arc::new(Process { link, job, left });
        futures.iter().for_each(|future| future.set_doer(Arc::clone(&doer) as _));
        engine.submit_chunk(job, 0, function, arguments).map_err(|error| {
            engine.close_job(job);
            match error {
                crate::process::Error::Ending => SubmitError::Shutdown,
                error => SubmitError::Start(error.to_string()),
            }
        })?;
        // Arguments that can't be sent.
        let done = futures.iter().filter(|future| future.done()).count();
        doer.left.fetch_sub(done, Ordering::AcqRel);
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
        let function = Listed::of(&function).map_err(SubmitError::Unlisted)?;
        let (promise, future) = Promise::new();
        let sink = Arc::new(One(Mutex::new(Some(promise))));
        self.submit_all(function, &[argument], std::slice::from_ref(&future), sink)?;
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
        let function = Listed::of(&function).map_err(SubmitError::Unlisted)?;
        let (promises, futures): (Vec<_>, Vec<_>) =
            arguments.iter().map(|_| Promise::new()).unzip();
        let promises = promises.into_iter().map(Some).collect::<Vec<_>>();
        let sink = Chunk(Mutex::new((promises.len(), promises)));
        self.submit_all(function, &arguments, &futures, Arc::new(sink))?;
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

fn finish(engine: Engine, wait: bool) {
    engine.close();
    // A callback may hold the last handle: it would wait for itself.
    if wait && !engine.link().is_manager() {
        let _ = engine.join();
    } else {
        engine.leave();
    }
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { max_workers, most_tasks, strict, .. } = self;
        write!(f, "ProcessPoolBuilder({max_workers:?}, {most_tasks:?}, strict: {strict})")
    }
}
