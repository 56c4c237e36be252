//! The schema's steps, embedded in the binary, and the refusal to run on a schema that is not ours.

use sqlx::SqliteConnection;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::connection::Database;
use super::failure::{Failure, Kind};
use crate::error::OpenError;

/// Version, what it brings, up, down.
type Step = (i64, &'static str, &'static str, &'static str);

macro_rules! steps {
    ($($version:literal $name:literal;)*) => {
        [$((
            $version,
            $name,
            include_str!(concat!("../../migrations/sqlite/000", $version, "_", $name, ".up.sql")),
            include_str!(concat!("../../migrations/sqlite/000", $version, "_", $name, ".down.sql")),
        )),*]
    };
}

/// In order. A step that was released is never edited: databases remember its checksum.
pub(crate) const STEPS: [Step; 3] = steps! {
    1 "conversations";
    2 "ledger";
    3 "audit";
};

const TABLE: &str = "_sqlx_migrations";

/// Applies what is missing; the versions that were.
pub(crate) async fn up(
    database: &Database,
    connection: &mut SqliteConnection,
) -> Result<Vec<i64>, OpenError> {
    let applied = checked(database, connection).await?;
    let missing: Vec<i64> = STEPS.iter().map(|step| step.0).filter(|step| !applied.contains(step)).collect();
    if !missing.is_empty() {
        migrator().run(connection).await.map_err(|error| refused(database, error))?;
    }
    Ok(missing)
}

/// Takes back the last `steps`; their versions, last first.
pub(crate) async fn down(
    database: &Database,
    connection: &mut SqliteConnection,
    steps: usize,
) -> Result<Vec<i64>, OpenError> {
    let applied = checked(database, connection).await?;
    let undone: Vec<i64> = applied.iter().rev().take(steps).copied().collect();
    let target = applied.iter().rev().nth(steps).copied().unwrap_or(0);
    if !undone.is_empty() {
        migrator().undo(connection, target).await.map_err(|error| refused(database, error))?;
    }
    Ok(undone)
}

/// The versions that are applied, after making sure that they are the ones this build knows.
pub(crate) async fn checked(
    database: &Database,
    connection: &mut SqliteConnection,
) -> Result<Vec<i64>, OpenError> {
    let refused = |error| refused(database, error);
    connection.ensure_migrations_table(TABLE).await.map_err(refused)?;
    let applied = connection.list_applied_migrations(TABLE).await.map_err(refused)?;
    let migrator = migrator();
    let known = STEPS.last().map_or(0, |step| step.0);
    for migration in &applied {
        let ours = migrator
            .iter()
            .find(|ours| ours.version == migration.version && ours.migration_type.is_up_migration())
            .ok_or(OpenError::Newer { found: migration.version, known })?;
        if ours.checksum != migration.checksum {
            return Err(OpenError::Edited { version: migration.version });
        }
    }
    Ok(applied.iter().map(|migration| migration.version).collect())
}

fn migrator() -> Migrator {
    let both = STEPS.iter().flat_map(|&(version, name, up, down)| {
        let migration = |kind, sql| Migration::new(version, name.into(), kind, sql, false);
        [
            migration(MigrationType::ReversibleUp, sqlx::SqlSafeStr::into_sql_str(up)),
            migration(MigrationType::ReversibleDown, sqlx::SqlSafeStr::into_sql_str(down)),
        ]
    });
    Migrator::with_migrations(both.collect())
}

fn refused(database: &Database, error: MigrateError) -> OpenError {
    match error {
        MigrateError::ExecuteMigration(source, version) => {
            let failure = Failure::from(source);
            if failure.kind == Kind::Full {
                database.unusable(&failure)
            } else {
                OpenError::Migration { version, reason: failure.to_string() }
            }
        }
        MigrateError::Execute(source) => database.unusable(&source.into()),
        other => OpenError::Database { path: database.path.clone(), reason: other.to_string() },
    }
}
