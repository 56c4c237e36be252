//! Failures as providers report them: a status with a body, an `error` where an answer should be.
//!
//! The dialect's shape is `{"error":{"message","type","param","code"}}`. Compatible servers also send the error
//! as a bare string (Ollama), flat on the top level (vLLM), or as `detail` or `message` (their web frameworks, the
//! gateway in front of Azure). Azure spells its codes like `DeploymentNotFound`, or repeats the status there.

use std::borrow::Cow;

use crate::event::{UpstreamError, UpstreamKind};
use crate::json::{Fault, Kind, Scanner};
use crate::scrub::scrub;

const MESSAGE_LIMIT: usize = 1024;
const WORD_LIMIT: usize = 128;

/// What an unsuccessful answer means. The body's texts are kept, scrubbed, for 400, 404, 413 and 422 only, and for
/// a 403 that is about what was said (one about the model names our project); any body will do, also none.
#[must_use]
pub fn read_error(status: u16, body: &[u8]) -> UpstreamError {
    let report = Report::read(body).unwrap_or_default();
    let kind = report.kind(status);
    let refused = status == 403 && kind == UpstreamKind::Caller;
    report.tell(kind, refused || matches!(status, 400 | 404 | 413 | 422))
}

/// The value of an `error` member in a stream or in the body of a success: there is no status to go by.
pub(crate) fn read_failure(scanner: &mut Scanner<'_>) -> Result<UpstreamError, Fault> {
    let mut report = Report::default();
    report.read_error(scanner)?;
    Ok(report.tell_without_status())
}

/// An error on the top level of a body that should be an answer: `{"object":"error","message":…}`.
pub(super) fn read_flat_failure(body: &[u8]) -> Option<UpstreamError> {
    let report = Report::read(body).ok()?;
    report.flat.then(|| report.tell_without_status())
}

/// What an HTTP status means where the body says nothing else.
pub(crate) const fn kind_of(status: u16) -> UpstreamKind {
    match status {
        401 | 403 => UpstreamKind::Credentials,
        402 => UpstreamKind::Quota,
        404 => UpstreamKind::NotFound,
        408 | 409 | 425 => UpstreamKind::Transient,
        429 => UpstreamKind::RateLimited,
        503 | 529 => UpstreamKind::Overloaded,
        400..=499 => UpstreamKind::Caller,
        _ => UpstreamKind::Server,
    }
}

const QUOTA: [&str; 3] = ["insufficient_quota", "billing", "insufficient_balance"];

/// Which words in `type` or `code` mean what, first match first.
const WORDS: [(&[&str], UpstreamKind); 7] = [
    (&QUOTA, UpstreamKind::Quota),
    (&["rate_limit", "ratelimit", "too_many_requests", "toomanyrequests"], UpstreamKind::RateLimited),
    (&["overloaded", "unavailable", "capacity"], UpstreamKind::Overloaded),
    (&["authentication", "unauthorized", "api_key", "permission"], UpstreamKind::Credentials),
    (&["model_not_found", "notfound", "not_found"], UpstreamKind::NotFound),
    (&["server", "timeout", "internal"], UpstreamKind::Server),
    (&["invalid", "badrequest", "context_length", "content_filter", "content_policy"], UpstreamKind::Caller),
];

/// Which words say that a 403 is about the model, or about what was said to it, and not about the key. Groq's blocked
/// models are `model_permission_blocked_org` and `model_permission_blocked_project`.
const FORBIDDEN: [(&[&str], UpstreamKind); 2] = [
    (&["model_not_", "modelnot", "model_permission", "deploymentnotfound"], UpstreamKind::NotFound),
    (
        &["content_filter", "contentfilter", "content_policy", "contentpolicy", "moderation", "flagged"],
        UpstreamKind::Caller,
    ),
];

#[derive(Default)]
struct Report<'a> {
    message: Cow<'a, str>,
    kind: Cow<'a, str>,
    param: Cow<'a, str>,
    code: Cow<'a, str>,
    flat: bool,
    /// OpenRouter says why a moderator turned the request away.
    flagged: bool,
}

impl<'a> Report<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Fault> {
        let mut scanner = Scanner::new(body)?;
        let mut report = Self::default();
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            match &*name.decode() {
                "error" => report.read_error(&mut scanner)?,
                "object" if scanner.peek()? == Kind::String => report.flat = scanner.string()?.is("error"),
                name => report.read_member(name, &mut scanner)?,
            }
        }
        scanner.end()?;
        Ok(report)
    }

    fn read_error(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        match scanner.peek()? {
            Kind::String => self.message = scanner.string()?.decode(),
            Kind::Object => {
                let mut object = scanner.object()?;
                while let Some(name) = scanner.member(&mut object)? {
                    self.read_member(&name.decode(), scanner)?;
                }
            }
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    fn read_member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let member = match name {
            "message" | "detail" => &mut self.message,
            "type" => &mut self.kind,
            "param" => &mut self.param,
            "code" => &mut self.code,
            "metadata" if scanner.peek()? == Kind::Object => return self.read_metadata(scanner),
            _ => return scanner.skip().map(drop),
        };
        match scanner.peek()? {
            Kind::String => *member = scanner.string()?.decode(),
            Kind::Number if name == "code" => *member = Cow::Borrowed(scanner.number()?),
            _ => drop(scanner.skip()?),
        }
        Ok(())
    }

    fn read_metadata(&mut self, scanner: &mut Scanner<'a>) -> Result<(), Fault> {
        let mut object = scanner.object()?;
        while let Some(name) = scanner.member(&mut object)? {
            if name.is("reasons") && scanner.peek()? == Kind::Array {
                let mut array = scanner.array()?;
                while scanner.element(&mut array)? {
                    scanner.skip()?;
                    self.flagged = true;
                }
            } else {
                scanner.skip()?;
            }
        }
        Ok(())
    }

    fn kind(&self, status: u16) -> UpstreamKind {
        match status {
            429 if self.says(&QUOTA) => UpstreamKind::Quota,
            403 if self.flagged => UpstreamKind::Caller,
            403 => FORBIDDEN
                .iter()
                .find(|(words, _)| self.says(words))
                .map_or_else(|| kind_of(status), |found| found.1),
            _ => kind_of(status),
        }
    }

    fn says(&self, words: &[&str]) -> bool {
        let said = |text: &str| {
            let text = text.to_ascii_lowercase();
            words.iter().any(|word| text.contains(word))
        };
        said(&self.code) || said(&self.kind)
    }

    fn tell_without_status(&self) -> UpstreamError {
        let kind = match self.code.parse() {
            Ok(status @ 400..=599) => self.kind(status),
            _ => {
                WORDS.iter().find(|(words, _)| self.says(words)).map_or(UpstreamKind::Server, |found| found.1)
            }
        };
        self.tell(kind, matches!(kind, UpstreamKind::Caller | UpstreamKind::NotFound))
    }

    fn tell(&self, kind: UpstreamKind, aloud: bool) -> UpstreamError {
        if !aloud {
            return UpstreamError::silent(kind);
        }
        let text = |text: &str, limit| Some(scrub(text, limit)).filter(|text| !text.is_empty());
        let is_name = self.code.bytes().any(|b| b.is_ascii_alphabetic());
        UpstreamError {
            kind,
            message: text(&self.message, MESSAGE_LIMIT),
            param: text(&self.param, WORD_LIMIT),
            code: text(&self.code, WORD_LIMIT).filter(|_| is_name),
            retry_after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BODY: &[u8] = br#"{"error":{"message":"Invalid 'n'","type":"invalid_request_error","param":"n","code":"integer_above_max_value"}}"#;

    #[test]
    fn the_callers_own_mistake_is_told_in_the_providers_words() {
        let error = read_error(400, BODY);
        assert_eq!(error.kind, UpstreamKind::Caller);
        assert_eq!(error.message.as_deref(), Some("Invalid 'n'"));
        assert_eq!(error.param.as_deref(), Some("n"));
        assert_eq!(error.code.as_deref(), Some("integer_above_max_value"));
    }

    #[test]
    fn texts_of_other_statuses_are_dropped() {
        for status in [401, 402, 403, 405, 408, 409, 418, 425, 429, 500, 502, 503, 529] {
            let error = read_error(status, BODY);
            assert_eq!((error.message, error.param, error.code), (None, None, None), "{status}");
        }
    }

    #[test]
    fn statuses_have_their_kinds() {
        let kinds = [
            (400, UpstreamKind::Caller),
            (401, UpstreamKind::Credentials),
            (402, UpstreamKind::Quota),
            (403, UpstreamKind::Credentials),
            (404, UpstreamKind::NotFound),
            (408, UpstreamKind::Transient),
            (409, UpstreamKind::Transient),
            (422, UpstreamKind::Caller),
            (425, UpstreamKind::Transient),
            (429, UpstreamKind::RateLimited),
            (500, UpstreamKind::Server),
            (503, UpstreamKind::Overloaded),
            (529, UpstreamKind::Overloaded),
            (302, UpstreamKind::Server),
        ];
        for (status, kind) in kinds {
            assert_eq!(read_error(status, b"<html>").kind, kind, "{status}");
        }
    }

    #[test]
    fn an_exhausted_account_is_not_a_rate_limit() {
        let body = br#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert_eq!(read_error(429, body).kind, UpstreamKind::Quota);
    }

    #[test]
    fn what_is_forbidden_to_the_request_is_no_trouble_of_our_key() {
        let error = |code: &str, kind: &str| {
            let body = format!(r#"{{"error":{{"message":"no","type":"{kind}","code":"{code}"}}}}"#);
            let error = read_error(403, body.as_bytes());
            (error.kind, error.message.is_some())
        };
        for code in
            ["model_not_found", "model_not_available", "ModelNotAllowed", "model_permission_blocked_org"]
        {
            assert_eq!(error(code, "permissions_error"), (UpstreamKind::NotFound, false), "{code}");
        }
        for code in ["content_policy_violation", "content_filter", "moderation_blocked", "input_flagged"] {
            assert_eq!(error(code, "invalid_request_error"), (UpstreamKind::Caller, true), "{code}");
        }
        assert_eq!(error("", "moderation_error"), (UpstreamKind::Caller, true));
        for code in
            ["", "403", "project_not_found", "unsupported_country_region_territory", "ip_not_authorized"]
        {
            assert_eq!(error(code, "permission_error"), (UpstreamKind::Credentials, false), "{code}");
        }
    }

    #[test]
    fn a_moderators_reasons_are_about_the_request() {
        let error = |metadata: &str| {
            format!(r#"{{"error":{{"code":403,"message":"Input was flagged","metadata":{metadata}}}}}"#)
        };
        let flagged = error(r#"{"reasons":["violence"],"flagged_input":"…","provider_name":"x"}"#);
        let told = read_error(403, flagged.as_bytes());
        assert_eq!((told.kind, told.message.as_deref()), (UpstreamKind::Caller, Some("Input was flagged")));
        for metadata in [r#"{"provider_name":"x"}"#, r#"{"reasons":[]}"#, r#"{"reasons":"x"}"#, "null", "[1]"]
        {
            assert_eq!(
                read_error(403, error(metadata).as_bytes()).kind,
                UpstreamKind::Credentials,
                "{metadata}"
            );
        }
        let mut body = Scanner::new(br#"{"code":403,"metadata":{"reasons":["violence"]}}"#).unwrap();
        assert_eq!(read_failure(&mut body).unwrap().kind, UpstreamKind::Caller, "in a begun stream too");
    }

    #[test]
    fn the_shapes_of_compatible_servers_are_understood() {
        let message = |body: &[u8]| read_error(422, body).message;
        assert_eq!(message(br#"{"error":"no such thing"}"#).as_deref(), Some("no such thing"));
        assert_eq!(
            message(br#"{"object":"error","message":"too long","code":400}"#).as_deref(),
            Some("too long")
        );
        assert_eq!(message(br#"{"detail":"bad field"}"#).as_deref(), Some("bad field"));
        assert_eq!(message(br#"{"object":{},"message":["x"]}"#), None);
        assert_eq!(message(b"upstream says no"), None);
    }

    #[test]
    fn without_a_status_the_words_decide() {
        let kind = |body: &str| read_failure(&mut Scanner::new(body.as_bytes()).unwrap()).unwrap().kind;
        assert_eq!(kind(r#"{"type":"rate_limit_error"}"#), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"code":"rate_limit_exceeded"}"#), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"type":"Overloaded"}"#), UpstreamKind::Overloaded);
        assert_eq!(kind(r#"{"code":"invalid_api_key"}"#), UpstreamKind::Credentials);
        assert_eq!(kind(r#"{"type":"NotFoundError","code":404}"#), UpstreamKind::NotFound);
        assert_eq!(kind(r#"{"code":"DeploymentNotFound"}"#), UpstreamKind::NotFound);
        assert_eq!(kind(r#"{"code":"RateLimitReached"}"#), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"code":"TooManyRequests"}"#), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"code":"429"}"#), UpstreamKind::RateLimited);
        assert_eq!(kind(r#"{"code":"Unauthorized"}"#), UpstreamKind::Credentials);
        assert_eq!(kind(r#"{"type":"BadRequestError"}"#), UpstreamKind::Caller);
        assert_eq!(kind(r#"{"code":502,"message":"x"}"#), UpstreamKind::Server);
        assert_eq!(kind(r#"{"type":"server_error"}"#), UpstreamKind::Server);
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
