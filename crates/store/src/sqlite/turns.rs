//! Turns: what the writer does when one begins, when one ends, and about those a crash has left.
//!
//! The rule that lets intents share a transaction: an intent that is refused has written nothing. So every statement
//! asks for itself whether it may, and the last one tells whether it did.

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
    let key = &begin.key;
    let mut arguments = key_arguments(key)?;
    add(&mut arguments, begin.at.0)?;
    add(&mut arguments, key.owner.user.as_str())?;
    add(&mut arguments, key.owner.key.as_ref().map(KeyId::as_str))?;
    add(&mut arguments, begin.agent.as_str())?;
    add(&mut arguments, key.user_message.uuid().as_bytes().as_slice())?;
    add(&mut arguments, key.answer_message.uuid().as_bytes().as_slice())?;
    add(&mut arguments, begin.content.get())?;
    if let Some(create) = &begin.create {
        add(&mut arguments, create.title.as_str())?;
        add(&mut arguments, create.metadata.get())?;
    }
    let statement = if begin.create.is_some() { BEGIN_NEW } else { BEGIN };
    let Some(begun) = sqlx::query_with(statement, arguments).fetch_optional(&mut *connection).await? else {
        let exists = conversations::one(connection, &key.owner, key.conversation).await?.is_some();
        return Ok(Err(if exists { Error::WrongAgent } else { Error::NotFound }));
    };
    let mut columns = Columns::of(&begun);
    let sequence = columns.get()?;
    if columns.get()? && begin.create.is_none() {
        entitle(connection, begin).await?;
    }
    Ok(Ok(sequence))
}

/// Whether the conversation is the owner's and the agent's.
macro_rules! may {
    () => {
        "EXISTS (SELECT 1 FROM conversations \
                 WHERE tenant_id = $1 AND conversation_id = $2 AND user_id = $5 AND agent = $7)"
    };
}

/// One trip for all of it, and every part asks again whose conversation it is, so that nothing is written to one
/// that is not the owner's or the agent's. The seat says that nobody else is answering, so a turn that is still
/// running is one whose end could not be written: it failed. The parent is the last message a model may see.
macro_rules! begin {
    ($($create:literal)?) => {
        concat!(
            $($create,)?
            "UPDATE messages SET status = 'failed' \
             WHERE tenant_id = $1 AND conversation_id = $2 AND ", may!(), " AND sequence = \
                 (SELECT sequence FROM turns WHERE tenant_id = $1 AND conversation_id = $2 AND status = 'running'); \
             UPDATE turns SET status = 'failed', finished_at = $4 \
             WHERE tenant_id = $1 AND conversation_id = $2 AND status = 'running' AND ", may!(), "; \
             UPDATE conversations SET updated_at = max(updated_at, $4) \
             WHERE tenant_id = $1 AND conversation_id = $2 AND user_id = $5 AND agent = $7; \
             INSERT INTO messages (tenant_id, conversation_id, sequence, message_id, parent_id, request_id, user_id, \
                                   key_id, role, status, content, created_at) \
             SELECT $1, $2, coalesce(max(sequence), 0) + 1, $8, \
                    (SELECT message_id FROM messages \
                     WHERE tenant_id = $1 AND conversation_id = $2 AND status <> 'failed' \
                     ORDER BY sequence DESC LIMIT 1), \
                    $3, $5, $6, 'user', 'completed', $10, $4 \
             FROM messages WHERE tenant_id = $1 AND conversation_id = $2 HAVING ", may!(), "; \
             INSERT INTO turns (tenant_id, conversation_id, request_id, user_id, key_id, agent, status, sequence, \
                                answer_id, started_at) \
             SELECT $1, $2, $3, $5, $6, $7, 'running', max(sequence), $9, $4 \
             FROM messages WHERE tenant_id = $1 AND conversation_id = $2 HAVING ", may!(), " \
             RETURNING sequence, \
                 (SELECT title = '' FROM conversations WHERE tenant_id = $1 AND conversation_id = $2)"
        )
    };
}

pub(super) const BEGIN: &str = begin!();

pub(super) const BEGIN_NEW: &str = begin!(
    "INSERT INTO conversations (tenant_id, conversation_id, user_id, key_id, agent, title, metadata, created_at, \
                                updated_at) \
     VALUES ($1, $2, $5, $6, $7, $11, $12, $4, $4); "
);

pub(super) const ENTITLE: &str =
    "UPDATE conversations SET title = $3 WHERE tenant_id = $1 AND conversation_id = $2";

/// Titles a conversation that was made without one.
async fn entitle(connection: &mut SqliteConnection, begin: &Begin) -> Result<(), Failure> {
    sqlx::query(ENTITLE)
        .bind(begin.key.owner.tenant.as_str())
        .bind(begin.key.conversation.uuid().as_bytes().as_slice())
        .bind(title_of(&begin.content))
        .execute(connection)
        .await?;
    Ok(())
}

/// Stores the answer and ends the turn. Writes nothing if the conversation was deleted.
pub(super) async fn finish(
    connection: &mut SqliteConnection,
    finish: &Finish,
) -> Result<Result<(), Error>, Failure> {
    let (key, answer) = (&finish.key, &finish.answer);
    let mut arguments = key_arguments(key)?;
    add(&mut arguments, finish.at.0)?;
    add(
        &mut arguments,
        match answer.status {
            AnswerStatus::Completed => "completed",
            AnswerStatus::Partial => "partial",
            AnswerStatus::Failed => "failed",
        },
    )?;
    if let Some(content) = &answer.content {
        add(&mut arguments, key.owner.user.as_str())?;
        add(&mut arguments, key.owner.key.as_ref().map(KeyId::as_str))?;
        add(&mut arguments, key.user_message.uuid().as_bytes().as_slice())?;
        add(&mut arguments, key.answer_message.uuid().as_bytes().as_slice())?;
        add(&mut arguments, content.get())?;
        add(&mut arguments, answer.raw.as_deref().map(|raw| raw.get()))?;
        add(&mut arguments, answer.finish_reason.map(FinishReason::as_str))?;
        add(&mut arguments, answer.provider.as_ref().map(ProviderName::as_str))?;
        add(&mut arguments, answer.model.clone())?;
    }
    let statement = match (&answer.content, answer.status == AnswerStatus::Failed) {
        (Some(_), false) => ANSWER,
        (Some(_), true) => ANSWER_AND_FAIL,
        (None, false) => END,
        (None, true) => FAIL,
    };
    let ended = sqlx::query_with(statement, arguments).fetch_optional(connection).await?;
    Ok(if ended.is_some() { Ok(()) } else { Err(Error::NotFound) })
}

macro_rules! end {
    ($($before:expr),*) => {
        concat!(
            $($before,)*
            "UPDATE conversations SET updated_at = max(updated_at, $4) \
             WHERE tenant_id = $1 AND conversation_id = $2; \
             UPDATE turns SET status = $5, finished_at = $4 \
             WHERE tenant_id = $1 AND conversation_id = $2 AND request_id = $3 AND status = 'running' \
             RETURNING sequence"
        )
    };
}

macro_rules! fail_question {
    () => {
        "UPDATE messages SET status = 'failed' \
         WHERE tenant_id = $1 AND conversation_id = $2 AND sequence = \
             (SELECT sequence FROM turns WHERE tenant_id = $1 AND conversation_id = $2 AND request_id = $3); "
    };
}

macro_rules! insert_answer {
    () => {
        "INSERT INTO messages (tenant_id, conversation_id, request_id, created_at, status, user_id, key_id, parent_id, \
                               message_id, content, raw, finish_reason, provider, model, role, sequence) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'assistant', max(sequence) + 1 \
         FROM messages WHERE tenant_id = $1 AND conversation_id = $2 \
         HAVING EXISTS (SELECT 1 FROM turns WHERE tenant_id = $1 AND conversation_id = $2 AND request_id = $3 \
                        AND status = 'running'); "
    };
}

pub(super) const END: &str = end!();
pub(super) const FAIL: &str = end!(fail_question!());
pub(super) const ANSWER: &str = end!(insert_answer!());
pub(super) const ANSWER_AND_FAIL: &str = end!(insert_answer!(), fail_question!());

/// Fails the turns that a dead process was answering.
pub(super) async fn recover(connection: &mut SqliteConnection, at: UnixMillis) -> Result<u64, Failure> {
    let recovered = sqlx::query(RECOVER).bind(at.0).execute(connection).await?;
    Ok(recovered.rows_affected())
}

/// One transaction is not needed: what is cut between the two is done by the next start.
pub(super) const RECOVER: &str = "\
    UPDATE messages SET status = 'failed' WHERE (tenant_id, conversation_id, sequence) IN \
        (SELECT tenant_id, conversation_id, sequence FROM turns WHERE status = 'running'); \
    UPDATE turns SET status = 'failed', finished_at = $1 WHERE status = 'running'";

/// `$1` to `$3` of the statements about one turn.
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
