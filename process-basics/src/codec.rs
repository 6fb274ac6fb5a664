//! Values as bytes: a self-describing form for serde. Python: `pickle`.
//!
//! Each value begins with a byte that says what it is, and structs and enums carry the names of
//! their fields and variants, so all of serde's attributes mean what they mean in JSON: a field
//! that is skipped, flattened or missing, an untagged enum, a variant that is never sent. Unlike
//! JSON, `Some(None)` isn't `None`, keys may be of any type, and floats and 128-bit integers stay
//! exact.
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
//! Serde calls itself once for each level of a value. Both directions refuse what is nested deeper
//! than [`DEEPEST`], so no message can overflow a stack. A sequence, a map, a struct, a variant
//! with content and a `Some` are a level each.

use std::any::type_name;
use std::fmt::{self, Display};
use std::slice;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde::ser::{self, Serialize, Serializer};

/// The most levels of a value: sequences, maps, structs, variants and options inside each other.
pub(crate) const DEEPEST: u32 = 256;

mod kind {
    /// Numbers below are the byte itself.
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
    /// Element kind of a sequence whose elements say themselves what they are.
    pub(super) const ANY: u8 = 0x7f;
    /// In an encoder: the next value is the first element of a sequence, and decides its kind.
    pub(super) const UNDECIDED: u8 = 0x7e;
}

/// Why a value could not be written or read, in one sentence.
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

/// Puts the value's bytes behind what is in the buffer.
///
/// # Errors
/// The reason that the value's `Serialize` gives; a value nested too deep; a part of 4 GiB or more.
pub(crate) fn append<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(&mut Encoder { out, depth: 0, expected: kind::ANY, bare: kind::ANY })
}

/// The value whose bytes these are, all of them.
///
/// # Errors
/// The reason that the value's `Deserialize` gives; bytes cut off, left over or nested too deep.
pub(crate) fn decode<'de, T: de::Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Error> {
    let mut decoder = Decoder { rest: bytes, depth: 0, element: kind::ANY };
    let value = T::deserialize(&mut decoder)?;
    match decoder.rest {
        [] => Ok(value),
        rest => Err(Error(format!("{} bytes are left over", rest.len()).into())),
    }
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    depth: u32,
    /// The element kind of the sequence whose element is written next; otherwise `ANY`.
    expected: u8,
    /// The kind of the number that was written last without its kind; otherwise `ANY`.
    bare: u8,
}

impl Encoder<'_> {
    /// Begins a value that says what it is.
    #[inline]
    fn begin(&mut self, kind: u8) {
        (self.expected, self.bare) = (kind::ANY, kind::ANY);
        self.out.push(kind);
    }

    #[inline]
    fn number<const N: usize>(&mut self, kind: u8, small: Option<u8>, bytes: [u8; N]) {
        let expected = std::mem::replace(&mut self.expected, kind::ANY);
        if expected == kind || expected == kind::UNDECIDED {
            self.bare = kind;
            self.out.extend_from_slice(&bytes);
        } else if let Some(small) = small {
            self.begin(small);
        } else {
            self.begin(kind);
            self.out.extend_from_slice(&bytes);
        }
    }

    fn length(&mut self, length: usize) -> Result<(), Error> {
        let length = u32::try_from(length).map_err(|_| too_long())?;
        self.out.extend_from_slice(&length.to_le_bytes());
        Ok(())
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(too_deep()) } else { Ok(()) }
    }

    fn variant(&mut self, kind: u8, name: &str) -> Result<(), Error> {
        self.begin(kind);
        self.length(name.len())?;
        self.out.extend_from_slice(name.as_bytes());
        Ok(())
    }
}

fn too_long() -> Error {
    Error("a part of it is too long: 4 GiB or more".into())
}

/// The byte of a number below 96.
fn small<T>(number: T) -> Option<u8>
where
    u8: TryFrom<T>,
{
    u8::try_from(number).ok().filter(|number| *number < kind::LOWEST)
}

macro_rules! write_numbers {
    ($($method:ident $type:ident $kind:ident $small:expr;)*) => {$(
        #[inline]
        fn $method(self, number: $type) -> Result<(), Error> {
            let small: fn($type) -> Option<u8> = $small;
            self.number(kind::$kind, small(number), number.to_le_bytes());
            Ok(())
        }
    )*};
}

impl<'e, 'a> Serializer for &'e mut Encoder<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Elements<'e, 'a>;
    type SerializeTuple = Elements<'e, 'a>;
    type SerializeTupleStruct = Elements<'e, 'a>;
    type SerializeTupleVariant = Elements<'e, 'a>;
    type SerializeMap = Entries<'e, 'a>;
    type SerializeStruct = Entries<'e, 'a>;
    type SerializeStructVariant = Entries<'e, 'a>;

    write_numbers! {
        serialize_u8 u8 U8 small;
        serialize_u16 u16 U16 small;
        serialize_u32 u32 U32 small;
        serialize_u64 u64 U64 small;
        serialize_u128 u128 U128 small;
        serialize_i8 i8 I8 small;
        serialize_i16 i16 I16 small;
        serialize_i32 i32 I32 small;
        serialize_i64 i64 I64 small;
        serialize_i128 i128 I128 small;
        serialize_f32 f32 F32 |_| None;
        serialize_f64 f64 F64 |_| None;
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.begin(if value { kind::TRUE } else { kind::FALSE });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.number(kind::CHAR, None, u32::from(value).to_le_bytes());
        Ok(())
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        self.begin(kind::STR);
        self.length(value.len())?;
        self.out.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.begin(kind::BYTES);
        self.length(value.len())?;
        self.out.extend_from_slice(value);
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.begin(kind::UNIT);
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Error> {
        self.serialize_unit()
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.begin(kind::NONE);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        self.begin(kind::SOME);
        self.deeper()?;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.variant(kind::UNIT_VARIANT, variant)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        self.variant(kind::VARIANT, variant)?;
        self.deeper()?;
        value.serialize(&mut *self)?;
        self.depth -= 1;
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'e, 'a>, Error> {
        Elements::begin(self, kind::UNDECIDED)
    }

    #[inline]
    fn collect_seq<I: IntoIterator<Item: Serialize>>(self, items: I) -> Result<(), Error> {
        let mut elements = self.serialize_seq(None)?;
        if matches!(type_name::<I::Item>(), "u8" | "&u8") {
            elements.all_bytes(items.into_iter())?;
        } else {
            items.into_iter().try_for_each(|item| elements.element(&item))?;
        }
        elements.finish()
    }

    fn serialize_tuple(self, length: usize) -> Result<Elements<'e, 'a>, Error> {
        let kind = if length < SHORT_TUPLE { kind::ANY } else { kind::UNDECIDED };
        Elements::begin(self, kind)
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Elements<'e, 'a>, Error> {
        Elements::begin(self, kind::ANY)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Elements<'e, 'a>, Error> {
        self.variant(kind::VARIANT, variant)?;
        Elements::begin(self, kind::ANY)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'e, 'a>, Error> {
        Entries::begin(self)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Entries<'e, 'a>, Error> {
        Entries::begin(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Entries<'e, 'a>, Error> {
        self.variant(kind::VARIANT, variant)?;
        Entries::begin(self)
    }
}

/// A sequence, tuple or array that is being written.
struct Elements<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    /// Where the element kind and the number of elements are, to be filled in when they are known.
    header: usize,
    count: u32,
    kind: u8,
}

/// A tuple of fewer elements is most likely no array, and its elements of several types.
const SHORT_TUPLE: usize = 8;

/// Element kind and number of elements, in bytes.
const HEADER: usize = 5;

impl<'e, 'a> Elements<'e, 'a> {
    fn begin(encoder: &'e mut Encoder<'a>, kind: u8) -> Result<Self, Error> {
        encoder.begin(kind::SEQ);
        encoder.deeper()?;
        let header = encoder.out.len();
        encoder.out.extend_from_slice(&[0; HEADER]);
        Ok(Self { encoder, header, count: 0, kind })
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let start = self.encoder.out.len();
        self.encoder.expected = self.kind;
        self.encoder.bare = kind::ANY;
        value.serialize(&mut *self.encoder)?;
        if self.encoder.bare != self.kind {
            if self.kind == kind::UNDECIDED {
                self.kind = self.encoder.bare;
            } else {
                self.give_kinds(start);
            }
        }
        self.count = self.count.checked_add(1).ok_or_else(too_long)?;
        Ok(())
    }

    /// Writes a `Vec<u8>` twenty times as fast as element by element.
    #[inline]
    fn all_bytes<T: Serialize>(&mut self, bytes: impl Iterator<Item = T>) -> Result<(), Error> {
        let (start, mut refused) = (self.encoder.out.len(), Ok(()));
        self.encoder.out.extend(bytes.map(|byte| {
            byte.serialize(JustAByte).unwrap_or_else(|error| {
                refused = Err(error);
                0
            })
        }));
        self.kind = kind::U8;
        self.count = u32::try_from(self.encoder.out.len() - start).map_err(|_| too_long())?;
        refused
    }

    /// Gives each of the numbers written so far its kind, because this element has another one.
    #[cold]
    fn give_kinds(&mut self, start: usize) {
        let first = self.header + HEADER;
        let size = (start - first) / self.count as usize;
        let mut with_kinds = Vec::with_capacity(start - first + self.count as usize);
        for number in self.encoder.out[first..start].chunks(size) {
            with_kinds.push(self.kind);
            with_kinds.extend_from_slice(number);
        }
        self.encoder.out.splice(first..start, with_kinds);
        self.kind = kind::ANY;
    }

    fn finish(self) -> Result<(), Error> {
        let kind = if self.count == 0 { kind::ANY } else { self.kind };
        let header = &mut self.encoder.out[self.header..][..HEADER];
        header[0] = kind;
        header[1..].copy_from_slice(&self.count.to_le_bytes());
        self.encoder.depth -= 1;
        self.encoder.bare = kind::ANY;
        Ok(())
    }
}

/// The serializer of a `u8`, and of nothing else.
struct JustAByte;

macro_rules! no_byte {
    ($($method:ident($($argument:ty),*) $result:ty;)*) => {$(
        fn $method(self, $(_: $argument),*) -> Result<$result, Error> {
            Err(ser::Error::custom("this isn't a byte"))
        }
    )*};
    (generic: $($method:ident($($argument:ty),*);)*) => {$(
        fn $method<T: Serialize + ?Sized>(self, $(_: $argument,)* _: &T) -> Result<u8, Error> {
            Err(ser::Error::custom("this isn't a byte"))
        }
    )*};
}

type Never = ser::Impossible<u8, Error>;

impl Serializer for JustAByte {
    type Ok = u8;
    type Error = Error;
    type SerializeSeq = Never;
    type SerializeTuple = Never;
    type SerializeTupleStruct = Never;
    type SerializeTupleVariant = Never;
    type SerializeMap = Never;
    type SerializeStruct = Never;
    type SerializeStructVariant = Never;

    #[inline]
    fn serialize_u8(self, byte: u8) -> Result<u8, Error> {
        Ok(byte)
    }

    no_byte! {
        serialize_bool(bool) u8;
        serialize_u16(u16) u8;
        serialize_u32(u32) u8;
        serialize_u64(u64) u8;
        serialize_i8(i8) u8;
        serialize_i16(i16) u8;
        serialize_i32(i32) u8;
        serialize_i64(i64) u8;
        serialize_f32(f32) u8;
        serialize_f64(f64) u8;
        serialize_char(char) u8;
        serialize_str(&str) u8;
        serialize_bytes(&[u8]) u8;
        serialize_unit() u8;
        serialize_unit_struct(&'static str) u8;
        serialize_none() u8;
        serialize_unit_variant(&'static str, u32, &'static str) u8;
        serialize_seq(Option<usize>) Never;
        serialize_tuple(usize) Never;
        serialize_tuple_struct(&'static str, usize) Never;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) Never;
        serialize_map(Option<usize>) Never;
        serialize_struct(&'static str, usize) Never;
        serialize_struct_variant(&'static str, u32, &'static str, usize) Never;
    }
    no_byte! {
        generic:
        serialize_some();
        serialize_newtype_struct(&'static str);
        serialize_newtype_variant(&'static str, u32, &'static str);
    }
}

/// A map or struct that is being written.
struct Entries<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    /// Where the number of entries is, to be filled in when it is known.
    header: usize,
    count: u32,
}

impl<'e, 'a> Entries<'e, 'a> {
    fn begin(encoder: &'e mut Encoder<'a>) -> Result<Self, Error> {
        encoder.begin(kind::MAP);
        encoder.deeper()?;
        let header = encoder.out.len();
        encoder.out.extend_from_slice(&[0; 4]);
        Ok(Self { encoder, header, count: 0 })
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.count = self.count.checked_add(1).ok_or_else(too_long)?;
        key.serialize(&mut *self.encoder)
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(&mut *self.encoder)
    }

    fn finish(self) -> Result<(), Error> {
        self.encoder.out[self.header..][..4].copy_from_slice(&self.count.to_le_bytes());
        self.encoder.depth -= 1;
        self.encoder.bare = kind::ANY;
        Ok(())
    }
}

macro_rules! compound {
    ($part:ident: $($trait:ident $method:ident),*) => {$(
        impl ser::$trait for $part<'_, '_> {
            type Ok = ();
            type Error = Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
    (named: $($trait:ident),*) => {$(
        impl ser::$trait for Entries<'_, '_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.key(name)?;
                self.value(value)
            }

            fn end(self) -> Result<(), Error> {
                self.finish()
            }
        }
    )*};
}

compound!(Elements: SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field);
compound!(named: SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Entries<'_, '_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.finish()
    }
}

struct Decoder<'de> {
    rest: &'de [u8],
    depth: u32,
    /// The element kind of the sequence whose element is read next; otherwise `ANY`.
    element: u8,
}

impl<'de> Decoder<'de> {
    fn take(&mut self, length: usize) -> Result<&'de [u8], Error> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn length(&mut self) -> Result<usize, Error> {
        usize::try_from(u32::from_le_bytes(self.bytes()?)).map_err(|_| too_long())
    }

    /// Reads the next value's kind.
    #[inline]
    fn kind(&mut self) -> Result<u8, Error> {
        match std::mem::replace(&mut self.element, kind::ANY) {
            kind::ANY => self.bytes().map(|[kind]| kind),
            kind => Ok(kind),
        }
    }

    /// Returns the next value's kind without reading it, or `None` for an element that has none.
    fn peek(&self) -> Option<u8> {
        (self.element == kind::ANY).then(|| self.rest.first().copied()).flatten()
    }

    /// Reads the next value's kind for a reader that doesn't ask for an option.
    #[inline]
    fn kind_in_some(&mut self) -> Result<u8, Error> {
        loop {
            match self.kind()? {
                kind::SOME => {}
                kind => return Ok(kind),
            }
        }
    }

    fn text(&mut self) -> Result<&'de str, Error> {
        let length = self.length()?;
        str::from_utf8(self.take(length)?).map_err(|_| Error("a text in it isn't UTF-8".into()))
    }

    fn nested<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(too_deep());
        }
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn value<V: Visitor<'de>>(&mut self, kind: u8, visitor: V) -> Result<V::Value, Error> {
        match kind {
            small @ 0..kind::LOWEST => visitor.visit_u8(small),
            kind::FALSE => visitor.visit_bool(false),
            kind::TRUE => visitor.visit_bool(true),
            kind::U8 => visitor.visit_u8(u8::from_le_bytes(self.bytes()?)),
            kind::U16 => visitor.visit_u16(u16::from_le_bytes(self.bytes()?)),
            kind::U32 => visitor.visit_u32(u32::from_le_bytes(self.bytes()?)),
            kind::U64 => visitor.visit_u64(u64::from_le_bytes(self.bytes()?)),
            kind::U128 => visitor.visit_u128(u128::from_le_bytes(self.bytes()?)),
            kind::I8 => visitor.visit_i8(i8::from_le_bytes(self.bytes()?)),
            kind::I16 => visitor.visit_i16(i16::from_le_bytes(self.bytes()?)),
            kind::I32 => visitor.visit_i32(i32::from_le_bytes(self.bytes()?)),
            kind::I64 => visitor.visit_i64(i64::from_le_bytes(self.bytes()?)),
            kind::I128 => visitor.visit_i128(i128::from_le_bytes(self.bytes()?)),
            kind::F32 => visitor.visit_f32(f32::from_le_bytes(self.bytes()?)),
            kind::F64 => visitor.visit_f64(f64::from_le_bytes(self.bytes()?)),
            kind::CHAR => {
                let code = u32::from_le_bytes(self.bytes()?);
                let code = char::from_u32(code).ok_or(Error("a char in it is none".into()));
                visitor.visit_char(code?)
            }
            kind::STR => visitor.visit_borrowed_str(self.text()?),
            kind::BYTES => {
                let length = self.length()?;
                visitor.visit_borrowed_bytes(self.take(length)?)
            }
            kind::UNIT => visitor.visit_unit(),
            kind::NONE => visitor.visit_none(),
            kind::SOME => self.nested(|decoder| visitor.visit_some(decoder)),
            kind::SEQ => {
                let [kind] = self.bytes()?;
                if !matches!(kind, kind::U8..=kind::CHAR | kind::ANY) {
                    return Err(unknown(kind));
                }
                let left = self.length()?;
                self.sequence(kind, left, visitor)
            }
            kind::MAP => {
                let left = self.length()?;
                self.nested(|decoder| {
                    let mut map = Parts { decoder, left, kind: kind::ANY };
                    let value = visitor.visit_map(&mut map)?;
                    finished(value, map.left)
                })
            }
            // As in JSON, for a reader that doesn't know that this is an enum.
            kind::UNIT_VARIANT => visitor.visit_borrowed_str(self.text()?),
            kind::VARIANT => {
                let name = Some(self.text()?);
                visitor.visit_map(Single { name, decoder: self })
            }
            kind => Err(unknown(kind)),
        }
    }

    fn sequence<V: Visitor<'de>>(
        &mut self,
        kind: u8,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if kind == kind::U8 {
            let mut bytes = Bytes(self.take(left)?.iter());
            let value = visitor.visit_seq(&mut bytes)?;
            return finished(value, bytes.0.len());
        }
        self.nested(|decoder| {
            let mut elements = Parts { decoder, left, kind };
            let value = visitor.visit_seq(&mut elements)?;
            finished(value, elements.left)
        })
    }
}

fn cut_off() -> Error {
    Error("it ends too early".into())
}

fn unknown(kind: u8) -> Error {
    Error(format!("no value begins with the byte {kind:#x}").into())
}

/// Numbers, which most programs read most, by the shortest way.
macro_rules! read_numbers {
    ($($method:ident $type:ident $kind:ident $visit:ident;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.kind()? {
                kind::$kind => visitor.$visit($type::from_le_bytes(self.bytes()?)),
                small @ 0..kind::LOWEST => visitor.visit_u8(small),
                kind::SOME => {
                    let kind = self.kind_in_some()?;
                    self.value(kind, visitor)
                }
                kind => self.value(kind, visitor),
            }
        }
    )*};
}

macro_rules! read_as_any {
    ($($method:ident($($argument:ty),*);)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $(_: $argument,)* visitor: V) -> Result<V::Value, Error> {
            let kind = self.kind_in_some()?;
            self.value(kind, visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for &mut Decoder<'de> {
    type Error = Error;

    read_numbers! {
        deserialize_u8 u8 U8 visit_u8;
        deserialize_u16 u16 U16 visit_u16;
        deserialize_u32 u32 U32 visit_u32;
        deserialize_u64 u64 U64 visit_u64;
        deserialize_u128 u128 U128 visit_u128;
        deserialize_i8 i8 I8 visit_i8;
        deserialize_i16 i16 I16 visit_i16;
        deserialize_i32 i32 I32 visit_i32;
        deserialize_i64 i64 I64 visit_i64;
        deserialize_i128 i128 I128 visit_i128;
        deserialize_f32 f32 F32 visit_f32;
        deserialize_f64 f64 F64 visit_f64;
    }
    read_as_any! {
        deserialize_bool();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_unit();
        deserialize_unit_struct(&'static str);
        deserialize_map();
        deserialize_struct(&'static str, &'static [&'static str]);
        deserialize_identifier();
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let kind = self.kind()?;
        self.value(kind, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.peek() {
            Some(kind::NONE | kind::UNIT | kind::SOME) => self.deserialize_any(visitor),
            _ => self.nested(|decoder| visitor.visit_some(decoder)),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// Reads bytes as a sequence, too: a `Vec<u8>` may have been written in either form.
    #[inline]
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind_in_some()? {
            kind::BYTES => {
                let left = self.length()?;
                self.sequence(kind::U8, left, visitor)
            }
            kind => self.value(kind, visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.kind_in_some()?, self.rest) {
            (kind::SEQ, [kind::U8, rest @ ..]) => {
                self.rest = rest;
                self.value(kind::BYTES, visitor)
            }
            (kind, _) => self.value(kind, visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.kind_in_some()? {
            kind::VARIANT => visitor.visit_enum(self),
            kind::STR | kind::UNIT_VARIANT => {
                visitor.visit_enum(BorrowedStrDeserializer::new(self.text()?))
            }
            kind => self.value(kind, visitor),
        }
    }
}

/// The elements of a sequence, or the entries of a map, that are left to be read.
struct Parts<'d, 'de> {
    decoder: &'d mut Decoder<'de>,
    left: usize,
    kind: u8,
}

/// The value, unless its reader left a part unread.
fn finished<T>(value: T, left: usize) -> Result<T, Error> {
    match left {
        0 => Ok(value),
        left => Err(Error(format!("it has {left} more elements than expected").into())),
    }
}

/// The elements of a sequence of `u8`, ten times as fast as those of any other.
struct Bytes<'de>(slice::Iter<'de, u8>);

impl<'de> SeqAccess<'de> for &mut Bytes<'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        self.0.next().map(|byte| seed.deserialize(Byte(*byte))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Byte(u8);

impl<'de> Deserializer<'de> for Byte {
    type Error = Error;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u8(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for &mut Parts<'_, 'de> {
    type Error = Error;

    #[inline]
    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        self.decoder.element = self.kind;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for &mut Parts<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.decoder).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(&mut *self.decoder)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// A variant with content as a map of one entry.
struct Single<'d, 'de> {
    name: Option<&'de str>,
    decoder: &'d mut Decoder<'de>,
}

impl<'de> MapAccess<'de> for Single<'_, 'de> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let name = self.name.take();
        name.map(|name| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    /// Counts a level where the content doesn't do it itself, as the encoder does.
    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.decoder.peek() {
            Some(kind::SEQ | kind::MAP) => seed.deserialize(&mut *self.decoder),
            _ => self.decoder.nested(|decoder| seed.deserialize(decoder)),
        }
    }
}

impl<'de> EnumAccess<'de> for &mut Decoder<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let name = self.text()?;
        Ok((seed.deserialize(BorrowedStrDeserializer::<Error>::new(name))?, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Decoder<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        de::Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        self.nested(|decoder| seed.deserialize(decoder))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }
}
