//! The calls of a [`ProcessPoolExecutor`](crate::future::ProcessPoolExecutor), on their way between the
//! engine of `pools` and the futures.
//!
//! ```text
//!   future ──cancel? begun?──▶ Process ──▶ engine ──▶ One, Chunk ──result──▶ promise
//! ```

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::future::TaskError;
use crate::pool::engine::Link;
use crate::pool::sink::Sink;
use crate::pool::sinks::decoded;
use serde::de::DeserializeOwned;

use crate::future::callbacks::contained;
use crate::future::completion::Doer;
use crate::future::promise::Promise;

/// The engine, as the futures of one task see it.
pub(crate) struct Process {
    pub link: Link,
    pub job: u64,
    /// How many of them are neither cancelled nor done when the task had been submitted.
    pub left: AtomicUsize,
}

impl Doer for Process {
    fn cancel(&self) -> bool {
        if self.left.load(Ordering::Acquire) > 1 {
            // Of several calls that go together, one can't be stopped alone.
            return !self.link.has_begun(self.job);
        }
        self.link.cancel(self.job)
    }

    fn forget(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.link.close_job(self.job);
        }
    }

    fn has_begun(&self) -> bool {
        self.link.has_begun(self.job)
    }

    fn before_waiting(&self, _has_limit: bool) -> bool {
        !self.link.is_manager()
    }
}

/// A task of one call.
pub(crate) struct One<R>(pub Mutex<Option<Promise<R>>>);

impl<R> One<R> {
    fn take(&self) -> Option<Promise<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<R: DeserializeOwned + Send + Sync> Sink for One<R> {
    fn done(&self, _item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        if let Some(promise) = self.take() {
            // If it was cancelled, nobody wants it.
            contained(|| promise.complete(decoded(outcome)));
        }
        true
    }

    fn give_up(&self, error: &TaskError) {
        self.done(0, Err(error.clone()));
    }

    fn cancelled(&self) {
        if let Some(promise) = self.take() {
            contained(|| promise.cancel());
        }
    }
}

/// A task of several calls: how many are left, and their promises.
pub(crate) struct Chunk<R>(pub Mutex<(usize, Vec<Option<Promise<R>>>)>);

impl<R> Chunk<R> {
    fn take_all(&self) -> Vec<Option<Promise<R>>> {
        let mut chunk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunk.0 = 0;
        std::mem::take(&mut chunk.1)
    }
}

impl<R: DeserializeOwned + Send + Sync> Sink for Chunk<R> {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let mut chunk = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(item).ok().and_then(|item| chunk.1.get_mut(item));
        let promise = place.and_then(Option::take);
        chunk.0 = chunk.0.saturating_sub(usize::from(promise.is_some()));
        let is_over = chunk.0 == 0;
        drop(chunk);
        if let Some(promise) = promise {
            contained(|| promise.complete(decoded(outcome)));
        }
        is_over
    }

    fn give_up(&self, error: &TaskError) {
        for promise in self.take_all().into_iter().flatten() {
            contained(|| promise.set_exception(error.clone()));
        }
    }

    fn cancelled(&self) {
        let promises = self.take_all().into_iter().flatten();
        promises.for_each(|promise| contained(|| promise.cancel()));
    }
}
