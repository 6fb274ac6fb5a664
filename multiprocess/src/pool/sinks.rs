//! Sinks that assemble a job's outcomes: one result, or the results of many items in order.
//!
//! ```text
//!                                            ┌───────── one ────────┐
//!   manager ──bytes or an error──▶ decoded ──┤                      ├──▶ Delivery, AsyncResult
//!                                            └──▶ Many ──the whole──┘
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::process::frame;
use serde::de::DeserializeOwned;

use crate::future::panics::caught;
use crate::pool::engine::Link;
use crate::pool::result::{AsyncResult, Delivery};
use crate::pool::sink::Sink;
use crate::pool::{MapError, TaskError};

/// Deserialises an item's outcome.
///
/// # Errors
/// The item's error; [`TaskError::ResultNotReceived`] if its result can't be deserialised.
pub(super) fn decoded<R: DeserializeOwned>(
    outcome: Result<&[u8], TaskError>,
) -> Result<R, TaskError> {
    let bytes = outcome?;
    let reason = match caught(|| frame::decode(bytes)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => format!("its deserialisation panicked: {panic}"),
    };
    Err(TaskError::ResultNotReceived(reason))
}

/// The future is itself the sink of a job of one item: very many such jobs may wait.
impl<R: DeserializeOwned + Send> Sink for Delivery<R, TaskError> {
    fn done(&self, _item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        if !self.is_ready() {
            self.set(decoded(outcome));
        }
        true
    }

    fn give_up(&self, error: &TaskError) {
        self.done(0, Err(error.clone()));
    }
}

/// Sink of a job of many items, whose results make one.
pub(crate) struct Many<R> {
    whole: Arc<Delivery<Vec<R>, MapError<R>>>,
    items: Mutex<Items<R>>,
}

/// What has arrived.
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
