//! [`Executor`]: the interface that executors of threads and of processes share.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::error::SubmitError;
use crate::future::future::Future;
use crate::future::map::{Map, MapOptions};

/// Runs calls elsewhere, and returns a [`Future`] for each. Python: `concurrent.futures.Executor`.
///
/// Code for one kind of executor runs on the other:
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
/// fn powers_of_two(executor: &impl Executor) -> Result<Vec<u64>, Failure> {
///     let eighth = executor.submit(power, (2, 8))?;
///     let mut powers = executor.map(power, [(2, 1), (2, 2)])?.collect::<Result<Vec<_>, _>>()?;
///     powers.push(eighth.into_result()?);
///     Ok(powers)
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let executor = ThreadPoolExecutor::new(3);
///         assert_eq!(powers_of_two(&executor)?, [2, 4, 256]);
///         executor.shutdown(true, false);
///
///         // Python: `with ProcessPoolExecutor(3) as executor:`
///         let powers = ProcessPoolExecutor::new(3)?.scope(powers_of_two)?;
///         assert_eq!(powers, [2, 4, 256]);
///         Ok(())
///     })
/// }
/// ```
///
/// Dropping an executor is like leaving Python's `with` block: it waits for all calls it was given.
pub trait Executor: Sized {
    /// Calls `function(argument)` elsewhere; several arguments are a tuple. Python: `submit`.
    ///
    /// # Errors
    /// [`SubmitError::Unlisted`] if another process should call a function that isn't listed in
    /// [`tasks!`](crate::tasks); [`SubmitError::Broken`] if the executor is broken;
    /// [`SubmitError::Start`] if there is no worker, and none can be started;
    /// [`SubmitError::Shutdown`] when the workers were terminated, or the program is ending. The
    /// call's own error comes with the future.
    fn submit<A, R, F>(&self, function: F, argument: A) -> Result<Future<R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static;

    /// Submits several calls together, as one task where that saves something: a chunk of
    /// [`map`](Self::map).
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

    /// Calls the function with each item; the iterator yields a `Result` for each, in the items'
    /// order. Python: `map`.
    ///
    /// The whole input is consumed now, so it must end, and all calls are made, whether or not
    /// results are asked for. Dropping the iterator after its first `next` cancels the calls that
    /// have not started.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    ///
    /// # Panics
    /// If the input panics; calls that have not started are cancelled.
    fn map<A, R, F, I>(&self, function: F, items: I) -> Result<Map<'_, I::IntoIter, R>, SubmitError>
    where
        A: Serialize + Send + 'static,
        R: DeserializeOwned + Send + Sync + 'static,
        F: Fn(A) -> R + Copy + Send + 'static,
        I: IntoIterator<Item = A>,
    {
        self.map_with(MapOptions::default(), function, items)
    }

    /// Calls [`map`](Self::map) with a time limit, in chunks, or with a bound on the calls in
    /// flight, so that the input may be endless. Python: `map(timeout=…, chunksize=…,
    /// buffersize=…)`.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); [`SubmitError::Zero`] for chunks of 0 items, or 0 tasks in
    /// flight.
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

    /// Calls `body` with the executor, and then waits for all submitted calls. Python: the `with`
    /// block.
    ///
    /// Does the same as dropping the executor, but shows where the block ends. After an error or a
    /// panic of the body it waits, too.
    fn scope<T>(self, body: impl FnOnce(&Self) -> T) -> T {
        body(&self)
    }

    /// Takes no more calls. Python: `shutdown`.
    ///
    /// With `wait` it returns when all calls are done and the workers have ended; else at once,
    /// while they go on with what they were given. With `cancel_futures` calls that have not
    /// started are cancelled. (Called twice, it doesn't compile.)
    ///
    /// ```compile_fail,E0382
    /// # // EXEC-B01
    /// use multiprocess::futures::{Executor, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(3);
    /// executor.shutdown(true, false);
    /// executor.shutdown(true, false);
    /// ```
    fn shutdown(self, wait: bool, cancel_futures: bool);
}
