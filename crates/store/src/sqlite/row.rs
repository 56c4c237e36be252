//! Reading a row's columns from left to right into typed values.

use std::sync::Arc;

use domain::{NameError, UnixMillis};
use serde_json::value::RawValue;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};
use uuid::Uuid;

use super::failure::Failure;
use crate::conversation::Json;

pub(super) struct Columns<'r> {
    row: &'r SqliteRow,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(super) const fn of(row: &'r SqliteRow) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn get<T: Decode<'r, Sqlite> + Type<Sqlite>>(&mut self) -> Result<T, Failure> {
        let index = self.next;
        self.next += 1;
        Ok(self.row.try_get(index)?)
    }

    pub(super) fn id<T>(&mut self, from: impl FnOnce(Uuid) -> T) -> Result<T, Failure> {
        let bytes: &[u8] = self.get()?;
        uuid(bytes).map(from)
    }

    pub(super) fn id_if_any<T>(&mut self, from: impl FnOnce(Uuid) -> T) -> Result<Option<T>, Failure> {
        let bytes: Option<&[u8]> = self.get()?;
        bytes.map(|bytes| uuid(bytes).map(from)).transpose()
    }

    pub(super) fn name<T>(&mut self, from: impl FnOnce(&str) -> Result<T, NameError>) -> Result<T, Failure> {
        let text: &str = self.get()?;
        from(text).map_err(|_| unreadable())
    }

    pub(super) fn name_if_any<T>(
        &mut self,
        from: impl FnOnce(&str) -> Result<T, NameError>,
    ) -> Result<Option<T>, Failure> {
        let text: Option<&str> = self.get()?;
        text.map(from).transpose().map_err(|_| unreadable())
    }

    pub(super) fn text_if_any(&mut self) -> Result<Option<Arc<str>>, Failure> {
        Ok(self.get::<Option<&str>>()?.map(Arc::from))
    }

    pub(super) fn json(&mut self) -> Result<Json, Failure> {
        json(self.get()?)
    }

    pub(super) fn json_if_any(&mut self) -> Result<Option<Json>, Failure> {
        let text: Option<String> = self.get()?;
        text.map(json).transpose()
    }

    pub(super) fn time(&mut self) -> Result<UnixMillis, Failure> {
        self.get().map(UnixMillis)
    }

    pub(super) fn count(&mut self) -> Result<u64, Failure> {
        u64::try_from(self.get::<i64>()?).map_err(|_| unreadable())
    }

    /// One of a closed set of words.
    pub(super) fn word<T: Copy>(&mut self, words: &[(&str, T)]) -> Result<T, Failure> {
        self.word_if_any(words)?.ok_or_else(unreadable)
    }

    pub(super) fn word_if_any<T: Copy>(&mut self, words: &[(&str, T)]) -> Result<Option<T>, Failure> {
        let Some(text) = self.get::<Option<&str>>()? else { return Ok(None) };
        let known = words.iter().find(|(word, _)| *word == text);
        known.map(|(_, value)| Some(*value)).ok_or_else(unreadable)
    }
}

fn uuid(bytes: &[u8]) -> Result<Uuid, Failure> {
    Uuid::from_slice(bytes).map_err(|_| unreadable())
}

fn json(text: String) -> Result<Json, Failure> {
    RawValue::from_string(text).map_err(|_| unreadable())
}

fn unreadable() -> Failure {
    Failure::contradiction("a stored value cannot be read")
}
