//! Writing values.

use std::any::type_name;

use serde::ser::{self, Serialize, Serializer};

use super::byte::JustAByte;
use super::{DEEPEST, Error, kind, too_deep, too_long};
use crate::sys::copy::append as append_bytes;

/// Appends a value's bytes to the buffer.
///
/// # Errors
/// The reason that the value's `Serialize` gives; a value nested too deep; a part of 4 GiB or more.
pub(crate) fn append<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), Error> {
    value.serialize(&mut Encoder { out, depth: 0, expected: kind::ANY, bare: kind::ANY })
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    depth: u32,
    /// Element kind of the sequence whose element is written next; otherwise `ANY`.
    expected: u8,
    /// Kind of the number that was written last without its kind; otherwise `ANY`.
    bare: u8,
}

impl Encoder<'_> {
    /// Begins a value that carries its kind.
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

/// Returns the byte of a number below 96.
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
        append_bytes(self.out, value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        self.begin(kind::BYTES);
        self.length(value.len())?;
        append_bytes(self.out, value);
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
    /// Offset of the element kind and the number of elements, filled in when they are known.
    header: usize,
    count: u32,
    kind: u8,
}

/// Number of elements below which a tuple is most likely no array, but has elements of several
/// types.
const SHORT_TUPLE: usize = 8;

/// Size of the element kind and the number of elements, in bytes.
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

    /// Writes bytes at once, twenty times as fast as element by element.
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

    /// Gives each number written so far its kind, because this element has another kind.
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

/// A map or struct that is being written.
struct Entries<'e, 'a> {
    encoder: &'e mut Encoder<'a>,
    /// Offset of the number of entries, filled in when it is known.
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
