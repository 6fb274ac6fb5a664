//! Sequences of bytes, on a fast path: serde passes bytes one by one; here a `Vec<u8>` is written
//! at once, and read at once.

use std::any::type_name;
use std::fmt;
use std::slice;
use std::sync::LazyLock;

use castaway::cast;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, SeqAccess, Visitor};
use serde::ser::{self, Serialize, Serializer};

use super::Error;
use crate::sys::copy::copied;

/// A serializer that accepts a `u8` and nothing else.
pub(super) struct JustAByte;

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

/// Copies the bytes if the visitor is the one by which serde reads a `Vec<u8>`; returns `None` for
/// any other visitor.
pub(super) fn vec_of<'de, V: Visitor<'de>>(bytes: &[u8]) -> Option<V::Value> {
    static OF_VEC: LazyLock<&str> = LazyLock::new(|| match Vec::<u8>::deserialize(AskVisitor) {
        Err(Name(name)) => name,
        Ok(_) => "",
    });
    let mut value: Option<V::Value> = None;
    let vec = cast!(&mut value, &mut Option<Vec<u8>>).ok()?;
    if type_name::<V>() == *OF_VEC {
        *vec = Some(copied(bytes));
    }
    value
}

/// A deserializer that fails with the name of its visitor.
struct AskVisitor;

#[derive(Debug)]
struct Name(&'static str);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Name {}

impl de::Error for Name {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self("")
    }
}

impl<'de> Deserializer<'de> for AskVisitor {
    type Error = Name;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Name> {
        Err(Name(type_name::<V>()))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct enum identifier ignored_any option
        newtype_struct
    }
}

/// The elements of a sequence of `u8`.
pub(super) struct Bytes<'de>(pub(super) slice::Iter<'de, u8>);

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
