//! What a cluster needs of a message queue, and the one that it uses.
//!
//! ```text
//!   client                    engine                         agent
//!   offer        ──▶ queue of tasks, kept ──▶ fetch, acknowledge
//!   answer       ◀── question, or "nobody is there" ◀──── ask
//!   subscribe    ◀── a message to all that listen ◀─────── tell
//! ```
//!
//! The engine may deliver a task twice, and may forget it: the client and its answers see to it
//! that no task begins twice and none is lost.

#[cfg(test)]
pub(crate) mod memory;
pub(crate) mod nats;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;

/// Messages of a subscription.
pub(crate) type Subscription = Pin<Box<dyn Stream<Item = Message> + Send>>;

/// A message to a subject.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The bytes.
    pub(crate) payload: Bytes,
    /// Subject for the answer, if it is a question.
    pub(crate) reply: Option<String>,
}

/// A task that was fetched and not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Delivery<T> {
    /// The bytes of the task.
    pub(crate) payload: Bytes,
    /// What the engine needs to acknowledge it.
    pub(crate) ticket: T,
}

/// What becomes of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acknowledgement {
    /// The engine forgets the task.
    Taken,
    /// The engine delivers the task again, to any agent.
    GivenBack,
    /// The engine delivers the task again in 5 s, to any agent.
    GivenBackForLater,
}

/// Reason why the engine didn't do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Nobody listens to the subject.
    #[error("nobody is there")]
    NobodyThere,
    /// Anything else; the same may succeed later.
    #[error("{0}")]
    Failed(String),
}

/// What happens to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// There is a connection, again.
    Connected,
    /// The connection is gone. It is made anew without end.
    Disconnected,
    /// The server refuses something for want of a right.
    Refused {
        /// What was refused: `publish to`.
        operation: String,
        /// The subject.
        subject: String,
    },
    /// Messages of a subscription were dropped, because they were not read fast enough.
    Dropped,
}

/// A message queue with questions and answers; a handle, whose clones are the same connection.
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    /// Ticket of a delivery.
    type Ticket: Send + 'static;

    /// Returns the largest message in bytes.
    fn max_payload(&self) -> usize;

    /// Puts a task of this client into the queue; returns once it is kept.
    fn offer(&self, client: &str, task: Bytes) -> impl Future<Output = Result<(), Error>> + Send;

    /// Returns the number of a client's tasks in the queue, also of those that were fetched and not
    /// acknowledged.
    fn kept(&self, client: &str) -> impl Future<Output = Result<usize, Error>> + Send;

    /// Fetches up to `most` tasks. Waits for the first one at most `wait`, and for no other: an
    /// empty answer is no error.
    ///
    /// A fetch that is dropped before it ends may take a task with it, which comes back after the
    /// engine's time for acknowledgements.
    fn fetch(
        &self,
        most: usize,
        wait: Duration,
    ) -> impl Future<Output = Result<Vec<Delivery<Self::Ticket>>, Error>> + Send;

    /// Ends a delivery.
    fn acknowledge(
        &self,
        ticket: Self::Ticket,
        how: Acknowledgement,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sends a question, and returns its answer. Not repeated: it may have been heard even if there
    /// is no answer.
    ///
    /// # Errors
    /// [`Error::NobodyThere`] at once if nobody listens; [`Error::Failed`] without an answer within
    /// 5 s.
    fn ask(
        &self,
        subject: String,
        question: Bytes,
    ) -> impl Future<Output = Result<Bytes, Error>> + Send;

    /// Sends a message to all that listen, perhaps none; also the answer to a question, to its
    /// `reply`.
    fn tell(
        &self,
        subject: String,
        message: Bytes,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Sends a message to all that listen, perhaps none; each may answer to the subject `reply`.
    fn tell_for_answers(
        &self,
        subject: String,
        message: Bytes,
        reply: String,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Waits until what was told has gone to the server, at most for a second.
    fn flush(&self) -> impl Future<Output = ()> + Send;

    /// Listens to a subject from now on, also after a lost connection.
    fn subscribe(
        &self,
        subject: String,
    ) -> impl Future<Output = Result<Subscription, Error>> + Send;
}
