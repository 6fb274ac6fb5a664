//! [`Done`]: what came of calls.

use bytes::Bytes;
use multiprocess::futures::TaskError;
use serde::{Deserialize, Serialize};

use super::message::{MAX_CALLS, Malformed, ensure, pack, unpack};
use super::worker_id::WorkerId;

/// Outcomes of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The agent.
    pub(crate) worker: WorkerId,
    /// Ids of calls, numbers of the attempts, and what came of them.
    pub(crate) outcomes: Vec<(u64, u32, Outcome)>,
}

/// Outcome of a call, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The bytes of the whole result.
    Result(Bytes),
    /// A part of the bytes of the result.
    Part(ResultPart),
    /// The reason why there is no result.
    Failed(TaskError),
    /// There was an outcome, and the agent has dropped it: the client was away for too long.
    Dropped,
}

/// A part of a result that is too large for one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultPart {
    /// Length of the whole result in bytes.
    pub(crate) whole: u64,
    /// Number of bytes before this part.
    pub(crate) from: u64,
    /// The part, at least one byte.
    pub(crate) bytes: Bytes,
}

#[derive(Serialize, Deserialize)]
struct DoneHeader {
    worker: WorkerId,
    outcomes: Vec<(u64, u32, OutcomeHeader)>,
}

#[derive(Serialize, Deserialize)]
enum OutcomeHeader {
    Result { length: u64 },
    Part { whole: u64, from: u64, length: u64 },
    Failed(TaskError),
    Dropped,
}

impl Done {
    /// Returns the message's bytes.
    pub(crate) fn encode(self) -> Bytes {
        let mut payload = Vec::new();
        let headers = self.outcomes.into_iter().map(|(id, attempt, outcome)| {
            let mut keep = |bytes: Bytes| {
                let length = bytes.len() as u64;
                payload.push(bytes);
                length
            };
            let header = match outcome {
                Outcome::Result(bytes) => OutcomeHeader::Result { length: keep(bytes) },
                Outcome::Part(ResultPart { whole, from, bytes }) => {
                    OutcomeHeader::Part { whole, from, length: keep(bytes) }
                }
                Outcome::Failed(error) => OutcomeHeader::Failed(error),
                Outcome::Dropped => OutcomeHeader::Dropped,
            };
            (id, attempt, header)
        });
        let outcomes = headers.collect();
        pack(&DoneHeader { worker: self.worker, outcomes }, &payload)
    }

    /// Reads outcomes, each of at most so many bytes.
    pub(crate) fn decode(message: &Bytes, most_bytes: u64) -> Result<Self, Malformed> {
        let (DoneHeader { worker, outcomes }, mut payload) = unpack(message)?;
        worker.check()?;
        ensure(outcomes.len() <= MAX_CALLS, "too many outcomes")?;
        let mut take = |length: u64| {
            let length = usize::try_from(length).ok().filter(|it| *it <= payload.len());
            Ok(payload.split_to(length.ok_or(Malformed("an outcome is cut off"))?))
        };
        let read = |(id, attempt, header)| {
            let outcome = match header {
                OutcomeHeader::Failed(error) => Outcome::Failed(error),
                OutcomeHeader::Dropped => Outcome::Dropped,
                OutcomeHeader::Result { length } => {
                    ensure(length <= most_bytes, "a result is too long")?;
                    Outcome::Result(take(length)?)
                }
                OutcomeHeader::Part { whole, from, length } => {
                    let fits = from.checked_add(length).is_some_and(|end| end <= whole);
                    ensure(length > 0 && fits && whole <= most_bytes, "no part of a result")?;
                    Outcome::Part(ResultPart { whole, from, bytes: take(length)? })
                }
            };
            Ok((id, attempt, outcome))
        };
        let outcomes = outcomes.into_iter().map(read).collect::<Result<_, Malformed>>()?;
        ensure(payload.is_empty(), "bytes are left behind the outcomes")?;
        Ok(Self { worker, outcomes })
    }
}
