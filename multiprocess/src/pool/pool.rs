//! [`Pool`]: the public interface.

use std::any::Any;
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use crate::process::FunctionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::pool::builder::Builder;
use crate::pool::error::{Error, MapError};
use crate::pool::imap::{Imap, Stream};
use crate::pool::many::Many;
use crate::pool::owner::Owner;
use crate::pool::result::{AsyncResult, Delivery};
use crate::pool::settings::Kind;

/// Worker processes that call functions listed in [`tasks!`](crate::tasks). Python:
/// `multiprocessing.Pool`.
///
/// ```
/// use multiprocess::{Pool, tasks};
///
/// tasks![square, power];
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn power((base, exponent): (u64, u32)) -> u64 {
///     base.pow(exponent)
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
///         let pool = Pool::new(3)?;
///         assert_eq!(pool.apply(square, 5)?, 25);
///         assert_eq!(pool.map(square, 1..=6)?, [1, 4, 9, 16, 25, 36]);
///         // A function of several arguments takes a tuple.
///         assert_eq!(pool.starmap(power, [(2, 3), (3, 2)])?, [8, 9]);
///
///         let result = pool.apply_async(square, 7)?;
///         pool.close();
///         pool.join()?;
///         assert_eq!(result.get()?, 49);
///         Ok(())
///     })
/// }
/// ```
///
/// Each task goes to the first worker that is free. If a worker dies, for whatever reason, the item
/// that it was running ends in [`TaskError::WorkerDied`](crate::pool::TaskError::WorkerDied); all
/// other items run, each once, and a new worker replaces the dead one.
///
/// A task should not fork without exec: the forked process keeps what its worker holds in the
/// kernel, so if the worker is killed, others may have to wait until the fork has ended, too, and a
/// task that the worker was just taking may run twice.
///
/// Workers are daemons: they end when this process does, however it ends, and can't start
/// processes. They ignore Ctrl-C; this process decides what it means. Dropping a pool
/// [terminates](Self::terminate) it, as leaving Python's `with` block does.
pub struct Pool {
    pub(crate) engine: Owner,
    pub(crate) processes: usize,
}

impl Builder {
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

impl Pool {
    /// Starts a pool of `processes` workers. Python: `Pool(processes)`.
    ///
    /// # Errors
    /// As [`Builder::build`].
    pub fn new(processes: usize) -> Result<Self, Error> {
        Self::builder().processes(processes).build()
    }

    /// Returns a builder, for more settings than the number of workers. Python: `Pool(…)`.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Calls the function in a worker and waits for its result. Python: `apply`.
    ///
    /// # Errors
    /// [`Error::Task`] if the task has no result; [`Error::Deadlock`] in a callback of this pool;
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

    /// Calls the function in a worker without waiting. Python: `apply_async`.
    ///
    /// # Errors
    /// [`Error::Function`] if the function isn't listed; [`Error::NotRunning`] after
    /// [`close`](Self::close) or [`terminate`](Self::terminate); [`Error::Broken`] if the pool has
    /// given up.
    pub fn apply_async<A, R, F>(&self, function: F, argument: A) -> Result<AsyncResult<R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        let function = FunctionId::of(&function).map_err(Error::Function)?;
        let delivery = Delivery::new(self.engine.link());
        let job = self.engine.open_job(Arc::clone(&delivery) as _, None)?;
        self.engine.submit_chunk(job, 0, function, &[argument]).map_err(Error::Start)?;
        Ok(AsyncResult { delivery })
    }

    /// Calls the function with each item and waits for all results, which keep the items' order.
    /// Python: `map`.
    ///
    /// Items go to the workers in chunks of a quarter of each worker's share, as in Python. If some
    /// items take much longer than others, `map_chunked(…, 1)` spreads them better.
    ///
    /// # Errors
    /// If an item has no result: the first error, with the results of all other items
    /// ([`MapError`]). In a callback of this pool [`Error::Deadlock`]; else as
    /// [`apply_async`](Self::apply_async).
    ///
    /// # Panics
    /// If the input panics; the pool keeps running.
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

    /// Calls [`map`](Self::map) in chunks of `chunk` items. Python: `map(chunksize=…)`.
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

    /// Calls [`map`](Self::map) without waiting. Python: `map_async`, `starmap_async`.
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

    /// Calls [`map_async`](Self::map_async) in chunks of `chunk` items. Python:
    /// `map_async(chunksize=…)`, `starmap_async(chunksize=…)`.
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

    /// Calls [`map`](Self::map) with tuples: a function of several arguments takes one. Python:
    /// `starmap`.
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

    /// Calls [`starmap`](Self::starmap) in chunks of `chunk` tuples. Python:
    /// `starmap(chunksize=…)`.
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

    /// Calls the function with each item; the iterator yields the results one by one, in the items'
    /// order. Python: `imap`.
    ///
    /// An input with a known upper bound on its length is consumed now, as in Python, and all calls
    /// are made, even if no result is asked for. An input without one is consumed a limited way
    /// ahead of the results taken, so it may be endless.
    ///
    /// # Errors
    /// As [`apply_async`](Self::apply_async). The error of an item comes in place of its result.
    pub fn imap<A, R, F, I>(&self, function: F, items: I) -> Result<Imap<'_, I::IntoIter, R>, Error>
    where
        A: Serialize,
        R: DeserializeOwned + Send + 'static,
        F: Fn(A) -> R + Any,
        I: IntoIterator<Item = A>,
    {
        self.stream(function, items, 1, true)
    }

    /// Calls [`imap`](Self::imap) in chunks of `chunk` items. Python: `imap(chunksize=…)`.
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

    /// Calls [`imap`](Self::imap), with the results in the order of their arrival. Python:
    /// `imap_unordered`.
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

    /// Calls [`imap_unordered`](Self::imap_unordered) in chunks of `chunk` items. Python:
    /// `imap_unordered(chunksize=…)`.
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

    /// Returns the workers' process ids. (In Python one looks into `_pool`.)
    #[must_use]
    pub fn worker_pids(&self) -> Vec<u32> {
        self.engine.worker_pids()
    }

    /// Takes no more tasks; the workers end when all tasks are done. Python: `close`.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Waits until the workers have ended. Python: `join`.
    ///
    /// # Errors
    /// [`Error::Deadlock`] in a callback of this pool; [`Error::StillRunning`] before
    /// [`close`](Self::close) or [`terminate`](Self::terminate); [`Error::Unfinished`] if this
    /// thread has an [`imap`](Self::imap) of unknown length, which submits more only while its
    /// results are taken.
    pub fn join(&self) -> Result<(), Error> {
        self.engine.join()
    }

    /// Ends the workers now: by SIGTERM, and after half a second by SIGKILL. Tasks without a result
    /// end in [`TaskError::Terminated`](crate::pool::TaskError::Terminated). Python: `terminate`.
    pub fn terminate(&self) {
        self.engine.terminate();
    }

    /// Refuses to wait in a callback of this pool, before anything is submitted.
    fn check_can_wait(&self) -> Result<(), Error> {
        if self.engine.is_notifying() { Err(Error::Deadlock) } else { Ok(()) }
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
        let function = FunctionId::of(&function).map_err(Error::Function)?;
        // Before a job is opened: the input may panic.
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
        let function = FunctionId::of(&function).map_err(Error::Function)?;
        if chunk == 0 {
            return Err(Error::NoItems);
        }
        let items = items.into_iter();
        let results = Stream::new(in_order);
        // Called once, before a job is opened: it may panic.
        let is_bounded = items.size_hint().1.is_some();
        let fed_by = (!is_bounded).then(|| thread::current().id());
        let job = self.engine.open_job(Arc::clone(&results) as _, fed_by)?;
        let ahead = if is_bounded { None } else { Some(self.processes) };
        Ok(Imap::new(&self.engine, job, (function, chunk, ahead), items, results))
    }
}

/// Programs that the types refuse.
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
