//! Results one by one, while others are still to come.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::process::Listed;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::future::TaskError;
use crate::pool::engine::Engine;
use crate::pool::sink::Sink;
use crate::pool::sinks::decoded;

/// So many chunks of an input of unknown length are on their way at once, for each worker.
const AHEAD: u64 = 64;

/// The results of [`Pool::imap`](crate::pool::Pool::imap), one by one.
///
/// If the input panics, its panic goes on here, after the results of what came before.
///
/// All calls are made, also if the iterator is dropped unused, as in Python; of an input of unknown
/// length those for what has been taken ahead: 64 chunks for each worker. To drop it after the
/// first `next` is to give up what has not begun.
///
/// In a callback of the same pool, which can't wait for a result, it gives what has come, then
/// [`TaskError::Deadlock`], and then ends.
pub struct Imap<'a, I, R> {
    engine: &'a Engine,
    job: u64,
    function: Listed,
    chunk: usize,
    input: Input<I>,
    /// So many items have been submitted, so many taken.
    submitted: u64,
    taken: u64,
    most_ahead: u64,
    /// Whether a result was asked for.
    has_begun: bool,
    results: Arc<Stream<R>>,
}

enum Input<I> {
    More(I),
    End,
    Panicked(Box<dyn Any + Send>),
}

/// What has come and has not been taken: by item, or by the order in which it came.
pub(crate) struct Stream<R> {
    in_order: bool,
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    come: BTreeMap<u64, Result<R, TaskError>>,
    /// How many have come; how many will have, if that is known.
    count: u64,
    total: Option<u64>,
    /// None will come any more, for this reason.
    over: Option<TaskError>,
    /// Whether they are only counted, because nothing will take them.
    unwanted: bool,
}

impl<R> Stream<R> {
    pub(crate) fn new(in_order: bool) -> Arc<Self> {
        let (come, unwanted) = (BTreeMap::new(), false);
        let state = State { come, count: 0, total: None, over: None, unwanted };
        Arc::new(Self { in_order, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the result in this index; without one returns why.
    fn next(
        &self,
        index: u64,
        deadline: Option<Instant>,
        engine: &Engine,
    ) -> Result<Result<R, TaskError>, TaskError> {
        let mut state = self.lock();
        loop {
            if let Some(next) = state.come.remove(&index) {
                return Ok(next);
            }
            if let Some(error) = &state.over {
                return Err(error.clone());
            }
            let left = deadline.map(|it| it.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return Err(TaskError::TimedOut);
            }
            if engine.is_manager() {
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

    /// Keeps no more results, because nothing takes them. Returns those that have come.
    fn forget(&self) -> BTreeMap<u64, Result<R, TaskError>> {
        let mut state = self.lock();
        state.unwanted = true;
        std::mem::take(&mut state.come)
    }

    /// No more than these will come; true if they have.
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
            state.come.insert(index, outcome);
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
    /// Takes the input, at once or so far ahead as these workers need.
    pub(crate) fn new(
        engine: &'a Engine,
        job: u64,
        (function, chunk, ahead): (Listed, usize, Option<usize>),
        input: I,
        results: Arc<Stream<R>>,
    ) -> Self {
        let most_ahead =
            ahead.map_or(u64::MAX, |workers| (AHEAD * workers as u64).saturating_mul(chunk as u64));
        let input = Input::More(input);
        let (submitted, taken, has_begun) = (0, 0, false);
        let mut imap = Self {
            engine,
            job,
            function,
            chunk,
            input,
            submitted,
            taken,
            most_ahead,
            has_begun,
            results,
        };
        imap.submit();
        imap
    }

    /// Waits for the next result, but no longer than this. Python: `next(timeout)`.
    ///
    /// The time is for the result; what the input takes for its next item comes on top.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::Pool;
    /// # use multiprocess::pool::TaskError;
    /// # multiprocess::tasks![forever, square];
    /// # fn forever(_: ()) { loop { std::thread::park() } }
    /// # fn square(number: u64) -> u64 { number * number }
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
    /// let pool = Pool::new(2)?;
    /// let mut never = pool.imap(forever, [()])?;
    /// assert_eq!(never.next_timeout(Duration::from_millis(10)), Some(Err(TaskError::TimedOut)));
    /// let mut squares = pool.imap(square, [5])?;
    /// assert_eq!(squares.next_timeout(Duration::from_secs(60)), Some(Ok(25)));
    /// assert_eq!(squares.next_timeout(Duration::from_secs(60)), None);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As `next` gives them; [`TaskError::TimedOut`] after the time. The same result may be asked
    /// for again then.
    ///
    /// # Panics
    /// If the input does.
    pub fn next_timeout(&mut self, timeout: Duration) -> Option<Result<R, TaskError>> {
        self.next_until(Instant::now().checked_add(timeout))
    }

    fn next_until(&mut self, deadline: Option<Instant>) -> Option<Result<R, TaskError>> {
        self.has_begun = true;
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
                // Nor will anything come of what is left of the input.
                self.input = Input::End;
                let ends = error == TaskError::Deadlock;
                self.taken = if ends { self.submitted } else { self.taken + 1 };
                Some(Err(error))
            }
        }
    }

    /// Takes as much of the input as may be on its way.
    fn submit(&mut self) {
        while self.submitted - self.taken < self.most_ahead {
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
            // A pool has its workers already.
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
    /// The input is at its end.
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
        if self.has_begun {
            self.engine.close_job(self.job);
            return;
        }
        let come = self.results.forget();
        self.end();
        // Without any lock: to drop a result may do anything.
        drop(come);
    }
}
