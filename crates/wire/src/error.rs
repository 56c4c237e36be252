//! The neutral error body: what a caller is told, before a dialect gives it a shape.

use domain::RequestId;

/// Everything an error answer can say. Dialects render what they have a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorBody<'a> {
    pub message: &'a str,
    /// One of the closed list of INTERFACES.md, such as `invalid_request_error`; rendered as `type`.
    pub kind: &'a str,
    pub param: Option<&'a str>,
    pub code: Option<&'a str>,
    pub request_id: RequestId,
    pub hint: Option<&'a str>,
    /// Streams only: the same request may succeed if sent again.
    pub retryable: bool,
    /// Streams only: a part of the answer was sent.
    pub partial: bool,
}
