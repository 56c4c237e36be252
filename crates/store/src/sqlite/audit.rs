//! The audit log's rows.

use domain::{KeyId, UnixMillis};
use sqlx::SqliteConnection;

use super::failure::Failure;
use crate::audit::AuditEntry;

pub(super) const APPEND: &str = "\
    INSERT INTO audit (tenant_id, sequence, at, actor, key_id, ip, action, object, before, after, request_id) \
    SELECT $1, coalesce(max(sequence), 0) + 1, $2, $3, $4, $5, $6, $7, $8, $9, $10 FROM audit WHERE tenant_id = $1";

pub(super) async fn append(
    connection: &mut SqliteConnection,
    entry: &AuditEntry,
    at: UnixMillis,
) -> Result<(), Failure> {
    sqlx::query(APPEND)
        .bind(entry.tenant.as_str())
        .bind(at.0)
        .bind(entry.actor.as_str())
        .bind(entry.key.as_ref().map(KeyId::as_str))
        .bind(entry.ip.map(|ip| ip.to_string()))
        .bind(entry.action)
        .bind(entry.object.as_str())
        .bind(entry.before.as_deref().map(|json| json.get()))
        .bind(entry.after.as_deref().map(|json| json.get()))
        .bind(entry.request.map(|id| id.uuid().into_bytes().to_vec()))
        .execute(connection)
        .await?;
    Ok(())
}
