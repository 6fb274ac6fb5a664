//! What is to be said of an engine when it is started.

use crate::process::{Arguments, Listed, frame};
use serde::Serialize;

/// How an engine is to be.
pub(crate) struct Settings {
    /// How many workers there are at most.
    pub processes: usize,
    /// After so many tasks a worker ends, and another takes its place.
    pub most_tasks: Option<u64>,
    /// What each worker does first.
    pub initializer: Option<Initializer>,
    /// Who its workers are.
    pub kind: Kind,
    /// Whether the first worker that dies breaks the whole engine, as in Python's executor.
    pub strict: bool,
}

/// Whose engine it is: Python's two differ in their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All workers are started at once. They are daemons: they can't start processes, and are ended at
    /// the end of the program.
    Pool,
    /// A worker is started when there is a task for it. They may start processes, and the program waits,
    /// at its end, for what they have to do.
    Executor,
}

impl Kind {
    pub(crate) fn worker_name(self, number: usize) -> String {
        match self {
            Self::Pool => format!("PoolWorker-{number}"),
            Self::Executor => format!("ProcessPoolExecutor-{number}"),
        }
    }
}

/// The function that each worker calls first, and how its arguments are made ready for one more worker.
pub(crate) struct Initializer {
    pub(crate) function: Listed,
    pub(crate) pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
}

impl Initializer {
    /// This function with these arguments, in which queues and connections may be.
    ///
    /// # Errors
    /// If it isn't listed.
    pub(crate) fn new<A, R, F>(function: F, arguments: A) -> Result<Self, crate::process::Error>
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + 'static,
    {
        let pack = Box::new(move || Arguments::pack(&arguments));
        Ok(Self { function: Listed::of(&function)?, pack })
    }
}
