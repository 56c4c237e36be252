//! Failures as this API reports them: `{"type":"error","error":{"type","message","details"},"request_id"}`, as the
//! body of a status, as the last event of a stream, or where an answer should be.
//!
//! Each `type` goes with a status, so that a failure without one can be read like one with. A few are not what their
//! status says: an account without money and an organisation that is shut are told as the caller's invalid request.
//! They have an `error_code` of their own, or only a text, which is then known by how it begins: the rest of such a
//! text may be the caller's.
//!
//! Source: <https://platform.claude.com/docs/en/api/errors>, and the error codes of the provider's own libraries.

use std::borrow::Cow;

use crate::event::{UpstreamError, UpstreamKind};
use crate::json::{Fault, Kind, Scanner};
use crate::openai;
use crate::scrub::scrub;

const CODE_LIMIT: usize = 128;

/// Which type comes with which status.
const TYPES: [(&str, u16); 11] = [
    ("invalid_request_error", 400),
    ("authentication_error", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("not_found_error", 404),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("api_error", 500),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// Codes that say more than their status.
const CODES: [(&str, UpstreamKind); 8] = [
    ("contract_spend_limit_reached", UpstreamKind::Quota),
    ("enforced_spend_limit_reached", UpstreamKind::Quota),
    ("linked_organization_spend_limit_reached", UpstreamKind::Quota),
    ("linked_organization_billing_unavailable", UpstreamKind::Quota),
    ("organization_on_hold", UpstreamKind::Credentials),
    ("claude_code_key_creator_not_member", UpstreamKind::Credentials),
    ("cmek_key_disabled", UpstreamKind::Credentials),
    ("cmek_key_network_blocked", UpstreamKind::Credentials),
];

/// Texts without a code that say more than their status: no credit, a spend limit of our own, a closed account.
const TEXTS: [(&str, UpstreamKind); 3] = [
    ("Your credit balance is too low", UpstreamKind::Quota),
    ("You have reached your specified", UpstreamKind::Quota),
    ("This organization has been disabled", UpstreamKind::Credentials),
];

/// What an unsuccessful answer means. The body's texts are kept, scrubbed, for the caller's own faults only; any
/// body will do, also none.
pub(super) fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let report = Report::read(body).unwrap_or_default();
    if let Some(kind) = report.own_trouble() {
        return UpstreamError::silent(kind);
    }
    // The rest is told as in the chat dialect, by the status; only the code has another place.
    let mut error = openai::read_error(status, body);
    if error.message.is_some() && !report.code.is_empty() {
        error.code = Some(scrub(&report.code, CODE_LIMIT));
    }
    error
}

/// An error where there is no status to go by.
pub(super) fn read_failure(body: &[u8]) -> UpstreamError {
    let report = Report::read(body).unwrap_or_default();
    let status = TYPES.iter().find(|(kind, _)| *kind == report.kind).map_or(500, |found| found.1);
    read_error(status, body)
}

#[derive(Default)]
struct Report<'a> {
    kind: Cow<'a, str>,
    message: Cow<'a, str>,
    code: Cow<'a, str>,
}

impl<'a> Report<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let mut scanner = Scanner::new(body)?;
        let mut report = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            if name.is("error") && scanner.peek()? == Kind::Object {
                report.read_error(&mut scanner)?;
            } else {
                scanner.skip()?;
            }
        }
        scanner.end()?;
        Ok(report)
    }

    /// The `error`, or the `details` in it.
    fn read_error(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match (&*name.decode(), scanner.peek()?) {
                ("type", Kind::String) => self.kind = scanner.string()?.decode(),
                ("message", Kind::String) => self.message = scanner.string()?.decode(),
                ("details", Kind::Object) => self.read_details(scanner)?,
                _ => drop(scanner.skip()?),
            }
        }
        Ok(())
    }

    fn read_details(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            if name.is("error_code") && scanner.peek()? == Kind::String {
                self.code = scanner.string()?.decode();
            } else {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    /// Our account, and neither the caller's request nor the service, is what is wrong.
    fn own_trouble(&self) -> Option<UpstreamKind> {
        if self.kind == "billing_error" {
            return Some(UpstreamKind::Quota);
        }
        let by_code = CODES.iter().find(|(code, _)| *code == self.code);
        let by_text = || TEXTS.iter().find(|(text, _)| self.message.starts_with(text));
        by_code.or_else(by_text).map(|found| found.1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(kind: &str, message: &str, code: &str) -> Vec<u8> {
        let details = serde_json::json!({"error_code": code});
        let error = serde_json::json!({"type": kind, "message": message, "details": details});
        serde_json::to_vec(&serde_json::json!({"type": "error", "error": error, "request_id": "req_1"}))
            .unwrap()
    }

    #[test]
    fn without_a_status_the_type_decides() {
        for (kind, expected) in [
            ("invalid_request_error", UpstreamKind::Caller),
            ("authentication_error", UpstreamKind::Credentials),
            ("billing_error", UpstreamKind::Quota),
            ("permission_error", UpstreamKind::Credentials),
            ("not_found_error", UpstreamKind::NotFound),
            ("conflict_error", UpstreamKind::Transient),
            ("request_too_large", UpstreamKind::Caller),
            ("rate_limit_error", UpstreamKind::RateLimited),
            ("api_error", UpstreamKind::Server),
            ("timeout_error", UpstreamKind::Server),
            ("overloaded_error", UpstreamKind::Overloaded),
            ("something_new", UpstreamKind::Server),
        ] {
            assert_eq!(read_failure(&body(kind, "x", "")).kind, expected, "{kind}");
        }
        assert_eq!(read_failure(b"{\"error\":\"oops\"}").kind, UpstreamKind::Server);
        assert_eq!(read_failure(b"<html>").kind, UpstreamKind::Server);
    }

    #[test]
    fn trouble_with_our_account_is_not_the_callers_fault() {
        let kind = |status, message, code| {
            let error = read_error(status, &body("invalid_request_error", message, code));
            assert_eq!((error.message, error.code), (None, None), "{message} {code}");
            error.kind
        };
        let low = "Your credit balance is too low to access the API.";
        assert_eq!(kind(400, low, ""), UpstreamKind::Quota);
        assert_eq!(kind(400, "You have reached your specified API usage limits.", ""), UpstreamKind::Quota);
        assert_eq!(kind(400, "This organization has been disabled.", ""), UpstreamKind::Credentials);
        assert_eq!(kind(429, "x", "enforced_spend_limit_reached"), UpstreamKind::Quota);
        assert_eq!(kind(400, "x", "organization_on_hold"), UpstreamKind::Credentials);
        assert_eq!(kind(429, "x", "ramp_limit_exceeded"), UpstreamKind::RateLimited);
    }

    #[test]
    fn a_caller_cannot_make_its_fault_look_like_our_trouble() {
        let echo = "messages.0: no such role: Your credit balance is too low";
        let error = read_error(400, &body("invalid_request_error", echo, "tool_name_conflict"));
        assert_eq!(error.kind, UpstreamKind::Caller);
        assert_eq!(error.message.as_deref(), Some(echo));
        assert_eq!(error.code.as_deref(), Some("tool_name_conflict"));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(status: u16, body: Vec<u8>) {
            let error = read_error(status, &body);
            prop_assert!(error.message.is_none_or(|message| message.len() <= 1024));
            read_failure(&body);
        }
    }
}
