//! Waiting for several futures: [`wait`] and [`as_completed`].

use std::borrow::Borrow;
use std::collections::HashSet;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::future::error::Unfinished;
use crate::future::future::Future;
use crate::future::waiter::Waiter;

/// What to wait for. Python: `return_when`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnWhen {
    /// Until one is done. Python: `FIRST_COMPLETED`.
    FirstCompleted,
    /// Until one is done that has an error, or all are. A cancelled one has none. Python:
    /// `FIRST_EXCEPTION`.
    FirstException,
    /// Until all are done. Python: `ALL_COMPLETED`.
    AllCompleted,
}

/// Which futures are done, and which are not. Python: `DoneAndNotDoneFutures`.
#[derive(Debug)]
pub struct Waited<F> {
    /// Those that are finished or cancelled, in the order given.
    pub done: Vec<F>,
    /// The others.
    pub not_done: Vec<F>,
}

/// Waits for futures, however long it takes (`None`) or no longer than this. Python: `wait`.
///
/// They are given by handles or by references, and come back as they were given; one that is given
/// twice counts once. A cancelled future is done.
///
/// A callback that must not wait (see [`FutureError::Deadlock`](crate::future::FutureError::Deadlock)) gets
/// what is done now.
///
/// ```
/// use multiprocess::futures::{Executor, ReturnWhen, ThreadPoolExecutor, wait};
///
/// let executor = ThreadPoolExecutor::new(2);
/// let futures = [executor.submit(u64::is_power_of_two, 8)?, executor.submit(u64::is_power_of_two, 9)?];
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

/// Futures one by one, as they are done: those that are done already first. Python: `as_completed`.
///
/// They come back as they were given, by handles or by references; one that is given twice comes
/// once. When the time is over (`None`: however long it takes), counted from this call, an error
/// comes, and nothing after it; as it does at once in a callback that must not wait
/// ([`FutureError::Deadlock`](crate::future::FutureError::Deadlock)).
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

/// What [`as_completed`] gives.
#[derive(Debug)]
pub struct AsCompleted<R, F: Borrow<Future<R>>> {
    /// Those that have not come yet.
    futures: Vec<Option<F>>,
    left: usize,
    /// To so many it was said that this thread waits for them.
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
                future.borrow().tell(&waiter, index);
            }
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let left = futures.len();
        let (asked, is_over) = (0, false);
        Self { futures, left, asked, waiter, deadline, is_over, result: PhantomData }
    }

    fn of(&self, index: usize) -> Option<&Future<R>> {
        self.futures.get(index)?.as_ref().map(Borrow::borrow)
    }

    /// Which is done next.
    fn next_index(&mut self) -> Option<Result<usize, Unfinished>> {
        if self.left == 0 || self.is_over {
            return None;
        }
        // A worker may do one itself.
        while self.asked < self.futures.len() && self.waiter.lock().is_empty() {
            let has_limit = self.deadline.is_some();
            if self.of(self.asked).is_some_and(|future| future.before_waiting(has_limit).is_err()) {
                // It must not wait: it gets what there is.
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
            future.borrow().do_not_tell(&self.waiter);
        }
    }
}
