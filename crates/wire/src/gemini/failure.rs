//! Failures as the API reports them: `{"error":{"code","message","status","details"}}`, at times in an array.
//!
//! `status` is a canonical code of Google's APIs and `details` say more (<https://google.aip.dev/193>). Four things
//! cannot be told by the HTTP status: a key that is not valid comes as 400, and so does an account that is not allowed
//! to call from where it is without billing; a file of somebody else's is the same 403 as a key without rights; and a
//! quota of the day that is used up is the same 429 as a busy minute. Where only the text tells, it is known by how it
//! begins: the rest may repeat what the caller said.

use std::borrow::Cow;
use std::time::Duration;

use crate::event::{UpstreamError, UpstreamKind};
use crate::json::{Fault, Kind, Scanner};
use crate::openai::kind_of;
use crate::scrub::scrub;

const MESSAGE_LIMIT: usize = 1024;
const WORD_LIMIT: usize = 128;

/// What an unsuccessful answer means; any body will do, also none.
pub(super) fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let report = Report::read(body).unwrap_or_default();
    report.tell(report.kind(status), matches!(status, 400 | 403 | 404 | 413 | 422))
}

/// The value of an `error` member in a stream or in the body of a success: there is only its own word to go by.
pub(super) fn read(scanner: &mut Scanner<'_>) -> Result<UpstreamError, Fault> {
    let mut report = Report::default();
    report.error(scanner)?;
    let kind = report.kind(report.http_status());
    Ok(report.tell(kind, matches!(kind, UpstreamKind::Caller | UpstreamKind::NotFound)))
}

/// Canonical codes and their HTTP statuses
/// (<https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto>).
const CODES: [(&str, u16); 16] = [
    ("ABORTED", 409),
    ("ALREADY_EXISTS", 409),
    ("CANCELLED", 499),
    ("DATA_LOSS", 500),
    ("DEADLINE_EXCEEDED", 504),
    ("FAILED_PRECONDITION", 400),
    ("INTERNAL", 500),
    ("INVALID_ARGUMENT", 400),
    ("NOT_FOUND", 404),
    ("OUT_OF_RANGE", 400),
    ("PERMISSION_DENIED", 403),
    ("RESOURCE_EXHAUSTED", 429),
    ("UNAUTHENTICATED", 401),
    ("UNAVAILABLE", 503),
    ("UNIMPLEMENTED", 501),
    ("UNKNOWN", 500),
];

/// How the texts begin that say that this account is not served as it is, whatever is asked of it
/// (<https://ai.google.dev/gemini-api/docs/troubleshooting>).
const NOT_SERVED: [&str; 4] = [
    "User location is not supported",
    "Gemini API free tier is not available",
    "Please enable billing",
    "This API method requires billing",
];

/// How the texts begin that say that a file is somebody else's, or none.
const NOT_THEIRS: [&str; 1] = ["You do not have permission to access the File"];

#[derive(Default)]
struct Report<'a> {
    code: Option<u16>,
    message: Cow<'a, str>,
    status: Cow<'a, str>,
    /// The last of the details' reasons (<https://google.aip.dev/193#errorinfo>), which are names.
    reason: Cow<'a, str>,
    /// A quota of a day was violated.
    daily: bool,
    retry_after: Option<Duration>,
}

impl<'a> Report<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let mut scanner = Scanner::new(body)?;
        let mut report = Self::default();
        if scanner.peek()? == Kind::Array {
            let mut array = scanner.array()?;
            while scanner.element(&mut array)? {
                report.body(&mut scanner)?;
            }
        } else {
            report.body(&mut scanner)?;
        }
        scanner.end()?;
        Ok(report)
    }

    fn body(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            if name.is("error") {
                self.error(scanner)?;
            } else {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    fn error(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if scanner.peek()? != Kind::Object {
            return scanner.skip().map(drop);
        }
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match (&*name.decode(), scanner.peek()?) {
                ("code", Kind::Number) => self.code = scanner.number()?.parse().ok(),
                ("message", Kind::String) => self.message = scanner.string()?.decode(),
                ("status", Kind::String) => self.status = scanner.string()?.decode(),
                ("details", Kind::Array) => {
                    let mut array = scanner.array()?;
                    while scanner.element(&mut array)? {
                        self.detail(scanner)?;
                    }
                }
                _ => drop(scanner.skip()?),
            }
        }
        Ok(())
    }

    /// An `ErrorInfo` with its reason, a `QuotaFailure` with its violations, a `RetryInfo` with its delay, or something
    /// else.
    fn detail(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if scanner.peek()? != Kind::Object {
            return scanner.skip().map(drop);
        }
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match (&*name.decode(), scanner.peek()?) {
                ("reason", Kind::String) => self.reason = scanner.string()?.decode(),
                ("retryDelay", Kind::String) => self.retry_after = seconds(&scanner.string()?.decode()),
                ("violations", Kind::Array) => {
                    let mut array = scanner.array()?;
                    while scanner.element(&mut array)? {
                        self.violation(scanner)?;
                    }
                }
                _ => drop(scanner.skip()?),
            }
        }
        Ok(())
    }

    /// Quotas are named after what they count and per what: `GenerateRequestsPerDayPerProjectPerModel-FreeTier`.
    fn violation(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        if scanner.peek()? != Kind::Object {
            return scanner.skip().map(drop);
        }
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            if name.is("quotaId") && scanner.peek()? == Kind::String {
                self.daily |= scanner.string()?.decode().contains("PerDay");
            } else {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    fn http_status(&self) -> u16 {
        let known = CODES.iter().find(|(code, _)| *code == self.status).map(|(_, status)| *status);
        self.code.filter(|code| (400..=599).contains(code)).or(known).unwrap_or(500)
    }

    fn kind(&self, status: u16) -> UpstreamKind {
        match status {
            // https://github.com/googleapis/googleapis/blob/master/google/api/error_reason.proto
            400 | 403 if self.reason.starts_with("API_KEY_") => UpstreamKind::Credentials,
            400 | 403 if self.reason == "BILLING_DISABLED" => UpstreamKind::Quota,
            400 | 403 if self.reason.starts_with("LOCATION_") => UpstreamKind::Quota,
            // Any other precondition is one of the request, such as a file that is not `ACTIVE` yet.
            400 if self.status == "FAILED_PRECONDITION" && self.begins(&NOT_SERVED) => UpstreamKind::Quota,
            403 if self.begins(&NOT_THEIRS) => UpstreamKind::Caller,
            429 if self.daily => UpstreamKind::Quota,
            499 => UpstreamKind::Transient,
            status => kind_of(status),
        }
    }

    fn begins(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.message.starts_with(text))
    }

    fn tell(&self, kind: UpstreamKind, aloud: bool) -> UpstreamError {
        let ours = matches!(kind, UpstreamKind::Credentials | UpstreamKind::Quota);
        let text =
            |text: &str, limit| Some(scrub(text, limit)).filter(|text| aloud && !ours && !text.is_empty());
        UpstreamError {
            kind,
            message: text(&self.message, MESSAGE_LIMIT),
            param: None,
            code: text(&self.status, WORD_LIMIT),
            retry_after: self.retry_after,
        }
    }
}

/// A duration as JSON has those of protocol buffers: `34.074824224s`.
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.strip_suffix('s')?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_delay_in_the_body_is_read() {
        let retry = r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}"#;
        let told = read_error(429, body("RESOURCE_EXHAUSTED", retry).as_bytes());
        assert_eq!(told.retry_after, Some(Duration::from_millis(34_500)));
        for odd in ["", "s", "-1s", "soon", "1e99s", "NaNs"] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }

    fn body(status: &str, details: &str) -> String {
        format!(
            r#"{{"error":{{"code":400,"message":"no such thing","status":"{status}","details":[{details}]}}}}"#
        )
    }

    #[test]
    fn the_callers_own_mistake_is_told_in_the_providers_words() {
        let error = read_error(400, body("INVALID_ARGUMENT", "").as_bytes());
        assert_eq!(error.kind, UpstreamKind::Caller);
        assert_eq!(error.message.as_deref(), Some("no such thing"));
        assert_eq!(error.code.as_deref(), Some("INVALID_ARGUMENT"));
        let error = read_error(404, body("NOT_FOUND", "").as_bytes());
        assert_eq!((error.kind, error.message.as_deref()), (UpstreamKind::NotFound, Some("no such thing")));
    }

    #[test]
    fn what_is_our_accounts_fault_is_not_told_to_the_caller() {
        let key = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}"#;
        let billing = r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"BILLING_DISABLED"}"#;
        for (status, word, details, kind) in [
            (400, "INVALID_ARGUMENT", key, UpstreamKind::Credentials),
            (400, "FAILED_PRECONDITION", billing, UpstreamKind::Quota),
            (401, "UNAUTHENTICATED", "", UpstreamKind::Credentials),
            (403, "PERMISSION_DENIED", "", UpstreamKind::Credentials),
            (403, "PERMISSION_DENIED", billing, UpstreamKind::Quota),
        ] {
            let error = read_error(status, body(word, details).as_bytes());
            assert_eq!((error.kind, error.message, error.code), (kind, None, None), "{word} {details}");
        }
    }

    #[test]
    fn a_precondition_is_the_requests_unless_it_is_known_for_the_accounts() {
        let error = |message: &str| {
            let error = serde_json::json!({"code": 400, "message": message, "status": "FAILED_PRECONDITION"});
            let error = read_error(400, serde_json::json!({ "error": error }).to_string().as_bytes());
            (error.kind, error.message)
        };
        for ours in [
            "User location is not supported for the API use.",
            "User location is not supported for the API use without a billing account linked.",
            "Gemini API free tier is not available in your country. Please enable billing on your project.",
        ] {
            assert_eq!(error(ours), (UpstreamKind::Quota, None), "{ours}");
        }
        for theirs in [
            "The File abc123 is not in an ACTIVE state and usage is not allowed.",
            "No such thing: User location is not supported",
        ] {
            assert_eq!(error(theirs), (UpstreamKind::Caller, Some(theirs.to_owned())), "{theirs}");
        }
    }

    #[test]
    fn a_file_that_is_not_the_callers_is_no_trouble_of_our_key() {
        let denied = |message: &str, reason: &str| {
            let details = serde_json::json!([{ "reason": reason }]);
            let error =
                serde_json::json!({"message": message, "status": "PERMISSION_DENIED", "details": details});
            let error = read_error(403, serde_json::json!({ "error": error }).to_string().as_bytes());
            (error.kind, error.message)
        };
        let file = "You do not have permission to access the File abc123 or it may not exist.";
        assert_eq!(denied(file, ""), (UpstreamKind::Caller, Some(file.to_owned())));
        assert_eq!(denied(file, "API_KEY_SERVICE_BLOCKED"), (UpstreamKind::Credentials, None));
        let leaked = "Your API key was reported as leaked. Please use another API key.";
        assert_eq!(denied(leaked, ""), (UpstreamKind::Credentials, None));
        assert_eq!(denied(&format!("No: {file}"), ""), (UpstreamKind::Credentials, None));
    }

    #[test]
    fn a_used_up_day_is_not_a_busy_minute() {
        let quota =
            |id| format!(r#"{{"violations":[{{"quotaMetric":"m","quotaId":"{id}","quotaValue":"50"}}]}}"#);
        let kind = |details: &str| read_error(429, body("RESOURCE_EXHAUSTED", details).as_bytes()).kind;
        assert_eq!(kind(&quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier")), UpstreamKind::Quota);
        assert_eq!(kind(&quota("GenerateRequestsPerMinutePerProjectPerModel")), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"retryDelay":"17s"},null,"x""#), UpstreamKind::RateLimited);
    }

    #[test]
    fn statuses_have_their_kinds_whatever_the_body_is() {
        for (status, kind) in [
            (400, UpstreamKind::Caller),
            (404, UpstreamKind::NotFound),
            (409, UpstreamKind::Transient),
            (429, UpstreamKind::RateLimited),
            (499, UpstreamKind::Transient),
            (500, UpstreamKind::Server),
            (503, UpstreamKind::Overloaded),
            (504, UpstreamKind::Server),
        ] {
            assert_eq!(read_error(status, b"<html>").kind, kind, "{status}");
            assert_eq!(read_error(status, br#"[{"error":"no"}]"#).kind, kind, "{status}");
        }
    }

    #[test]
    fn an_error_in_an_array_is_read_as_well() {
        let wrapped = format!("[{}]", body("INVALID_ARGUMENT", ""));
        assert_eq!(read_error(400, wrapped.as_bytes()).message.as_deref(), Some("no such thing"));
    }

    #[test]
    fn without_a_status_the_codes_decide() {
        let kind = |error: &str| read(&mut Scanner::new(error.as_bytes()).unwrap()).unwrap().kind;
        assert_eq!(kind(r#"{"code":503,"status":"UNAVAILABLE"}"#), UpstreamKind::Overloaded);
        assert_eq!(kind(r#"{"status":"RESOURCE_EXHAUSTED"}"#), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"code":14,"status":"UNAVAILABLE"}"#), UpstreamKind::Overloaded);
        assert_eq!(kind(r#"{"code":400,"status":"INVALID_ARGUMENT"}"#), UpstreamKind::Caller);
        assert_eq!(kind(r#"{"message":"?"}"#), UpstreamKind::Server);
        assert_eq!(kind(r#""oops""#), UpstreamKind::Server);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(status: u16, body: Vec<u8>) {
            let error = read_error(status, &body);
            prop_assert!(error.message.is_none_or(|message| message.len() <= MESSAGE_LIMIT));
        }
    }
}
