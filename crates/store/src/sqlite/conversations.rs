//! Conversations and their messages: what the writer does to them, and how they are listed.

use domain::{AgentName, ConversationId, FinishReason, KeyId, MessageId, ProviderName, UnixMillis};
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::failure::Failure;
use super::row::Columns;
use crate::conversation::{
    Change, Conversation, List, MAX_PAGE, Message, MessageStatus, Order, Owner, Page, Role,
};
use crate::error::Error;
use crate::intent::{Create, TurnKey};

macro_rules! conversation_columns {
    () => {
        "conversation_id, agent, title, metadata, created_at, updated_at"
    };
}

macro_rules! message_columns {
    () => {
        "message_id, sequence, parent_id, role, content, raw, status, finish_reason, provider, model, created_at"
    };
}

pub(super) const CREATE: &str = "\
    INSERT INTO conversations (tenant_id, conversation_id, user_id, key_id, agent, title, metadata, created_at, updated_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";

pub(super) async fn create(connection: &mut SqliteConnection, create: &Create) -> Result<(), Failure> {
    sqlx::query(CREATE)
        .bind(create.owner.tenant.as_str())
        .bind(create.id.uuid().as_bytes().as_slice())
        .bind(create.owner.user.as_str())
        .bind(create.owner.key.as_ref().map(KeyId::as_str))
        .bind(create.agent.as_str())
        .bind(create.title.as_str())
        .bind(create.metadata.get())
        .bind(create.at.0)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) const CHANGE: &str = concat!(
    "UPDATE conversations SET title = coalesce($4, title), metadata = coalesce($5, metadata), \
     updated_at = max(updated_at, $6) \
     WHERE tenant_id = $1 AND user_id = $2 AND conversation_id = $3 RETURNING ",
    conversation_columns!()
);

pub(super) async fn change(
    connection: &mut SqliteConnection,
    owner: &Owner,
    id: ConversationId,
    change: &Change,
    at: UnixMillis,
) -> Result<Option<Conversation>, Failure> {
    let row = sqlx::query(CHANGE)
        .bind(owner.tenant.as_str())
        .bind(owner.user.as_str())
        .bind(id.uuid().as_bytes().as_slice())
        .bind(change.title.as_deref())
        .bind(change.metadata.as_deref().map(|json| json.get()))
        .bind(at.0)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read_conversation).transpose()
}

pub(super) const DELETE: &str =
    "DELETE FROM conversations WHERE tenant_id = $1 AND user_id = $2 AND conversation_id = $3";

/// Whether there was one to delete. Turns and messages go with it.
pub(super) async fn delete(
    connection: &mut SqliteConnection,
    owner: &Owner,
    id: ConversationId,
) -> Result<bool, Failure> {
    let done = sqlx::query(DELETE)
        .bind(owner.tenant.as_str())
        .bind(owner.user.as_str())
        .bind(id.uuid().as_bytes().as_slice())
        .execute(connection)
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) const ONE: &str = concat!(
    "SELECT ",
    conversation_columns!(),
    " FROM conversations WHERE tenant_id = $1 AND user_id = $2 AND conversation_id = $3"
);

pub(super) async fn one(
    connection: &mut SqliteConnection,
    owner: &Owner,
    id: ConversationId,
) -> Result<Option<Conversation>, Failure> {
    let row = sqlx::query(ONE)
        .bind(owner.tenant.as_str())
        .bind(owner.user.as_str())
        .bind(id.uuid().as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(read_conversation).transpose()
}

// Left alone, the planner takes the primary key and walks through everybody's conversations.
macro_rules! list {
    ($order:literal) => {
        concat!(
            "SELECT ",
            conversation_columns!(),
            " FROM conversations INDEXED BY conversations_of_owner WHERE tenant_id = $1 AND user_id = $2 \
             AND conversation_id > $3 AND conversation_id < $4 ORDER BY conversation_id ",
            $order,
            " LIMIT $5"
        )
    };
}

pub(super) const LIST_ASCENDING: &str = list!("ASC");
pub(super) const LIST_DESCENDING: &str = list!("DESC");

pub(super) async fn list(
    connection: &mut SqliteConnection,
    owner: &Owner,
    page: Page<ConversationId>,
) -> Result<List<Conversation>, Failure> {
    let window = Window::of(page, |id| id.uuid(), Uuid::nil(), Uuid::max());
    let rows = sqlx::query(if window.ascending { LIST_ASCENDING } else { LIST_DESCENDING })
        .bind(owner.tenant.as_str())
        .bind(owner.user.as_str())
        .bind(window.above.as_bytes().as_slice())
        .bind(window.below.as_bytes().as_slice())
        .bind(i64::from(window.limit) + 1)
        .fetch_all(connection)
        .await?;
    window.list(&rows, read_conversation)
}

macro_rules! items {
    ($order:literal) => {
        concat!(
            "SELECT ",
            message_columns!(),
            " FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
             AND sequence > $3 AND sequence < $4 ORDER BY sequence ",
            $order,
            " LIMIT $5"
        )
    };
}

pub(super) const ITEMS_ASCENDING: &str = items!("ASC");
pub(super) const ITEMS_DESCENDING: &str = items!("DESC");

/// A page of messages, or why there is none.
pub(super) async fn items(
    connection: &mut SqliteConnection,
    owner: &Owner,
    id: ConversationId,
    page: Page<MessageId>,
) -> Result<Result<List<Message>, Error>, Failure> {
    if one(connection, owner, id).await?.is_none() {
        return Ok(Err(Error::NotFound));
    }
    let Page { limit, order, .. } = page;
    let Ok(after) = place(connection, owner, id, page.after).await? else {
        return Ok(Err(Error::UnknownCursor));
    };
    let Ok(before) = place(connection, owner, id, page.before).await? else {
        return Ok(Err(Error::UnknownCursor));
    };
    let window = Window::of(Page { limit, after, before, order }, |sequence| sequence, 0, i64::MAX);
    let rows = sqlx::query(if window.ascending { ITEMS_ASCENDING } else { ITEMS_DESCENDING })
        .bind(owner.tenant.as_str())
        .bind(id.uuid().as_bytes().as_slice())
        .bind(window.above)
        .bind(window.below)
        .bind(i64::from(window.limit) + 1)
        .fetch_all(connection)
        .await?;
    window.list(&rows, read_message).map(Ok)
}

pub(super) const PLACE: &str =
    "SELECT sequence FROM messages WHERE tenant_id = $1 AND message_id = $2 AND conversation_id = $3";

/// The sequence of a cursor, if there is a cursor; an error if the conversation does not have it.
async fn place(
    connection: &mut SqliteConnection,
    owner: &Owner,
    conversation: ConversationId,
    cursor: Option<MessageId>,
) -> Result<Result<Option<i64>, Error>, Failure> {
    let Some(cursor) = cursor else { return Ok(Ok(None)) };
    let row = sqlx::query(PLACE)
        .bind(owner.tenant.as_str())
        .bind(cursor.uuid().as_bytes().as_slice())
        .bind(conversation.uuid().as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    match row {
        Some(row) => Ok(Ok(Some(Columns::of(&row).get()?))),
        None => Ok(Err(Error::UnknownCursor)),
    }
}

pub(super) const HISTORY: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM messages WHERE tenant_id = $1 AND conversation_id = $2 AND sequence < $3 AND status <> 'failed' \
     ORDER BY sequence DESC LIMIT $4"
);

/// The last messages before `sequence` that a model may see, oldest first. An answer whose question fell out of
/// the window falls out with it.
pub(super) async fn history(
    connection: &mut SqliteConnection,
    turn: &TurnKey,
    sequence: i64,
    limit: u32,
) -> Result<Vec<Message>, Failure> {
    let rows = sqlx::query(HISTORY)
        .bind(turn.owner.tenant.as_str())
        .bind(turn.conversation.uuid().as_bytes().as_slice())
        .bind(sequence)
        .bind(i64::from(limit))
        .fetch_all(connection)
        .await?;
    let messages: Result<Vec<Message>, Failure> = rows.iter().rev().map(read_message).collect();
    Ok(messages?.into_iter().skip_while(|message| message.role != Role::User).collect())
}

/// The part of a list that a page asks for, in terms of the key's own order.
struct Window<K> {
    above: K,
    below: K,
    limit: u32,
    /// The direction to read in.
    ascending: bool,
    /// Read from the far end, to be turned round.
    reversed: bool,
}

impl<K> Window<K> {
    fn of<Id>(page: Page<Id>, key: impl Fn(Id) -> K, lowest: K, highest: K) -> Self {
        let reversed = page.before.is_some() && page.after.is_none();
        let (after, before) = (page.after.map(&key), page.before.map(&key));
        let (above, below) = match page.order {
            Order::Ascending => (after, before),
            Order::Descending => (before, after),
        };
        Self {
            above: above.unwrap_or(lowest),
            below: below.unwrap_or(highest),
            limit: page.limit.clamp(1, MAX_PAGE),
            ascending: (page.order == Order::Ascending) != reversed,
            reversed,
        }
    }

    /// `rows` has one more than the page if the list goes on.
    fn list<T>(
        &self,
        rows: &[SqliteRow],
        read: impl Fn(&SqliteRow) -> Result<T, Failure>,
    ) -> Result<List<T>, Failure> {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        let data: Result<Vec<T>, Failure> = rows.iter().take(limit).map(read).collect();
        let mut data = data?;
        if self.reversed {
            data.reverse();
        }
        Ok(List { data, has_more: rows.len() > limit })
    }
}

fn read_conversation(row: &SqliteRow) -> Result<Conversation, Failure> {
    let mut columns = Columns::of(row);
    Ok(Conversation {
        id: columns.id(ConversationId::from_uuid)?,
        agent: columns.name(AgentName::new)?,
        title: columns.get()?,
        metadata: columns.json()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

fn read_message(row: &SqliteRow) -> Result<Message, Failure> {
    let mut columns = Columns::of(row);
    Ok(Message {
        id: columns.id(MessageId::from_uuid)?,
        sequence: columns.count()?,
        parent: columns.id_if_any(MessageId::from_uuid)?,
        role: columns.word(&[("user", Role::User), ("assistant", Role::Assistant)])?,
        content: columns.json()?,
        raw: columns.json_if_any()?,
        status: columns.word(&[
            ("completed", MessageStatus::Completed),
            ("partial", MessageStatus::Partial),
            ("failed", MessageStatus::Failed),
        ])?,
        finish_reason: columns.word_if_any(&FINISH_REASONS)?,
        provider: columns.name_if_any(ProviderName::new)?,
        model: columns.text_if_any()?,
        created_at: columns.time()?,
    })
}

const FINISH_REASONS: [(&str, FinishReason); 5] = {
    const fn word(reason: FinishReason) -> (&'static str, FinishReason) {
        (reason.as_str(), reason)
    }
    [
        word(FinishReason::Stop),
        word(FinishReason::Length),
        word(FinishReason::ToolCalls),
        word(FinishReason::ContentFilter),
        word(FinishReason::Other),
    ]
};
