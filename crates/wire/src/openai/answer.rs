//! Answers of other dialects, written in this one.

use bytes::{Bytes, BytesMut};
use domain::Usage;

use crate::dialect::Head;
use crate::event::{Answer, Event};

/// Writes the chunks of one answer.
#[derive(Debug)]
pub struct AnswerWriter;

impl AnswerWriter {
    #[must_use]
    pub fn new(_head: &Head<'_>, _wants_usage: bool) -> Self {
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
