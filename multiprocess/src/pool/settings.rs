//! Settings of an engine, which the builders of pools and of executors share.

use std::io;

use serde::Serialize;

use crate::future::panics::caught;
use crate::process::{Arguments, FunctionId, frame};

/// Settings as a builder collects them; they are checked when the engine starts.
#[derive(Default)]
pub(crate) struct Settings {
    /// Maximum number of workers; by default the number of usable cores.
    pub processes: Option<usize>,
    /// Number of tasks after which a worker ends and is replaced.
    pub max_tasks: Option<u64>,
    /// The call that each worker makes first.
    pub initializer: Option<Result<Initializer, crate::process::Error>>,
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
    function: FunctionId,
    pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
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

    /// Serialises the arguments for the worker of this name.
    ///
    /// # Errors
    /// If they can't be serialised.
    pub(crate) fn packed(
        &self,
        name: &str,
    ) -> Result<(FunctionId, Arguments), crate::process::Error> {
        // For a replacement this is the manager's thread, which must survive a panic.
        let packed = caught(&self.pack).unwrap_or_else(|panic| {
            let reason = format!("their serialisation panicked: {panic}");
            Err(frame::Error::Io(io::Error::other(reason)))
        });
        let failed = |reason| crate::process::Error::Arguments { name: name.to_owned(), reason };
        Ok((self.function, packed.map_err(failed)?))
    }
}
