//! Arguments of calls as bytes, in pieces of which each fits into a task.

use std::panic::{AssertUnwindSafe, catch_unwind};

use multiprocess::futures::TaskError;
use multiprocess::process::frame;
use serde::Serialize;

use crate::buffers;

/// Largest number of calls of a task that is submitted: the lengths of their arguments, of up to
/// 9 bytes each, fit into a message to any server.
const MOST_CALLS: usize = 4096;

/// Arguments of calls as bytes.
#[derive(Debug, Default)]
pub(crate) struct Encoded {
    /// Arguments that can be sent, in their order; no piece is empty.
    pub(crate) pieces: Vec<Piece>,
    /// For each call, the reason why its arguments can't be sent.
    pub(crate) failed: Vec<Option<TaskError>>,
}

/// Arguments of the calls of one task.
#[derive(Debug, Default)]
pub(crate) struct Piece {
    /// The arguments, one behind the other.
    pub(crate) bytes: Vec<u8>,
    /// Their lengths.
    pub(crate) lengths: Vec<u64>,
}

impl Encoded {
    /// Serialises arguments into pieces of at most so many bytes.
    pub(crate) fn of<A: Serialize>(arguments: &[A], most_bytes: u64) -> Self {
        let mut encoded = Self::default();
        let mut piece = Piece { bytes: buffers::empty(), lengths: Vec::new() };
        for argument in arguments {
            let start = piece.bytes.len();
            let failed = match append(argument, &mut piece.bytes, most_bytes) {
                Ok(length) => {
                    let is_full =
                        piece.bytes.len() as u64 > most_bytes || piece.lengths.len() == MOST_CALLS;
                    if is_full {
                        let bytes = piece.bytes.split_off(start);
                        let next = Piece { bytes, lengths: Vec::new() };
                        encoded.pieces.push(std::mem::replace(&mut piece, next));
                    }
                    piece.lengths.push(length);
                    None
                }
                Err(reason) => {
                    piece.bytes.truncate(start);
                    Some(TaskError::ArgumentsNotSent(reason))
                }
            };
            encoded.failed.push(failed);
        }
        if !piece.lengths.is_empty() {
            encoded.pieces.push(piece);
        }
        encoded
    }
}

/// Appends an argument of at most so many bytes; returns its length, or why it can't be sent.
fn append<A: Serialize>(argument: &A, bytes: &mut Vec<u8>, most_bytes: u64) -> Result<u64, String> {
    let start = bytes.len();
    match catch_unwind(AssertUnwindSafe(|| frame::append(argument, bytes))) {
        Err(panic) => {
            std::mem::forget(panic);
            return Err(String::from("their serialisation panicked"));
        }
        Ok(appended) => appended.map_err(|error| error.to_string())?,
    }
    let length = (bytes.len() - start) as u64;
    if length > most_bytes {
        return Err(format!("they have {length} bytes, and {most_bytes} are allowed"));
    }
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(encoded: &Encoded) -> Vec<usize> {
        encoded.pieces.iter().map(|piece| piece.lengths.len()).collect()
    }

    #[test]
    fn a_piece_has_so_many_calls_and_so_many_bytes_and_no_more() {
        let many = Encoded::of(&vec![7_u64; 10_000], 1 << 30);
        assert_eq!((lengths(&many), many.failed.len()), (vec![4096, 4096, 1808], 10_000));
        let large = Encoded::of(&["a".repeat(60), "b".repeat(30), "c".repeat(30)], 120);
        assert_eq!(lengths(&large), [2, 1]);
        for piece in many.pieces.iter().chain(&large.pieces) {
            assert_eq!(piece.lengths.iter().sum::<u64>(), piece.bytes.len() as u64);
        }
        assert!(large.failed.iter().all(Option::is_none));
        assert!(Encoded::of::<u64>(&[], 100).pieces.is_empty());
    }

    #[test]
    fn an_argument_that_is_too_long_is_told_with_its_own_length() {
        let (mut bytes, long) = (Vec::new(), "b".repeat(200));
        frame::append(&long, &mut bytes).unwrap();
        let encoded = Encoded::of(&["a".repeat(60), long, "c".repeat(30)], 120);
        assert_eq!(lengths(&encoded), [2]);
        let told: Vec<_> = encoded.failed.iter().flatten().map(ToString::to_string).collect();
        let expected = format!("{} bytes, and 120 are allowed", bytes.len());
        assert!(told.len() == 1 && told[0].contains(&expected), "{told:?}");
    }
}
