//! [`Task`]: what is to be done.

use bytes::Bytes;
use multiprocess::process::FunctionId;
use serde::{Deserialize, Serialize};

use super::message::{MAX_CALLS, Malformed, ensure, pack, unpack};
use super::subject::is_token;

/// A task: one call of a function, or a chunk of calls. Call `i` of the task has the id
/// `id + i`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Name of the client.
    pub(crate) client: String,
    /// Id of the first call.
    pub(crate) id: u64,
    /// Largest length of a call's result in bytes that the client takes.
    pub(crate) most_bytes: u64,
    /// The function.
    pub(crate) function: FunctionId,
    /// Name of the function, which must be the same at the worker.
    pub(crate) name: String,
    /// Lengths of the calls' arguments in bytes, at least one.
    pub(crate) lengths: Vec<u64>,
    /// The calls' arguments, one behind the other; `None` if the client keeps them to be asked for.
    pub(crate) arguments: Option<Bytes>,
}

#[derive(Serialize, Deserialize)]
struct TaskHeader {
    client: String,
    id: u64,
    most_bytes: u64,
    function: FunctionId,
    name: String,
    lengths: Vec<u64>,
    here: bool,
}

impl Task {
    /// Returns the task's bytes.
    pub(crate) fn encode(self) -> Bytes {
        let Self { client, id, most_bytes, function, name, lengths, arguments } = self;
        let here = arguments.is_some();
        let header = TaskHeader { client, id, most_bytes, function, name, lengths, here };
        pack(&header, arguments.as_slice())
    }

    /// Reads a task whose arguments have at most so many bytes.
    pub(crate) fn decode(message: &Bytes, limit: u64) -> Result<Self, Malformed> {
        let (header, payload) = unpack::<TaskHeader>(message)?;
        let TaskHeader { client, id, most_bytes, function, name, lengths, here } = header;
        ensure(is_token(&client), "a client has no such name")?;
        ensure((1..=MAX_CALLS).contains(&lengths.len()), "a task has no such number of calls")?;
        ensure(id.checked_add(lengths.len() as u64).is_some(), "the calls' ids are too large")?;
        let whole = sum(&lengths).filter(|whole| *whole <= limit);
        let whole = whole.ok_or(Malformed("a task's arguments are too long"))?;
        let expected = if here { whole } else { 0 };
        ensure(payload.len() as u64 == expected, "a task's arguments don't have their length")?;
        let arguments = here.then_some(payload);
        Ok(Self { client, id, most_bytes, function, name, lengths, arguments })
    }

    /// Returns the number of bytes of all arguments.
    pub(crate) fn whole(&self) -> u64 {
        sum(&self.lengths).unwrap_or(u64::MAX)
    }
}

/// Splits bytes into pieces of these lengths; `None` if they don't fit.
pub(crate) fn split(mut bytes: Bytes, lengths: &[u64]) -> Option<Vec<Bytes>> {
    (sum(lengths) == Some(bytes.len() as u64)).then_some(())?;
    let length = |length: &u64| usize::try_from(*length).expect("they fit into the bytes");
    Some(lengths.iter().map(|it| bytes.split_to(length(it))).collect())
}

fn sum(lengths: &[u64]) -> Option<u64> {
    lengths.iter().try_fold(0_u64, |sum, length| sum.checked_add(*length))
}
