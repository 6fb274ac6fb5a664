//! What hears of the results of a job: [`Sink`], and a hold on one.

use std::sync::Arc;

use crate::future::TaskError;
use crate::future::panics::caught;

/// What a job does with what comes of its items.
pub(crate) trait Sink: Send + Sync {
    /// Something came of this item: the bytes of its result, or an error. It is told once, but
    /// perhaps after the job was given up. True if the job has nothing left to wait for.
    ///
    /// The engine's own thread calls it, most often.
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool;

    /// Nothing will come of the items that are left.
    fn give_up(&self, error: &TaskError);

    /// The job was cancelled before anything of it began.
    fn cancelled(&self) {
        self.give_up(&TaskError::Terminated);
    }
}

/// A hold on a job's sink. A sink calls users' code, and the last hold drops what has come: if that
/// panics, it harms nothing here.
#[derive(Clone)]
pub(crate) struct Held(pub Option<Arc<dyn Sink>>);

impl Held {
    pub(crate) fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        let sink = self.0.as_ref();
        sink.is_some_and(|sink| caught(|| sink.done(item, outcome)).unwrap_or(false))
    }

    pub(crate) fn cancelled(&self) {
        if let Some(sink) = &self.0 {
            let _ = caught(|| sink.cancelled());
        }
    }

    pub(crate) fn give_up(&self, error: &TaskError) {
        if let Some(sink) = &self.0 {
            let _ = caught(|| sink.give_up(error));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let sink = self.0.take();
        let _ = caught(|| drop(sink));
    }
}
