//! A turn: one message of the user and the answer to it.
//!
//! A conversation has one turn at a time. [`Lease`] is the right to answer: whoever holds it is the only one
//! to write to the conversation, and the next message waits until it is gone. It ends in exactly one of three
//! ways: [`finish_turn`](crate::Store::finish_turn) waits until the answer is durable,
//! [`post`](Lease::post) hands the answer over from code that cannot wait, and dropping it marks the turn as
//! failed. The last two cannot be refused for lack of room: a lease holds its place in the write queue.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::{AgentName, Clock, ConversationId, FinishReason, MessageId, ProviderName, RequestId};
use tokio::time::Instant;

use crate::conversation::{Json, Message, NewConversation, Owner};
use crate::error::Error;
use crate::intent::{Finish, Intent, TurnKey};
use crate::ledger::LedgerRow;
use crate::queue::Slot;
use crate::seats::Seat;

/// Where a turn takes place.
#[derive(Clone, Debug)]
pub enum Target {
    Existing(ConversationId),
    New(NewConversation),
}

/// A message to be answered.
#[derive(Clone, Debug)]
pub struct BeginTurn {
    pub owner: Owner,
    pub conversation: Target,
    pub agent: AgentName,
    pub request: RequestId,
    /// The user's message: a JSON array of typed parts.
    pub content: Json,
    /// How long to wait for the turns in front.
    pub wait_until: Instant,
    /// At most this many earlier messages are returned.
    pub history_limit: u32,
}

/// A begun turn: the user's message is durable, nobody else answers in this conversation.
#[derive(Debug)]
pub struct Turn {
    pub lease: Lease,
    pub conversation: ConversationId,
    pub user_message: MessageId,
    /// The id the answer will have.
    pub answer_message: MessageId,
    /// What was said before, oldest first, beginning with a message of the user.
    pub history: Vec<Message>,
    /// How long the turns in front took; the rest of the time was the store's own.
    pub waited: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AnswerStatus {
    Completed,
    /// Cut short; what there is is kept.
    Partial,
    /// Came to nothing. Content is optional and only shown.
    Failed,
}

/// What became of a turn.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: AnswerStatus,
    /// A JSON array of typed parts, which may be empty or say nothing: the message is stored and listed all the
    /// same. None stores no message.
    pub content: Option<Json>,
    /// The provider's own blocks behind the content.
    pub raw: Option<Json>,
    pub finish_reason: Option<FinishReason>,
    pub provider: Option<ProviderName>,
    /// The upstream model.
    pub model: Option<Arc<str>>,
}

impl Answer {
    /// No answer at all.
    pub(crate) const FAILED: Self = Self {
        status: AnswerStatus::Failed,
        content: None,
        raw: None,
        finish_reason: None,
        provider: None,
        model: None,
    };
}

/// The right to answer in a conversation.
#[must_use = "dropping the lease fails the turn"]
pub struct Lease {
    /// Taken out by whatever ends the turn.
    held: Option<Held>,
    /// Whether the turn is stored and has to be ended there.
    running: bool,
}

struct Held {
    key: TurnKey,
    seat: Seat,
    slot: Slot,
    clock: Arc<dyn Clock>,
}

impl Lease {
    pub(crate) const fn new(key: TurnKey, seat: Seat, slot: Slot, clock: Arc<dyn Clock>) -> Self {
        Self { held: Some(Held { key, seat, slot, clock }), running: false }
    }

    /// From here on the turn is stored.
    pub(crate) const fn started(mut self) -> Self {
        self.running = true;
        self
    }

    /// Ends the turn without waiting for the disk, for code that cannot: a body that is dropped.
    pub fn post(mut self, answer: Answer, rows: Vec<LedgerRow>) {
        self.end(answer, rows);
    }

    pub(crate) async fn finish(mut self, answer: Answer, rows: Vec<LedgerRow>) -> Result<(), Error> {
        let Some(held) = self.held.take() else { return Err(Error::Inconsistent) };
        let (finish, seat, slot) = held.finish(answer, rows);
        slot.ask(|reply| Intent::Finish { finish, seat, reply: Some(reply) }).await
    }

    fn end(&mut self, answer: Answer, rows: Vec<LedgerRow>) {
        if let Some(held) = self.held.take() {
            let (finish, seat, slot) = held.finish(answer, rows);
            slot.send(Intent::Finish { finish, seat, reply: None });
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.running {
            self.end(Answer::FAILED, Vec::new());
        }
    }
}

impl Held {
    fn finish(self, answer: Answer, rows: Vec<LedgerRow>) -> (Box<Finish>, Seat, Slot) {
        let at = self.clock.now();
        (Box::new(Finish { key: self.key, answer, rows, at }), self.seat, self.slot)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let turn = self.held.as_ref().map(|held| (held.key.conversation, held.key.request));
        f.debug_struct("Lease").field("turn", &turn).finish_non_exhaustive()
    }
}
