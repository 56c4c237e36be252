//! Open mode is for this machine only: signs that a request came from elsewhere refuse it.
//!
//! A proxy in front would make every remote caller look local; a web page on another origin, or one whose name was
//! rebound to 127.0.0.1, would use the browser of whoever runs the server.

use std::net::IpAddr;

use http::{HeaderMap, header};

use crate::refusal::{Kind, Refusal};

/// `everywhere`: the config says, in so many words, that the server is open on an address others can reach.
pub(super) fn check(peer: IpAddr, headers: &HeaderMap, everywhere: bool) -> Result<(), Refusal> {
    if !everywhere && !peer.to_canonical().is_loopback() {
        return Err(refused("the server is open to this machine only".to_owned()));
    }
    for name in ["forwarded", "x-forwarded-for", "via"] {
        if headers.contains_key(name) {
            return Err(refused(format!(
                "the server is open to this machine only, and `{name}` says a proxy is in between"
            )));
        }
    }
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !is_local(host, everywhere) {
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

/// A name can be rebound to any address, an address cannot.
fn is_local(authority: &str, everywhere: bool) -> bool {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| everywhere || ip.is_loopback())
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
        check(IpAddr::from([127, 0, 0, 1]), &headers, false).is_ok()
    }

    #[test]
    fn this_machine_may_call() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "127.9.9.9"] {
            assert!(allowed(&[("host", host)]), "{host}");
        }
        assert!(allowed(&[("host", "localhost:8080"), ("origin", "http://localhost:8080")]));
    }

    #[test]
    fn another_machine_may_call_only_where_the_config_says_so() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost:8080"));
        let there = IpAddr::from([192, 0, 2, 7]);
        assert!(check(there, &headers, false).is_err());
        assert!(check(there, &headers, true).is_ok());
        headers.insert(header::HOST, HeaderValue::from_static("192.0.2.1:8080"));
        assert!(check(there, &headers, true).is_ok());
        headers.insert(header::HOST, HeaderValue::from_static("rebound.example:8080"));
        assert!(check(there, &headers, true).is_err());
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
