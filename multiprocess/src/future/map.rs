//! [`Map`]: results one by one, in the order of their items.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::deadline::{deadline, time_left};
use crate::future::TaskError;

use crate::future::error::{FutureError, SubmitError};
use crate::future::future::Future;

/// Function that submits the calls of a chunk as one task.
type SubmitChunk<'a, A, R> = dyn FnMut(Vec<A>) -> Result<Vec<Future<R>>, SubmitError> + 'a;

/// Options of [`Executor::map_with`](crate::futures::Executor::map_with).
///
/// ```
/// use std::time::Duration;
///
/// use multiprocess::futures::{Executor, MapOptions, ThreadPoolExecutor};
///
/// let executor = ThreadPoolExecutor::new(2);
/// let options = MapOptions::default().buffersize(4).timeout(Duration::from_secs(60));
/// // This input has no end.
/// let mut roots = executor.map_with(options, u64::isqrt, 1..)?;
/// assert_eq!(roots.next(), Some(Ok(1)));
/// # Ok::<(), multiprocess::futures::SubmitError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct MapOptions {
    timeout: Option<Duration>,
    chunk: Option<usize>,
    buffer: Option<usize>,
}

impl MapOptions {
    /// Sets the time, counted from the call, within which all results must be there. Python:
    /// `timeout`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the number of items that go to a process together, by default 1; threads take them one
    /// by one. Python: `chunksize`.
    pub fn chunksize(mut self, items: usize) -> Self {
        self.chunk = Some(items);
        self
    }

    /// Sets the maximum number of tasks (items, or chunks of them) in flight: the first at the
    /// call, then one for each whose results are taken. Python: `buffersize`.
    pub fn buffersize(mut self, tasks: usize) -> Self {
        self.buffer = Some(tasks);
        self
    }
}

/// Iterator over the results of [`Executor::map`](crate::futures::Executor::map): a `Result` for
/// each item. After an error it goes on with the next item; only [`FutureError::TimedOut`] ends it,
/// and cancels the calls that have not started.
///
/// All calls are made, even if the iterator is dropped unused; with a
/// [`buffersize`](MapOptions::buffersize), that many tasks. Dropping it after the first `next`
/// cancels the calls that have not started. Python: closing the iterator.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use multiprocess::futures::{Executor, ThreadPoolExecutor};
///
/// static SUM: AtomicU64 = AtomicU64::new(0);
///
/// fn add(number: u64) {
///     SUM.fetch_add(number, Ordering::Relaxed);
/// }
///
/// let executor = ThreadPoolExecutor::new(2);
/// // The calls are made though nothing takes the results.
/// executor.map(add, 1..=4)?;
/// executor.shutdown(true, false);
/// assert_eq!(SUM.load(Ordering::Relaxed), 10);
/// # Ok::<(), multiprocess::futures::SubmitError>(())
/// ```
pub struct Map<'a, I: Iterator, R> {
    submit_chunk: Box<SubmitChunk<'a, I::Item, R>>,
    /// The rest of the input; `None` at its end.
    input: Option<I>,
    chunk: usize,
    buffer: usize,
    deadline: Option<Instant>,
    /// Tasks in flight; some futures of the first may have been taken.
    tasks: VecDeque<VecDeque<Future<R>>>,
    /// True if dropping the iterator cancels: while it is being made, for the input may panic, and
    /// once a result was asked for.
    cancels: bool,
    /// The reason why no more calls could be submitted.
    refused: Option<SubmitError>,
}

impl<'a, I: Iterator, R> Map<'a, I, R> {
    pub(crate) fn new(
        options: MapOptions,
        input: I,
        submit_chunk: impl FnMut(Vec<I::Item>) -> Result<Vec<Future<R>>, SubmitError> + 'a,
    ) -> Result<Self, SubmitError> {
        let not_zero = |number: Option<usize>, default, name| match number {
            Some(0) => Err(SubmitError::Zero(name)),
            number => Ok(number.unwrap_or(default)),
        };
        let mut map = Self {
            submit_chunk: Box::new(submit_chunk),
            input: Some(input),
            chunk: not_zero(options.chunk, 1, "chunksize")?,
            buffer: not_zero(options.buffer, usize::MAX, "buffersize")?,
            deadline: deadline(options.timeout),
            tasks: VecDeque::new(),
            cancels: true,
            refused: None,
        };
        map.submit();
        if let Some(refused) = map.refused.take() {
            return Err(refused);
        }
        map.cancels = false;
        Ok(map)
    }

    /// Submits as much of the input as may be in flight.
    fn submit(&mut self) {
        while self.tasks.len() < self.buffer {
            // An input that panics is not used again.
            let Some(mut input) = self.input.take() else { return };
            let items: Vec<I::Item> = input.by_ref().take(self.chunk).collect();
            if items.len() == self.chunk {
                self.input = Some(input);
            }
            if items.is_empty() {
                return;
            }
            match (self.submit_chunk)(items) {
                Ok(futures) => self.tasks.push_back(futures.into()),
                Err(refused) => {
                    self.input = None;
                    self.refused = Some(refused);
                }
            }
        }
    }
}

impl<I: Iterator, R> Map<'_, I, R> {
    fn cancel(&mut self) {
        self.input = None;
        for future in self.tasks.drain(..).flatten() {
            let _ = future.cancel();
        }
    }
}

impl<I: Iterator, R> Iterator for Map<'_, I, R> {
    type Item = Result<R, FutureError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.cancels = true;
        let future = loop {
            match self.tasks.front_mut() {
                Some(task) => match task.pop_front() {
                    Some(future) => break future,
                    None => drop(self.tasks.pop_front()),
                },
                None => self.submit(),
            }
            if self.tasks.is_empty() && self.input.is_none() {
                let refused = self.refused.take()?;
                return Some(Err(TaskError::Broken(refused.to_string()).into()));
            }
        };
        let left = time_left(self.deadline);
        if let Some(left) = left
            && let Err(FutureError::TimedOut) = future.exception_timeout(left)
        {
            let _ = future.cancel();
            self.cancel();
            return Some(Err(FutureError::TimedOut));
        }
        let result = future.into_result();
        if self.tasks.front().is_some_and(VecDeque::is_empty) {
            self.tasks.pop_front();
        }
        self.submit();
        Some(result)
    }
}

impl<I: Iterator, R> Drop for Map<'_, I, R> {
    fn drop(&mut self) {
        if self.cancels {
            self.cancel();
        }
    }
}

/// Shows the number of tasks, whatever the input is.
impl<I: Iterator, R> fmt::Debug for Map<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with {} tasks on their way", self.tasks.len())
    }
}
