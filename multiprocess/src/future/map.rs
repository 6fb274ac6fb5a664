//! [`Map`]: results one by one, in the order of their items.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use crate::future::TaskError;

use crate::future::error::{FutureError, SubmitError};
use crate::future::future::Future;

/// Submits the calls of a chunk as one task.
type SubmitChunk<'a, A, R> = dyn FnMut(Vec<A>) -> Result<Vec<Future<R>>, SubmitError> + 'a;

/// How a map is to be done.
#[derive(Clone, Copy, Debug, Default)]
#[must_use]
pub struct MapOptions {
    timeout: Option<Duration>,
    chunk: Option<usize>,
    buffer: Option<usize>,
}

impl MapOptions {
    /// All results have to be there within this time, counted from the call. Python: `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use multiprocess::futures::{Executor, MapOptions, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let within_a_minute = MapOptions::default().timeout(Duration::from_secs(60));
    /// let roots = executor.map_with(within_a_minute, u64::isqrt, [1, 4, 9])?;
    /// assert_eq!(roots.collect::<Result<Vec<u64>, _>>()?, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// So many items go to a process together; threads take them one by one. Python: `chunksize`.
    ///
    /// ```
    /// # use multiprocess::futures::{Executor, MapOptions, ProcessPoolExecutor};
    /// # multiprocess::tasks![square];
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let executor = ProcessPoolExecutor::new(2)?;
    /// let tens = MapOptions::default().chunksize(10);
    /// let sum: Result<u64, _> = executor.map_with(tens, square, 1..=100)?.sum();
    /// assert_eq!(sum?, 338_350);
    /// # Ok(()) }) }
    /// ```
    pub fn chunksize(mut self, items: usize) -> Self {
        self.chunk = Some(items);
        self
    }

    /// Maximum number of tasks (items, or chunks of them) on their way: the first at the call,
    /// then one for each whose results are taken. Python: `buffersize`.
    ///
    /// ```
    /// use multiprocess::futures::{Executor, MapOptions, ThreadPoolExecutor};
    ///
    /// let executor = ThreadPoolExecutor::new(2);
    /// let four_at_a_time = MapOptions::default().buffersize(4);
    /// // This input has no end.
    /// let mut roots = executor.map_with(four_at_a_time, u64::isqrt, 1..)?;
    /// assert_eq!(roots.next(), Some(Ok(1)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn buffersize(mut self, tasks: usize) -> Self {
        self.buffer = Some(tasks);
        self
    }
}

/// What [`Executor::map`](crate::futures::Executor::map) gives: a `Result` for each item. After an error the next one comes all
/// the same; only after [`FutureError::TimedOut`] nothing does, and what has not begun is
/// cancelled.
///
/// All calls are made, also if the iterator is dropped unused; with a
/// [`buffersize`](MapOptions::buffersize) so many of them. To drop it after the first `next` is to
/// cancel what has not begun. Python: closing the iterator.
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
/// executor.map(add, 1..=4)?;
/// executor.shutdown(true, false);
/// assert_eq!(SUM.load(Ordering::Relaxed), 10);
/// # Ok::<(), multiprocess::futures::SubmitError>(())
/// ```
pub struct Map<'a, I: Iterator, R> {
    submit_chunk: Box<SubmitChunk<'a, I::Item, R>>,
    /// `None` at its end.
    input: Option<I>,
    chunk: usize,
    buffer: usize,
    deadline: Option<Instant>,
    /// Tasks on their way; of the first, some futures may have been taken.
    tasks: VecDeque<VecDeque<Future<R>>>,
    /// Whether to drop it is to cancel: not if the caller has it, but has never asked for a result.
    cancels: bool,
    /// Why no more could be submitted.
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
            deadline: options.timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
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

    /// Takes as much of the input as may be on its way.
    fn submit(&mut self) {
        while self.tasks.len() < self.buffer {
            // If it panics, it is over.
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
        let left = self.deadline.map(|it| it.saturating_duration_since(Instant::now()));
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

/// For all inputs: few of them can be shown.
impl<I: Iterator, R> fmt::Debug for Map<'_, I, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with {} tasks on their way", self.tasks.len())
    }
}
