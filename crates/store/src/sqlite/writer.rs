//! The one task that writes.
//!
//! It takes everything that is waiting, carries it out in one transaction, and answers when the commit is done:
//! whoever arrives during a commit is in the next group, so the load itself makes the groups. Two rules keep
//! neighbours apart. An intent that is refused has written nothing. An intent that a constraint stops takes the
//! group back, and then each is carried out alone, so that only the culprit fails.
//!
//! When a statement or a commit fails for the disk's reasons, everyone in the group is told, and nothing is
//! written until the database has been reopened and checked: after a failed flush neither the connection nor
//! the page cache can be believed. The check reads the whole file, so it is tried only every few seconds, and
//! whoever asks in between is refused at once.

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
use crate::intent::{Begun, Intent, Reply};
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
    receiver: Receiver,
    /// Taken up and not carried out yet.
    group: Vec<Intent>,
    counters: Arc<Counters>,
    clock: Arc<dyn Clock>,
    reader: Arc<Reader>,
    _lock: DataDirLock,
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
        let mut connection =
            database.writing(durability).await.map_err(|error| database.unusable(&error.into()))?;
        migrations::up(&database, &mut connection).await?;
        let failed = turns::recover(&mut connection, clock.now())
            .await
            .map_err(|failure| database.unusable(&failure))?;
        if failed > 0 {
            tracing::warn!(turns = failed, "turns that a stopped process had left running were failed");
        }
        Ok(Self {
            database,
            durability,
            connection: Some(connection),
            reopened: None,
            receiver,
            group: Vec::with_capacity(GROUP),
            counters,
            clock,
            reader,
            _lock: lock,
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
        let taken = self.receiver.intents.recv_many(&mut self.group, GROUP).await;
        self.carry_out(closing).await;
        taken > 0
    }

    async fn carry_out(&mut self, closing: &mut Vec<Reply<()>>) {
        self.counters.taken_up(self.group.len());
        let mut intents = Vec::with_capacity(self.group.len());
        for intent in self.group.drain(..) {
            match intent {
                Intent::Close { reply } => closing.push(reply),
                other => intents.push(other),
            }
        }
        if intents.is_empty() {
            return;
        }
        match self.commit(&intents).await {
            Ok(results) => {
                for (intent, result) in intents.into_iter().zip(results) {
                    finish(intent, result);
                }
            }
            Err(failure) if failure.kind == Kind::Contradiction && intents.len() > 1 => {
                for intent in intents {
                    let result = match self.commit(std::slice::from_ref(&intent)).await {
                        Ok(results) => results.into_iter().next().unwrap_or(Err(Error::Inconsistent)),
                        Err(failure) => Err(failure.error()),
                    };
                    finish(intent, result);
                }
            }
            Err(failure) => {
                for intent in intents {
                    finish(intent, Err(failure.error()));
                }
            }
        }
    }

    /// One transaction. Its results hold only if it succeeds, and then they are durable.
    async fn commit(&mut self, intents: &[Intent]) -> Result<Vec<Result<Done, Error>>, Failure> {
        if self.connection.is_none() && self.reopened.is_some_and(|last| last.elapsed() < REOPEN_EVERY) {
            // Not logged: the attempt told why, and there may be thousands of these.
            self.counters.failed();
            return Err(Failure::broken("the database is not to be reopened yet"));
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
                tracing::error!(%failure, intents = intents.len(), "a group of writes failed");
                self.recover(failure.kind).await;
            }
        }
        committed
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
    }

    async fn connection(&mut self) -> Result<&mut SqliteConnection, Failure> {
        if self.connection.is_none() {
            let reopened = self.database.reopened(self.durability).await;
            // From its end: a check that takes long must not be all that is ever done.
            self.reopened = Some(Instant::now());
            self.connection = Some(reopened?);
            tracing::warn!("the database was reopened and checked");
        }
        self.connection.as_mut().ok_or_else(|| Failure::broken("no connection"))
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
    let only_rows =
        intents.iter().all(|intent| matches!(intent, Intent::Settle { .. } | Intent::Ping { .. }));
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
        Intent::Settle { .. } | Intent::Ping { .. } | Intent::Close { .. } => Ok(Done::Nothing),
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

/// Tells whoever asked.
fn finish(intent: Intent, result: Result<Done, Error>) {
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
        Intent::Finish { seat, reply, .. } => {
            drop(seat);
            answer(reply, result.map(drop));
        }
        Intent::Settle { reply, .. } => answer(reply, result.map(drop)),
        Intent::Create { reply, .. }
        | Intent::Delete { reply, .. }
        | Intent::Audit { reply, .. }
        | Intent::Ping { reply }
        | Intent::Close { reply } => answer(Some(reply), result.map(drop)),
    }
}

/// Whoever asked may have gone. What they would have got is dropped then, which ends a turn that has begun.
fn answer<T>(reply: Option<Reply<T>>, result: Result<T, Error>) {
    if let Some(reply) = reply {
        drop(reply.send(result));
    }
}

#[cfg(test)]
mod tests {
    //! Faults of the disk, which need a hand on the writer's own connection.

    use std::time::Duration;

    use domain::{
        AgentName, AttemptId, IdSource, Outcome, SystemClock, TenantId, TimeOrderedIds, UnixMillis, Usage,
        UserId,
    };
    use tempfile::TempDir;

    use super::*;
    use crate::{
        Answer, AnswerStatus, AuditEntry, BeginTurn, Json, MessageStatus, NewConversation, Options, Owner,
        Page, Store, Target, Turn,
    };

    struct Fixture {
        store: Store,
        writer: Writer,
        ids: Arc<TimeOrderedIds<SystemClock>>,
        dir: TempDir,
    }

    impl Fixture {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let ids = Arc::new(TimeOrderedIds::new(SystemClock::default()));
            let options = Options {
                data_dir: dir.path().to_owned(),
                durability: Durability::Full,
                clock: Arc::new(SystemClock::default()),
                ids: ids.clone(),
            };
            let (store, writer) = Store::open(options).await.unwrap();
            Self { store, writer, ids, dir }
        }

        fn row(&self, text: &str) -> LedgerRow {
            LedgerRow {
                attempt: AttemptId { request: self.ids.request(), number: 1 },
                owner: owner(),
                agent: None,
                model: text.into(),
                provider: None,
                upstream_model: None,
                tags: None,
                usage: Usage::default(),
                cost: None,
                price_version: None,
                config_hash: "".into(),
                release: "".into(),
                client_request_id: None,
                outcome: Outcome::Ok,
                code: None,
                started_at: UnixMillis(0),
                duration: Duration::ZERO,
                time_to_first_token: None,
                conversation: None,
            }
        }

        /// Settles several rows in one group.
        async fn settle(&mut self, rows: &[LedgerRow]) -> Vec<Result<(), Error>> {
            let before = self.store.stats();
            let waiting: Vec<_> = rows
                .iter()
                .map(|row| {
                    let (reply, answer) = tokio::sync::oneshot::channel();
                    let slot = self.store.slot().unwrap();
                    slot.send(Intent::Settle { rows: vec![row.clone()], reply: Some(reply) });
                    answer
                })
                .collect();
            assert!(self.writer.step(&mut Vec::new()).await);
            let after = self.store.stats();
            assert_eq!(after.groups + after.failed_groups, before.groups + before.failed_groups + 1);
            let mut results = Vec::new();
            for answer in waiting {
                results.push(answer.await.unwrap());
            }
            results
        }

        async fn begin(&mut self, conversation: Target, text: &str) -> Turn {
            let begin = BeginTurn {
                owner: owner(),
                conversation,
                agent: AgentName::new("support").unwrap(),
                request: self.ids.request(),
                content: content(text),
                wait_until: tokio::time::Instant::now() + Duration::from_secs(60),
                history_limit: 20,
            };
            let mut closing = Vec::new();
            let (turn, _) = tokio::join!(self.store.begin_turn(begin), self.writer.step(&mut closing));
            turn.unwrap()
        }

        async fn ping(&mut self) -> Result<(), Error> {
            let mut closing = Vec::new();
            tokio::join!(self.store.ping(), self.writer.step(&mut closing)).0
        }

        /// Until the database may be reopened again.
        async fn wait_to_reopen(&self) {
            tokio::time::pause();
            tokio::time::advance(REOPEN_EVERY).await;
            tokio::time::resume();
        }

        async fn pragma(&mut self, pragma: &'static str) {
            sqlx::query(pragma).execute(self.writer.connection.as_mut().unwrap()).await.unwrap();
        }

        async fn settled(&self, row: &LedgerRow) -> bool {
            let found = self.store.attempts(&row.owner.tenant, row.attempt.request).await.unwrap();
            assert!(found.is_empty() || found == std::slice::from_ref(row));
            !found.is_empty()
        }
    }

    fn owner() -> Owner {
        Owner { tenant: TenantId::new("t").unwrap(), user: UserId::new("u").unwrap(), key: None }
    }

    fn content(text: &str) -> Json {
        let parts = serde_json::json!([{ "type": "text", "text": text }]);
        serde_json::value::to_raw_value(&parts).unwrap()
    }

    #[tokio::test]
    async fn a_full_disk_refuses_the_whole_group_and_heals() {
        let mut fixture = Fixture::new().await;
        let (small, large) = (fixture.row("small"), fixture.row(&"large ".repeat(20_000)));
        fixture.pragma("PRAGMA max_page_count = 1").await; // at least what it has
        let rows = [small.clone(), large.clone()];
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Full), Err(Error::Full)]);
        assert_eq!(fixture.settle(&rows[1..]).await, [Err(Error::Full)], "also outside a transaction");
        assert!(!fixture.settled(&small).await && !fixture.settled(&large).await);
        assert_eq!(fixture.settle(&rows[..1]).await, [Ok(())], "what fits is still written");
        fixture.pragma("PRAGMA max_page_count = 1000000").await;
        assert_eq!(fixture.settle(&rows).await, [Ok(()), Ok(())]);
        assert!(fixture.settled(&small).await && fixture.settled(&large).await);
    }

    /// The end of the turn was refused; the conversation goes on all the same.
    #[tokio::test]
    async fn a_turn_whose_end_did_not_fit_on_the_disk_is_failed_by_the_next_one() {
        let mut fixture = Fixture::new().await;
        let begun = fixture.begin(Target::New(NewConversation::default()), "question").await;
        let id = begun.conversation;
        fixture.pragma("PRAGMA max_page_count = 1").await;
        let long = Some(content(&"long ".repeat(20_000)));
        let answer = Answer { status: AnswerStatus::Completed, content: long, ..Answer::FAILED };
        let (store, row) = (fixture.store.clone(), fixture.row("1"));
        let mut closing = Vec::new();
        let (finished, _) = tokio::join!(
            store.finish_turn(begun.lease, answer, vec![row]),
            fixture.writer.step(&mut closing)
        );
        assert_eq!(finished, Err(Error::Full));
        fixture.pragma("PRAGMA max_page_count = 1000000").await;
        let next = fixture.begin(Target::Existing(id), "again").await;
        assert!(next.history.is_empty());
        let items = store.items(&owner(), id, Page::default()).await.unwrap().data;
        let statuses: Vec<_> = items.iter().map(|item| item.status).collect();
        assert_eq!(statuses, [MessageStatus::Completed, MessageStatus::Failed]);
    }

    #[tokio::test]
    async fn after_a_refusal_of_the_disk_the_database_is_reopened_and_checked() {
        let mut fixture = Fixture::new().await;
        let rows = [fixture.row("1"), fixture.row("2")];
        // Stands for every error that is neither a full disk nor a constraint.
        fixture.pragma("PRAGMA query_only = ON").await;
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable), Err(Error::Unavailable)]);
        assert!(fixture.writer.connection.is_none(), "the connection is not trusted any more");
        assert_eq!(fixture.settle(&rows).await, [Ok(()), Ok(())]);
    }

    #[tokio::test]
    async fn a_database_that_fails_the_check_takes_no_writes() {
        let mut fixture = Fixture::new().await;
        let rows: Vec<LedgerRow> = (0..200).map(|number| fixture.row(&number.to_string())).collect();
        assert!(fixture.settle(&rows).await.iter().all(Result::is_ok));
        fixture.pragma("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let path = fixture.dir.path().join("parapet.db");
        let good = std::fs::read(&path).unwrap();
        let mut damaged = good.clone();
        let pages = damaged.len() / 4096;
        damaged[4096 * (pages - 3)..].fill(0x5a);
        std::fs::write(&path, damaged).unwrap();
        fixture.pragma("PRAGMA query_only = ON").await;
        let rows = [fixture.row("1")];
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
        for _ in 0..3 {
            let before = fixture.writer.reopened;
            assert_eq!(fixture.ping().await, Err(Error::Unavailable));
            let tried = fixture.writer.reopened;
            assert!(tried > before, "a probe finds out whether it is back");
            assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
            assert_eq!(fixture.ping().await, Err(Error::Unavailable));
            assert_eq!(fixture.writer.reopened, tried, "refused without another check");
            fixture.wait_to_reopen().await;
        }
        std::fs::write(&path, good).unwrap();
        assert_eq!(fixture.settle(&rows).await, [Ok(())], "back when the file is");
    }

    #[tokio::test]
    async fn a_database_that_breaks_again_at_once_is_not_checked_again_at_once() {
        let mut fixture = Fixture::new().await;
        let rows = [fixture.row("1")];
        fixture.pragma("PRAGMA query_only = ON").await;
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
        assert_eq!(fixture.ping().await, Ok(()), "reopened");
        let tried = fixture.writer.reopened;
        fixture.pragma("PRAGMA query_only = ON").await;
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
        assert_eq!(fixture.writer.reopened, tried);
        fixture.wait_to_reopen().await;
        assert_eq!(fixture.settle(&rows).await, [Ok(())]);
    }

    #[tokio::test]
    async fn a_probe_of_a_stuck_writer_is_answered_within_its_second() {
        let mut fixture = Fixture::new().await;
        tokio::time::pause();
        let asked = Instant::now();
        assert_eq!(fixture.store.ping().await, Err(Error::Unavailable), "nobody runs the writer");
        assert!(asked.elapsed() >= Duration::from_secs(1) && asked.elapsed() < Duration::from_secs(2));
        tokio::time::resume();
        assert!(fixture.writer.step(&mut Vec::new()).await, "takes up the probe that nobody waits for");
        assert_eq!(fixture.ping().await, Ok(()));
    }

    /// The entry cannot be written, so the conversation stays; its neighbour in the group is deleted.
    #[tokio::test]
    async fn a_deletion_that_cannot_be_audited_does_not_happen() {
        let mut fixture = Fixture::new().await;
        let mut ids = Vec::new();
        for text in ["1", "2"] {
            let begun = fixture.begin(Target::New(NewConversation::default()), text).await;
            ids.push(begun.conversation);
        }
        fixture
            .pragma(
                "CREATE TRIGGER refuse BEFORE INSERT ON audit WHEN new.action = 'refused'                  BEGIN SELECT RAISE(ABORT, 'refused'); END",
            )
            .await;
        let entry = |action| AuditEntry {
            tenant: owner().tenant,
            actor: "u".to_owned(),
            key: None,
            ip: None,
            action,
            object: "conversation".to_owned(),
            before: None,
            after: None,
            request: None,
        };
        let (store, mut closing, me) = (fixture.store.clone(), Vec::new(), owner());
        let (refused, deleted, _) = tokio::join!(
            store.delete_conversation(&me, ids[0], entry("refused")),
            store.delete_conversation(&me, ids[1], entry("conversation.delete")),
            fixture.writer.step(&mut closing)
        );
        assert_eq!((refused, deleted), (Err(Error::Inconsistent), Ok(())));
        assert!(store.conversation(&me, ids[0]).await.is_ok());
        assert_eq!(store.conversation(&me, ids[1]).await.unwrap_err(), Error::NotFound);
        let connection = fixture.writer.connection.as_mut().unwrap();
        let audited: Vec<String> =
            sqlx::query_scalar("SELECT action FROM audit").fetch_all(connection).await.unwrap();
        assert_eq!(audited, ["conversation.delete"]);
    }
}
