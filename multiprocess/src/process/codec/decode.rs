//! Reading values.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::byte::{self, Bytes};
use super::{DEEPEST, Error, kind, too_deep, too_long};
use crate::sys::copy::copied;

/// Decodes a value from its bytes, all of them.
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
        str::from_utf8(self.take(length)?).map_err(|_| no_text())
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
            let bytes = self.take(left)?;
            if let Some(value) = byte::vec_of::<V>(bytes) {
                return Ok(value);
            }
            let mut bytes = Bytes(bytes.iter());
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

fn no_text() -> Error {
    Error("a text in it isn't UTF-8".into())
}

fn unknown(kind: u8) -> Error {
    Error(format!("no value begins with the byte {kind:#x}").into())
}

/// Reads a number directly, because numbers are what most programs read most.
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

    /// Reads bytes, or a sequence: a `Vec<u8>` may have been written in either form.
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

    /// Copies the text here, where it is done as fast as can be.
    #[inline]
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.kind_in_some()? {
            kind::STR => {
                let length = self.length()?;
                let text = String::from_utf8(copied(self.take(length)?)).map_err(|_| no_text())?;
                visitor.visit_string(text)
            }
            kind => self.value(kind, visitor),
        }
    }

    /// As [`deserialize_string`](Self::deserialize_string).
    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.kind_in_some()?, self.rest) {
            (kind::BYTES, _) => {}
            (kind::SEQ, [kind::U8, rest @ ..]) => self.rest = rest,
            (kind, _) => return self.value(kind, visitor),
        }
        let length = self.length()?;
        visitor.visit_byte_buf(copied(self.take(length)?))
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

/// Returns the value, or an error if its reader left a part unread.
fn finished<T>(value: T, left: usize) -> Result<T, Error> {
    match left {
        0 => Ok(value),
        left => Err(Error(format!("it has {left} more elements than expected").into())),
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

/// A variant with content, as a map of one entry.
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

    /// Counts a level where the content doesn't count it, as the encoder does.
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
