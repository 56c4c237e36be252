//! Listeners and storage.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::Resolver;
use crate::config::{BaseUrl, Durability, Server, Shutdown, Storage};
use crate::de::{At, Field};
use crate::finding::{Code, printable};
use crate::raw::{self, SizeText};

const DAY: Duration = Duration::from_secs(86_400);

impl Resolver<'_> {
    pub(super) fn server(&self, raw: raw::Server) -> Option<Server> {
        let listen = self.address(raw.listen);
        let metrics = raw.metrics.get().and_then(|raw| self.address(raw.listen));
        let admin = raw.admin.get().and_then(|raw| self.address(raw.listen));
        let listeners = [("server.listen", listen), ("server.metrics", metrics), ("server.admin", admin)];
        self.apart(&listeners);
        let public_url = self.optional(raw.public_url, |url, at| self.public_url(&url, at));
        let body_limit = raw.body_limit;
        let body_limit_at = body_limit.at;
        let body_limit = body_limit.get().and_then(|SizeText(bytes)| self.body_limit(bytes, body_limit_at));
        let max_connections = self.optional(raw.max_connections, |most, at| {
            self.within(most, at, 1..=1_000_000).and_then(|most| u32::try_from(most).ok())
        });
        let shutdown = raw.shutdown.get().and_then(|raw| {
            let accept_for = self.duration(raw.accept_for, Duration::ZERO..=DAY);
            let drain = self.duration(raw.drain, Duration::ZERO..=DAY);
            Some(Shutdown { accept_for: accept_for?, drain: drain? })
        });
        Some(Server {
            listen: listen?.0,
            metrics: metrics?.0,
            admin: admin?.0,
            public_url: public_url?,
            body_limit: body_limit?,
            max_connections: max_connections?,
            shutdown: shutdown?,
        })
    }

    fn address(&self, listen: Field<String>) -> Option<(SocketAddr, At)> {
        let at = listen.at;
        let text = listen.get()?;
        if let Ok(address) = text.parse() {
            return Some((address, at));
        }
        let message =
            format!("expected an address such as `127.0.0.1:8080`, found `{}`", self.quoted(at, &text));
        let help = match text.split_once(':') {
            Some(("localhost", port)) => Some(format!("write `127.0.0.1:{}`", printable(port))),
            Some(("" | "*", port)) => Some(format!("write `0.0.0.0:{}` for all interfaces", printable(port))),
            _ => None,
        };
        self.record(self.fault(at, Code::InvalidValue, message).maybe_help(help));
        None
    }

    /// Two listeners cannot have one address; port 0 is a different one each time.
    fn apart(&self, listeners: &[(&str, Option<(SocketAddr, At)>)]) {
        let known: Vec<_> =
            listeners.iter().filter_map(|(name, address)| address.map(|a| (*name, a))).collect();
        for (index, (_, (address, at))) in known.iter().enumerate() {
            let taken = known.iter().take(index).find(|(_, (other, _))| overlap(*address, *other));
            if let Some((name, (other, _))) = taken {
                let message = format!("`{address}` is taken by `{name}`, which listens on `{other}`");
                self.record(self.fault(*at, Code::Clash, message));
            }
        }
    }

    fn public_url(&self, url: &str, at: At) -> Option<String> {
        match url.parse::<BaseUrl>() {
            Ok(url) => Some(url.to_string()),
            Err(error) => self.refuse(at, Code::InvalidValue, error.to_string()),
        }
    }

    fn body_limit(&self, bytes: u64, at: At) -> Option<u64> {
        if (1 << 10..=1 << 30).contains(&bytes) {
            return Some(bytes);
        }
        self.refuse(at, Code::OutOfRange, format!("expected 1KiB to 1GiB, found {bytes} bytes"))
    }

    pub(super) fn storage(&self, raw: raw::Storage) -> Option<Storage> {
        let at = raw.data_dir.at;
        let data_dir = match raw.data_dir.get() {
            Some(path) if path.is_empty() => {
                self.refuse(at, Code::InvalidValue, "expected a folder, found an empty text")
            }
            path => path.map(PathBuf::from),
        };
        let durability =
            raw.database.get().and_then(|raw| raw.durability.get()).map(|durability| match durability {
                raw::Durability::Full => Durability::Full,
                raw::Durability::Relaxed => Durability::Relaxed,
            });
        Some(Storage { data_dir: data_dir?, durability: durability? })
    }
}

fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |address: SocketAddr| address.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || all(one) || all(other))
}
