//! Embeddings in neutral form: texts in, vectors out.

use domain::Usage;

use crate::json::{Fault, FaultKind, Scanner};

/// Texts of one request, and vectors of one answer: as many as the chat dialect's reference allows.
pub const MAX_INPUTS: usize = 2048;

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

/// A vector of finite numbers. Its length is bounded by its text.
pub(crate) fn read_vector(scanner: &mut Scanner<'_>) -> Result<Vec<f32>, Fault> {
    let mut vector = Vec::new();
    let mut array = scanner.array()?;
    while scanner.element(&mut array)? {
        let number: f32 = scanner.number()?.parse().unwrap_or(f32::NAN);
        if !number.is_finite() {
            return Err(scanner.fault(FaultKind::Kind("a finite number")));
        }
        vector.push(number);
    }
    Ok(vector)
}
