//! Migrating offline: what `parapet migrate` does. Takes the data directory's lock, so never beside a server.

use std::path::Path;

use sqlx::Connection;

use crate::error::OpenError;
use crate::lock::DataDirLock;
use crate::sqlite::{Database, migrations};
use crate::store::Durability;

/// One step of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub version: i64,
    pub name: &'static str,
    pub applied: bool,
    /// The statements that apply it.
    pub up: &'static str,
    /// The statements that take it back.
    pub down: &'static str,
}

/// Every step this build knows, and whether the database has it. Creates and locks nothing: a server may be running.
///
/// # Errors
/// See [`OpenError`]: also if the database has steps that this build does not know or knows differently.
pub async fn status(data_dir: &Path) -> Result<Vec<Step>, OpenError> {
    let database = Database::new(data_dir);
    let applied = if database.path.exists() {
        let opened = database.reading().await;
        let mut connection = opened.map_err(|error| database.unusable(&error.into()))?;
        let applied = migrations::checked(&database, &mut connection).await;
        connection.close().await.map_err(|error| database.unusable(&error.into()))?;
        applied?
    } else {
        Vec::new()
    };
    let steps = migrations::STEPS.iter();
    Ok(steps
        .map(|&(version, name, up, down)| Step {
            version,
            name,
            applied: applied.contains(&version),
            up,
            down,
        })
        .collect())
}

/// Applies the steps that are missing; their versions.
///
/// # Errors
/// See [`OpenError`]. Steps before the one that failed are applied.
pub async fn up(data_dir: &Path) -> Result<Vec<i64>, OpenError> {
    run(data_dir, async |database, connection| migrations::up(database, connection).await).await
}

/// Takes back the last `steps` steps with everything in their tables; their versions, last first.
///
/// # Errors
/// See [`OpenError`]. Steps after the one that failed are taken back.
pub async fn down(data_dir: &Path, steps: usize) -> Result<Vec<i64>, OpenError> {
    run(data_dir, async |database, connection| migrations::down(database, connection, steps).await).await
}

async fn run<T>(
    data_dir: &Path,
    work: impl AsyncFnOnce(&Database, &mut sqlx::SqliteConnection) -> Result<T, OpenError>,
) -> Result<T, OpenError> {
    let _lock = DataDirLock::take(data_dir)?;
    let database = Database::new(data_dir);
    let mut connection = database.created(Durability::Full).await?;
    let result = work(&database, &mut connection).await;
    connection.close().await.map_err(|error| database.unusable(&error.into()))?;
    result
}
