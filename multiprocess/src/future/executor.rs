//! [`Executor`]: what threads and processes have in common.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::error::SubmitError;
use crate::future::future::Future;
use crate::future::map::{Map, MapOptions};

/// Who does calls somewhere else, and gives a [`Future`] for each. Python:
/// `concurrent.futures.Executor`.
///
/// The same code runs on threads and on processes:
///
/// ```
/// use multiprocess::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
/// use multiprocess::{Failure, tasks};
///
/// tasks![power];
///
/// fn power((base, exponent): (u64, u32)) -> u64 {
///     base.pow(exponent)
/// }
///
/// fn two_to_the_eighth(executor: &impl Executor) -> Result<u64, Failure> {
///     Ok(executor.submit(power, (2, 8))?.into_result()?)
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         assert_eq!(two_to_the_eighth(&ThreadPoolExecutor::new(3))?, 256);
///         assert_eq!(two_to_the_eighth(&ProcessPoolExecutor::new(3)?)?, 256);
///         Ok(())
///     })
/// }
/// ```
///
/// To drop an executor is to leave Python's `with` block: it waits for all calls that it was given.
pub trait Executor: Sized {
    /// Calls `function(argument)` somewhere else; several arguments are a tuple. Python: `submit`.
    ///
    /// ```
    /// use multiprocess::futures::{Executor, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let root = executor.submit(u64::isqrt, 81)?;
    /// assert_eq!(root.result()?, &9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SubmitError::Unlisted`] if another process should call a function that isn't listed;
    /// [`SubmitError::Broken`] if the executor is; [`SubmitError::Start`] if it has no worker, and
    /// none can be started; [`SubmitError::Shutdown`] when its workers were terminated, or the
    /// program is ending. What becomes of the call, the future tells.
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static;

    /// Submits several calls that go together, as one task where that saves something: what
    /// [`map`](Self::map) does with a chunk.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
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
        arguments.into_iter().map(|argument| self.submit(function, argument)).collect()
    }

    /// Calls the function with each item; the results come in the items' order, a `Result` each.
    /// Python: `map`.
    ///
    /// The whole input is taken now, so it has to end, and all calls are made, whether or not
    /// results are asked for. To drop the iterator after its first `next` is to cancel what has not
    /// begun.
    ///
    /// ```
    /// use multiprocess::futures::{Executor, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let roots: Result<Vec<u64>, _> = executor.map(u64::isqrt, [1, 4, 9])?.collect();
    /// assert_eq!(roots?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    ///
    /// # Panics
    /// If the input does; what has not begun is cancelled.
    fn map<A, R, F, I>(&self, function: F, items: I) -> Result<Map<'_, I::IntoIter, R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
        I: IntoIterator<Item = A>,
    {
        self.map_with(MapOptions::default(), function, items)
    }

    /// [`map`](Self::map) with a time limit, in chunks, or with so many calls on their way at once
    /// that the input may be endless. Python: `map(timeout=…, chunksize=…, buffersize=…)`.
    ///
    /// ```
    /// use multiprocess::futures::{Executor, MapOptions, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let four_at_a_time = MapOptions::default().buffersize(4);
    /// let mut roots = executor.map_with(four_at_a_time, u64::isqrt, 1..)?;
    /// assert_eq!(roots.next(), Some(Ok(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`submit`](Self::submit); [`SubmitError::Zero`] for chunks of 0 items, or 0 tasks on
    /// their way.
    ///
    /// # Panics
    /// As [`map`](Self::map).
    fn map_with<A, R, F, I>(
        &self,
        options: MapOptions,
        function: F,
        items: I,
    ) -> Result<Map<'_, I::IntoIter, R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
        I: IntoIterator<Item = A>,
    {
        Map::new(options, items.into_iter(), move |chunk| self.submit_chunk(function, chunk))
    }

    /// Gives the executor to `body`, and then waits for all that it was given. Python: the `with`
    /// block.
    ///
    /// It is the same as dropping it, but shows where the block ends. An error or a panic of the
    /// body waits, too, and goes on.
    ///
    /// ```
    /// use multiprocess::futures::{Executor, ThreadPoolExecutor};
    ///
    /// let root = ThreadPoolExecutor::new(2).scope(|executor| executor.submit(u64::isqrt, 81))?;
    /// assert!(root.done());
    /// assert_eq!(root.result()?, &9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn scope<T>(self, body: impl FnOnce(&Self) -> T) -> T {
        body(&self)
    }

    /// Takes no more calls. Python: `shutdown`.
    ///
    /// `wait`: returns when all is done and the workers have ended; else at once, while they go on
    /// with what they were given. `cancel_futures`: what has not begun is cancelled. (Called twice,
    /// it doesn't compile.)
    ///
    /// ```compile_fail,E0382
    /// # // EXEC-B01
    /// use multiprocess::futures::{Executor, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(3);
    /// executor.shutdown(true, false);
    /// executor.shutdown(true, false);
    /// ```
    ///
    /// ```
    /// use multiprocess::futures::{Executor, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let root = executor.submit(u64::isqrt, 81)?;
    /// executor.shutdown(true, false);
    /// assert!(root.done());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn shutdown(self, wait: bool, cancel_futures: bool);
}
