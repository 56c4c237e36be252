//! A store in a temporary directory, and short words for what the tests put into it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{
    AgentName, AttemptId, Clock, ConversationId, IdSource, KeyId, NanoUsd, Outcome, ProviderName, RequestId,
    SystemClock, TenantId, Ticks, TimeOrderedIds, UnixMillis, Usage, UserId,
};
use serde_json::value::RawValue;
use store::{
    Answer, AnswerStatus, AuditEntry, BeginTurn, Durability, Error, Json, LedgerRow, Message,
    NewConversation, Options, Owner, Page, Store, Target, Turn, Writer,
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// An open store with its writer running.
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ids: Arc<TimeOrderedIds<SystemClock>>,
    writer: JoinHandle<()>,
    dir: TempDir,
}

pub(crate) async fn open() -> Opened {
    open_in(tempfile::tempdir().unwrap()).await
}

pub(crate) async fn open_in(dir: TempDir) -> Opened {
    let clock = Arc::new(ManualClock::default());
    let ids = Arc::new(TimeOrderedIds::new(SystemClock::default()));
    let (store, writer) = open_path(dir.path(), clock.clone(), ids.clone()).await;
    Opened { store, clock, ids, writer: spawn(writer.run()), dir }
}

pub(crate) async fn open_path(path: &Path, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> (Store, Writer) {
    let data_dir = path.join("data");
    Store::open(Options { data_dir, durability: Durability::Relaxed, clock, ids }).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "a test's own task, awaited by close")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task)
}

impl Opened {
    /// Closes in order.
    pub(crate) async fn close(self) -> TempDir {
        self.store.close().await;
        self.writer.await.unwrap();
        self.dir
    }

    /// Closes and opens again.
    pub(crate) async fn reopen(self) -> Self {
        open_in(self.close().await).await
    }

    /// Ends the process as far as the store can tell: no drain, no checkpoint, turns left as they are.
    pub(crate) async fn crash(self) -> TempDir {
        self.writer.abort();
        assert!(self.writer.await.unwrap_err().is_cancelled());
        self.dir
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub(crate) async fn begin(&self, owner: &Owner, target: Target, text: &str) -> Result<Turn, Error> {
        self.store.begin_turn(self.turn(owner, target, text)).await
    }

    pub(crate) fn turn(&self, owner: &Owner, conversation: Target, text: &str) -> BeginTurn {
        BeginTurn {
            owner: owner.clone(),
            conversation,
            agent: agent("support"),
            request: self.ids.request(),
            content: content(text),
            wait_until: Instant::now() + Duration::from_secs(60),
            history_limit: 20,
        }
    }

    /// One whole turn.
    pub(crate) async fn say(&self, owner: &Owner, target: Target, text: &str, reply: &str) -> ConversationId {
        let turn = self.begin(owner, target, text).await.unwrap();
        let id = turn.conversation;
        self.store.finish_turn(turn.lease, completed(reply), Vec::new()).await.unwrap();
        id
    }

    pub(crate) async fn delete(&self, owner: &Owner, id: ConversationId) -> Result<(), Error> {
        let entry = self.entry(owner, "conversation.delete", &id.to_string());
        self.store.delete_conversation(owner, id, entry).await
    }

    /// For the audit log, with every column filled.
    pub(crate) fn entry(&self, owner: &Owner, action: &'static str, object: &str) -> AuditEntry {
        AuditEntry {
            tenant: owner.tenant.clone(),
            actor: owner.user.to_string(),
            key: owner.key.clone(),
            ip: Some("192.0.2.1".parse().unwrap()),
            action,
            object: object.to_owned(),
            before: Some(json("1")),
            after: Some(json("2")),
            request: Some(self.ids.request()),
        }
    }

    pub(crate) async fn texts(&self, owner: &Owner, id: ConversationId) -> Vec<String> {
        let page = Page { limit: 100, order: store::Order::Ascending, ..Page::default() };
        self.store.items(owner, id, page).await.unwrap().data.iter().map(text).collect()
    }
}

/// A clock that stands still until it is moved.
pub(crate) struct ManualClock(AtomicI64);

impl Default for ManualClock {
    fn default() -> Self {
        Self(AtomicI64::new(1_750_000_000_000))
    }
}

impl ManualClock {
    pub(crate) fn advance(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(Ordering::SeqCst))
    }
    fn ticks(&self) -> Ticks {
        Ticks(self.now().0.unsigned_abs() * 1_000_000)
    }
}

pub(crate) fn owner(tenant: &str, user: &str) -> Owner {
    Owner {
        tenant: TenantId::new(tenant).unwrap(),
        user: UserId::new(user).unwrap(),
        key: Some(KeyId::new("key-1").unwrap()),
    }
}

pub(crate) fn anna() -> Owner {
    owner("acme", "anna")
}

pub(crate) fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

pub(crate) fn new() -> Target {
    Target::New(NewConversation::default())
}

pub(crate) fn json(text: &str) -> Json {
    RawValue::from_string(text.to_owned()).unwrap()
}

pub(crate) fn content(text: &str) -> Json {
    json(&serde_json::json!([{ "type": "text", "text": text }]).to_string())
}

/// The text of a message's first part.
pub(crate) fn text(message: &Message) -> String {
    let parts: serde_json::Value = serde_json::from_str(message.content.get()).unwrap();
    parts[0]["text"].as_str().unwrap().to_owned()
}

pub(crate) fn answer(status: AnswerStatus, text: &str) -> Answer {
    Answer {
        status,
        content: Some(content(text)),
        raw: Some(json(r#"{"id":"chatcmpl-1"}"#)),
        finish_reason: Some(domain::FinishReason::Stop),
        provider: Some(ProviderName::new("openai").unwrap()),
        model: Some("gpt-4o-mini".into()),
    }
}

pub(crate) fn completed(text: &str) -> Answer {
    answer(AnswerStatus::Completed, text)
}

/// A row with every column filled.
pub(crate) fn row(owner: &Owner, request: RequestId, number: u32) -> LedgerRow {
    LedgerRow {
        attempt: AttemptId { request, number },
        owner: owner.clone(),
        agent: Some(agent("support")),
        model: "support".into(),
        provider: Some(ProviderName::new("openai").unwrap()),
        upstream_model: Some("gpt-4o-mini-2024-07-18".into()),
        tags: Some(r#"{"team":"tier-1"}"#.into()),
        usage: Usage {
            input: 1,
            cached_input: 2,
            cache_write: 3,
            output: 4,
            reasoning: 5,
            audio: 6,
            image: 7,
            estimated: true,
        },
        cost: Some(NanoUsd(21_000)),
        price_version: Some("2026-11-01".into()),
        config_hash: "5f2c6a1e9b".into(),
        release: "1.0.0".into(),
        client_request_id: Some("client-1".into()),
        outcome: Outcome::UpstreamError,
        code: Some("upstream_error".into()),
        started_at: UnixMillis(1_750_000_000_123),
        duration: Duration::from_millis(1500),
        time_to_first_token: Some(Duration::from_millis(200)),
        conversation: Some(ConversationId::from_uuid(request.uuid())),
    }
}
