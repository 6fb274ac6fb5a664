//! [`Many`]: the sink of a job of many items, whose results make one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use crate::pool::engine::Link;
use crate::pool::message::{Sink, decoded};
use crate::pool::result::{AsyncResult, Delivery};
use crate::pool::{MapError, TaskError};

/// Sink of a job of many items, whose results make one.
pub(crate) struct Many<R> {
    whole: Arc<Delivery<Vec<R>, MapError<R>>>,
    items: Mutex<Items<R>>,
}

/// Outcomes that have arrived.
struct Items<R> {
    /// Outcome of each item; `None` once the result was assembled. Errors are rare: boxed, they
    /// take no room.
    outcomes: Option<Outcomes<R>>,
    left: usize,
}

type Outcomes<R> = Vec<Option<Result<R, Box<TaskError>>>>;

impl<R> Many<R> {
    pub(crate) fn new(items: usize, engine: Link) -> (Self, AsyncResult<Vec<R>, MapError<R>>) {
        let delivery = Delivery::new(engine);
        let outcomes = Some((0..items).map(|_| None).collect());
        let items = Mutex::new(Items { outcomes, left: items });
        let many = Self { whole: Arc::clone(&delivery), items };
        many.finish(many.lock());
        (many, AsyncResult { delivery })
    }

    fn lock(&self) -> MutexGuard<'_, Items<R>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Assembles the result if no item is left; returns true if so.
    fn finish(&self, mut items: MutexGuard<'_, Items<R>>) -> bool {
        if items.left > 0 {
            return false;
        }
        if let Some(outcomes) = items.outcomes.take() {
            // Unlocked: callbacks may do anything.
            drop(items);
            self.whole.set(whole(outcomes));
        }
        true
    }
}

/// Collects all results, or the first error with the outcome of each item.
fn whole<R>(outcomes: Outcomes<R>) -> Result<Vec<R>, MapError<R>> {
    let first = outcomes.iter().position(|outcome| !matches!(outcome, Some(Ok(_))));
    let Some(index) = first else {
        return Ok(outcomes.into_iter().flatten().flatten().collect());
    };
    let unbox = |outcome: Option<Result<R, Box<TaskError>>>| match outcome {
        Some(outcome) => outcome.map_err(|error| *error),
        None => Err(TaskError::Terminated),
    };
    let results: Vec<Result<R, TaskError>> = outcomes.into_iter().map(unbox).collect();
    let error = results[index].as_ref().err().cloned().unwrap_or(TaskError::Terminated);
    Err(MapError { index: Some(index), error: error.into(), results })
}

impl<R: DeserializeOwned + Send> Sink for Many<R> {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let outcome = decoded(outcome).map_err(Box::new);
        let mut items = self.lock();
        let outcomes = items.outcomes.as_mut();
        let cell = usize::try_from(item).ok().and_then(|item| outcomes?.get_mut(item));
        if let Some(cell @ None) = cell {
            *cell = Some(outcome);
            items.left -= 1;
        }
        self.finish(items)
    }

    fn give_up(&self, error: &TaskError) {
        let mut items = self.lock();
        let outcomes = items.outcomes.iter_mut().flatten();
        for outcome in outcomes.filter(|outcome| outcome.is_none()) {
            *outcome = Some(Err(Box::new(error.clone())));
        }
        items.left = 0;
        self.finish(items);
    }
}
