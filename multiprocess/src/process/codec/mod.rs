//! Values as bytes: a self-describing form for serde. Python: `pickle`.
//!
//! Each value begins with a byte for its kind, and structs and enums carry the names of their
//! fields and variants, so all of serde's attributes mean what they mean in JSON: a field that is
//! skipped, flattened or missing, an untagged enum, a variant that is never sent. Unlike JSON,
//! `Some(None)` isn't `None`, keys may be of any type, and floats and 128-bit integers stay exact.
//!
//! ```text
//!   0 ..= 95         that number
//!   BOOL … CHAR      the value in 1, 2, 4, 8 or 16 bytes, little-endian
//!   STR, BYTES       length, bytes
//!   UNIT, NONE       nothing
//!   SOME             the value
//!   SEQ              element kind, number of elements, elements
//!   MAP              number of entries, then key and value of each (a struct: a map with names)
//!   VARIANT          length of the name, name, content (a value, a SEQ or a MAP)
//!   UNIT_VARIANT     length of the name, name
//! ```
//!
//! A sequence of numbers of one type has that type as its element kind, and each element only its
//! bytes: a `Vec<u8>` or `Vec<f64>` is as long as it is in memory. In any other sequence the
//! element kind is `ANY`. Lengths and numbers of elements are `u32`.
//!
//! Serde recurses once for each level of a value. Encoder and decoder refuse values nested deeper
//! than [`DEEPEST`], so no message can overflow a stack. A sequence, a map, a struct, a variant
//! with content and a `Some` are a level each.
//!
//! A form by position, such as postcard's, is shorter. But it delivers another variant where one
//! is skipped, shifts the fields behind one that is left out, and can't read untagged or flattened
//! values. Against such a form numbers cost the same here, a `Vec<u8>` less, a struct about three
//! times as much to read.
mod byte;
mod decode;
mod encode;

use std::fmt::{self, Display};

use serde::de;
use serde::ser;

pub(crate) use decode::decode;
pub(crate) use encode::append;

/// Largest number of levels of a value: sequences, maps, structs, variants and options inside each
/// other.
pub(crate) const DEEPEST: u32 = 256;

mod kind {
    /// Lowest kind: a lower byte is a number itself.
    pub(super) const LOWEST: u8 = 0x60;
    pub(super) const FALSE: u8 = 0x60;
    pub(super) const TRUE: u8 = 0x61;
    pub(super) const U8: u8 = 0x62;
    pub(super) const U16: u8 = 0x63;
    pub(super) const U32: u8 = 0x64;
    pub(super) const U64: u8 = 0x65;
    pub(super) const U128: u8 = 0x66;
    pub(super) const I8: u8 = 0x67;
    pub(super) const I16: u8 = 0x68;
    pub(super) const I32: u8 = 0x69;
    pub(super) const I64: u8 = 0x6a;
    pub(super) const I128: u8 = 0x6b;
    pub(super) const F32: u8 = 0x6c;
    pub(super) const F64: u8 = 0x6d;
    pub(super) const CHAR: u8 = 0x6e;
    pub(super) const STR: u8 = 0x6f;
    pub(super) const BYTES: u8 = 0x70;
    pub(super) const UNIT: u8 = 0x71;
    pub(super) const NONE: u8 = 0x72;
    pub(super) const SOME: u8 = 0x73;
    pub(super) const SEQ: u8 = 0x74;
    pub(super) const MAP: u8 = 0x75;
    pub(super) const VARIANT: u8 = 0x76;
    pub(super) const UNIT_VARIANT: u8 = 0x77;
    /// Element kind of a sequence whose elements carry their own kinds.
    pub(super) const ANY: u8 = 0x7f;
    /// Mark in an encoder: the next value is the first element of a sequence, and decides its kind.
    pub(super) const UNDECIDED: u8 = 0x7e;
}

/// The reason why a value could not be written or read, in one sentence.
#[derive(Debug)]
pub(crate) struct Error(Box<str>);

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl ser::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string().into())
    }
}

impl de::Error for Error {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string().into())
    }
}

fn too_deep() -> Error {
    Error(format!("it is nested more than {DEEPEST} levels deep").into())
}

fn too_long() -> Error {
    Error("a part of it is too long: 4 GiB or more".into())
}
