//! How connections are opened.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::failure::{Failure, Kind};
use crate::error::OpenError;
use crate::identity::Identified;
use crate::store::Durability;

const FILE: &str = "parapet.db";

/// In KiB, and negative as SQLite wants it. Grows with use.
const PAGE_CACHE: &str = "-2048";
/// The log is cut back to this many bytes after a burst.
const LOG_SIZE_LIMIT: &str = "16777216";
/// Only for what the data directory's lock does not keep away, such as a backup or a shell on the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The database file of a data directory.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
}

impl Database {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE) }
    }

    /// The writing connection; creates the file if it is missing, for nobody else to read. SQLite gives the log and
    /// its index the same mode.
    pub(crate) async fn created(&self, durability: Durability) -> Result<SqliteConnection, OpenError> {
        let created = File::options().write(true).create_new(true).mode(0o600).open(&self.path);
        match created {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(OpenError::of_data_dir(self.data_dir(), error));
            }
            Ok(_) | Err(_) => {}
        }
        self.writing(durability).await.map_err(|error| self.unusable(&error.into()))
    }

    /// The files that hold what was written.
    pub(super) async fn files(&self) -> Result<Vec<Identified>, Failure> {
        let mut log = self.path.clone().into_os_string();
        log.push("-wal");
        let mut files = Vec::with_capacity(2);
        for path in [self.path.clone(), log.into()] {
            let gone = |_| Failure::broken("the database's files are not where they were opened");
            files.push(Identified::at(path).await.map_err(gone)?);
        }
        Ok(files)
    }

    async fn writing(&self, durability: Durability) -> Result<SqliteConnection, sqlx::Error> {
        self.options()
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(match durability {
                Durability::Full => SqliteSynchronous::Full,
                Durability::Relaxed => SqliteSynchronous::Normal,
            })
            .pragma("secure_delete", "ON")
            .pragma("journal_size_limit", LOG_SIZE_LIMIT)
            .thread_name(|_| "store-writer".to_owned())
            .connect()
            .await
    }

    /// The writing connection after one that failed. Nothing is taken on trust: the file is checked, and what the
    /// log has is written to the file and flushed, because pages that a failed flush has left in the page cache
    /// count as clean and would never reach the disk.
    pub(super) async fn reopened(&self, durability: Durability) -> Result<SqliteConnection, Failure> {
        let mut connection = self.writing(durability).await?;
        let check = sqlx::query("PRAGMA quick_check(1)").fetch_one(&mut connection).await?;
        if check.try_get::<&str, _>(0)? != "ok" {
            return Err(Failure::broken("the check after reopening found damage"));
        }
        if checkpoint(&mut connection).await? {
            Ok(connection)
        } else {
            Err(Failure::broken("the log could not be written back after reopening"))
        }
    }

    pub(crate) async fn reading(&self) -> Result<SqliteConnection, sqlx::Error> {
        self.options().read_only(true).thread_name(|_| "store-reader".to_owned()).connect().await
    }

    pub(crate) fn unusable(&self, failure: &Failure) -> OpenError {
        match failure.kind {
            Kind::Full => OpenError::Full { path: self.data_dir().to_owned() },
            Kind::Contradiction | Kind::Broken => {
                OpenError::Database { path: self.path.clone(), reason: failure.to_string() }
            }
        }
    }

    pub(super) fn data_dir(&self) -> &Path {
        self.path.parent().unwrap_or(&self.path)
    }

    fn options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("cache_size", PAGE_CACHE)
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging()
    }
}

/// Writes the whole log back to the database file and empties it; false if a reader was in the way.
pub(super) async fn checkpoint(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)? == 0)
}

/// What one page more would not prove: that a turn fits, and its answer. The table is never there for anyone else.
const ROOM: &str = "BEGIN IMMEDIATE; CREATE TABLE room (taken BLOB); INSERT INTO room VALUES (zeroblob(65536)); \
     DROP TABLE room; COMMIT";

/// Writes a little and takes it back.
pub(super) async fn prove_room(connection: &mut SqliteConnection) -> Result<(), Failure> {
    sqlx::raw_sql(ROOM).execute(connection).await?;
    Ok(())
}

/// Empties the log and closes.
pub(super) async fn close(mut connection: SqliteConnection) -> Result<(), sqlx::Error> {
    checkpoint(&mut connection).await?;
    connection.close().await
}
