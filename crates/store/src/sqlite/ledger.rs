//! The ledger's rows: written by the dozen, because the trip to SQLite's thread and the parsing of a statement
//! cost more than a row does.

use std::borrow::Cow;
use std::time::Duration;

use domain::{
    AgentName, AttemptId, ConversationId, KeyId, NanoUsd, Outcome, ProviderName, RequestId, TenantId, Usage,
    UserId,
};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments, SqliteConnection};

use super::failure::Failure;
use super::row::Columns;
use crate::conversation::Owner;
use crate::ledger::LedgerRow;

macro_rules! columns {
    () => {
        "tenant_id, request_id, attempt, user_id, key_id, agent, model, provider, upstream_model, tags, \
         input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens, audio_tokens, \
         image_tokens, estimated, cost_nano_usd, price_version, config_hash, release, client_request_id, \
         outcome, code, started_at, duration_ms, ttft_ms, conversation_id"
    };
}

/// How many columns that is.
const WIDTH: usize = 29;

macro_rules! one {
    () => {
        "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
    };
}

macro_rules! eight_times {
    ($rows:expr) => {
        concat!($rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows, ",", $rows)
    };
}

macro_rules! insert {
    ($rows:expr) => {
        concat!(
            "WITH present (rows) AS (VALUES (?)) INSERT INTO ledger (",
            columns!(),
            ") SELECT * FROM (VALUES ",
            $rows,
            ") WHERE TRUE LIMIT (SELECT rows FROM present) ON CONFLICT DO NOTHING"
        )
    };
}

/// How many rows a statement has room for, and the statement. Few, because each stays prepared; it stops at the
/// last row that is there, so the rest of its room costs next to nothing.
const SHAPES: [(usize, &str); 3] = [
    (1, insert!(one!())),
    (8, insert!(eight_times!(one!()))),
    (MOST, insert!(eight_times!(eight_times!(one!())))),
];

/// The most rows that one statement takes.
pub(super) const MOST: usize = 64;

/// Inserts the rows; those that are there already stay as they are. Up to [`MOST`] rows are one statement.
pub(super) async fn insert(connection: &mut SqliteConnection, rows: &[&LedgerRow]) -> Result<(), Failure> {
    for rows in rows.chunks(MOST) {
        let Some((_, statement)) = SHAPES.iter().find(|(room, _)| *room >= rows.len()) else { continue };
        let mut arguments = SqliteArguments::default();
        arguments.reserve(1 + rows.len() * WIDTH, 0);
        arguments.add(i64::try_from(rows.len()).unwrap_or(i64::MAX)).map_err(sqlx::Error::Encode)?;
        for row in rows {
            bind(&mut arguments, row).map_err(sqlx::Error::Encode)?;
        }
        sqlx::query_with(*statement, arguments).execute(&mut *connection).await?;
    }
    Ok(())
}

fn bind(arguments: &mut SqliteArguments, row: &LedgerRow) -> Result<(), sqlx::error::BoxDynError> {
    let LedgerRow { attempt, owner, usage, .. } = row;
    arguments.add(owner.tenant.as_str())?;
    arguments.add(attempt.request.uuid().as_bytes().as_slice())?;
    arguments.add(i64::from(attempt.number))?;
    arguments.add(owner.user.as_str())?;
    arguments.add(owner.key.as_ref().map(KeyId::as_str))?;
    arguments.add(row.agent.as_ref().map(AgentName::as_str))?;
    arguments.add(row.model.clone())?;
    arguments.add(row.provider.as_ref().map(ProviderName::as_str))?;
    arguments.add(row.upstream_model.clone())?;
    arguments.add(row.tags.clone())?;
    arguments.add(count(usage.input))?;
    arguments.add(count(usage.cached_input))?;
    arguments.add(count(usage.cache_write))?;
    arguments.add(count(usage.output))?;
    arguments.add(count(usage.reasoning))?;
    arguments.add(count(usage.audio))?;
    arguments.add(count(usage.image))?;
    arguments.add(usage.estimated)?;
    arguments.add(row.cost.map(|cost| cost.0))?;
    arguments.add(row.price_version.clone())?;
    arguments.add(row.config_hash.clone())?;
    arguments.add(row.release.clone())?;
    arguments.add(row.client_request_id.clone())?;
    arguments.add(row.outcome.as_str())?;
    arguments.add(row.code.as_deref())?;
    arguments.add(row.started_at.0)?;
    arguments.add(millis(row.duration))?;
    arguments.add(row.time_to_first_token.map(millis))?;
    arguments.add(row.conversation.as_ref().map(|id| id.uuid().into_bytes().to_vec()))?;
    Ok(())
}

fn count(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

pub(super) const ATTEMPTS: &str =
    concat!("SELECT ", columns!(), " FROM ledger WHERE tenant_id = $1 AND request_id = $2 ORDER BY attempt");

/// The attempts of one request in order.
pub(super) async fn attempts(
    connection: &mut SqliteConnection,
    tenant: &TenantId,
    request: RequestId,
) -> Result<Vec<LedgerRow>, Failure> {
    let rows = sqlx::query(ATTEMPTS)
        .bind(tenant.as_str())
        .bind(request.uuid().as_bytes().as_slice())
        .fetch_all(connection)
        .await?;
    rows.iter().map(read).collect()
}

fn read(row: &SqliteRow) -> Result<LedgerRow, Failure> {
    let mut columns = Columns::of(row);
    let tenant = columns.name(TenantId::new)?;
    let attempt = AttemptId {
        request: columns.id(RequestId::from_uuid)?,
        number: u32::try_from(columns.count()?).unwrap_or(u32::MAX),
    };
    Ok(LedgerRow {
        attempt,
        owner: Owner { tenant, user: columns.name(UserId::new)?, key: columns.name_if_any(KeyId::new)? },
        agent: columns.name_if_any(AgentName::new)?,
        model: columns.get::<&str>()?.into(),
        provider: columns.name_if_any(ProviderName::new)?,
        upstream_model: columns.text_if_any()?,
        tags: columns.text_if_any()?,
        usage: Usage {
            input: columns.count()?,
            cached_input: columns.count()?,
            cache_write: columns.count()?,
            output: columns.count()?,
            reasoning: columns.count()?,
            audio: columns.count()?,
            image: columns.count()?,
            estimated: columns.get()?,
        },
        cost: columns.get::<Option<i64>>()?.map(NanoUsd),
        price_version: columns.text_if_any()?,
        config_hash: columns.get::<&str>()?.into(),
        release: columns.get::<&str>()?.into(),
        client_request_id: columns.text_if_any()?,
        outcome: columns.word(&OUTCOMES)?,
        code: columns.get::<Option<String>>()?.map(Cow::Owned),
        started_at: columns.time()?,
        duration: Duration::from_millis(columns.count()?),
        time_to_first_token: columns
            .get::<Option<i64>>()?
            .map(|millis| Duration::from_millis(millis.unsigned_abs())),
        conversation: columns.id_if_any(ConversationId::from_uuid)?,
    })
}

const OUTCOMES: [(&str, Outcome); 7] = {
    const fn word(outcome: Outcome) -> (&'static str, Outcome) {
        (outcome.as_str(), outcome)
    }
    [
        word(Outcome::Ok),
        word(Outcome::ClientError),
        word(Outcome::Limited),
        word(Outcome::UpstreamError),
        word(Outcome::InternalError),
        word(Outcome::Cancelled),
        word(Outcome::Partial),
    ]
};
