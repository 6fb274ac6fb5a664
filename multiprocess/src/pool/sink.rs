//! [`Sink`]: the receiver of a job's outcomes, and [`GuardedSink`], which contains its panics.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::future::TaskError;
use crate::future::panics::caught;
use crate::process::frame;

/// Receiver of the outcomes of a job's items.
pub(crate) trait Sink: Send + Sync {
    /// Takes an item's outcome: the bytes of its result, or an error. Returns true if no item is
    /// left.
    ///
    /// Called once for each item, mostly by the manager's thread, and perhaps after the job was
    /// given up.
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool;

    /// Ends all items that are left in this error.
    fn give_up(&self, error: &TaskError);

    /// Ends the job, which was cancelled before an item started.
    fn cancelled(&self) {
        self.give_up(&TaskError::Terminated);
    }
}

/// Shared handle to a job's sink. A sink runs users' code (callbacks, destructors of results): its
/// panics end here.
#[derive(Clone, Default)]
pub(crate) struct GuardedSink(pub Option<Arc<dyn Sink>>);

impl GuardedSink {
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

impl Drop for GuardedSink {
    fn drop(&mut self) {
        let sink = self.0.take();
        let _ = caught(|| drop(sink));
    }
}

/// Deserialises an item's outcome.
///
/// # Errors
/// The item's error; [`TaskError::ResultNotReceived`] if its result can't be deserialised.
pub(crate) fn decoded<R: DeserializeOwned>(
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
