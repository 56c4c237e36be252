//! Open mode is for this machine only: signs that a request came from elsewhere refuse it.
//!
//! A proxy in front would make every remote caller look local; a web page on another origin, or one whose name was
//! rebound to 127.0.0.1, would use the browser of whoever runs the server.

use std::net::IpAddr;

use http::{HeaderMap, header};

use crate::refusal::{Kind, Refusal};

pub(super) fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    for name in ["forwarded", "x-forwarded-for", "via"] {
        if headers.contains_key(name) {
            return Err(refused(format!(
                "the server is open to this machine only, and `{name}` says a proxy is in between"
            )));
        }
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_local(host) {
        return Err(refused(
            "the server is open to this machine only, and the Host header names another".to_owned(),
        ));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let same = origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")) == Some(host);
        if !same {
            return Err(refused(
                "the server is open to its own pages only, and Origin names another".to_owned(),
            ));
        }
    }
    Ok(())
}

fn is_local(authority: &str) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn refused(message: String) -> Refusal {
    Refusal::new(Kind::Permission, "open_mode_is_local", message)
        .hint("set auth.mode to required and give the caller a key (auth.keys)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn allowed(pairs: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        check(&headers).is_ok()
    }

    #[test]
    fn this_machine_may_call() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.9.9.9"] {
            assert!(allowed(&[("host", host)]), "{host}");
        }
        assert!(allowed(&[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
    }

    #[test]
    fn proxies_foreign_hosts_and_foreign_pages_may_not() {
        for host in ["example.com", "127.0.0.1.example.com", "10.0.0.1:8080", "", "localhost.example.com:80"]
        {
            assert!(!allowed(&[("host", host)]), "{host}");
        }
        for name in ["forwarded", "x-forwarded-for", "via"] {
            assert!(!allowed(&[("host", "localhost"), (name, "x")]), "{name}");
        }
        for origin in ["http://evil.example", "null", "https://localhost:8080", "http://localhost:9999"] {
            assert!(!allowed(&[("host", "localhost:8080"), ("origin", origin)]), "{origin}");
        }
    }
}
