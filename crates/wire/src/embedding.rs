//! Embeddings in neutral form: texts in, vectors out.

use domain::Usage;

/// A request for embeddings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Embedding {
    /// At least one text.
    pub inputs: Vec<String>,
    /// The length of a vector; none: the model's own.
    pub dimensions: Option<u32>,
    /// What the original asks beyond this, as paths into it.
    pub uncarried: Vec<String>,
}

/// One vector per input, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    pub vectors: Vec<Vec<f32>>,
    pub usage: Option<Usage>,
}
