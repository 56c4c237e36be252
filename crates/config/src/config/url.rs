//! Base URLs, taken apart once. Whoever connects uses these parts and never parses the text again, so that no
//! two parsers can disagree about the host.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// `scheme://host[:port][/path]` without user, query and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Why a text is not a base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("expected a URL such as `https://host/v1`")]
    Malformed,
    #[error("a URL here begins with `http://` or `https://`")]
    Scheme,
    #[error("a URL here has no user name or password")]
    UserInfo,
    #[error("a URL here has no `?` or `#`")]
    Query,
}

impl BaseUrl {
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// A name in lower case, an IPv4 address, or an IPv6 address in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Empty, or `/…` without a slash at the end.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same without `end`, if the path ends so.
    pub(crate) fn without(&self, end: &str) -> Option<Self> {
        let path = self.path.strip_suffix(end)?.to_owned();
        Some(Self { path, ..self.clone() })
    }

    /// What belongs into the `Host` header: the port only if it is not the scheme's own (RFC 9110, 7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() {
            self.host.clone()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path)
    }
}

impl FromStr for BaseUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        // `http::Uri` drops a fragment without a word.
        if text.contains(['#', '?']) {
            return Err(UrlError::Query);
        }
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        let scheme = match uri.scheme_str() {
            Some("http") => Scheme::Http,
            Some("https") => Scheme::Https,
            Some(_) => return Err(UrlError::Scheme),
            None => return Err(UrlError::Malformed),
        };
        let authority = uri.authority().ok_or(UrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(UrlError::UserInfo);
        }
        let host = authority.host().to_ascii_lowercase();
        // `host:` and `host:99999` parse, with no port.
        let port = match authority.as_str().get(host.len()..) {
            Some("") => scheme.port(),
            Some(_) => authority.port_u16().filter(|port| *port > 0).ok_or(UrlError::Malformed)?,
            None => return Err(UrlError::Malformed),
        };
        if !is_host(&host) {
            return Err(UrlError::Malformed);
        }
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { scheme, host, port, path })
    }
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|a| a.parse::<std::net::Ipv6Addr>().is_ok());
    }
    // Names as resolvers take them (RFC 1123, 2.1), and the underscore of service names.
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_put_together_again() {
        let url: BaseUrl = "https://API.Example.com/v1/".parse().unwrap();
        assert_eq!(
            (url.scheme(), url.host(), url.port(), url.path()),
            (Scheme::Https, "api.example.com", 443, "/v1")
        );
        assert_eq!(url.authority(), "api.example.com");
        for (text, want) in [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("http://[::1]:80/", "http://[::1]"),
            ("http://inference.models.svc/v1", "http://inference.models.svc/v1"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().map(|url| url.to_string()).as_deref(), Ok(want));
        }
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for (text, want) in [
            ("", UrlError::Malformed),
            ("api.example.com/v1", UrlError::Malformed),
            ("/v1", UrlError::Malformed),
            ("ftp://host/", UrlError::Scheme),
            ("https://user:pass@host/", UrlError::UserInfo),
            ("https://good.example@evil.example/", UrlError::UserInfo),
            ("https://host/?q=1", UrlError::Query),
            ("https://host/#f", UrlError::Query),
            ("https://host:/", UrlError::Malformed),
            ("https://host:99999/", UrlError::Malformed),
            ("https://host:0/", UrlError::Malformed),
            ("https://a..b/", UrlError::Malformed),
            ("https://a%2eb/", UrlError::Malformed),
            ("https://[::1/", UrlError::Malformed),
            ("https://a b/", UrlError::Malformed),
            ("https://host\\@evil/", UrlError::Malformed),
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(want), "{text}");
        }
    }
}
