//! What a provider is called with: its keys, as far as they are there, and headers.

use http::{HeaderName, HeaderValue};
use wire::provider::{Codec, Credential};

use super::Resolver;
use super::secrets::{Missing, Sourced};
use crate::de::{At, Field, Key, Table};
use crate::finding::{Code, is_secret_key, printable};
use crate::raw::RawSecret;
use crate::secret::SecretRef;

/// The keys of a provider, as far as there are any.
pub(super) enum Keys {
    Some(Vec<SecretRef>),
    /// The config names none.
    None,
    /// It names some, and all are empty.
    Empty,
}

impl Resolver<'_> {
    pub(super) fn keys(
        &self,
        api_key: Field<RawSecret>,
        api_keys: Field<Vec<Field<RawSecret>>>,
        provider: &Key,
    ) -> Option<Keys> {
        // A place without a value: the key is written, and what is written there is empty.
        let written = |absent: bool, at: At| !absent || at != At::default();
        let one = written(api_key.is_absent(), api_key.at);
        let many = written(api_keys.is_absent(), api_keys.at);
        if one && many {
            return self.refuse(
                api_keys.at,
                Code::Conflict,
                "a provider has `api_key` or `api_keys`, not both",
            );
        }
        if !one && !many {
            return Some(Keys::None);
        }
        let at = if one { api_key.at } else { api_keys.at };
        if api_key.is_invalid() || api_keys.is_invalid() {
            return None;
        }
        let fields = if one { vec![api_key] } else { api_keys.get().unwrap_or_default() };

        let mut wrong = false;
        let mut keys = Vec::new();
        let mut missing = Vec::new();
        for field in fields {
            let at = field.at;
            if field.is_absent() {
                missing.push((at, "the key is empty".to_owned()));
                continue;
            }
            let Some(Sourced { secret, literal }) = field.get().and_then(|raw| self.sourced(raw, at)) else {
                wrong = true;
                continue;
            };
            match self.look_up(&secret) {
                Ok(value) if HeaderValue::from_str(value.expose()).is_err() => {
                    let message = format!("the key from {secret} has characters that a header cannot hold");
                    self.record(self.fault(at, Code::InvalidValue, message));
                    wrong = true;
                }
                Ok(_) => {
                    if literal {
                        self.warn_of_literal(at);
                    }
                    keys.push(secret);
                }
                Err(Missing::Absent(_)) if literal => missing.push((at, "the key is empty".to_owned())),
                Err(Missing::Absent(why)) => missing.push((at, format!("{secret} {why}"))),
                Err(unreadable) => {
                    self.missing(&secret, &unreadable, at);
                    wrong = true;
                }
            }
        }
        if wrong {
            return None;
        }
        if keys.is_empty() {
            let why = missing.first().map_or("it has no keys", |(_, why)| why);
            let message = format!("provider `{}` is skipped: {why}", printable(&provider.text));
            self.record(self.notice(at, Code::ProviderSkipped, message));
            return Some(Keys::Empty);
        }
        for (at, why) in missing {
            self.record(self.notice(at, Code::KeySkipped, format!("this key is skipped: {why}")));
        }
        Some(Keys::Some(keys))
    }

    pub(super) fn headers(
        &self,
        table: Table<RawSecret>,
        codec: &dyn Codec,
        authorized: bool,
    ) -> Option<Vec<(String, SecretRef)>> {
        let mut headers: Vec<(String, SecretRef)> = Vec::new();
        let mut right = true;
        for (key, field) in table.into_entries() {
            let header = self.header(&key, field, codec, authorized);
            right &= header.is_some();
            if let Some((name, value)) = header {
                if headers.iter().any(|(other, _)| *other == name) {
                    self.record(self.fault(
                        key.at,
                        Code::DuplicateKey,
                        format!("header `{name}` is set twice"),
                    ));
                }
                headers.push((name, value));
            }
        }
        right.then_some(headers)
    }

    fn header(
        &self,
        key: &Key,
        field: Field<RawSecret>,
        codec: &dyn Codec,
        authorized: bool,
    ) -> Option<(String, SecretRef)> {
        /// Written by the client itself; a second one is an error or worse (RFC 9112, 6.1).
        const OURS: [&str; 13] = [
            "accept",
            "accept-encoding",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "expect",
            "host",
            "keep-alive",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
        ];
        let Ok(name) = HeaderName::from_bytes(key.text.as_bytes()) else {
            let message = format!("`{}` is not the name of a header", printable(&key.text));
            return self.refuse(key.at, Code::InvalidValue, message);
        };
        let name = name.as_str();
        let fixed = codec.headers().iter().any(|(fixed, _)| *fixed == name);
        if OURS.contains(&name) || fixed || name.starts_with("proxy-") {
            return self.refuse(key.at, Code::Conflict, format!("header `{name}` is set by parapet itself"));
        }
        if name == credential(codec) && authorized {
            let message = format!("header `{name}` is set from `api_key`");
            self.record(self.fault(key.at, Code::Conflict, message).help("remove one of them"));
            return None;
        }
        let at = field.at;
        if field.is_absent() {
            return self.refuse(key.at, Code::MissingValue, format!("header `{name}` is empty"));
        }
        let (secret, value, literal) = self.needed(field)?;
        if HeaderValue::from_str(value.expose()).is_err() {
            return self.refuse(
                at,
                Code::InvalidValue,
                format!("header `{name}` has characters that a header cannot hold"),
            );
        }
        if literal && is_secret_key(name) {
            self.warn_of_literal(at);
        }
        Some((name.to_owned(), secret))
    }
}

/// True if a key is sent that the config does not know as one.
pub(super) fn carry_a_key(headers: &[(String, SecretRef)], codec: &dyn Codec) -> bool {
    headers.iter().any(|(name, _)| name == credential(codec) || name == "authorization")
}

/// The header that a key is sent in.
fn credential(codec: &dyn Codec) -> &'static str {
    match codec.credential() {
        Credential::Bearer => "authorization",
        Credential::Header(name) => name,
    }
}
