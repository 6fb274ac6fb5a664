//! Executors under test: the test bodies that all executors share, and what became of futures.
//!
//! | bodies | macro that makes tests of them |
//! | --- | --- |
//! | [`calls`] | [`test_calls!`](crate::test_calls) |
//! | [`maps`] | [`test_maps!`](crate::test_maps) |
//! | [`waiting`] | [`test_waiting!`](crate::test_waiting) |
//! | [`cancelling`] | [`test_cancelling!`](crate::test_cancelling) |
//! | [`hostile`] | [`test_hostile!`](crate::test_hostile) |

pub mod calls;
pub mod cancelling;
pub mod hostile;
pub mod maps;
pub mod waiting;

use multiprocess::futures::{
    Executor, Future, FutureError, ProcessPoolExecutor, ThreadPoolExecutor,
};
use multiprocess::pool::TaskError;
use multiprocess::tasks;

use crate::stage::enter;
use crate::{LONG, Stage};

tasks![power];

/// Makes tests of bodies in one module: `pub fn does_so<E: OnStage>()` becomes
/// `calls::threads::does_so` and `calls::processes::does_so`, or `calls::there::does_so` for
/// another executor, which is named with its path: `test_calls!(there crate::There)`.
#[macro_export]
macro_rules! on_executors {
    ($names:tt $module:ident) => {
        $crate::on_executors!(
            $names $module
            threads multiprocess::futures::ThreadPoolExecutor,
            processes multiprocess::futures::ProcessPoolExecutor
        );
    };
    ($names:tt $module:ident $($place:ident $executor:ty),+) => {
        mod $module {
            $( $crate::on_executors!(@ $place $executor: $module $names); )+
        }
    };
    (@ $place:ident $executor:ty: $module:ident [$($name:ident),+ $(,)?]) => {
        mod $place {
            $(
                #[test]
                fn $name() {
                    type Tested = $executor;
                    let _deadline =
                        $crate::Deadline::seconds(<Tested as $crate::OnStage>::SECONDS);
                    if <Tested as $crate::OnStage>::is_here() {
                        $crate::executors::$module::$name::<Tested>();
                    }
                }
            )+
        }
    };
}

/// An executor whose workers are on a stage.
pub trait OnStage: Executor + Send + Sync + 'static {
    /// True if its workers are processes.
    const IS_OF_PROCESSES: bool;

    /// True if its workers end with it.
    const ENDS_ITS_WORKERS: bool = Self::IS_OF_PROCESSES;

    /// True if calls begin at once, without a trip over a network: of many that are cancelled
    /// together, some have begun.
    const BEGINS_AT_ONCE: bool = true;

    /// Number of calls that are many.
    const MANY: u64 = 100_000;

    /// Seconds after which a test hangs.
    const SECONDS: u64 = 60;

    /// Returns true if it can be tested on this system; says so where it can't.
    #[must_use]
    fn is_here() -> bool {
        true
    }

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
