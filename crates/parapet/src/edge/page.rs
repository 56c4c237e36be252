//! `/`: a small static page that says what runs here. The chat page takes its place later.

use http::StatusCode;
use http::header::{self, HeaderValue};

use super::answer::{self, Answer};
use super::openapi::Doc;
use super::routes::Request;
use crate::refusal::Refusal;

pub(crate) const DOC: Doc =
    Doc { summary: "A page for people", tag: "Pages", media: "text/html", ..Doc::EMPTY };

const HTML: &str = include_str!("page/index.html");
/// No scripts at all, and only the styles in the page itself.
const POLICY: &str = "default-src 'none'; style-src 'sha256-tvDtOvkgaDHBXZ3WPolFF6y1ukAb61AwPbm3XcTN0TU='; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

pub(crate) async fn index(_request: Request) -> Result<Answer, Refusal> {
    let mut answer =
        answer::bytes(StatusCode::OK, HeaderValue::from_static("text/html; charset=utf-8"), HTML);
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    Ok(answer)
}
