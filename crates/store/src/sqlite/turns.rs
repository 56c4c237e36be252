//! Turns: what the writer does when one begins, when one ends, and about those a crash has left.
//!
//! The rule that lets intents share a transaction: whatever can refuse comes first, so an intent that is refused
//! has written nothing.

use domain::{FinishReason, KeyId, ProviderName, UnixMillis};
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, Encode, Sqlite, SqliteConnection, Type};

use super::conversations;
use super::failure::Failure;
use super::row::Columns;
use crate::error::Error;
use crate::intent::{Begin, Finish, TurnKey};
use crate::title::title_of;
use crate::turn::AnswerStatus;

/// Stores the user's message and the running turn; the message's sequence, or why not.
pub(super) async fn begin(
    connection: &mut SqliteConnection,
    begin: &Begin,
) -> Result<Result<i64, Error>, Failure> {
    if let Some(create) = &begin.create {
        conversations::create(connection, create).await?;
    } else if let Err(refused) = touch(connection, begin).await? {
        return Ok(Err(refused));
    }
    let key = &begin.key;
    let mut arguments = key_arguments(key)?;
    add(&mut arguments, begin.at.0)?;
    add(&mut arguments, key.owner.user.as_str())?;
    add(&mut arguments, key.owner.key.as_ref().map(KeyId::as_str))?;
    add(&mut arguments, begin.agent.as_str())?;
    add(&mut arguments, key.user_message.uuid().as_bytes().as_slice())?;
    add(&mut arguments, key.answer_message.uuid().as_bytes().as_slice())?;
    add(&mut arguments, begin.content.get())?;
    let row = sqlx::query_with(BEGIN, arguments).fetch_one(connection).await?;
    Columns::of(&row).get().map(Ok)
}

/// One trip for all of it. The seat says that nobody else is answering, so a turn that is still running is one
/// whose end could not be written: it failed. The parent is the last message that a model may see.
pub(super) const BEGIN: &str = "\
    UPDATE messages SET status = 'failed' \
    WHERE tenant_id = ?1 AND conversation_id = ?2 AND sequence = \
        (SELECT sequence FROM turns WHERE tenant_id = ?1 AND conversation_id = ?2 AND status = 'running'); \
    UPDATE turns SET status = 'failed', finished_at = ?4 \
    WHERE tenant_id = ?1 AND conversation_id = ?2 AND status = 'running'; \
    INSERT INTO messages (tenant_id, conversation_id, sequence, message_id, parent_id, request_id, user_id, key_id, \
                          role, status, content, created_at) \
    SELECT ?1, ?2, coalesce(max(sequence), 0) + 1, ?8, \
           (SELECT message_id FROM messages WHERE tenant_id = ?1 AND conversation_id = ?2 AND status <> 'failed' \
            ORDER BY sequence DESC LIMIT 1), \
           ?3, ?5, ?6, 'user', 'completed', ?10, ?4 \
    FROM messages WHERE tenant_id = ?1 AND conversation_id = ?2; \
    INSERT INTO turns (tenant_id, conversation_id, request_id, user_id, key_id, agent, status, sequence, answer_id, \
                       started_at) \
    SELECT ?1, ?2, ?3, ?5, ?6, ?7, 'running', max(sequence), ?9, ?4 \
    FROM messages WHERE tenant_id = ?1 AND conversation_id = ?2 \
    RETURNING sequence";

pub(super) const TOUCH: &str = "\
    UPDATE conversations SET updated_at = max(updated_at, ?5) \
    WHERE tenant_id = ?1 AND user_id = ?2 AND conversation_id = ?3 AND agent = ?4 RETURNING title = ''";

pub(super) const ENTITLE: &str =
    "UPDATE conversations SET title = ?3 WHERE tenant_id = ?1 AND conversation_id = ?2";

/// Checks that the conversation is the owner's and the agent's, and gives it a title if it has none.
async fn touch(connection: &mut SqliteConnection, begin: &Begin) -> Result<Result<(), Error>, Failure> {
    let TurnKey { owner, conversation, .. } = &begin.key;
    let touched = sqlx::query(TOUCH)
        .bind(owner.tenant.as_str())
        .bind(owner.user.as_str())
        .bind(conversation.uuid().as_bytes().as_slice())
        .bind(begin.agent.as_str())
        .bind(begin.at.0)
        .fetch_optional(&mut *connection)
        .await?;
    let Some(touched) = touched else {
        let exists = conversations::one(connection, owner, *conversation).await?.is_some();
        return Ok(Err(if exists { Error::WrongAgent } else { Error::NotFound }));
    };
    if Columns::of(&touched).get::<bool>()? {
        sqlx::query(ENTITLE)
            .bind(owner.tenant.as_str())
            .bind(conversation.uuid().as_bytes().as_slice())
            .bind(title_of(&begin.content))
            .execute(connection)
            .await?;
    }
    Ok(Ok(()))
}

/// Stores the answer and ends the turn.
pub(super) async fn finish(
    connection: &mut SqliteConnection,
    finish: &Finish,
) -> Result<Result<(), Error>, Failure> {
    let (key, answer) = (&finish.key, &finish.answer);
    let (end, status) = match answer.status {
        AnswerStatus::Completed => (END, "completed"),
        AnswerStatus::Partial => (END, "partial"),
        AnswerStatus::Failed => (END_FAILED, "failed"),
    };
    let mut arguments = key_arguments(key)?;
    add(&mut arguments, finish.at.0)?;
    add(&mut arguments, status)?;
    let ended = sqlx::query_with(end, arguments.clone()).fetch_optional(&mut *connection).await?;
    if ended.is_none() {
        return Ok(Err(Error::NotFound));
    }
    let Some(content) = &answer.content else { return Ok(Ok(())) };
    add(&mut arguments, key.owner.user.as_str())?;
    add(&mut arguments, key.owner.key.as_ref().map(KeyId::as_str))?;
    add(&mut arguments, key.user_message.uuid().as_bytes().as_slice())?;
    add(&mut arguments, key.answer_message.uuid().as_bytes().as_slice())?;
    add(&mut arguments, content.get())?;
    add(&mut arguments, answer.raw.as_deref().map(|raw| raw.get()))?;
    add(&mut arguments, answer.finish_reason.map(FinishReason::as_str))?;
    add(&mut arguments, answer.provider.as_ref().map(ProviderName::as_str))?;
    add(&mut arguments, answer.model.clone())?;
    sqlx::query_with(ANSWER, arguments).execute(connection).await?;
    Ok(Ok(()))
}

macro_rules! end {
    ($before:literal) => {
        concat!(
            $before,
            "UPDATE conversations SET updated_at = max(updated_at, ?4) \
             WHERE tenant_id = ?1 AND conversation_id = ?2; \
             UPDATE turns SET status = ?5, finished_at = ?4 \
             WHERE tenant_id = ?1 AND conversation_id = ?2 AND request_id = ?3 AND status = 'running' \
             RETURNING sequence"
        )
    };
}

/// Nothing is changed if the conversation was deleted.
pub(super) const END: &str = end!("");

pub(super) const END_FAILED: &str = end!(
    "UPDATE messages SET status = 'failed' \
     WHERE tenant_id = ?1 AND conversation_id = ?2 AND sequence = \
         (SELECT sequence FROM turns WHERE tenant_id = ?1 AND conversation_id = ?2 AND request_id = ?3); "
);

pub(super) const ANSWER: &str = "\
    INSERT INTO messages (tenant_id, conversation_id, request_id, created_at, status, user_id, key_id, parent_id, \
                          message_id, content, raw, finish_reason, provider, model, role, sequence) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, 'assistant', max(sequence) + 1 \
    FROM messages WHERE tenant_id = ?1 AND conversation_id = ?2";

/// Fails the turns that a dead process was answering.
pub(super) async fn recover(connection: &mut SqliteConnection, at: UnixMillis) -> Result<u64, Failure> {
    let recovered = sqlx::query(RECOVER).bind(at.0).execute(connection).await?;
    Ok(recovered.rows_affected())
}

/// One transaction is not needed: what is cut between the two is done by the next start.
pub(super) const RECOVER: &str = "\
    UPDATE messages SET status = 'failed' WHERE (tenant_id, conversation_id, sequence) IN \
        (SELECT tenant_id, conversation_id, sequence FROM turns WHERE status = 'running'); \
    UPDATE turns SET status = 'failed', finished_at = ?1 WHERE status = 'running'";

/// `?1` to `?3` of the statements about one turn.
fn key_arguments(key: &TurnKey) -> Result<SqliteArguments, Failure> {
    let mut arguments = SqliteArguments::default();
    add(&mut arguments, key.owner.tenant.as_str())?;
    add(&mut arguments, key.conversation.uuid().as_bytes().as_slice())?;
    add(&mut arguments, key.request.uuid().as_bytes().as_slice())?;
    Ok(arguments)
}

fn add<'t, T: Encode<'t, Sqlite> + Type<Sqlite>>(
    arguments: &mut SqliteArguments,
    value: T,
) -> Result<(), Failure> {
    arguments.add(value).map_err(|error| sqlx::Error::Encode(error).into())
}
