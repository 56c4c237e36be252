//! What a config means to the running server: one snapshot, taken once per request and carried with it.
//!
//! A reload builds a new one whole and swaps it; requests in flight finish on theirs.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use config::{Change, Config, Loaded, SecretRef};
use domain::{Clock, Principal, Role, TenantId, UserId};
use tokio_rustls::TlsConnector;

use crate::identity::{Caller, Keyring};
use crate::routing::catalog::Catalog;

pub(crate) struct Settings {
    loaded: Loaded,
    pub(crate) hash: Arc<str>,
    /// The config in force as YAML, secrets redacted.
    pub(crate) shown: Bytes,
    pub(crate) release: Arc<str>,
    pub(crate) keyring: Keyring,
    pub(crate) catalog: Catalog,
    /// Everybody, in open mode.
    pub(crate) local: Caller,
    /// Whoever asks a route that is open to anyone.
    pub(crate) nobody: Caller,
}

/// Where secrets are read from.
pub(crate) struct Secrets<'a> {
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) read: &'a dyn Fn(&Path) -> io::Result<String>,
}

impl Secrets<'_> {
    pub(crate) fn resolve(&self, secret: &SecretRef, whose: &str) -> anyhow::Result<config::Secret> {
        secret.resolve(self.env, self.read).map_err(|error| anyhow::anyhow!("{whose}: {error}"))
    }
}

impl Settings {
    /// Resolves secrets and builds what requests need.
    pub(crate) fn build(
        loaded: Loaded,
        secrets: &Secrets<'_>,
        tls: &TlsConnector,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let config = &loaded.config;
        let mut keyring = Keyring::default();
        for key in &config.auth.keys {
            let hash = match &key.secret {
                config::KeySecret::Sha256(hash) => *hash,
                config::KeySecret::Plain(secret) => {
                    let secret = secrets.resolve(secret, &format!("auth.keys: `{}`", key.name))?;
                    anyhow::ensure!(!secret.is_empty(), "auth.keys: the key `{}` is empty", key.name);
                    crate::identity::hash(secret.expose())
                }
            };
            // Apart from the users `local` and `anonymous`, whatever the key is called.
            let user = UserId::new(&format!("key:{}", key.name))?;
            keyring.add(hash, key.name.clone(), key.tenant.clone(), user, key.role);
        }
        let catalog = Catalog::build(config, secrets, tls, clock)?;
        let somebody = |user, role| -> anyhow::Result<Caller> {
            let (tenant, user) = (TenantId::new("default")?, UserId::new(user)?);
            Ok(Caller::new(Principal { tenant, user, key: None, role }))
        };
        Ok(Self {
            hash: Arc::from(loaded.hash()),
            shown: Bytes::from(loaded.show()),
            release: Arc::from(config.app.release.as_deref().unwrap_or("-")),
            keyring,
            catalog,
            local: somebody("local", Role::Admin)?,
            nobody: somebody("anonymous", Role::Viewer)?,
            loaded,
        })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// What is different in `new`, key by key.
    pub(crate) fn changes(&self, new: &Loaded) -> Vec<Change> {
        self.loaded.changes(new)
    }

    /// Open by the words of the config on an address that others can reach.
    pub(crate) fn is_open_everywhere(&self) -> bool {
        let config = self.config();
        self.is_open() && config.auth.explicit && !config.server.listen.ip().is_loopback()
    }

    pub(crate) fn is_open(&self) -> bool {
        self.config().auth.mode == config::AuthMode::Open
    }
}
