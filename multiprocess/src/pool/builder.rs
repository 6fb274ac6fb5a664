//! [`Builder`]: how a pool is to be.

use std::any::Any;

use crate::process::cpu_count;
use serde::Serialize;

use crate::pool::Pool;
use crate::pool::engine::Engine;
use crate::pool::error::Error;
use crate::pool::settings::{Initializer, Kind, Settings};

/// How a pool is to be. [`Pool::builder`] makes one.
#[derive(Default)]
#[must_use]
pub struct Builder {
    processes: Option<usize>,
    most_tasks: Option<u64>,
    initializer: Option<Result<Initializer, crate::process::Error>>,
}

impl Builder {
    /// So many workers; else as many as there are cores to use. Python: `processes`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::builder().processes(2).build()?;
    /// assert_eq!(pool.worker_pids().len(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn processes(mut self, processes: usize) -> Self {
        self.processes = Some(processes);
        self
    }

    /// A function that each worker calls before its first task, with these arguments, in which queues
    /// and connections may be. Python: `initializer`, `initargs`.
    ///
    /// If it panics, or returns an `Err` or an [`Exit`](crate::process::Exit) that isn't 0, the
    /// worker ends. After three of those in a row in one place the pool gives up: its tasks end in
    /// [`TaskError::Broken`](crate::future::TaskError::Broken). (Python's starts workers for ever.)
    ///
    /// ```
    /// # use std::sync::OnceLock;
    /// # use multiprocess::Pool;
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
    /// let pool = Pool::builder().processes(2).initializer(prepare, String::from("Ada")).build()?;
    /// assert_eq!(pool.apply(greet, String::from("hello"))?, "hello Ada");
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

    /// A worker ends after so many tasks, and another takes its place; else it stays as long as
    /// the pool. A chunk counts as one task. Python: `maxtasksperchild`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![pid];
    /// # fn pid(_: ()) -> u32 { std::process::id() }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::builder().processes(1).max_tasks_per_child(1).build()?;
    /// assert_ne!(pool.apply(pid, ())?, pool.apply(pid, ())?);
    /// # Ok(()) }) }
    /// ```
    pub fn max_tasks_per_child(mut self, tasks: u64) -> Self {
        self.most_tasks = Some(tasks);
        self
    }

    /// Starts the workers.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::Error;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::builder().build()?;
    /// assert_eq!(pool.worker_pids().len(), multiprocess::cpu_count());
    /// assert!(matches!(Pool::builder().processes(0).build(), Err(Error::NoProcesses)));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NoProcesses`] and [`Error::NoTasks`] for 0 workers, or 0 tasks for each; [`Error::Function`] if the
    /// initializer isn't listed; [`Error::Start`] if a worker can't be started, and [`Error::System`] if the system
    /// refuses memory or a thread, or for more than 4,094 workers: no worker is left then.
    pub fn build(self) -> Result<Pool, Error> {
        let processes = self.processes.unwrap_or_else(cpu_count);
        let initializer = self.initializer.transpose().map_err(Error::Function)?;
        let (most_tasks, kind) = (self.most_tasks, Kind::Pool);
        let settings = Settings { processes, most_tasks, initializer, kind, strict: false };
        Ok(Pool { engine: Engine::start(settings)?, processes })
    }
}
