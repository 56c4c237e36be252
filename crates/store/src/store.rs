//! The store's API. Each method decides ids, times and order here, then asks the writer or a reader.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::{AgentName, Clock, ConversationId, IdSource, MessageId, RequestId, TenantId};
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout};

use crate::audit::AuditEntry;
use crate::conversation::{Change, Conversation, Json, List, Message, NewConversation, Owner, Page};
use crate::error::{Error, OpenError};
use crate::intent::{Begin, Begun, Create, Intent, Reply, TurnKey};
use crate::ledger::LedgerRow;
use crate::queue::{Queue, Slot, Stats};
use crate::seats::{Seat, Seats};
use crate::sqlite::{Reader, Writer};
use crate::title::title_of;
use crate::turn::{Answer, BeginTurn, Lease, Target, Turn};

/// A writer that has not answered a probe by then is stuck.
const PROBE_WITHIN: Duration = Duration::from_secs(1);

/// What a commit survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: the log is flushed at every commit.
    #[default]
    Full,
    /// The end of the process, however it comes; a loss of power may take the last seconds with it.
    Relaxed,
}

pub struct Options {
    /// Created if it is missing.
    pub data_dir: PathBuf,
    pub durability: Durability,
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn IdSource>,
}

/// The handle to everything that is kept. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    queue: Queue,
    reader: Arc<Reader>,
    seats: Seats,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
}

impl Store {
    /// Opens the database of a data directory: takes its lock, migrates it up, and marks turns that a dead
    /// process left running as failed. Nothing is written before [`Writer::run`] is polled.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed then, except by migrations that succeeded.
    pub async fn open(options: Options) -> Result<(Self, Writer), OpenError> {
        let (queue, receiver, counters) = Queue::new();
        let Options { data_dir, durability, clock, ids } = options;
        let reader = Arc::new(Reader::new(&data_dir));
        let writer =
            Writer::open(&data_dir, durability, Arc::clone(&clock), receiver, counters, Arc::clone(&reader))
                .await?;
        Ok((Self { queue, reader, seats: Seats::default(), clock, ids }, writer))
    }

    /// Settles one attempt: durable when it returns. The same attempt again changes nothing.
    ///
    /// # Errors
    /// [`Error::Full`] and [`Error::Unavailable`]: the row is kept as by [`Slot::settle`].
    pub async fn settle(&self, row: LedgerRow) -> Result<(), Error> {
        self.queue.ask(|reply| Intent::Settle { rows: vec![row], reply: Some(reply) }).await
    }

    /// Keeps a place in the write queue, so that a later [`Slot::post`] cannot be refused.
    ///
    /// # Errors
    /// [`Error::Overloaded`] if none is left, [`Error::Unavailable`] if the store is closed. [`Error::Full`] and
    /// [`Error::Unavailable`] at once while it is known that nothing can be written: what cannot be booked is better
    /// not begun.
    pub fn slot(&self) -> Result<Slot, Error> {
        self.queue.slot()
    }

    /// What was settled for a request, by attempt.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn attempts(&self, tenant: &TenantId, request: RequestId) -> Result<Vec<LedgerRow>, Error> {
        self.reader.attempts(tenant, request).await
    }

    /// # Errors
    /// [`Error::Full`] and [`Error::Unavailable`].
    pub async fn create_conversation(
        &self,
        owner: &Owner,
        agent: &AgentName,
        new: NewConversation,
    ) -> Result<Conversation, Error> {
        let create = self.create(owner, agent, new, self.ids.conversation());
        let conversation = Conversation {
            id: create.id,
            agent: create.agent.clone(),
            title: create.title.clone(),
            metadata: create.metadata.clone(),
            created_at: create.at,
            updated_at: create.at,
        };
        self.queue.ask(|reply| Intent::Create { create: Box::new(create), reply }).await?;
        Ok(conversation)
    }

    /// # Errors
    /// [`Error::NotFound`] and [`Error::Unavailable`].
    pub async fn conversation(&self, owner: &Owner, id: ConversationId) -> Result<Conversation, Error> {
        self.reader.conversation(owner, id).await
    }

    /// The owner's conversations in order of their creation.
    ///
    /// # Errors
    /// [`Error::Unavailable`]. A cursor need not exist: ids are in order, so any id is a place in the list.
    pub async fn conversations(
        &self,
        owner: &Owner,
        page: Page<ConversationId>,
    ) -> Result<List<Conversation>, Error> {
        self.reader.conversations(owner, page).await
    }

    /// The messages of a conversation; an answer that is still being produced is not among them.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::UnknownCursor`] and [`Error::Unavailable`].
    pub async fn items(
        &self,
        owner: &Owner,
        id: ConversationId,
        page: Page<MessageId>,
    ) -> Result<List<Message>, Error> {
        self.reader.items(owner, id, page).await
    }

    /// Changes title or metadata and returns the conversation as it is then.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Full`] and [`Error::Unavailable`].
    pub async fn change_conversation(
        &self,
        owner: &Owner,
        id: ConversationId,
        change: Change,
    ) -> Result<Conversation, Error> {
        let (owner, at) = (owner.clone(), self.clock.now());
        self.queue.ask(|reply| Intent::Change { owner, id, change, at, reply }).await
    }

    /// Deletes a conversation with all its messages; ledger rows stay. Its text is overwritten in the database
    /// file, and leaves the write-ahead log at the next checkpoint. The entry is appended to the audit log in the
    /// same transaction: neither is ever there without the other, even if the future is dropped.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Full`] and [`Error::Unavailable`]; nothing was deleted and nothing audited.
    pub async fn delete_conversation(
        &self,
        owner: &Owner,
        id: ConversationId,
        entry: AuditEntry,
    ) -> Result<(), Error> {
        let (owner, entry, at) = (owner.clone(), Box::new(entry), self.clock.now());
        self.queue.ask(|reply| Intent::Delete { owner, id, entry, at, reply }).await
    }

    /// Begins a turn: waits for the turns in front of it, stores the user's message, and returns with it durable.
    /// Dropping the future gives the turn up, before or after it was stored.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::WrongAgent`]; [`Error::Busy`] at the deadline or if too many wait already;
    /// [`Error::Overloaded`], [`Error::Full`] and [`Error::Unavailable`], the last two also at once, and while it
    /// waits, as [`slot`](Store::slot) does.
    pub async fn begin_turn(&self, turn: BeginTurn) -> Result<Turn, Error> {
        let BeginTurn { owner, conversation, agent, request, content, wait_until, history_limit } = turn;
        let (id, new) = match conversation {
            Target::Existing(id) => (id, None),
            Target::New(new) => (self.ids.conversation(), Some(new)),
        };
        let asked = Instant::now();
        self.queue.unobstructed()?;
        let seat = tokio::select! {
            seat = self.seats.take(&owner, id, wait_until) => seat?,
            // The turn in front may be one whose end is kept until there is room for it.
            error = self.queue.obstructed() => return Err(error),
        };
        let waited = asked.elapsed();
        let create = new.map(|new| {
            let mut create = self.create(&owner, &agent, new, id);
            if create.title.is_empty() {
                create.title = title_of(&content);
            }
            create
        });
        // In the seat, so that messages are numbered in the order of their turns.
        let key = TurnKey {
            owner,
            conversation: id,
            request,
            user_message: self.ids.message(),
            answer_message: self.ids.message(),
        };
        let begin = Begin { key, create, agent, content, at: self.clock.now() };
        self.begin(begin, seat, waited, history_limit).await
    }

    async fn begin(
        &self,
        begin: Begin,
        seat: Seat,
        waited: Duration,
        history_limit: u32,
    ) -> Result<Turn, Error> {
        let (key, is_new) = (begin.key.clone(), begin.create.is_some());
        let lease = Lease::new(key.clone(), seat, self.queue.slot()?, Arc::clone(&self.clock));
        let begin = Box::new(begin);
        let Begun { lease, sequence } = self.queue.ask(|reply| Intent::Begin { begin, lease, reply }).await?;
        // Outside the writer: the lease keeps everyone else from adding to the conversation.
        let history = if is_new || history_limit == 0 {
            Vec::new()
        } else {
            self.reader.history(&key, sequence, history_limit).await?
        };
        Ok(Turn {
            lease,
            conversation: key.conversation,
            user_message: key.user_message,
            answer_message: key.answer_message,
            history,
            waited,
        })
    }

    /// Ends a turn with its answer and the ledger rows of its attempts, durable together when it returns.
    /// The next turn of the conversation goes on after it. Dropping the future does not take it back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the conversation was deleted meanwhile: the ledger rows are durable all the same.
    /// [`Error::Full`] and [`Error::Unavailable`]: nothing is written yet. The writer keeps answer and rows and writes
    /// them as soon as the storage takes them; the conversation's next turn begins after that.
    pub async fn finish_turn(&self, lease: Lease, answer: Answer, rows: Vec<LedgerRow>) -> Result<(), Error> {
        lease.finish(answer, rows).await
    }

    /// Appends to the audit log of a tenant.
    ///
    /// # Errors
    /// [`Error::Full`] and [`Error::Unavailable`].
    pub async fn audit(&self, entry: AuditEntry) -> Result<(), Error> {
        let at = self.clock.now();
        self.queue.ask(|reply| Intent::Audit { entry: Box::new(entry), at, reply }).await
    }

    /// Whether the writer answers within a second and has a database that takes writes, as far as it knows: this
    /// writes nothing itself.
    ///
    /// # Errors
    /// [`Error::Full`] and [`Error::Unavailable`].
    pub async fn ping(&self) -> Result<(), Error> {
        self.probe(|reply| Intent::Ping { reply }).await
    }

    /// Looks whether the data directory still has the files that are open, to be called every few seconds. If it has
    /// not, that is logged once and every write refused until they are back.
    ///
    /// # Errors
    /// As [`ping`](Store::ping).
    pub async fn inspect(&self) -> Result<(), Error> {
        self.probe(|reply| Intent::Inspect { reply }).await
    }

    async fn probe(&self, intent: impl FnOnce(Reply<()>) -> Intent) -> Result<(), Error> {
        timeout(PROBE_WITHIN, self.queue.ask(intent)).await.unwrap_or(Err(Error::Unavailable))
    }

    #[must_use]
    pub fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Writes what is queued, empties the write-ahead log into the database and closes it. To be called when
    /// all turns have ended: what is posted afterwards is lost, and its turns are failed at the next start.
    /// Returns at once if the store is closed already.
    pub async fn close(&self) {
        let closed: Result<(), Error> = self.queue.ask(|reply| Intent::Close { reply }).await;
        if closed.is_err() {
            tracing::debug!("the store was closed already");
        }
    }

    fn create(&self, owner: &Owner, agent: &AgentName, new: NewConversation, id: ConversationId) -> Create {
        Create {
            owner: owner.clone(),
            id,
            agent: agent.clone(),
            title: new.title.unwrap_or_default(),
            metadata: new.metadata.unwrap_or_else(empty_object),
            at: self.clock.now(),
        }
    }
}

fn empty_object() -> Json {
    RawValue::from_string("{}".to_owned()).unwrap_or_default()
}
