//! [`Imap`]: results one by one, while others are still to come.
//!
//! An input whose length has a bound is taken at once, as in Python: so the pool may be closed and
//! joined before the results are taken, and all calls are made also if no result ever is. One
//! without a bound may be endless, and is taken as far as results are. To join the pool then, in
//! the thread that should take them, is an error instead of a wait for ever.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::deadline::{deadline, time_left};
use crate::process::FunctionId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::TaskError;
use crate::pool::engine::Engine;
use crate::pool::message::{Sink, decoded};

/// Number of chunks of an input of unknown length that are in flight at once, for each worker.
const AHEAD: u64 = 64;

/// Iterator over the results of [`Pool::imap`](crate::pool::Pool::imap). Python: `IMapIterator`.
///
/// ```
/// use std::time::Duration;
///
/// use multiprocess::{Failure, Pool, tasks};
///
/// tasks![square];
///
/// fn square(number: u64) -> u64 {
///     number * number
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let pool = Pool::new(2)?;
///         // This input has no end.
///         let mut squares = pool.imap(square, 1..)?;
///         assert_eq!(squares.next(), Some(Ok(1)));
///         assert_eq!(squares.next_timeout(Duration::from_secs(60)), Some(Ok(4)));
///
///         let sum: Result<u64, _> = pool.imap_unordered_chunked(square, 1..=100, 10)?.sum();
///         assert_eq!(sum?, 338_350);
///         Ok(())
///     })
/// }
/// ```
///
/// If the input panics, the panic resumes here, after the results of the items before.
///
/// All calls are made, even if the iterator is dropped unused, as in Python; for an input of
/// unknown length those of the chunks in flight: 64 for each worker. Dropping the iterator after
/// the first `next` cancels the calls that have not started.
///
/// In a callback of the same pool, which can't wait for a result, the iterator yields the results
/// that have come, then [`TaskError::Deadlock`], and ends.
pub struct Imap<'a, I, R> {
    engine: &'a Engine,
    job: u64,
    function: FunctionId,
    chunk: usize,
    input: Input<I>,
    /// Number of items submitted.
    submitted: u64,
    /// Number of results taken.
    taken: u64,
    max_ahead: u64,
    /// True once `next` was called.
    was_polled: bool,
    results: Arc<Stream<R>>,
}

enum Input<I> {
    More(I),
    End,
    Panicked(Box<dyn Any + Send>),
}

/// Sink of results that have not been taken, by item or by order of arrival.
pub(crate) struct Stream<R> {
    in_order: bool,
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    arrived: BTreeMap<u64, Result<R, TaskError>>,
    /// Number of results that have arrived.
    count: u64,
    /// Number of results that will arrive in all, if that is known.
    total: Option<u64>,
    /// The reason why no more results will arrive.
    over: Option<TaskError>,
    /// True if results are only counted, because nothing will take them.
    unwanted: bool,
}

impl<R> Stream<R> {
    pub(crate) fn new(in_order: bool) -> Arc<Self> {
        let (arrived, unwanted) = (BTreeMap::new(), false);
        let state = State { arrived, count: 0, total: None, over: None, unwanted };
        Arc::new(Self { in_order, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the result with this index; returns an error if none will come in time.
    fn next(
        &self,
        index: u64,
        deadline: Option<Instant>,
        engine: &Engine,
    ) -> Result<Result<R, TaskError>, TaskError> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.arrived.remove(&index) {
                return Ok(next);
            }
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Err(TaskError::TimedOut);
            }
            if engine.is_notifying() {
                return Err(TaskError::Deadlock);
            }
            state = match left {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Discards all results from now on, and returns those that have arrived.
    fn forget(&self) -> BTreeMap<u64, Result<R, TaskError>> {
        let mut state = self.lock();
        state.unwanted = true;
        std::mem::take(&mut state.arrived)
    }

    /// Sets the total number of results; returns true if all have arrived.
    fn end_at(&self, total: u64) -> bool {
        let mut state = self.lock();
        state.total = Some(total);
        state.count >= total
    }
}

impl<R: DeserializeOwned + Send> Sink for Stream<R> {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let is_wanted = !self.lock().unwanted;
        let outcome = is_wanted.then(|| decoded(outcome));
        let mut state = self.lock();
        let index = if self.in_order { item } else { state.count };
        if let Some(outcome) = outcome {
            state.arrived.insert(index, outcome);
        }
        state.count += 1;
        self.changed.notify_all();
        state.total.is_some_and(|total| state.count >= total)
    }

    fn give_up(&self, error: &TaskError) {
        self.lock().over = Some(error.clone());
        self.changed.notify_all();
    }
}

impl<'a, A, I, R> Imap<'a, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned + Send + 'static,
{
    /// Submits the input: all of it, or as far ahead as `ahead` workers need.
    pub(crate) fn new(
        engine: &'a Engine,
        job: u64,
        (function, chunk, ahead): (FunctionId, usize, Option<usize>),
        input: I,
        results: Arc<Stream<R>>,
    ) -> Self {
        let max_ahead =
            ahead.map_or(u64::MAX, |workers| (AHEAD * workers as u64).saturating_mul(chunk as u64));
        let input = Input::More(input);
        let (submitted, taken, was_polled) = (0, 0, false);
        let mut imap = Self {
            engine,
            job,
            function,
            chunk,
            input,
            submitted,
            taken,
            max_ahead,
            was_polled,
            results,
        };
        imap.submit();
        imap
    }

    /// Waits for the next result, at most `timeout`. Python: `next(timeout)`.
    ///
    /// The time is for the result; what the input takes to produce its next item comes on top.
    ///
    /// # Errors
    /// As `next` yields them; [`TaskError::TimedOut`] after `timeout`: the same result can be asked
    /// for again.
    ///
    /// # Panics
    /// If the input panics.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<R, TaskError>> {
        self.next_until(deadline(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Result<R, TaskError>> {
        self.was_polled = true;
        self.submit();
        if self.taken == self.submitted {
            if let Input::Panicked(panic) = std::mem::replace(&mut self.input, Input::End) {
                resume_unwind(panic);
            }
            return None;
        }
        match self.results.next(self.taken, deadline, self.engine) {
            Ok(result) => {
                self.taken += 1;
                Some(result)
            }
            Err(TaskError::TimedOut) => Some(Err(TaskError::TimedOut)),
            Err(error) => {
                // No item of the input will have a result any more.
                self.input = Input::End;
                let ends = error == TaskError::Deadlock;
                self.taken = if ends { self.submitted } else { self.taken + 1 };
                Some(Err(error))
            }
        }
    }

    /// Submits as much of the input as may be in flight.
    fn submit(&mut self) {
        while self.submitted - self.taken < self.max_ahead {
            let Input::More(input) = &mut self.input else { return };
            let chunk = self.chunk;
            let next = catch_unwind(AssertUnwindSafe(|| input.take(chunk).collect::<Vec<A>>()));
            let items = match next {
                Ok(items) => items,
                Err(panic) => {
                    self.input = Input::Panicked(panic);
                    return self.end();
                }
            };
            let ends = items.len() < chunk;
            // Fails only without workers; a pool has them already.
            let _ = self.engine.submit_chunk(self.job, self.submitted, self.function, &items);
            self.submitted += items.len() as u64;
            if ends {
                self.input = Input::End;
                self.end();
            }
        }
    }
}

impl<I, R> Imap<'_, I, R> {
    /// Closes the job if all results have arrived; else only marks the input's end.
    fn end(&self) {
        if self.results.end_at(self.submitted) {
            self.engine.close_job(self.job);
        } else {
            self.engine.all_submitted(self.job);
        }
    }
}

impl<A, I, R> Iterator for Imap<'_, I, R>
where
    A: Serialize,
    I: Iterator<Item = A>,
    R: DeserializeOwned + Send + 'static,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(None)
    }
}

impl<I, R> Drop for Imap<'_, I, R> {
    fn drop(&mut self) {
        if self.was_polled {
            self.engine.close_job(self.job);
            return;
        }
        let arrived = self.results.forget();
        self.end();
        // Unlocked: dropping a result may do anything.
        drop(arrived);
    }
}
