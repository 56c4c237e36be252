//! The parts of a value as serde visits them: items, entries, names, variants.

use serde::de::value::{StrDeserializer, U32Deserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::{Decoding, Error, NodeDeserializer};
use crate::finding::Origin;
use crate::node::{Entry, Node};

/// A place, then a value.
pub(super) struct Placed<D> {
    pub(super) at: Option<u32>,
    pub(super) value: Option<D>,
}

impl<'de, D: de::Deserializer<'de, Error = Error>> de::SeqAccess<'de> for Placed<D> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if let Some(at) = self.at.take() {
            let at: U32Deserializer<Error> = at.into_deserializer();
            return seed.deserialize(at).map(Some);
        }
        self.value.take().map(|value| seed.deserialize(value)).transpose()
    }
}

/// The items of a list.
pub(super) struct Items<'a, 'n> {
    pub(super) list: &'a NodeDeserializer<'n>,
    pub(super) items: std::iter::Enumerate<std::slice::Iter<'n, Node>>,
}

impl<'de> de::SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let next = self.items.next();
        next.map(|(index, node)| {
            seed.deserialize(self.list.child(index.to_string().into(), &node.origin, node))
        })
        .transpose()
    }
}

/// The entries of a map.
pub(super) struct Entries<'a, 'n> {
    map: &'a NodeDeserializer<'n>,
    entries: std::vec::IntoIter<(&'n String, &'n Entry)>,
    value: Option<(&'n String, &'n Entry)>,
}

impl<'a, 'n> Entries<'a, 'n> {
    pub(super) fn new(map: &'a NodeDeserializer<'n>, entries: Vec<(&'n String, &'n Entry)>) -> Self {
        Self { map, entries: entries.into_iter(), value: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.value = self.entries.next();
        let Some((name, entry)) = self.value else { return Ok(None) };
        seed.deserialize(Name { text: name, origin: &entry.key, decoding: self.map.decoding }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((name, entry)) = self.value.take() else { return Err(Error::Recorded) };
        let node = &entry.value;
        // A block section begins at its first key, which is not what is wrong with it.
        let at = if node.as_map().is_some() || node.is_null() { &entry.key } else { &node.origin };
        seed.deserialize(self.map.child(name.into(), at, node))
    }
}

/// The key of a map.
struct Name<'a> {
    text: &'a str,
    origin: &'a Origin,
    decoding: &'a Decoding,
}

impl<'de> de::Deserializer<'de> for Name<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_borrowed_str(self.text)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let at = Some(self.decoding.number_of(self.origin, None));
        let value: StrDeserializer<'de, Error> = self.text.into_deserializer();
        visitor.visit_seq(Placed { at, value: Some(value) })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A variant that has been chosen, and its content.
pub(super) struct Chosen<'a> {
    pub(super) variant: &'a str,
    pub(super) content: Content<'a>,
}

pub(super) enum Content<'a> {
    Node(NodeDeserializer<'a>),
    Text(&'a str),
}

impl<'de> de::EnumAccess<'de> for Chosen<'de> {
    type Error = Error;
    type Variant = Content<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'de>), Error> {
        let variant: StrDeserializer<'de, Error> = self.variant.into_deserializer();
        Ok((seed.deserialize(variant)?, self.content))
    }
}

impl<'de> de::VariantAccess<'de> for Content<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        match self {
            Self::Node(node) => seed.deserialize(node),
            Self::Text(text) => {
                let text: StrDeserializer<'de, Error> = text.into_deserializer();
                seed.deserialize(text)
            }
        }
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        Err(de::Error::invalid_type(de::Unexpected::TupleVariant, &visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Err(de::Error::invalid_type(de::Unexpected::StructVariant, &visitor))
    }
}
