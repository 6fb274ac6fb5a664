//! Waiting for several futures: [`wait`] and [`as_completed`].

use std::borrow::Borrow;
use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::deadline::deadline;
use crate::future::error::Unfinished;
use crate::future::future::Future;
use crate::future::waiter::Waiter;

/// Condition for the end of [`wait`]. Python: `return_when`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnWhen {
    /// A future is done. Python: `FIRST_COMPLETED`.
    FirstCompleted,
    /// A future is done with an error (a cancelled one has none), or all are done. Python:
    /// `FIRST_EXCEPTION`.
    FirstException,
    /// All futures are done. Python: `ALL_COMPLETED`.
    AllCompleted,
}

/// Result of [`wait`]. Python: `DoneAndNotDoneFutures`.
#[derive(Debug)]
pub struct Waited<F> {
    /// The futures that are finished or cancelled, in the order given.
    pub done: Vec<F>,
    /// The other futures.
    pub not_done: Vec<F>,
}

/// Waits for futures, at most `timeout` (`None`: without limit). Python: `wait`.
///
/// Futures are given as handles or as references, and come back as they were given; duplicates
/// count once. A cancelled future is done.
///
/// In a callback that must not wait (see
/// [`FutureError::Deadlock`](crate::futures::FutureError::Deadlock)) it returns what is done now.
///
/// ```
/// use multiprocess::futures::{Executor, ReturnWhen, ThreadPoolExecutor, wait};
///
/// let executor = ThreadPoolExecutor::new(2);
/// let futures = [executor.submit(u64::isqrt, 81)?, executor.submit(u64::isqrt, 16)?];
/// let waited = wait(&futures, None, ReturnWhen::AllCompleted);
/// assert_eq!((waited.done.len(), waited.not_done.len()), (2, 0));
/// # Ok::<(), multiprocess::futures::SubmitError>(())
/// ```
pub fn wait<R, F: Borrow<Future<R>>>(
    futures: impl IntoIterator<Item = F>,
    timeout: impl Into<Option<Duration>>,
    return_when: ReturnWhen,
) -> Waited<F> {
    let mut waiting = AsCompleted::new(futures, timeout.into());
    let mut is_enough = waiting.futures.is_empty();
    while !is_enough && let Some(Ok(index)) = waiting.next_index() {
        is_enough = match return_when {
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => waiting.of(index).is_some_and(has_error),
            ReturnWhen::AllCompleted => false,
        };
    }
    let futures = waiting.futures.drain(..).flatten();
    let (done, not_done) = futures.partition(|future| future.borrow().done());
    Waited { done, not_done }
}

fn has_error<R>(future: &Future<R>) -> bool {
    matches!(future.exception_timeout(Duration::ZERO), Ok(Some(_)))
}

/// Iterates over futures as they are done, first those that are done already. Python:
/// `as_completed`.
///
/// Futures are given as handles or as references, and come back as they were given; duplicates come
/// once. When `timeout`, counted from this call, is over (`None`: without limit), the iterator
/// yields an error, and ends; so it does at once in a callback that must not wait
/// ([`FutureError::Deadlock`](crate::futures::FutureError::Deadlock)).
///
/// ```
/// use multiprocess::futures::{Executor, ThreadPoolExecutor, as_completed};
///
/// let executor = ThreadPoolExecutor::new(2);
/// let futures = [executor.submit(u64::isqrt, 81)?, executor.submit(u64::isqrt, 16)?];
/// let mut sum = 0;
/// for future in as_completed(futures, None) {
///     sum += future?.result()?;
/// }
/// assert_eq!(sum, 13);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<R, F: Borrow<Future<R>>>(
    futures: impl IntoIterator<Item = F>,
    timeout: impl Into<Option<Duration>>,
) -> AsCompleted<R, F> {
    AsCompleted::new(futures, timeout.into())
}

/// Iterator of [`as_completed`].
#[derive(Debug)]
pub struct AsCompleted<R, F: Borrow<Future<R>>> {
    /// The futures that have not come yet.
    futures: Vec<Option<F>>,
    left: usize,
    /// Number of futures that know that this thread waits for them.
    asked: usize,
    waiter: Arc<Waiter>,
    deadline: Option<Instant>,
    is_over: bool,
    result: PhantomData<fn() -> R>,
}

impl<R, F: Borrow<Future<R>>> AsCompleted<R, F> {
    fn new(futures: impl IntoIterator<Item = F>, timeout: Option<Duration>) -> Self {
        let mut known = HashSet::new();
        let futures = futures.into_iter().filter(|future| known.insert(future.borrow().address()));
        let futures: Vec<Option<F>> = futures.map(Some).collect();
        let waiter = Arc::new(Waiter::default());
        for (index, future) in futures.iter().enumerate() {
            if let Some(future) = future {
                future.borrow().add_waiter(&waiter, index);
            }
        }
        let deadline = deadline(timeout);
        let left = futures.len();
        let (asked, is_over) = (0, false);
        Self { futures, left, asked, waiter, deadline, is_over, result: PhantomData }
    }

    fn of(&self, index: usize) -> Option<&Future<R>> {
        self.futures.get(index)?.as_ref().map(Borrow::borrow)
    }

    /// Returns the index of the next future that is done.
    fn next_index(&mut self) -> Option<Result<usize, Unfinished>> {
        if self.left == 0 || self.is_over {
            return None;
        }
        // A worker thread may run a call itself.
        while self.asked < self.futures.len() && self.waiter.lock().is_empty() {
            let has_limit = self.deadline.is_some();
            if self.of(self.asked).is_some_and(|future| future.before_waiting(has_limit).is_err()) {
                // This thread must not wait: it gets what is done now.
                self.deadline = Some(Instant::now());
                break;
            }
            self.asked += 1;
        }
        match self.waiter.next(self.deadline) {
            Some(index) => {
                self.left -= 1;
                Some(Ok(index))
            }
            None => {
                self.is_over = true;
                Some(Err(Unfinished { unfinished: self.left, all: self.futures.len() }))
            }
        }
    }
}

impl<R, F: Borrow<Future<R>>> Iterator for AsCompleted<R, F> {
    type Item = Result<F, Unfinished>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_index()? {
            Ok(index) => self.futures[index].take().map(Ok),
            Err(error) => Some(Err(error)),
        }
    }
}

impl<R, F: Borrow<Future<R>>> Drop for AsCompleted<R, F> {
    fn drop(&mut self) {
        for future in self.futures.iter().flatten() {
            future.borrow().remove_waiter(&self.waiter);
        }
    }
}
