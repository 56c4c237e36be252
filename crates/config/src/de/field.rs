//! The types that raw sections are made of: a value that may be absent or wrong, a named one, a table of them.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::PLACED;

/// The number of a place, given out by `Decoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At(u32);

impl At {
    pub(super) fn index(self) -> Option<usize> {
        usize::try_from(self.0).ok()
    }
}

impl Default for At {
    /// Nowhere in particular.
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// A value in a section, with the place to complain about.
pub(crate) struct Field<T> {
    state: State<T>,
    pub(crate) at: At,
}

enum State<T> {
    Absent,
    /// There, but wrong, and reported.
    Invalid,
    Valid(T),
}

impl<T> Field<T> {
    pub(crate) fn get(self) -> Option<T> {
        match self.state {
            State::Valid(value) => Some(value),
            State::Absent | State::Invalid => None,
        }
    }

    pub(crate) const fn as_ref(&self) -> Option<&T> {
        match &self.state {
            State::Valid(value) => Some(value),
            State::Absent | State::Invalid => None,
        }
    }

    /// True if nothing is written there; false if what is written is wrong.
    pub(crate) const fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    pub(crate) const fn is_invalid(&self) -> bool {
        matches!(self.state, State::Invalid)
    }
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self { state: State::Absent, at: At::default() }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pair<T> {
            type Value = Field<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value with its place")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut pair: A) -> Result<Field<T>, A::Error> {
                let at = At(pair.next_element()?.unwrap_or(u32::MAX));
                let state = match pair.next_element::<Option<T>>() {
                    Ok(Some(Some(value))) => State::Valid(value),
                    Ok(_) => State::Absent,
                    Err(_) => State::Invalid,
                };
                Ok(Field { state, at })
            }
        }

        deserializer.deserialize_newtype_struct(PLACED, Pair(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A name that someone chose, with its place.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: At,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pair;

        impl<'de> Visitor<'de> for Pair {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name with its place")
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut pair: A) -> Result<Key, A::Error> {
                let at = At(pair.next_element()?.unwrap_or(u32::MAX));
                Ok(Key { text: pair.next_element()?.unwrap_or_default(), at })
            }
        }

        deserializer.deserialize_newtype_struct(PLACED, Pair)
    }
}

/// A map whose keys are names, in the order of the file.
pub(crate) struct Table<T>(Vec<(Key, Field<T>)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.text.as_str())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Key, Field<T>)> {
        self.0.iter()
    }

    pub(crate) fn into_entries(self) -> Vec<(Key, Field<T>)> {
        self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
            type Value = Table<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a section")
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Table<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Table(entries))
            }
        }

        deserializer.deserialize_map(Entries(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Table<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Table_of_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": generator.subschema_for::<T>() })
    }
}
