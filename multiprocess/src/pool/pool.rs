//! [`Pool`]: what its users call.

use std::any::Any;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use crate::process::Listed;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::pool::builder::Builder;
use crate::pool::engine::Engine;
use crate::pool::error::{Error, MapError};
use crate::pool::imap::{Imap, Stream};
use crate::pool::result::AsyncResult;
use crate::pool::sinks::{Many, One};

/// Processes that do tasks: calls of functions that are listed by
/// [`tasks!`](crate::tasks). Python: `multiprocessing.Pool`.
///
/// ```
/// use multiprocess::{Pool, tasks};
///
/// tasks![square];
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
///         let pool = Pool::new(3)?;
///         assert_eq!(pool.apply(square, 5)?, 25);
///         assert_eq!(pool.map(square, 1..=6)?, [1, 4, 9, 16, 25, 36]);
///         Ok(())
///     })
/// }
/// ```
///
/// A task goes to whichever worker is free first. Whatever kills a worker: the item that it was at
/// ends in [`TaskError::WorkerDied`](crate::future::TaskError::WorkerDied), all others are done, each once,
/// and another worker takes the place.
///
/// A task should not fork without exec: what it forks keeps alive, for the kernel, what its worker
/// was at; so if that is killed, others may have to wait until the fork has ended, too.
///
/// Workers are daemons: they end when this process does, however that ends, and can't start
/// processes. Ctrl-C doesn't touch them; this process decides what it means. To drop a pool is to
/// [terminate](Self::terminate) it, as leaving Python's `with` does.
pub struct Pool {
    pub(crate) engine: Engine,
    pub(crate) processes: usize,
}

impl Pool {
    /// A pool of so many workers. Python: `Pool(processes)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::Error;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.worker_pids().len(), 2);
    /// assert!(matches!(Pool::new(0), Err(Error::NoProcesses)));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(processes: usize) -> Result<Self, Error> {
        Self::builder().processes(processes).build()
    }

    /// A pool of which more is to be said than its number of workers. Python: `Pool(…)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::builder().processes(2).max_tasks_per_child(100).build()?;
    /// assert_eq!(pool.map(square, [1, 2, 3])?, [1, 4, 9]);
    /// # Ok(()) }) }
    /// ```
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Calls the function in a worker, and waits for its result. Python: `apply`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.apply(square, 5)?, 25);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Task`], with what became of it; [`Error::Deadlock`] in a callback of this pool;
    /// else as [`apply_async`](Self::apply_async).
    pub fn apply<A, R, F>(&self, function: F, argument: A) -> Result<R, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.check_can_wait()?;
        Ok(self.apply_async(function, argument)?.get()?)
    }

    /// Calls the function in a worker, and doesn't wait. Python: `apply_async`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let sixteen = pool.apply_async(square, 4)?;
    /// let twenty_five = pool.apply_async(square, 5)?;
    /// // Both are on their way.
    /// assert_eq!(sixteen.get()? + twenty_five.get()?, 41);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Function`] if it isn't listed; [`Error::NotRunning`] after [`close`](Self::close)
    /// or [`terminate`](Self::terminate); [`Error::Broken`] if the pool has given up.
    pub fn apply_async<A, R, F>(&self, function: F, argument: A) -> Result<AsyncResult<R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        let function = Listed::of(&function).map_err(Error::Function)?;
        let (one, result) = One::new(self.engine.link());
        let job = self.engine.open_job(Arc::new(one), None)?;
        self.engine.submit_chunk(job, 0, function, &[argument]).map_err(Error::Start)?;
        Ok(result)
    }

    /// Calls the function with each item, and waits for all results, in the items' order. Python:
    /// `map`.
    ///
    /// The items go to the workers in chunks of a quarter of each worker's share, as in Python. If
    /// items take different times, `map_chunked(…, 1)` spreads them better.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![half];
    /// fn half(number: u64) -> u64 {
    ///     assert!(number % 2 == 0, "{number} is odd");
    ///     number / 2
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.map(half, [2, 4, 6])?, [1, 2, 3]);
    ///
    /// let error = pool.map(half, [2, 3, 6]).unwrap_err();
    /// assert_eq!(error.index, Some(1));
    /// assert_eq!((&error.results[0], &error.results[2]), (&Ok(1), &Ok(3)));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// If an item has no result: the first error, with the results of all others. In a callback of
    /// this pool [`Error::Deadlock`]; else as [`apply_async`](Self::apply_async).
    ///
    /// # Panics
    /// If the input does; the pool goes on.
    pub fn map<A, R, F>(
        &self,
        function: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, MapError<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.check_can_wait()?;
        self.map_async(function, items)?.get()
    }

    /// [`map`](Self::map) in chunks of so many items. Python: `map(chunksize=…)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::Error;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// // Two tasks of three items each.
    /// assert_eq!(pool.map_chunked(square, 1..=6, 3)?, [1, 4, 9, 16, 25, 36]);
    /// let error = pool.map_chunked(square, 1..=6, 0).unwrap_err();
    /// assert!(matches!(error.error, Error::NoItems));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`map`](Self::map); [`Error::NoItems`] for chunks of 0.
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn map_chunked<A, R, F>(
        &self,
        function: F,
        items: impl IntoIterator<Item = A>,
        chunk: usize,
    ) -> Result<Vec<R>, MapError<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.check_can_wait()?;
        self.map_async_chunked(function, items, chunk)?.get()
    }

    /// [`map`](Self::map) without waiting. Python: `map_async`, `starmap_async`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let squares = pool.map_async(square, 1..=3)?;
    /// // Here this process may do something else.
    /// assert_eq!(squares.get()?, [1, 4, 9]);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`apply_async`](Self::apply_async).
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn map_async<A, R, F>(
        &self,
        function: F,
        items: impl IntoIterator<Item = A>,
    ) -> Result<AsyncResult<Vec<R>, MapError<R>>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.submit_all(function, items, None)
    }

    /// [`map_async`](Self::map_async) in chunks of so many items. Python: `map_async(chunksize=…)`,
    /// `starmap_async(chunksize=…)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// // Two tasks of three items each.
    /// let squares = pool.map_async_chunked(square, 1..=6, 3)?;
    /// assert_eq!(squares.get()?, [1, 4, 9, 16, 25, 36]);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`map_async`](Self::map_async); [`Error::NoItems`] for chunks of 0.
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn map_async_chunked<A, R, F>(
        &self,
        function: F,
        items: impl IntoIterator<Item = A>,
        chunk: usize,
    ) -> Result<AsyncResult<Vec<R>, MapError<R>>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        let chunk = NonZero::new(chunk).ok_or(Error::NoItems)?;
        self.submit_all(function, items, Some(chunk))
    }

    /// What [`map`](Self::map) is: a function of several arguments takes a tuple here. Python:
    /// `starmap`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![power];
    /// fn power((base, exponent): (u64, u32)) -> u64 {
    ///     base.pow(exponent)
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.starmap(power, [(2, 3), (3, 2)])?, [8, 9]);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`map`](Self::map).
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn starmap<A, R, F>(
        &self,
        function: F,
        tuples: impl IntoIterator<Item = A>,
    ) -> Result<Vec<R>, MapError<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.map(function, tuples)
    }

    /// [`starmap`](Self::starmap) in chunks of so many tuples. Python: `starmap(chunksize=…)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![power];
    /// # fn power((base, exponent): (u64, u32)) -> u64 { base.pow(exponent) }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// assert_eq!(pool.starmap_chunked(power, [(2, 3), (3, 2), (5, 1)], 2)?, [8, 9, 5]);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`map_chunked`](Self::map_chunked).
    ///
    /// # Panics
    /// As [`map`](Self::map).
    pub fn starmap_chunked<A, R, F>(
        &self,
        function: F,
        tuples: impl IntoIterator<Item = A>,
        chunk: usize,
    ) -> Result<Vec<R>, MapError<R>>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        self.map_chunked(function, tuples, chunk)
    }

    /// Calls the function with each item; the results come one by one, in the items' order. Python:
    /// `imap`.
    ///
    /// An input whose length has a known bound is taken now, as in Python, and all calls are made,
    /// also if no result is asked for. One without is taken as its results are, some way ahead: it
    /// may be endless.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let mut squares = pool.imap(square, 1..)?;
    /// assert_eq!(squares.next(), Some(Ok(1)));
    /// assert_eq!(squares.next(), Some(Ok(4)));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`apply_async`](Self::apply_async). What becomes of an item is told with its result.
    pub fn imap<A, R, F, I>(&self, function: F, items: I) -> Result<Imap<'_, I::IntoIter, R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
        I: IntoIterator<Item = A>,
    {
        self.stream(function, items, 1, true)
    }

    /// [`imap`](Self::imap) in chunks of so many items. Python: `imap(chunksize=…)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let sum: Result<u64, _> = pool.imap_chunked(square, 1..=100, 10)?.sum();
    /// assert_eq!(sum?, 338_350);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`imap`](Self::imap); [`Error::NoItems`] for chunks of 0.
    pub fn imap_chunked<A, R, F, I>(
        &self,
        function: F,
        items: I,
        chunk: usize,
    ) -> Result<Imap<'_, I::IntoIter, R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
        I: IntoIterator<Item = A>,
    {
        self.stream(function, items, chunk, true)
    }

    /// [`imap`](Self::imap), in whatever order the results come. Python: `imap_unordered`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let squares: Result<Vec<u64>, _> = pool.imap_unordered(square, 1..=3)?.collect();
    /// let mut squares = squares?;
    /// squares.sort();
    /// assert_eq!(squares, [1, 4, 9]);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`imap`](Self::imap).
    pub fn imap_unordered<A, R, F, I>(
        &self,
        function: F,
        items: I,
    ) -> Result<Imap<'_, I::IntoIter, R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
        I: IntoIterator<Item = A>,
    {
        self.stream(function, items, 1, false)
    }

    /// [`imap_unordered`](Self::imap_unordered) in chunks of so many items. Python:
    /// `imap_unordered(chunksize=…)`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let sum: Result<u64, _> = pool.imap_unordered_chunked(square, 1..=100, 10)?.sum();
    /// assert_eq!(sum?, 338_350);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`imap`](Self::imap); [`Error::NoItems`] for chunks of 0.
    pub fn imap_unordered_chunked<A, R, F, I>(
        &self,
        function: F,
        items: I,
        chunk: usize,
    ) -> Result<Imap<'_, I::IntoIter, R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
        I: IntoIterator<Item = A>,
    {
        self.stream(function, items, chunk, false)
    }

    /// The process ids of the workers. (In Python one looks into `_pool`.)
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # multiprocess::tasks![pid];
    /// # fn pid(_: ()) -> u32 { std::process::id() }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let pid_of_a_worker = pool.apply(pid, ())?;
    /// assert!(pool.worker_pids().contains(&pid_of_a_worker));
    /// assert!(!pool.worker_pids().contains(&std::process::id()));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.engine.worker_pids()
    }

    /// Takes no more tasks; the workers end when all are done. Python: `close`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::Error;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let square_of_five = pool.apply_async(square, 5)?;
    /// pool.close();
    /// assert!(matches!(pool.apply(square, 6), Err(Error::NotRunning)));
    /// assert_eq!(square_of_five.get()?, 25);
    /// # Ok(()) }) }
    /// ```
    pub fn close(&self) {
        self.engine.close();
    }

    /// Waits until the workers have ended. Python: `join`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::Error;
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let square_of_five = pool.apply_async(square, 5)?;
    /// assert!(matches!(pool.join(), Err(Error::StillRunning)));
    /// pool.close();
    /// pool.join()?;
    /// assert!(square_of_five.ready() && pool.worker_pids().is_empty());
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Deadlock`] in a callback of this pool;
    /// [`Error::StillRunning`] before [`close`](Self::close) or [`terminate`](Self::terminate);
    /// [`Error::Unfinished`] if this thread has an [`imap`](Self::imap) that goes on only as it
    /// takes the results.
    pub fn join(&self) -> Result<(), Error> {
        self.engine.join()
    }

    /// Ends the workers now: by SIGTERM, and after half a second by SIGKILL. Tasks without a result
    /// end in [`TaskError::Terminated`](crate::future::TaskError::Terminated). Python: `terminate`.
    ///
    /// ```
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::TaskError;
    /// # multiprocess::tasks![forever];
    /// fn forever(_: ()) {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let result = pool.apply_async(forever, ())?;
    /// pool.terminate();
    /// assert_eq!(result.get(), Err(TaskError::Terminated));
    /// pool.join()?;
    /// # Ok(()) }) }
    /// ```
    pub fn terminate(&self) {
        self.engine.terminate();
    }

    /// Refuses to wait in a callback of this pool, before anything is submitted.
    fn check_can_wait(&self) -> Result<(), Error> {
        if self.engine.is_manager() { Err(Error::Deadlock) } else { Ok(()) }
    }

    fn submit_all<A, R, F>(
        &self,
        function: F,
        items: impl IntoIterator<Item = A>,
        chunk: Option<NonZero<usize>>,
    ) -> Result<AsyncResult<Vec<R>, MapError<R>>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        let function = Listed::of(&function).map_err(Error::Function)?;
        // If the input panics, nothing has been done yet.
        let items: Vec<A> = items.into_iter().collect();
        let (many, result) = Many::new(items.len(), self.engine.link());
        let job = self.engine.open_job(Arc::new(many), None)?;
        let quarter = items.len().div_ceil(4 * self.processes).max(1);
        let chunk = chunk.map_or(quarter, NonZero::get);
        for (index, items) in items.chunks(chunk).enumerate() {
            let submitted = self.engine.submit_chunk(job, (index * chunk) as u64, function, items);
            submitted.map_err(Error::Start)?;
        }
        if items.is_empty() {
            self.engine.close_job(job);
        }
        Ok(result)
    }

    fn stream<A, R, F, I>(
        &self,
        function: F,
        items: I,
        chunk: usize,
        in_order: bool,
    ) -> Result<Imap<'_, I::IntoIter, R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
        I: IntoIterator<Item = A>,
    {
        let function = Listed::of(&function).map_err(Error::Function)?;
        if chunk == 0 {
            return Err(Error::NoItems);
        }
        let items = items.into_iter();
        let results = Stream::new(in_order);
        // Asked once, before the job is open: it may panic.
        let is_bounded = items.size_hint().1.is_some();
        let fed_by = (!is_bounded).then(|| thread::current().id());
        let job = self.engine.open_job(Arc::clone(&results) as _, fed_by)?;
        let ahead = if is_bounded { None } else { Some(self.processes) };
        Ok(Imap::new(&self.engine, job, (function, chunk, ahead), items, results))
    }
}

/// What the types leave no room for: none of these compiles.
///
/// ```compile_fail,E0600
/// # // POOL-15
/// let pool = multiprocess::Pool::new(-1);
/// ```
///
/// ```compile_fail,E0600
/// # // POOL-27
/// let pool = multiprocess::Pool::builder().max_tasks_per_child(-1);
/// ```
///
/// ```compile_fail,E0308
/// # // POOL-27
/// let pool = multiprocess::Pool::builder().max_tasks_per_child(0.5);
/// ```
///
/// ```compile_fail,E0308
/// # // POOL-27
/// let pool = multiprocess::Pool::builder().max_tasks_per_child("12");
/// ```
///
/// ```compile_fail,E0277
/// # // POOL-29
/// let pool = multiprocess::Pool::builder().initializer(123, ());
/// ```
#[cfg(doctest)]
struct Refused;
