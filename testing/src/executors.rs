//! Executors under test: one test body for threads and for processes, and what became of futures.

use multiprocess::futures::{
    Executor, Future, FutureError, ProcessPoolExecutor, ThreadPoolExecutor,
};
use multiprocess::pool::TaskError;
use multiprocess::tasks;

use crate::stage::enter;
use crate::{LONG, Stage};

tasks![power];

/// Makes two tests of one body: `fn does_so<E: OnStage>()` becomes `threads::does_so` and
/// `processes::does_so`.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        $crate::on_both!(threads multiprocess::futures::ThreadPoolExecutor: $($name)+);
        $crate::on_both!(processes multiprocess::futures::ProcessPoolExecutor: $($name)+);
    };
    ($place:ident $executor:ty: $($name:ident)+) => {
        mod $place {
            $(
                #[test]
                fn $name() {
                    let _deadline = $crate::Deadline::seconds(60);
                    super::$name::<$executor>();
                }
            )+
        }
    };
}
/// An executor whose workers are on a stage.
pub trait OnStage: Executor + Send + Sync + 'static {
    /// True if its workers are processes.
    const IS_OF_PROCESSES: bool;

    /// Makes an executor of so many workers that are on the stage.
    fn on(stage: &Stage, workers: usize) -> Self;

    /// Makes an executor of so many workers that are on a stage of their own.
    #[must_use]
    fn plain(workers: usize) -> Self {
        Self::on(&Stage::new(1), workers)
    }
}

impl OnStage for ThreadPoolExecutor {
    const IS_OF_PROCESSES: bool = false;

    fn on(stage: &Stage, workers: usize) -> Self {
        let stage = stage.clone();
        let builder = Self::builder().max_workers(workers);
        builder.initializer(move || enter(stage.clone())).build().unwrap()
    }
}

impl OnStage for ProcessPoolExecutor {
    const IS_OF_PROCESSES: bool = true;

    fn on(stage: &Stage, workers: usize) -> Self {
        Self::builder().max_workers(workers).initializer(enter, stage.clone()).build().unwrap()
    }
}

/// Waits for a future; returns what became of it, to compare it.
pub fn outcome<R: Clone>(future: &Future<R>) -> Result<R, FutureError> {
    future.result_timeout(LONG).cloned()
}

/// Waits for a future; returns the kind of its error, `""` if it has a result.
pub fn kind_of<R>(future: &Future<R>) -> &'static str {
    match future.exception_timeout(LONG) {
        Ok(None) => "",
        Ok(Some(error)) => kind(error),
        Err(FutureError::Cancelled) => "Cancelled",
        Err(error) => panic!("{error}"),
    }
}

/// Returns the name of an error's kind.
#[must_use]
pub const fn kind(error: &TaskError) -> &'static str {
    match error {
        TaskError::Panicked { .. } => "Panicked",
        TaskError::WorkerDied { .. } => "WorkerDied",
        TaskError::ArgumentsNotSent(_) => "ArgumentsNotSent",
        TaskError::ArgumentsNotReceived(_) => "ArgumentsNotReceived",
        TaskError::ResultNotSent(_) => "ResultNotSent",
        TaskError::ResultNotReceived(_) => "ResultNotReceived",
        TaskError::Terminated => "Terminated",
        TaskError::Broken(_) => "Broken",
        TaskError::TimedOut => "TimedOut",
        TaskError::Taken => "Taken",
        TaskError::Deadlock => "Deadlock",
        _ => "unknown",
    }
}

/// Returns the power; a task.
#[must_use]
pub fn power((base, exponent): (u64, u32)) -> u64 {
    base.pow(exponent)
}
