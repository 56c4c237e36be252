//! Who may call: the mode, and the keys that the config itself brings.

use domain::{KeyId, Role, TenantId};
use sha2::{Digest, Sha256};

use super::Resolver;
use crate::config::{Auth, AuthKey, AuthMode, KeySecret, Server};
use crate::de::{At, Field, Key};
use crate::finding::Code;
use crate::raw;

/// Below this a key can be guessed over the network.
const LEAST_KEY_BYTES: usize = 16;

impl Resolver<'_> {
    /// None also if the server section is wrong: the mode follows from it.
    pub(super) fn auth(&self, raw: raw::Auth, server: Option<&Server>) -> Option<Auth> {
        let keys_at = raw.keys.at;
        let keys_wrong = raw.keys.is_invalid();
        let raw_keys = raw.keys.get().unwrap_or_default();
        let written = raw_keys.len();
        let mut keys: Vec<AuthKey> = Vec::new();
        let mut digests = Vec::new();
        for field in raw_keys {
            let at = field.at;
            let name_at = field.as_ref().map_or(at, |raw| raw.name.at);
            let Some((key, digest)) = self.item(field).and_then(|raw| self.key(raw, at)) else { continue };
            if keys.iter().any(|other| other.name == key.name) {
                let name = self.quoted(name_at, key.name.as_str());
                self.record(self.fault(
                    name_at,
                    Code::Clash,
                    format!("a key called `{name}` exists already"),
                ));
            }
            if digests.contains(&digest) {
                self.record(self.fault(
                    at,
                    Code::Clash,
                    "two keys are the same, and callers with it could be either",
                ));
            }
            keys.push(key);
            digests.push(digest);
        }

        let explicit = !raw.mode.is_absent();
        let (mode_at, server) = (raw.mode.at, server?);
        if raw.mode.is_invalid() || keys_wrong {
            return None;
        }
        let mode = match raw.mode.get() {
            Some(raw::AuthMode::Open) => AuthMode::Open,
            Some(raw::AuthMode::Required) => AuthMode::Required,
            None => implied(server, written),
        };
        match mode {
            AuthMode::Required if written == 0 => {
                let why = if explicit { "" } else { ", since the server can be reached from elsewhere" };
                let message = format!("every request needs a key{why}, and there is none");
                let help = "add one: `auth: { keys: [{ name: first, key: { env: PARAPET_KEY } }] }`";
                self.record(self.fault(mode_at, Code::NoAccess, message).help(help));
            }
            AuthMode::Open => self.open(server, written, mode_at, keys_at),
            AuthMode::Required => {}
        }
        (keys.len() == written).then_some(Auth { mode, explicit, keys })
    }

    /// What does not go together with `open`. Only an explicit one comes this far with any of it.
    fn open(&self, server: &Server, keys: usize, mode_at: At, keys_at: At) {
        if keys > 0 {
            let message = "keys have no effect while `auth.mode` is `open`";
            self.record(
                self.fault(keys_at, Code::NoEffect, message)
                    .help("remove them, or set `auth.mode: required`"),
            );
        }
        if server.public_url.is_some() {
            let message = "`auth.mode: open` cannot be published under `server.public_url`";
            let help = "set `auth.mode: required`, or remove `server.public_url`";
            self.record(self.fault(mode_at, Code::Conflict, message).help(help));
        } else if !is_local(server) {
            let message = "everyone who reaches this server is its administrator";
            let help = "set `auth.mode: required`, or listen on 127.0.0.1";
            self.record(self.notice(mode_at, Code::OpenAccess, message).help(help));
        }
    }

    /// A key, and the SHA-256 that tells it from others.
    fn key(&self, raw: raw::AuthKey, at: At) -> Option<(AuthKey, [u8; 32])> {
        let name_at = raw.name.at;
        let name = self.required(raw.name, "name", at);
        let name = name.and_then(|text| self.name(&Key { text, at: name_at }, KeyId::new));
        let secret = match (raw.hash.is_absent(), raw.key.is_absent()) {
            (false, true) => self.hash(raw.hash).map(|hash| (KeySecret::Sha256(hash), hash)),
            (true, false) => self.plain(raw.key),
            (false, false) => self.refuse(at, Code::Conflict, "a key has a `hash` or a `key`, not both"),
            (true, true) => self.refuse(at, Code::MissingKey, "neither `hash` nor `key` is set"),
        };
        let role = self.optional(raw.role, |role, _| {
            Some(match role {
                raw::Role::Viewer => Role::Viewer,
                raw::Role::User => Role::User,
                raw::Role::Operator => Role::Operator,
                raw::Role::Admin => Role::Admin,
            })
        });
        let tenant_at = raw.tenant.at;
        let tenant = raw.tenant.get().unwrap_or_else(|| "default".to_owned());
        let tenant = self.name(&Key { text: tenant, at: tenant_at }, TenantId::new);
        let (secret, digest) = secret?;
        Some((AuthKey { name: name?, secret, role: role?.unwrap_or(Role::User), tenant: tenant? }, digest))
    }

    fn hash(&self, hash: Field<String>) -> Option<[u8; 32]> {
        let at = hash.at;
        let bytes = hash.get()?.strip_prefix("sha256:").and_then(digest);
        if bytes.is_none() {
            // Not quoted: who confuses the two writes the key itself.
            self.record(self.fault(at, Code::InvalidValue, "expected `sha256:` and 64 hexadecimal digits"));
        }
        bytes
    }

    fn plain(&self, key: Field<raw::RawSecret>) -> Option<(KeySecret, [u8; 32])> {
        let at = key.at;
        let (secret, value, literal) = self.needed(key)?;
        if literal {
            self.warn_of_literal(at);
        }
        if value.expose().len() < LEAST_KEY_BYTES {
            let message = format!("a key of fewer than {LEAST_KEY_BYTES} bytes can be guessed");
            self.record(self.notice(at, Code::WeakSecret, message));
        }
        Some((KeySecret::Plain(secret), Sha256::digest(value.expose()).into()))
    }
}

/// Open as long as nobody else can reach it and nothing says that they should.
fn implied(server: &Server, keys: usize) -> AuthMode {
    if is_local(server) && server.public_url.is_none() && keys == 0 {
        AuthMode::Open
    } else {
        AuthMode::Required
    }
}

/// The metrics listener does not count: it serves no requests and changes nothing.
fn is_local(server: &Server) -> bool {
    server.listen.ip().is_loopback() && server.admin.ip().is_loopback()
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().try_fold(0_u8, |value, digit| Some(value << 4 | u8::try_from(*digit).ok()?))?;
    }
    Some(bytes)
}
