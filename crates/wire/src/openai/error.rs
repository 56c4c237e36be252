//! Errors, as this dialect tells them.

use bytes::BytesMut;
use serde::Serialize;

use crate::error::ErrorBody;
use crate::json::write_json;

/// Appends an error answer's body. Every key is present.
pub fn write_error(out: &mut BytesMut, error: &ErrorBody<'_>) {
    write_json(out, &Failure { error: Told::new(error, None) });
}

/// Appends an error as the last event of a stream: unnamed, since clients of the dialect look at payloads only.
pub fn write_error_event(out: &mut BytesMut, error: &ErrorBody<'_>) {
    out.extend_from_slice(b"data: ");
    write_json(out, &Failure { error: Told::new(error, Some((error.retryable, error.partial))) });
    out.extend_from_slice(b"\n\n");
}

#[derive(Serialize)]
struct Failure<'a> {
    error: Told<'a>,
}

#[derive(Serialize)]
struct Told<'a> {
    message: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
    request_id: Shown<domain::RequestId>,
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retryable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<bool>,
}

impl<'a> Told<'a> {
    fn new(error: &ErrorBody<'a>, streamed: Option<(bool, bool)>) -> Self {
        let ErrorBody { message, kind, param, code, request_id, hint, .. } = *error;
        let (retryable, partial) = streamed.unzip();
        Self { message, kind, param, code, request_id: Shown(request_id), hint, retryable, partial }
    }
}

struct Shown<T>(T);

impl<T: std::fmt::Display> Serialize for Shown<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use domain::{IdSource, SystemClock, TimeOrderedIds};

    use super::*;

    #[test]
    fn error_bodies_have_every_key_and_streamed_ones_two_more() {
        let request_id = TimeOrderedIds::new(SystemClock::default()).request();
        let error = ErrorBody {
            message: "slow \"down\"",
            kind: "rate_limit_exceeded",
            param: None,
            code: None,
            request_id,
            hint: None,
            retryable: true,
            partial: false,
        };
        let mut out = BytesMut::new();
        write_error(&mut out, &error);
        let body = format!(
            r#"{{"error":{{"message":"slow \"down\"","type":"rate_limit_exceeded","param":null,"code":null,"request_id":"{request_id}","hint":null"#
        );
        assert_eq!(out, format!("{body}}}}}"));
        out.clear();
        write_error_event(&mut out, &error);
        assert_eq!(out, format!("data: {body},\"retryable\":true,\"partial\":false}}}}\n\n"));
    }
}
