//! The access line: one per request, at every log level, never with content.

use std::sync::Arc;

use config::LogFormat;
use domain::{NanoUsd, Outcome, RequestId, UnixMillis, Usage};
use serde::Serialize;
use serde_json::Value;

use super::log::Sink;

/// What is known of a request when it is over. Durations are milliseconds.
#[derive(Serialize)]
pub(crate) struct Line<'a> {
    #[serde(serialize_with = "rfc3339")]
    pub(crate) timestamp: UnixMillis,
    pub(crate) level: &'static str,
    pub(crate) message: &'static str,
    #[serde(serialize_with = "display")]
    pub(crate) request_id: RequestId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_request_id: Option<&'a str>,
    #[serde(serialize_with = "trace_id")]
    pub(crate) trace_id: u128,
    pub(crate) method: &'a str,
    pub(crate) route: &'a str,
    pub(crate) status: u16,
    #[serde(serialize_with = "outcome")]
    pub(crate) outcome: Outcome,
    pub(crate) duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
    /// Why, in words that only the log may have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<&'a str>,
    /// A pseudonym: stable per user, not the user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<&'a str>,
    #[serde(flatten)]
    pub(crate) call: Option<Call<'a>>,
}

/// The part about the model call, for requests that made one.
#[derive(Serialize)]
pub(crate) struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<&'a str>,
    pub(crate) stream: bool,
    pub(crate) attempts: u32,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost_usd: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_token_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream_ms: Option<f64>,
}

impl Call<'_> {
    pub(crate) fn tokens(usage: &Usage) -> (u64, u64) {
        (usage.total_input(), usage.total_output())
    }

    pub(crate) fn usd(cost: Option<NanoUsd>) -> Option<f64> {
        cost.map(NanoUsd::as_usd)
    }
}

impl Line<'_> {
    pub(crate) fn write_to(&self, sink: &Sink) {
        if sink.format() == LogFormat::Text {
            return sink.line(self.as_text().as_bytes());
        }
        let mut line = Vec::with_capacity(640);
        if serde_json::to_writer(&mut line, self).is_ok() {
            line.push(b'\n');
            sink.line(&line);
        }
    }
}

impl Line<'_> {
    /// `time INFO request name=value …`, for people.
    fn as_text(&self) -> String {
        let members = serde_json::to_value(self).unwrap_or_default();
        let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (mut time, mut rest) = (String::new(), String::new());
        for (name, value) in members.as_object().into_iter().flatten() {
            match name.as_str() {
                "timestamp" => time = word(value),
                "level" | "message" => {}
                // Quoted, because a detail has spaces.
                "detail" => rest.push_str(&format!(" {name}={value}")),
                _ => rest.push_str(&format!(" {name}={}", word(value))),
            }
        }
        format!("{time} {:>5} {}{rest}\n", self.level, self.message)
    }
}

/// A pseudonym for a user: the first 12 hexadecimal digits of SHA-256 over tenant and user.
pub(crate) fn pseudonym(tenant: &str, user: &str) -> Arc<str> {
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::new().chain_update(tenant).chain_update([0]).chain_update(user).finalize();
    let text: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Arc::from(text)
}

fn display<T: std::fmt::Display, S: serde::Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn rfc3339<S: serde::Serializer>(value: &UnixMillis, to: S) -> Result<S::Ok, S::Error> {
    match jiff::Timestamp::from_millisecond(value.0) {
        Ok(time) => to.collect_str(&format_args!("{time:.3}")),
        Err(_) => to.collect_str(value),
    }
}

fn trace_id<S: serde::Serializer>(value: &u128, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&format_args!("{value:032x}"))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn outcome<S: serde::Serializer>(value: &Outcome, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(value.as_str())
}
