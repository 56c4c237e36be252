//! What we say ourselves in this dialect: answers of providers that speak another one, and errors.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use domain::Usage;

use crate::dialect::Head;
use crate::error::ErrorBody;
use crate::event::{Answer, Event};

/// Writes the events of one answer.
#[derive(Debug)]
pub struct AnswerWriter;

impl AnswerWriter {
    #[must_use]
    pub fn new(_head: &Head<'_>) -> Self {
        todo!()
    }

    pub fn event(&mut self, _out: &mut BytesMut, _event: &Event<'_>) {
        todo!()
    }

    pub fn close(&mut self, _out: &mut BytesMut, _usage: &Usage) {
        todo!()
    }
}

/// A unary answer.
#[must_use]
pub fn answer(_head: &Head<'_>, _answer: &Answer<'_>, _usage: &Usage) -> Bytes {
    todo!()
}

pub fn write_error(_out: &mut BytesMut, _error: &ErrorBody<'_>) {
    todo!()
}

pub fn write_error_event(_out: &mut BytesMut, _error: &ErrorBody<'_>) {
    todo!()
}

/// What this dialect calls a member that the chat dialect calls `name`.
#[must_use]
pub fn member(name: &str) -> Cow<'_, str> {
    name.into()
}
