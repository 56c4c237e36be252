//! May they, right now? Rate, concurrency and budget limits stand here.
//!
//! This version enforces none, and the config refuses to declare any, so every call is admitted. The permit travels
//! with the call and is released when its answer has been delivered, however that ends.

use crate::agents::Prepared;
use crate::refusal::Refusal;

/// The right to make a call, held until its answer is delivered.
#[must_use]
pub(crate) struct Permit(());

pub(crate) fn admit(_call: &Prepared) -> Result<Permit, Refusal> {
    Ok(Permit(()))
}
