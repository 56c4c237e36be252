//! The one task that writes.
//!
//! It takes everything that is waiting, carries it out in one transaction, and answers when the commit is done:
//! whoever arrives during a commit is in the next group, so the load itself makes the groups. Two rules keep
//! neighbours apart. An intent that is refused has written nothing. An intent that a constraint stops takes the
//! group back, and then each is carried out alone, so that only the culprit fails.
//!
//! When a statement or a commit fails for the disk's reasons, everyone in the group is told, and what is owed of it
//! is kept (see `kept`). That is an obstacle: the queue gives out no more slots, so that nobody calls a provider for
//! what cannot be booked. Every second what is kept is tried again; when all of it is written, and a little more as
//! a proof that there is room, the obstacle is gone. What comes meanwhile is tried too: a deletion makes room.
//!
//! Unless the disk was only full, nothing is written until the database has been reopened and checked: after a
//! failed flush neither the connection nor the page cache can be believed. The check reads the whole file, so it is
//! tried only every few seconds, and whoever asks in between is refused at once.

mod obstacle;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use domain::Clock;
use sqlx::SqliteConnection;
use tokio::time::Instant;

use super::connection::{self, Database};
use super::failure::{Failure, Kind};
use super::reader::Reader;
use super::{audit, conversations, ledger, migrations, turns};
use crate::conversation::Conversation;
use crate::error::{Error, OpenError};
use crate::identity::Identified;
use crate::intent::{Begun, Intent, Reply};
use crate::kept::Kept;
use crate::ledger::LedgerRow;
use crate::lock::DataDirLock;
use crate::queue::{Counters, Receiver};
use crate::store::Durability;

/// The most intents in one transaction.
const GROUP: usize = 512;

/// How long the database is left alone after an attempt to reopen it, whether that succeeded or not.
const REOPEN_EVERY: Duration = Duration::from_secs(5);

/// Carries out what is asked of the [`Store`](crate::Store). Holds the data directory's lock until it ends.
#[must_use = "nothing is written until the writer runs"]
pub struct Writer {
    database: Database,
    durability: Durability,
    /// None after a failure, until it has been reopened.
    connection: Option<SqliteConnection>,
    /// When the last attempt to reopen it ended.
    reopened: Option<Instant>,
    /// What is open; only the database itself while there is no connection.
    files: Vec<Identified>,
    files_in_place: bool,
    /// Why the last writes failed, until the disk has proved itself.
    trouble: Option<Error>,
    /// When to try again.
    retry_at: Option<Instant>,
    kept: Kept,
    /// Since the trouble began there was too much to keep.
    overflowed: bool,
    receiver: Receiver,
    /// Taken up and not carried out yet.
    group: Vec<Intent>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    reader: Arc<Reader>,
    lock: DataDirLock,
    lock_in_place: bool,
}

impl Writer {
    pub(crate) async fn open(
        data_dir: &Path,
        durability: Durability,
        clock: Arc<dyn Clock>,
        receiver: Receiver,
        counters: Arc<Counters>,
        reader: Arc<Reader>,
    ) -> Result<Self, OpenError> {
        let lock = DataDirLock::take(data_dir)?;
        let database = Database::new(data_dir);
        let mut connection = database.created(durability).await?;
        migrations::up(&database, &mut connection).await?;
        let unusable = |failure: Failure| database.unusable(&failure);
        let failed = turns::recover(&mut connection, clock.now()).await.map_err(unusable)?;
        let files = database.files().await.map_err(unusable)?;
        if failed > 0 {
            tracing::warn!(turns = failed, "turns that a stopped process had left running were failed");
        }
        Ok(Self {
            database,
            durability,
            connection: Some(connection),
            reopened: None,
            files,
            files_in_place: true,
            trouble: None,
            retry_at: None,
            kept: Kept::default(),
            overflowed: false,
            receiver,
            group: Vec::with_capacity(GROUP),
            counters,
            clock,
            reader,
            lock,
            lock_in_place: true,
        })
    }

    /// Runs until [`Store::close`](crate::Store::close) was called or every [`Store`](crate::Store) is gone.
    pub async fn run(mut self) {
        let mut closing = Vec::new();
        while closing.is_empty() && self.step(&mut closing).await {}
        // Takes what is queued and does not wait for kept places: whoever holds one now holds it too long.
        self.receiver.intents.close();
        while let Ok(intent) = self.receiver.intents.try_recv() {
            self.group.push(intent);
            if self.group.len() == GROUP {
                self.carry_out(&mut closing).await;
            }
        }
        self.carry_out(&mut closing).await;
        self.write_kept_at_last().await;
        self.reader.close().await;
        if let Some(connection) = self.connection.take()
            && let Err(error) = connection::close(connection).await
        {
            tracing::error!(%error, "the database was not closed cleanly");
        }
        drop(self);
        for reply in closing {
            answer(Some(reply), Ok(()));
        }
    }

    /// Waits for something to do and does what there is; false if nobody can ask any more.
    async fn step(&mut self, closing: &mut Vec<Reply<()>>) -> bool {
        let taken = tokio::select! {
            // First, or a steady stream of requests would keep it from its turn.
            biased;
            () = due(self.retry_at) => {
                self.retry().await;
                return true;
            }
            taken = self.receiver.intents.recv_many(&mut self.group, GROUP) => taken,
        };
        self.carry_out(closing).await;
        taken > 0
    }

    async fn carry_out(&mut self, closing: &mut Vec<Reply<()>>) {
        self.counters.taken_up(self.group.len());
        let (mut intents, mut probes) = (Vec::with_capacity(self.group.len()), Vec::new());
        let mut inspect = false;
        for intent in self.group.drain(..) {
            match intent {
                Intent::Close { reply } => closing.push(reply),
                Intent::Ping { reply } => probes.push(reply),
                Intent::Inspect { reply } => {
                    inspect = true;
                    probes.push(reply);
                }
                other => intents.push(other),
            }
        }
        if inspect {
            self.inspect().await;
        }
        if !intents.is_empty() {
            self.attempt(intents).await;
        }
        for reply in probes {
            answer(Some(reply), self.obstacle().map_or(Ok(()), Err));
        }
    }

    /// Carries out and answers; whether the disk did what it was asked to.
    async fn attempt(&mut self, intents: Vec<Intent>) -> bool {
        match self.commit(&intents).await {
            Ok(results) => {
                for (intent, result) in intents.into_iter().zip(results) {
                    self.finish(intent, result);
                }
                true
            }
            Err(failure) if failure.kind == Kind::Contradiction && intents.len() > 1 => {
                let mut stored = true;
                for intent in intents {
                    let result = match self.commit(std::slice::from_ref(&intent)).await {
                        Ok(results) => results.into_iter().next().unwrap_or(Err(Error::Inconsistent)),
                        Err(failure) => {
                            stored &= failure.kind == Kind::Contradiction;
                            Err(failure.error())
                        }
                    };
                    self.finish(intent, result);
                }
                stored
            }
            Err(failure) => {
                for intent in intents {
                    self.finish(intent, Err(failure.error()));
                }
                failure.kind == Kind::Contradiction
            }
        }
    }

    /// One transaction. Its results hold only if it succeeds, and then they are durable.
    async fn commit(&mut self, intents: &[Intent]) -> Result<Vec<Result<Done, Error>>, Failure> {
        if self.is_barred() {
            // Not logged: what barred it told why, and there may be thousands of these.
            self.counters.failed();
            return Err(Failure::broken("the database is not to be written to yet"));
        }
        let committed = match self.connection().await {
            Ok(connection) => group(connection, intents).await,
            Err(failure) => Err(failure),
        };
        match &committed {
            Ok(_) => {
                let rows = intents.iter().map(|intent| intent.ledger_rows().len()).sum();
                self.counters.committed(intents.len(), rows, self.clock.now());
            }
            Err(failure) => {
                self.counters.failed();
                self.failed(failure).await;
            }
        }
        committed
    }

    /// Whether writing is out of the question for now.
    fn is_barred(&self) -> bool {
        let too_soon = || self.reopened.is_some_and(|last| last.elapsed() < REOPEN_EVERY);
        !self.files_in_place || (self.connection.is_none() && too_soon())
    }

    /// After a failure: back to before the transaction, or to a connection that was checked.
    async fn recover(&mut self, kind: Kind) {
        if kind != Kind::Broken
            && let Some(connection) = &mut self.connection
        {
            // SQLite may have rolled back on its own; then this says so, and that is as good.
            let rolled_back = sqlx::query("ROLLBACK").execute(connection).await;
            if matches!(&rolled_back, Ok(_) | Err(sqlx::Error::Database(_))) {
                return;
            }
        }
        self.connection = None;
        // Closing may remove the log.
        self.files.truncate(1);
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, Failure> {
        if self.connection.is_none() {
            self.inspect().await;
            if !self.files_in_place {
                return Err(Failure::broken("another file is where the database was, or none"));
            }
            let reopened = self.database.reopened(self.durability).await;
            // From its end: a check that takes long must not be all that is ever done.
            self.reopened = Some(Instant::now());
            self.connection = Some(reopened?);
            self.files = self.database.files().await?;
            tracing::warn!("the database was reopened and checked");
        }
        self.connection.as_mut().ok_or_else(|| Failure::broken("no connection"))
    }

    /// Tells whoever asked, and keeps what is owed all the same.
    fn finish(&mut self, intent: Intent, result: Result<Done, Error>) {
        let owed = matches!(result, Err(Error::Full | Error::Unavailable));
        match intent {
            Intent::Begin { lease, reply, .. } => {
                let begun = result.and_then(|done| match done {
                    Done::Begun { sequence } => Ok(Begun { lease: lease.started(), sequence }),
                    _ => Err(Error::Inconsistent),
                });
                answer(Some(reply), begun);
            }
            Intent::Change { reply, .. } => {
                let changed = result.and_then(|done| match done {
                    Done::Changed(conversation) => Ok(conversation),
                    _ => Err(Error::Inconsistent),
                });
                answer(Some(reply), changed);
            }
            Intent::Finish { finish, seat, reply } => {
                if owed {
                    self.keep(Intent::Finish { finish, seat, reply: None });
                } else {
                    drop(seat);
                }
                answer(reply, result.map(drop));
            }
            Intent::Settle { rows, reply } => {
                if owed && !rows.is_empty() {
                    self.keep(Intent::Settle { rows, reply: None });
                }
                answer(reply, result.map(drop));
            }
            Intent::Create { reply, .. }
            | Intent::Delete { reply, .. }
            | Intent::Audit { reply, .. }
            | Intent::Ping { reply }
            | Intent::Inspect { reply }
            | Intent::Close { reply } => answer(Some(reply), result.map(drop)),
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) if at <= Instant::now() => {}
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What an intent that was carried out has to tell.
enum Done {
    Nothing,
    Begun { sequence: i64 },
    Changed(Conversation),
}

async fn group(
    connection: &mut SqliteConnection,
    intents: &[Intent],
) -> Result<Vec<Result<Done, Error>>, Failure> {
    let rows: Vec<&LedgerRow> = intents.iter().flat_map(Intent::ledger_rows).collect();
    let mut results = Vec::with_capacity(intents.len());
    let only_rows = intents.iter().all(|intent| matches!(intent, Intent::Settle { .. }));
    if only_rows && rows.len() <= ledger::MOST {
        // One statement is a transaction of its own, and one trip instead of three.
        ledger::insert(connection, &rows).await?;
        results.resize_with(intents.len(), || Ok(Done::Nothing));
        return Ok(results);
    }
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for intent in intents {
        results.push(apply(connection, intent).await?);
    }
    ledger::insert(connection, &rows).await?;
    sqlx::query("COMMIT").execute(connection).await?;
    Ok(results)
}

/// Everything of an intent but its ledger rows.
async fn apply(connection: &mut SqliteConnection, intent: &Intent) -> Result<Result<Done, Error>, Failure> {
    Ok(match intent {
        Intent::Settle { .. } | Intent::Ping { .. } | Intent::Inspect { .. } | Intent::Close { .. } => {
            Ok(Done::Nothing)
        }
        Intent::Begin { begin, .. } => {
            turns::begin(connection, begin).await?.map(|sequence| Done::Begun { sequence })
        }
        Intent::Finish { finish, .. } => turns::finish(connection, finish).await?.map(|()| Done::Nothing),
        Intent::Create { create, .. } => {
            conversations::create(connection, create).await?;
            Ok(Done::Nothing)
        }
        Intent::Change { owner, id, change, at, .. } => {
            let changed = conversations::change(connection, owner, *id, change, *at).await?;
            changed.map(Done::Changed).ok_or(Error::NotFound)
        }
        Intent::Delete { owner, id, entry, at, .. } => {
            if conversations::delete(connection, owner, *id).await? {
                audit::append(connection, entry, *at).await?;
                Ok(Done::Nothing)
            } else {
                Err(Error::NotFound)
            }
        }
        Intent::Audit { entry, at, .. } => {
            audit::append(connection, entry, *at).await?;
            Ok(Done::Nothing)
        }
    })
}

/// Whoever asked may have gone. What they would have got is dropped then, which ends a turn that has begun.
fn answer<T>(reply: Option<Reply<T>>, result: Result<T, Error>) {
    if let Some(reply) = reply {
        drop(reply.send(result));
    }
}

#[cfg(test)]
mod tests;
