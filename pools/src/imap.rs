//! Results one by one, while others are still to come.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use process_basics::Listed;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::TaskError;
use crate::engine::{Engine, Sink};
use crate::sinks::decoded;

/// So many chunks of an input of unknown length are on their way at once, for each worker.
const AHEAD: u64 = 64;

/// The results of [`Pool::imap`](crate::Pool::imap), one by one.
///
/// If the input panics, its panic goes on here, after the results of what came before. To drop it is
/// to give up what has not begun.
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
}

impl<R> Stream<R> {
    pub(crate) fn new(in_order: bool) -> Arc<Self> {
        let state = State { come: BTreeMap::new(), count: 0, total: None, over: None };
        Arc::new(Self { in_order, state: Mutex::new(state), changed: Condvar::new() })
    }

    fn lock(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let outcome = decoded(outcome);
        let mut state = self.lock();
        let place = if self.in_order { item } else { state.count };
        state.come.insert(place, outcome);
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
    pub(crate) fn new(
        engine: &'a Engine,
        job: u64,
        (function, chunk, processes): (Listed, usize, usize),
        input: I,
        results: Arc<Stream<R>>,
    ) -> Self {
        let most_ahead = match input.size_hint() {
            (_, Some(_)) => u64::MAX,
            (_, None) => (AHEAD * processes as u64).saturating_mul(chunk as u64),
        };
        let input = Input::More(input);
        let (submitted, taken) = (0, 0);
        let mut imap =
            Self { engine, job, function, chunk, input, submitted, taken, most_ahead, results };
        imap.submit();
        imap
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
        self.submit();
        if self.taken == self.submitted {
            if let Input::Panicked(panic) = std::mem::replace(&mut self.input, Input::End) {
                resume_unwind(panic);
            }
            return None;
        }
        let mut state = self.results.lock();
        let next = loop {
            if let Some(next) = state.come.remove(&self.taken) {
                break next;
            }
            if let Some(error) = &state.over {
                // Nor will anything come of what is left of the input.
                self.input = Input::End;
                break Err(error.clone());
            }
            state = self.results.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        };
        self.taken += 1;
        Some(next)
    }
}

impl<I, R> Drop for Imap<'_, I, R> {
    fn drop(&mut self) {
        self.engine.close_job(self.job);
    }
}
