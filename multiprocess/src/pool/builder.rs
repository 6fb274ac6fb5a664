//! The settings of a pool, [`Builder`], and of an executor, [`ProcessPoolBuilder`].

use std::any::Any;
use std::fmt;

use serde::Serialize;

use crate::pool::settings::{Initializer, Settings};

/// Settings of a pool that is to be started; made by [`Pool::builder`](crate::Pool::builder).
///
/// ```
/// use std::sync::OnceLock;
///
/// use multiprocess::{Failure, Pool, tasks};
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
///         let builder = Pool::builder().processes(2).max_tasks_per_child(100);
///         let pool = builder.initializer(prepare, String::from("Ada")).build()?;
///         assert_eq!(pool.apply(greet, String::from("hello"))?, "hello Ada");
///         Ok(())
///     })
/// }
/// ```
#[derive(Default)]
#[must_use]
pub struct Builder {
    pub(crate) settings: Settings,
}

impl Builder {
    /// Sets the number of workers; by default as many as there are usable cores. Python:
    /// `processes`.
    pub fn processes(mut self, processes: usize) -> Self {
        self.settings.processes = Some(processes);
        self
    }

    /// Sets a function that each worker calls before its first task, and its arguments, which may
    /// contain queues and connections. Python: `initializer`, `initargs`.
    ///
    /// If it panics, or returns an `Err` or an [`Exit`](crate::process::Exit) other than 0, the
    /// worker ends. After three such ends in a row in one worker slot the pool gives up: its tasks
    /// end in [`TaskError::Broken`](crate::pool::TaskError::Broken). (Python's pool restarts
    /// workers forever.)
    pub fn initializer<A, R, F>(mut self, function: F, arguments: A) -> Self
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.settings.initializer = Some(Initializer::new(function, arguments));
        self
    }

    /// Sets after how many tasks a worker is replaced; by default it lives as long as the pool. A
    /// chunk counts as one task. Python: `maxtasksperchild`.
    pub fn max_tasks_per_child(mut self, tasks: u64) -> Self {
        self.settings.max_tasks = Some(tasks);
        self
    }
}

/// Settings of an executor of processes; made by
/// [`ProcessPoolExecutor::builder`](crate::futures::ProcessPoolExecutor::builder).
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
    pub(crate) settings: Settings,
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
}

impl fmt::Debug for ProcessPoolBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { processes, max_tasks, strict, .. } = &self.settings;
        write!(f, "ProcessPoolBuilder({processes:?}, {max_tasks:?}, strict: {strict})")
    }
}
