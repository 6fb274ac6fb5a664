//! [`Builder`]: a pool's settings.

use std::any::Any;

use serde::Serialize;

use crate::pool::Pool;
use crate::pool::error::Error;
use crate::pool::owner::Owner;
use crate::pool::settings::{Initializer, Kind, Settings};

/// Settings of a pool that is to be started; made by [`Pool::builder`].
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
    settings: Settings,
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

    /// Starts the workers.
    ///
    /// # Errors
    /// [`Error::NoProcesses`] for 0 workers; [`Error::NoTasks`] for 0 tasks for each;
    /// [`Error::Function`] if the initializer isn't listed; [`Error::Start`] if a worker can't be
    /// started; [`Error::System`] if the system refuses memory or a thread, or for more than 4,094
    /// workers. After an error no worker is left.
    pub fn build(self) -> Result<Pool, Error> {
        let engine = Owner::start(self.settings, Kind::Pool)?;
        Ok(Pool { processes: engine.processes, engine })
    }
}
