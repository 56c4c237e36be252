//! Faults of the disk, which need a hand on the writer's own connection.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use domain::{
    AgentName, AttemptId, IdSource, Outcome, SystemClock, TenantId, TimeOrderedIds, UnixMillis, Usage, UserId,
};
use tempfile::TempDir;

use super::obstacle::RETRY_EVERY;
use super::*;
use crate::{
    Answer, AnswerStatus, AuditEntry, BeginTurn, Json, MessageStatus, NewConversation, Options, Owner, Page,
    Store, Target, Turn,
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

    /// Steps the writer as long as it has something to do, and never cuts a step short.
    async fn during<T>(&mut self, asked: impl Future<Output = T>) -> T {
        let mut asked = std::pin::pin!(asked);
        loop {
            let polled = poll_fn(|context| Poll::Ready(asked.as_mut().poll(context))).await;
            if let Poll::Ready(answer) = polled {
                return answer;
            }
            let due = self.writer.retry_at.is_some_and(|at| at <= Instant::now());
            if self.writer.receiver.intents.is_empty() && !due {
                return asked.await;
            }
            assert!(self.writer.step(&mut Vec::new()).await);
        }
    }

    /// Settles several rows in one group.
    async fn settle(&mut self, rows: &[LedgerRow]) -> Vec<Result<(), Error>> {
        let store = self.store.clone();
        let mut waiting: Vec<_> = rows.iter().map(|row| Box::pin(store.settle(row.clone()))).collect();
        // Asked at once, so that they are in one group.
        for settled in &mut waiting {
            let polled = poll_fn(|context| Poll::Ready(settled.as_mut().poll(context))).await;
            assert!(polled.is_pending());
        }
        let mut results = Vec::new();
        for settled in waiting {
            results.push(self.during(settled).await);
        }
        results
    }

    /// What the writer does of itself.
    async fn retry(&mut self) {
        tokio::time::pause();
        tokio::time::advance(RETRY_EVERY).await;
        tokio::time::resume();
        assert!(self.writer.retry_at.is_some_and(|at| at <= Instant::now()), "it means to");
        assert!(self.writer.step(&mut Vec::new()).await);
    }

    async fn fill(&mut self) {
        self.pragma("PRAGMA max_page_count = 1").await; // at least what it has
    }

    async fn make_room(&mut self) {
        self.pragma("PRAGMA max_page_count = 1000000").await;
    }

    async fn begin(&mut self, conversation: Target, text: &str) -> Turn {
        self.try_to_begin(conversation, text).await.unwrap()
    }

    async fn try_to_begin(&mut self, conversation: Target, text: &str) -> Result<Turn, Error> {
        let begin = BeginTurn {
            owner: owner(),
            conversation,
            agent: AgentName::new("support").unwrap(),
            request: self.ids.request(),
            content: content(text),
            wait_until: tokio::time::Instant::now() + Duration::from_secs(60),
            history_limit: 20,
        };
        let store = self.store.clone();
        self.during(store.begin_turn(begin)).await
    }

    async fn ping(&mut self) -> Result<(), Error> {
        let store = self.store.clone();
        self.during(store.ping()).await
    }

    async fn inspect(&mut self) -> Result<(), Error> {
        let store = self.store.clone();
        self.during(store.inspect()).await
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
    fixture.fill().await;
    let rows = [small.clone(), large.clone()];
    assert_eq!(fixture.settle(&rows).await, [Err(Error::Full), Err(Error::Full)]);
    assert_eq!(fixture.settle(&rows[1..]).await, [Err(Error::Full)], "also outside a transaction");
    assert!(!fixture.settled(&small).await && !fixture.settled(&large).await);
    assert_eq!(fixture.settle(&rows[..1]).await, [Ok(())], "what fits is still written");
    fixture.make_room().await;
    assert_eq!(fixture.settle(&rows).await, [Ok(()), Ok(())]);
    assert!(fixture.settled(&small).await && fixture.settled(&large).await);
}

#[tokio::test]
async fn a_settlement_that_found_the_disk_full_is_written_when_there_is_room() {
    let mut fixture = Fixture::new().await;
    let (small, large) = (fixture.row("small"), fixture.row(&"large ".repeat(20_000)));
    let posted = fixture.row("posted");
    let slot = fixture.store.slot().unwrap();
    fixture.fill().await;
    slot.post(vec![posted.clone()]);
    let rows = [small.clone(), large.clone()];
    assert_eq!(fixture.settle(&rows).await, [Err(Error::Full), Err(Error::Full)], "told at once");
    fixture.retry().await;
    assert_eq!(fixture.store.stats().kept, 3);
    fixture.make_room().await;
    fixture.retry().await;
    for row in [&small, &large, &posted] {
        assert!(fixture.settled(row).await);
    }
    assert_eq!((fixture.store.stats().kept, fixture.store.stats().lost), (0, 0));
    assert_eq!(fixture.settle(&rows).await, [Ok(()), Ok(())], "once more is not twice");
}

/// With what the answer says, and before the conversation goes on.
#[tokio::test]
async fn a_turn_whose_end_found_the_disk_full_ends_as_it_should_when_there_is_room() {
    for (status, shown) in
        [(AnswerStatus::Completed, MessageStatus::Completed), (AnswerStatus::Partial, MessageStatus::Partial)]
    {
        let mut fixture = Fixture::new().await;
        let begun = fixture.begin(Target::New(NewConversation::default()), "question").await;
        let id = begun.conversation;
        fixture.fill().await;
        let answer = Answer { status, content: Some(content(&"long ".repeat(20_000))), ..Answer::FAILED };
        let (store, row) = (fixture.store.clone(), fixture.row("1"));
        let finished = fixture.during(store.finish_turn(begun.lease, answer, vec![row.clone()])).await;
        assert_eq!(finished, Err(Error::Full));
        assert!(!fixture.settled(&row).await);
        fixture.make_room().await;
        fixture.retry().await;
        assert!(fixture.settled(&row).await);
        let next = fixture.begin(Target::Existing(id), "again").await;
        assert_eq!(next.history.len(), 2, "the model sees what was said");
        let items = store.items(&owner(), id, Page::default()).await.unwrap().data;
        let statuses: Vec<_> = items.iter().map(|item| item.status).collect();
        assert_eq!(statuses, [MessageStatus::Completed, shown, MessageStatus::Completed]);
    }
}

#[tokio::test]
async fn a_full_disk_is_told_before_anything_is_begun_and_until_there_is_room() {
    let mut fixture = Fixture::new().await;
    let begun = fixture.begin(Target::New(NewConversation::default()), "question").await;
    let rows = [fixture.row(&"large ".repeat(20_000))];
    assert!(fixture.store.slot().is_ok());
    fixture.fill().await;
    let long = "long ".repeat(20_000);
    let refused = fixture.try_to_begin(Target::New(NewConversation::default()), &long).await;
    assert_eq!(refused.unwrap_err(), Error::Full);
    assert_eq!(fixture.store.stats().kept, 0, "a turn that was not begun is not owed");
    for _ in 0..2 {
        assert_eq!(fixture.ping().await, Err(Error::Full));
        assert_eq!(fixture.store.slot().unwrap_err(), Error::Full);
        let before = fixture.store.stats();
        let refused = fixture.try_to_begin(Target::New(NewConversation::default()), "short").await;
        assert_eq!(refused.unwrap_err(), Error::Full);
        assert_eq!(fixture.store.stats(), before, "the writer was not asked");
        fixture.retry().await;
    }
    fixture.make_room().await;
    fixture.retry().await;
    assert_eq!(fixture.ping().await, Ok(()));
    assert!(fixture.store.slot().is_ok() && fixture.writer.retry_at.is_none());
    assert_eq!(fixture.settle(&rows).await, [Ok(())]);
    drop(begun);
}

#[tokio::test]
async fn whoever_waits_for_a_turn_is_told_that_the_disk_is_full() {
    let mut fixture = Fixture::new().await;
    let begun = fixture.begin(Target::New(NewConversation::default()), "question").await;
    let next = BeginTurn {
        owner: owner(),
        conversation: Target::Existing(begun.conversation),
        agent: AgentName::new("support").unwrap(),
        request: fixture.ids.request(),
        content: content("next"),
        wait_until: Instant::now() + Duration::from_secs(60),
        history_limit: 20,
    };
    let store = fixture.store.clone();
    let mut waiting = std::pin::pin!(store.begin_turn(next));
    assert!(poll_fn(|context| Poll::Ready(waiting.as_mut().poll(context))).await.is_pending());
    fixture.fill().await;
    let rows = [fixture.row(&"large ".repeat(20_000))];
    assert_eq!(fixture.settle(&rows).await, [Err(Error::Full)]);
    assert_eq!(waiting.await.unwrap_err(), Error::Full);
}

#[tokio::test]
async fn what_is_kept_is_written_when_the_store_closes() {
    let mut fixture = Fixture::new().await;
    let row = fixture.row(&"large ".repeat(20_000));
    fixture.fill().await;
    assert_eq!(fixture.settle(std::slice::from_ref(&row)).await, [Err(Error::Full)]);
    fixture.make_room().await;
    let Fixture { store, writer, ids, dir } = fixture;
    let closing = store.clone();
    tokio::join!(writer.run(), closing.close());
    assert_eq!((store.stats().kept, store.stats().lost), (0, 0));
    let options = Options {
        data_dir: dir.path().to_owned(),
        durability: Durability::Full,
        clock: Arc::new(SystemClock::default()),
        ids,
    };
    let (store, _writer) = Store::open(options).await.unwrap();
    assert_eq!(store.attempts(&row.owner.tenant, row.attempt.request).await.unwrap(), [row]);
}

#[tokio::test]
async fn a_database_that_was_moved_away_takes_no_writes_until_it_is_back() {
    let mut fixture = Fixture::new().await;
    let rows = [fixture.row("1")];
    assert_eq!(fixture.inspect().await, Ok(()));
    for name in ["parapet.db", "parapet.db-wal"] {
        let (path, aside) = (fixture.dir.path().join(name), fixture.dir.path().join("aside"));
        for replaced in [false, true] {
            std::fs::rename(&path, &aside).unwrap();
            if replaced {
                std::fs::copy(&aside, &path).unwrap();
            }
            assert_eq!(fixture.inspect().await, Err(Error::Unavailable), "{name}");
            assert_eq!(fixture.ping().await, Err(Error::Unavailable));
            assert_eq!(fixture.store.slot().unwrap_err(), Error::Unavailable);
            assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
            std::fs::rename(&aside, &path).unwrap();
            assert_eq!(fixture.inspect().await, Err(Error::Unavailable), "not before it has proved itself");
            fixture.retry().await;
            assert_eq!(fixture.ping().await, Ok(()));
            assert!(fixture.settled(&rows[0]).await, "what was owed is written");
        }
    }
}

/// Also if the connection failed first: reopening must not make a new, empty database.
#[tokio::test]
async fn a_database_that_is_gone_is_not_made_anew() {
    let mut fixture = Fixture::new().await;
    let rows = [fixture.row("1")];
    fixture.pragma("PRAGMA query_only = ON").await;
    assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
    let (path, aside) = (fixture.dir.path().join("parapet.db"), fixture.dir.path().join("aside"));
    std::fs::rename(&path, &aside).unwrap();
    fixture.retry().await;
    assert!(!path.exists());
    assert_eq!(fixture.ping().await, Err(Error::Unavailable));
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(fixture.inspect().await, Err(Error::Unavailable));
    fixture.retry().await;
    assert_eq!(fixture.ping().await, Ok(()));
    assert!(fixture.settled(&rows[0]).await);
}

/// It keeps other processes out, not this one's writes.
#[tokio::test]
async fn a_lock_file_that_was_deleted_stops_nothing() {
    let mut fixture = Fixture::new().await;
    std::fs::remove_file(fixture.dir.path().join("parapet.lock")).unwrap();
    assert_eq!(fixture.inspect().await, Ok(()));
    assert!(!fixture.writer.lock_in_place, "but it is noticed");
    assert_eq!(fixture.settle(&[fixture.row("1")]).await, [Ok(())]);
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
        fixture.retry().await;
        let tried = fixture.writer.reopened;
        assert!(tried > before, "it finds out of itself whether it is back");
        assert_eq!(fixture.ping().await, Err(Error::Unavailable));
        assert_eq!(fixture.store.slot().unwrap_err(), Error::Unavailable);
        assert_eq!(fixture.settle(&rows).await, [Err(Error::Unavailable)]);
        fixture.retry().await;
        assert_eq!(fixture.writer.reopened, tried, "refused without another check");
        fixture.wait_to_reopen().await;
    }
    std::fs::write(&path, good).unwrap();
    fixture.retry().await;
    assert_eq!(fixture.ping().await, Ok(()), "back when the file is");
    assert!(fixture.settled(&rows[0]).await, "with what was owed");
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
            "CREATE TRIGGER refuse BEFORE INSERT ON audit WHEN new.action = 'refused' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END",
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
