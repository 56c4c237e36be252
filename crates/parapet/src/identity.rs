//! Who is calling.
//!
//! One extractor finds the credential whatever carries it, one policy turns it into a principal, and the matched route
//! says which permission that principal needs; anything else is denied. In open mode, which only a loopback server may
//! have by itself, every request is the local tenant's admin, and requests that reached us through a proxy or from a
//! foreign page are refused, since either would publish that admin.

mod credential;
mod keyring;
mod local;

use std::net::SocketAddr;
use std::sync::Arc;

use domain::Principal;
use http::{HeaderMap, HeaderName, Uri};
use tokio::time::Instant;

pub(crate) use self::keyring::{Caller, Keyring, hash};
use crate::app::settings::Settings;
use crate::edge::routes::{Access, Listener, Route};
use crate::refusal::{Kind, Refusal};
use crate::telemetry::record;

/// A request as it came in: its head, and what was made for it.
pub(crate) struct Received<'a> {
    pub(crate) settings: Arc<Settings>,
    pub(crate) record: record::Shared,
    pub(crate) route: &'static Route,
    pub(crate) listener: Listener,
    pub(crate) peer: SocketAddr,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) uri: &'a Uri,
}

/// A request whose caller is known and may use the route.
pub(crate) struct Identified {
    pub(crate) settings: Arc<Settings>,
    pub(crate) record: record::Shared,
    pub(crate) principal: Principal,
    pub(crate) peer: SocketAddr,
    pub(crate) deadline: Option<Instant>,
    /// Headers of the caller's dialect, for a provider that speaks it too.
    pub(crate) forwarded: HeaderMap,
}

/// What a provider's SDK says in headers rather than in the body: versions and previews of its API.
const FORWARDED: [HeaderName; 2] =
    [HeaderName::from_static("anthropic-version"), HeaderName::from_static("anthropic-beta")];

pub(crate) fn identify(received: Received<'_>) -> Result<Identified, Refusal> {
    let Received { settings, record, route, listener, peer, headers, uri } = received;
    let snapshot = Arc::clone(&settings);
    let caller = caller(&snapshot, route, listener, peer, headers, uri)?;
    record.identified(&caller.principal, &caller.pseudonym);
    if let Access::Needs(permission) = route.access
        && !caller.principal.may(permission)
    {
        let message =
            format!("the role `{}` does not have `{}`", caller.principal.role.as_str(), permission.as_str());
        return Err(Refusal::new(Kind::Permission, "permission_denied", message));
    }
    let deadline = deadline(headers)?;
    let mut forwarded = HeaderMap::new();
    for name in &FORWARDED {
        for value in headers.get_all(name) {
            forwarded.append(name.clone(), value.clone());
        }
    }
    let principal = caller.principal.clone();
    Ok(Identified { settings, record, principal, peer, deadline, forwarded })
}

fn caller<'a>(
    settings: &'a Settings,
    route: &Route,
    listener: Listener,
    peer: SocketAddr,
    headers: &HeaderMap,
    uri: &Uri,
) -> Result<&'a Caller, Refusal> {
    if settings.is_open() {
        // Metrics have no admin to publish, and are scraped from elsewhere.
        if listener != Listener::Metrics {
            local::check(peer.ip(), headers, settings.is_open_everywhere())?;
        }
        return Ok(&settings.local);
    }
    if matches!(route.access, Access::Anyone) {
        return Ok(&settings.nobody);
    }
    let presented = credential::presented(headers, uri)?;
    let refused = || {
        Refusal::new(Kind::Authentication, "invalid_api_key", "the API key is not valid")
            .hint("send a key of this server as `Authorization: Bearer KEY`")
    };
    settings.keyring.find(presented).ok_or_else(refused)
}

/// `x-request-timeout`: seconds, or a number with `ms`, `s` or `m`.
fn deadline(headers: &HeaderMap) -> Result<Option<Instant>, Refusal> {
    let Some(value) = headers.get("x-request-timeout") else { return Ok(None) };
    let span = value.to_str().ok().and_then(parse_timeout);
    let wrong = || Refusal::invalid("x-request-timeout", "expected a time such as `30`, `30s` or `1500ms`");
    Ok(Some(Instant::now() + span.ok_or_else(wrong)?))
}

fn parse_timeout(text: &str) -> Option<std::time::Duration> {
    let text = text.trim();
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(number.len()..)? {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "m" => 60.0,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    // A day is longer than anything waits here.
    (seconds > 0.0 && seconds <= 86_400.0).then(|| std::time::Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::parse_timeout;
    use std::time::Duration;

    #[test]
    fn a_timeout_is_seconds_unless_it_says_otherwise() {
        assert_eq!(parse_timeout("30"), Some(Duration::from_secs(30)));
        assert_eq!(parse_timeout("0.5s"), Some(Duration::from_millis(500)));
        assert_eq!(parse_timeout("1500ms"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_timeout("2m"), Some(Duration::from_secs(120)));
        for wrong in ["", "0", "-1", "soon", "1h", "nan", "inf", "1e30"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }
}
