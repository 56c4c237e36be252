//! The audit log: who did what to which object. Append-only, and never with content in it.

use std::net::IpAddr;

use domain::{KeyId, RequestId, TenantId};

use crate::conversation::Json;

/// One act. The store numbers it within its tenant and adds the time.
#[derive(Clone, Debug)]
pub struct AuditEntry {
    pub tenant: TenantId,
    /// A user, or a part of the program such as `system`.
    pub actor: String,
    pub key: Option<KeyId>,
    pub ip: Option<IpAddr>,
    /// From the registry of actions, such as `config.reload`.
    pub action: &'static str,
    pub object: String,
    pub before: Option<Json>,
    pub after: Option<Json>,
    pub request: Option<RequestId>,
}
