//! A caller's messages request: the bytes it came as, and the few facts the server decides by.

use bytes::Bytes;

use crate::call::{Call, Parameters};
use crate::dialect::Refused;
use crate::openai::MessageFacts;

/// A checked messages request.
#[derive(Clone, Debug)]
pub struct MessagesRequest {
    body: Bytes,
}

impl MessagesRequest {
    /// # Errors
    /// If the body is not valid JSON nested at most 64 levels, or a member that is read has the wrong type or
    /// occurs twice.
    pub fn parse(_body: Bytes) -> Result<Self, Refused> {
        todo!()
    }

    /// # Errors
    /// As [`MessagesRequest::parse`].
    pub fn parse_count(_body: Bytes) -> Result<Self, Refused> {
        todo!()
    }

    /// As it came.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    #[must_use]
    pub fn model(&self) -> &str {
        todo!()
    }

    #[must_use]
    pub const fn stream(&self) -> bool {
        todo!()
    }

    #[must_use]
    pub const fn tool_count(&self) -> usize {
        todo!()
    }

    #[must_use]
    pub fn characters(&self) -> usize {
        todo!()
    }

    #[must_use]
    pub fn messages(&self) -> &[MessageFacts] {
        todo!()
    }

    #[must_use]
    pub fn with_agent(self, _prompt: &str, _defaults: &Parameters) -> Self {
        todo!()
    }

    /// The body for a provider that knows the model as `model`.
    #[must_use]
    pub fn for_upstream(&self, _model: &str) -> Bytes {
        todo!()
    }

    /// # Errors
    /// If a member that has a neutral form does not have the dialect's.
    pub fn to_call(&self) -> Result<Call, Refused> {
        todo!()
    }
}
