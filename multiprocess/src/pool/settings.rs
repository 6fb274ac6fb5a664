//! Settings of an engine.

use crate::process::{Arguments, FunctionId, frame};
use serde::Serialize;

/// Engine configuration.
pub(crate) struct Settings {
    /// Maximum number of workers.
    pub processes: usize,
    /// Number of tasks after which a worker ends and is replaced.
    pub max_tasks: Option<u64>,
    /// The call that each worker makes first.
    pub initializer: Option<Initializer>,
    /// The workers' kind.
    pub kind: Kind,
    /// True if the first worker that dies breaks the whole engine, as in Python's executor.
    pub strict: bool,
}

/// Kind of an engine: Python's pool and executor differ in their workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// All workers are started at once. They are daemons: they can't start processes, and are ended
    /// at the end of the program.
    Pool,
    /// A worker is started when there is a task for it. Workers may start processes, and the
    /// program waits at its end until they have done their tasks.
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

/// The function that each worker calls first, and its arguments, serialised anew for each worker.
pub(crate) struct Initializer {
    pub(crate) function: FunctionId,
    pub(crate) pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
}

impl Initializer {
    /// Makes an initializer; the arguments may contain queues and connections.
    ///
    /// # Errors
    /// If the function isn't listed.
    pub(crate) fn new<A, R, F>(function: F, arguments: A) -> Result<Self, crate::process::Error>
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + 'static,
    {
        let pack = Box::new(move || Arguments::pack(&arguments));
        Ok(Self { function: FunctionId::of(&function)?, pack })
    }
}
