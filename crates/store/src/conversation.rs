//! Conversations and their messages, and the pages they are listed in.

use std::sync::Arc;

use domain::{
    AgentName, ConversationId, FinishReason, KeyId, MessageId, Principal, ProviderName, TenantId, UnixMillis,
    UserId,
};
use serde_json::value::RawValue;

/// JSON that is stored as it came and given back as it was.
pub type Json = Box<RawValue>;

/// Whose data it is. Tenant and user decide what is found; the key is recorded beside what it wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub tenant: TenantId,
    pub user: UserId,
    pub key: Option<KeyId>,
}

impl From<&Principal> for Owner {
    fn from(principal: &Principal) -> Self {
        Self { tenant: principal.tenant.clone(), user: principal.user.clone(), key: principal.key.clone() }
    }
}

/// What a new conversation starts with.
#[derive(Clone, Debug, Default)]
pub struct NewConversation {
    /// None: the first line of the first message becomes the title.
    pub title: Option<String>,
    /// A JSON object; none is `{}`.
    pub metadata: Option<Json>,
}

/// What to change; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct Change {
    pub title: Option<String>,
    pub metadata: Option<Json>,
}

#[derive(Clone, Debug)]
pub struct Conversation {
    pub id: ConversationId,
    pub agent: AgentName,
    /// Empty until there is a title or a first message to take it from.
    pub title: String,
    /// A JSON object.
    pub metadata: Json,
    pub created_at: UnixMillis,
    /// The last change of title, metadata or messages.
    pub updated_at: UnixMillis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    User,
    Assistant,
}

/// How a message ended up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MessageStatus {
    Completed,
    /// An answer that was cut: kept, shown, and part of the history.
    Partial,
    /// Of a turn that came to nothing: shown, never sent to a model again.
    Failed,
}

/// One message of a conversation.
#[derive(Clone, Debug)]
pub struct Message {
    pub id: MessageId,
    /// Position in the conversation, from 1, with gaps allowed.
    pub sequence: u64,
    /// The message this one follows in what the model was shown.
    pub parent: Option<MessageId>,
    pub role: Role,
    /// A JSON array of typed parts, such as `[{"type":"text","text":"…"}]`.
    pub content: Json,
    /// The provider's own blocks behind the content, in its dialect.
    pub raw: Option<Json>,
    pub status: MessageStatus,
    pub finish_reason: Option<FinishReason>,
    pub provider: Option<ProviderName>,
    /// The upstream model that wrote it.
    pub model: Option<Arc<str>>,
    pub created_at: UnixMillis,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    Ascending,
    #[default]
    Descending,
}

/// Which part of a list. Entries are in the order of their creation, or the reverse of it.
#[derive(Clone, Copy, Debug)]
pub struct Page<Id> {
    /// At most this many entries; taken as 1 to [`MAX_PAGE`].
    pub limit: u32,
    /// Entries behind this one in the given order, from the nearest on.
    pub after: Option<Id>,
    /// Entries in front of this one in the given order, up to the nearest.
    pub before: Option<Id>,
    pub order: Order,
}

/// The longest page there is.
pub const MAX_PAGE: u32 = 100;

impl<Id> Default for Page<Id> {
    fn default() -> Self {
        Self { limit: 20, after: None, before: None, order: Order::default() }
    }
}

/// One page. `first_id` and `last_id` of the API are the ids of the ends of `data`.
#[derive(Clone, Debug)]
pub struct List<T> {
    pub data: Vec<T>,
    /// Whether the list goes on in the direction it was read: behind the page, or with only
    /// `before` given, in front of it.
    pub has_more: bool,
}

impl<T> List<T> {
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.data.first()
    }

    #[must_use]
    pub fn last(&self) -> Option<&T> {
        self.data.last()
    }
}
