//! The keys of the config, found by their SHA-256.
//!
//! A presented key is hashed whole and looked up by that hash, so that the time of the look-up says nothing about a
//! stored key, and no key is kept in memory beside its hash.

use std::collections::HashMap;
use std::sync::Arc;

use domain::{KeyId, Principal, Role, TenantId, UserId};
use sha2::{Digest as _, Sha256};

use crate::telemetry::access::pseudonym;

/// Somebody who may call, with the pseudonym the log uses.
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) pseudonym: Arc<str>,
}

impl Caller {
    pub(crate) fn new(principal: Principal) -> Self {
        let pseudonym = pseudonym(principal.tenant.as_str(), principal.user.as_str());
        Self { principal, pseudonym }
    }
}

#[derive(Default)]
pub(crate) struct Keyring(HashMap<[u8; 32], Caller>);

impl Keyring {
    /// Adds a key. What it does belongs to the tenant and to a user named after the key.
    pub(crate) fn add(&mut self, hash: [u8; 32], key: KeyId, tenant: TenantId, user: UserId, role: Role) {
        self.0.insert(hash, Caller::new(Principal { tenant, user, key: Some(key), role }));
    }

    pub(crate) fn find(&self, presented: &str) -> Option<&Caller> {
        self.0.get(&hash(presented))
    }
}

pub(crate) fn hash(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}
