//! Embeddings in this dialect: a caller's request, a provider's answer, and the other way round.

use bytes::Bytes;

use crate::dialect::Refused;
use crate::embedding::{Embedding, Embeddings};
use crate::event::Malformed;
use crate::provider::Uncarried;

/// A checked request for embeddings, in the caller's own bytes.
#[derive(Clone, Debug)]
pub struct EmbeddingRequest {
    body: Bytes,
}

impl EmbeddingRequest {
    /// # Errors
    /// If the body is not valid JSON nested at most 64 levels, or a member that is read has the wrong type or
    /// occurs twice.
    pub fn parse(_body: Bytes) -> Result<Self, Refused> {
        todo!()
    }

    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    #[must_use]
    pub fn model(&self) -> &str {
        todo!()
    }

    /// The caller wants its vectors in base64 (little-endian `f32`).
    #[must_use]
    pub const fn base64(&self) -> bool {
        todo!()
    }

    /// Characters of all inputs.
    #[must_use]
    pub const fn characters(&self) -> usize {
        todo!()
    }

    /// The body for a provider that knows the model as `model`.
    #[must_use]
    pub fn for_upstream(&self, _model: &str) -> Bytes {
        todo!()
    }

    /// # Errors
    /// If a member that has a neutral form does not have the dialect's.
    pub fn to_embedding(&self) -> Result<Embedding, Refused> {
        todo!()
    }
}

pub(super) fn encode(_request: &Embedding, _model: &str) -> Result<Bytes, Uncarried> {
    todo!()
}

pub(super) fn read(_body: &[u8]) -> Result<Embeddings, Malformed> {
    todo!()
}

/// An answer.
#[must_use]
pub fn embeddings(_model: &str, _embeddings: &Embeddings, _usage: &domain::Usage, _base64: bool) -> Bytes {
    todo!()
}
