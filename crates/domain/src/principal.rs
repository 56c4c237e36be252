//! Who is calling, and what that lets them do.

use crate::name::{KeyId, TenantId, UserId};

/// What a caller may be, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    Viewer,
    User,
    Operator,
    Admin,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Viewer, Self::User, Self::Operator, Self::Admin];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::User => "user",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The decision table. Anything not listed is denied.
    #[must_use]
    pub const fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::ModelsRead | Permission::ConversationsRead => true,
            Permission::ModelsCall | Permission::ConversationsWrite => !matches!(self, Self::Viewer),
            Permission::AdminRead => matches!(self, Self::Operator | Self::Admin),
            Permission::AdminWrite => matches!(self, Self::Admin),
        }
    }
}

/// What a route asks of its caller. Conversations are always the caller's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    ModelsRead,
    ModelsCall,
    ConversationsRead,
    ConversationsWrite,
    AdminRead,
    AdminWrite,
}

impl Permission {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelsRead => "models:read",
            Self::ModelsCall => "models:call",
            Self::ConversationsRead => "conversations:read",
            Self::ConversationsWrite => "conversations:write",
            Self::AdminRead => "admin:read",
            Self::AdminWrite => "admin:write",
        }
    }
}

/// The authenticated caller of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    pub user: UserId,
    /// The key the caller came with; none in open mode.
    pub key: Option<KeyId>,
    pub role: Role,
}

impl Principal {
    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }
}
