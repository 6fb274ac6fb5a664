//! The calls of a [`ProcessPoolExecutor`](crate::pool::ProcessPoolExecutor), between the pool's
//! engine and the futures.
//!
//! ```text
//!   future ──cancel? begun?──▶ ProcessCall ──▶ engine ──▶ One, Chunk ──result──▶ promise
//! ```
//!
//! The calls of a chunk are cancelled one by one, as long as the chunk has not begun; with the
//! last of them the chunk goes.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::future::TaskError;
use crate::pool::engine::Link;
use crate::pool::sink::{Sink, decoded};
use serde::de::DeserializeOwned;

use crate::future::callbacks::contained;
use crate::future::future::{CallControl, Ends};
use crate::future::promise::Promise;

/// Control over the job of one task, shared by its futures.
pub(crate) struct ProcessCall {
    pub link: Link,
    /// The job, once it is open: before any other thread has a future of it.
    pub job: OnceLock<u64>,
    /// Number of futures that are neither cancelled nor were done when the task had been submitted.
    pub left: AtomicUsize,
}

impl ProcessCall {
    pub(crate) fn new(link: Link, calls: usize) -> Arc<Self> {
        Arc::new(Self { link, job: OnceLock::new(), left: AtomicUsize::new(calls) })
    }
}

impl<R> CallControl<R> for Arc<ProcessCall> {
    fn cancel(&self) -> bool {
        let Some(job) = self.job.get() else { return false };
        if self.left.load(Ordering::Acquire) > 1 {
            // A call can't be stopped alone while others of its chunk are wanted.
            return !self.link.has_begun(*job);
        }
        self.link.cancel(*job)
    }

    fn forget(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1
            && let Some(job) = self.job.get()
        {
            self.link.close_job(*job);
        }
    }

    fn has_begun(&self) -> bool {
        self.job.get().is_some_and(|job| self.link.has_begun(*job))
    }

    fn before_waiting(&self, _: &Ends<R>, _: bool) -> bool {
        !self.link.is_notifying()
    }
}

/// Sink of a task of one call.
pub(crate) struct One<R>(pub Mutex<Option<Promise<R>>>);

impl<R> One<R> {
    fn take(&self) -> Option<Promise<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<R: DeserializeOwned + Send + Sync> Sink for One<R> {
    fn done(&self, _item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        if let Some(promise) = self.take() {
            // An error means that the future was cancelled meanwhile.
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

/// Sink of a task of several calls.
pub(crate) struct Chunk<R>(Mutex<Calls<R>>);

struct Calls<R> {
    left: usize,
    /// Promises of the calls that are left.
    promises: Vec<Option<Promise<R>>>,
}

impl<R> Chunk<R> {
    pub(crate) fn new(promises: impl IntoIterator<Item = Promise<R>>) -> Self {
        let promises: Vec<_> = promises.into_iter().map(Some).collect();
        Self(Mutex::new(Calls { left: promises.len(), promises }))
    }

    fn take_all(&self) -> Vec<Option<Promise<R>>> {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        calls.left = 0;
        std::mem::take(&mut calls.promises)
    }
}

impl<R: DeserializeOwned + Send + Sync> Sink for Chunk<R> {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let promise = usize::try_from(item).ok().and_then(|item| calls.promises.get_mut(item));
        let promise = promise.and_then(Option::take);
        calls.left = calls.left.saturating_sub(usize::from(promise.is_some()));
        let is_over = calls.left == 0;
        drop(calls);
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
