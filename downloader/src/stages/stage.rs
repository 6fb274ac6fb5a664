//! [`Stage`]: one step of the work, and the ways to run it. The tutorial's base module.

use multiprocess::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
use multiprocess::{Failure, tasks};
use rayon::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

tasks![nothing];

/// The way in which the calculation is done. Python: the tutorial's `CalcType`; rayon's way is
/// added here.
///
/// ```
/// use downloader::{CalcType, Scheduler};
///
/// assert!(Scheduler::new(CalcType::MultiThread, 2).is_ok());
/// assert!(Scheduler::new(CalcType::MultiThread, 0).is_err(), "there must be a worker");
/// assert!(Scheduler::new(CalcType::Rayon, 0).is_ok(), "one for each core");
/// assert!(Scheduler::new(CalcType::SingleThread, 0).is_ok(), "always one");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalcType {
    /// On the calling thread, item after item.
    SingleThread,
    /// On a [`ThreadPoolExecutor`].
    MultiThread,
    /// On a [`ProcessPoolExecutor`].
    MultiProcess,
    /// On rayon's threads, which share the items out among themselves.
    Rayon,
}

impl CalcType {
    /// All ways, in the order of the lesson.
    pub const ALL: [Self; 4] =
        [Self::SingleThread, Self::MultiThread, Self::MultiProcess, Self::Rayon];
}

/// The workers of one way to calculate.
pub(crate) enum Workers {
    Single,
    Threads(ThreadPoolExecutor),
    Processes(ProcessPoolExecutor),
    Rayon(rayon::ThreadPool),
}

impl Workers {
    /// Starts the workers, and waits until each can work.
    pub(crate) fn start(way: CalcType, workers: usize) -> Result<Self, Failure> {
        let workers = Self::new(way, workers)?;
        match &workers {
            Self::Threads(executor) => start_all(executor, executor.max_workers())?,
            Self::Processes(executor) => start_all(executor, executor.max_workers())?,
            Self::Single | Self::Rayon(_) => {}
        }
        Ok(workers)
    }

    fn new(way: CalcType, workers: usize) -> Result<Self, Failure> {
        Ok(match way {
            CalcType::SingleThread => Self::Single,
            CalcType::MultiThread => {
                Self::Threads(ThreadPoolExecutor::builder().max_workers(workers).build()?)
            }
            CalcType::MultiProcess => Self::Processes(ProcessPoolExecutor::new(workers)?),
            CalcType::Rayon => {
                Self::Rayon(rayon::ThreadPoolBuilder::new().num_threads(workers).build()?)
            }
        })
    }
}

/// Has an executor start all its workers: it starts one for each call that finds none idle.
fn start_all(executor: &impl Executor, workers: usize) -> Result<(), Failure> {
    Ok(executor.map(nothing, vec![(); workers])?.collect::<Result<(), _>>()?)
}

/// Runs in a worker, as its first call.
fn nothing((): ()) {}

/// A step of the work: what it does with an item. Its [`process`](Self::process) is listed by
/// [`tasks!`](multiprocess::tasks).
pub(crate) trait Stage: 'static {
    type Item: Serialize + DeserializeOwned + Send + 'static;
    type Output: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Processes an item: on this thread, on another, or in another process.
    fn process(item: Self::Item) -> Result<Self::Output, Failure>;

    /// Processes all items on these workers; the results come in the items' order.
    fn run(workers: &Workers, items: Vec<Self::Item>) -> Result<Vec<Self::Output>, Failure> {
        match workers {
            Workers::Single => items.into_iter().map(Self::process).collect(),
            Workers::Threads(executor) => Self::run_on(executor, items),
            Workers::Processes(executor) => Self::run_on(executor, items),
            // One by one: else rayon hands out runs of items, and a run waits for its slowest.
            Workers::Rayon(pool) => {
                pool.install(|| items.into_par_iter().with_max_len(1).map(Self::process).collect())
            }
        }
    }

    /// Processes all items on an executor of either kind.
    fn run_on(
        executor: &impl Executor,
        items: Vec<Self::Item>,
    ) -> Result<Vec<Self::Output>, Failure> {
        executor.map(Self::process, items)?.map(|result| result?).collect()
    }
}
