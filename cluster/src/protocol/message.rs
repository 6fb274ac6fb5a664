//! The form of all messages: a header, and bytes as they are.

use bytes::Bytes;
use multiprocess::process::frame;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::buffers;

/// Longest header in bytes.
const MAX_HEADER: usize = 1 << 20;

/// Largest number of calls of a task, of questions and of outcomes in a message.
pub(crate) const MAX_CALLS: usize = 1 << 16;

/// Largest part in bytes of arguments and results in one message: a mebibyte, with what its type
/// adds, has two.
const MAX_PART: usize = 520 << 10;

/// Returns the largest part in bytes of arguments and results in one message to a server with this
/// limit, so that a header fits in, too.
pub(crate) fn part_size(max_payload: usize) -> usize {
    MAX_PART.min(max_payload.saturating_sub(4 << 10)).max(1)
}

/// Reason why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Malformed(pub(super) &'static str);

/// Messages that are a header alone.
pub(crate) trait Plain: Serialize + DeserializeOwned {
    /// Checks names and numbers.
    fn check(&self) -> Result<(), Malformed>;

    /// Returns the message's bytes.
    fn encode(&self) -> Bytes {
        pack(self, &[])
    }

    /// Reads a message.
    fn decode(message: &Bytes) -> Result<Self, Malformed> {
        let (message, rest) = unpack::<Self>(message)?;
        ensure(rest.is_empty(), "bytes are left behind the message")?;
        message.check().map(|()| message)
    }
}

pub(super) fn pack<H: Serialize>(header: &H, payload: &[Bytes]) -> Bytes {
    let bytes = payload.iter().map(Bytes::len).sum();
    let mut message = buffers::empty_for(bytes);
    message.resize(4, 0);
    frame::append(header, &mut message).expect("numbers and texts can be serialised");
    let length = u32::try_from(message.len() - 4).expect("a header is short");
    message[..4].copy_from_slice(&length.to_le_bytes());
    message.reserve_exact(bytes);
    payload.iter().for_each(|bytes| message.extend_from_slice(bytes));
    buffers::filled(message)
}

pub(super) fn unpack<H: DeserializeOwned>(message: &Bytes) -> Result<(H, Bytes), Malformed> {
    let (length, rest) = message.split_first_chunk().ok_or(Malformed("a message has no header"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    ensure(length <= MAX_HEADER.min(rest.len()), "a header is longer than its message")?;
    let header = frame::decode(&rest[..length]);
    let header = header.map_err(|_| Malformed("a header has another form"))?;
    Ok((header, message.slice(4 + length..)))
}

pub(super) fn ensure(holds: bool, otherwise: &'static str) -> Result<(), Malformed> {
    if holds { Ok(()) } else { Err(Malformed(otherwise)) }
}
