//! The one place that looks for a credential: `Authorization: Bearer`, `x-api-key` or `api-key`, exactly one of them.

use http::{HeaderMap, Uri, header};
use percent_encoding::percent_decode_str;

use crate::refusal::{Kind, Refusal};

/// Longer than any key; what is longer is not hashed.
const MAX_LENGTH: usize = 512;

pub(super) fn presented<'a>(headers: &'a HeaderMap, uri: &Uri) -> Result<&'a str, Refusal> {
    if uri.query().is_some_and(in_query) {
        return Err(refused(
            "a key in the query would end up in logs",
            "send it as `Authorization: Bearer KEY`",
        ));
    }
    let bearer = headers.get_all(header::AUTHORIZATION).iter().map(|value| match value.to_str() {
        Ok(text) => match text.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            _ => "",
        },
        Err(_) => "",
    });
    let named = ["x-api-key", "api-key"].into_iter().flat_map(|name| headers.get_all(name));
    let mut found = bearer.chain(named.map(|value| value.to_str().unwrap_or_default().trim()));
    let first = found.next();
    // The same key twice is a careful client; two different ones are a question we do not answer.
    if found.any(|other| Some(other) != first) {
        return Err(refused("two different credentials were sent", "send one of them"));
    }
    match first {
        None => Err(refused("no API key was sent", "send it as `Authorization: Bearer KEY`")),
        Some(key) if key.is_empty() || key.len() > MAX_LENGTH => {
            Err(refused("the API key is not valid", "send it as `Authorization: Bearer KEY`"))
        }
        Some(key) => Ok(key),
    }
}

fn in_query(query: &str) -> bool {
    query.split('&').any(|pair| {
        let name = percent_decode_str(pair.split('=').next().unwrap_or_default()).decode_utf8_lossy();
        let carriers = [
            "key",
            "api_key",
            "api-key",
            "apikey",
            "x-api-key",
            "token",
            "access_token",
            "authorization",
            "bearer",
        ];
        carriers.iter().any(|carrier| name.eq_ignore_ascii_case(carrier))
    })
}

fn refused(message: &'static str, hint: &'static str) -> Refusal {
    Refusal::new(Kind::Authentication, "invalid_api_key", message).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn with(pairs: &[(&'static str, &'static str)], target: &'static str) -> Result<String, &'static str> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        presented(&headers, &Uri::from_static(target)).map(str::to_owned).map_err(|refusal| refusal.code)
    }

    #[test]
    fn every_carrier_leads_to_the_same_key() {
        for (name, value) in [
            ("authorization", "Bearer k1"),
            ("authorization", "bearer k1"),
            ("x-api-key", "k1"),
            ("api-key", "k1"),
        ] {
            assert_eq!(with(&[(name, value)], "/v1/models").as_deref(), Ok("k1"), "{name}: {value}");
        }
        assert!(with(&[("authorization", "Bearer k1"), ("x-api-key", "k1")], "/").is_ok());
    }

    #[test]
    fn anything_ambiguous_or_in_the_query_is_refused() {
        assert!(with(&[], "/").is_err());
        assert!(with(&[("authorization", "Basic azE6")], "/").is_err());
        assert!(with(&[("authorization", "Bearer k1"), ("x-api-key", "k2")], "/").is_err());
        assert!(with(&[("authorization", "Bearer k1"), ("authorization", "Bearer k2")], "/").is_err());
        for target in ["/?api_key=k1", "/?a=b&x-api-key=k1", "/?%6bey=k1", "/?Authorization=Bearer%20k1"] {
            assert!(with(&[("authorization", "Bearer k1")], target).is_err(), "{target}");
        }
        assert!(with(&[("x-api-key", "")], "/").is_err());
    }
}
