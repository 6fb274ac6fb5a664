//! What a process of the agent's pool does: it calls the function that the client meant.
//!
//! The agent never looks into the arguments. They are decoded here, in a process that may die of
//! them, and so is the result encoded.

use std::fmt;

use bytes::Bytes;
use multiprocess::futures::TaskError;
use multiprocess::process::{FunctionId, frame};
use multiprocess::tasks;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::{attempt, buffers};

tasks![call];

/// A task for a process of the pool.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) function: FunctionId,
    pub(crate) attempt: u32,
    /// Longest result in bytes.
    pub(crate) most_bytes: u64,
    pub(crate) arguments: Packed,
}

/// Bytes that are serialised as such, in one piece, from wherever they lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed(pub(crate) Bytes);

/// Calls the function with the arguments in these bytes, and returns the bytes of its result.
pub(crate) fn call(call: Call) -> Result<Packed, TaskError> {
    attempt::begin(call.attempt);
    let mut result = buffers::empty();
    call.function.call(&call.arguments.0, &mut result).map_err(|error| match error {
        frame::Error::Encode { .. } => TaskError::ResultNotSent(error.to_string()),
        _ => TaskError::ArgumentsNotReceived(error.to_string()),
    })?;
    let (length, limit) = (result.len() as u64, call.most_bytes);
    if length > limit {
        return Err(TaskError::ResultNotSent(too_long(length, limit)));
    }
    Ok(Packed(buffers::filled(result)))
}

/// Says that so many bytes are too many.
pub(crate) fn too_long(length: u64, limit: u64) -> String {
    format!("{length} bytes are more than most_bytes, which is {limit}")
}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Whole;
        impl Visitor<'_> for Whole {
            type Value = Packed;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Packed, E> {
                let mut buffer = buffers::empty_for(bytes.len());
                buffer.extend_from_slice(bytes);
                Ok(Packed(buffers::filled(buffer)))
            }
            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Packed, E> {
                Ok(Packed(bytes.into()))
            }
        }
        deserializer.deserialize_bytes(Whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    tasks![square];

    fn square(number: u64) -> u64 {
        number * number
    }

    fn packed<T: Serialize>(value: &T) -> Packed {
        let mut bytes = Vec::new();
        frame::append(value, &mut bytes).unwrap();
        Packed(bytes.into())
    }

    fn call_of<T: Serialize>(arguments: &T, most_bytes: u64) -> Call {
        let function = FunctionId::of(&square).unwrap();
        Call { function, attempt: 2, most_bytes, arguments: packed(arguments) }
    }

    #[test]
    fn a_call_from_bytes_to_bytes_knows_its_attempt() {
        assert_eq!(call(call_of(&12_u64, 100)), Ok(packed(&144_u64)));
        assert_eq!(crate::attempt(), 2);
    }

    #[test]
    fn arguments_of_another_type_and_a_result_that_is_too_long_are_told() {
        let wrong = call(call_of(&"twelve", 100)).unwrap_err();
        assert!(matches!(wrong, TaskError::ArgumentsNotReceived(_)), "{wrong}");
        let long = call(call_of(&u64::MAX.isqrt(), 1)).unwrap_err().to_string();
        assert!(long.ends_with("bytes are more than most_bytes, which is 1"), "{long}");
    }

    #[test]
    fn packed_bytes_are_those_that_went_in() {
        let bytes = Packed(Bytes::from_static(b"\0 any \xff bytes"));
        let whole = packed(&bytes);
        assert_eq!(frame::decode::<Packed>(&whole.0).unwrap(), bytes);
    }
}
