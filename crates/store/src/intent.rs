//! What can be asked of the writer, with everything decided that is not the database's to decide: ids, times
//! and defaults are set before an intent is queued, so that carrying it out twice writes the same thing.

use domain::{AgentName, ConversationId, MessageId, RequestId, UnixMillis};
use tokio::sync::oneshot;

use crate::audit::AuditEntry;
use crate::conversation::{Change, Conversation, Json, Owner};
use crate::error::Error;
use crate::ledger::LedgerRow;
use crate::seats::Seat;
use crate::turn::{Answer, Lease};

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Error>>;

/// One unit of work for the writer. `reply` is absent where nobody waits.
#[derive(Debug)]
pub(crate) enum Intent {
    Settle {
        rows: Vec<LedgerRow>,
        reply: Option<Reply<()>>,
    },
    Begin {
        begin: Box<Begin>,
        lease: Lease,
        reply: Reply<Begun>,
    },
    Finish {
        finish: Box<Finish>,
        /// Let go after the commit, however late that comes: the next turn sees this one's answer.
        seat: Seat,
        reply: Option<Reply<()>>,
    },
    Create {
        create: Box<Create>,
        reply: Reply<()>,
    },
    Change {
        owner: Owner,
        id: ConversationId,
        change: Change,
        at: UnixMillis,
        reply: Reply<Conversation>,
    },
    Delete {
        owner: Owner,
        id: ConversationId,
        /// Written if there was one to delete.
        entry: Box<AuditEntry>,
        at: UnixMillis,
        reply: Reply<()>,
    },
    Audit {
        entry: Box<AuditEntry>,
        at: UnixMillis,
        reply: Reply<()>,
    },
    /// Whether there is an obstacle to writing.
    Ping {
        reply: Reply<()>,
    },
    /// The same, after a look at the files.
    Inspect {
        reply: Reply<()>,
    },
    Close {
        reply: Reply<()>,
    },
}

impl Intent {
    /// The ledger rows it brings; they are written whatever becomes of the rest of it.
    pub(crate) fn ledger_rows(&self) -> &[LedgerRow] {
        match self {
            Self::Settle { rows, .. } => rows,
            Self::Finish { finish, .. } => &finish.rows,
            _ => &[],
        }
    }
}

#[derive(Debug)]
pub(crate) struct Create {
    pub(crate) owner: Owner,
    pub(crate) id: ConversationId,
    pub(crate) agent: AgentName,
    pub(crate) title: String,
    pub(crate) metadata: Json,
    pub(crate) at: UnixMillis,
}

/// Which turn.
#[derive(Clone, Debug)]
pub(crate) struct TurnKey {
    pub(crate) owner: Owner,
    pub(crate) conversation: ConversationId,
    pub(crate) request: RequestId,
    pub(crate) user_message: MessageId,
    pub(crate) answer_message: MessageId,
}

#[derive(Debug)]
pub(crate) struct Begin {
    pub(crate) key: TurnKey,
    /// The conversation to create first; none to go on in the existing one.
    pub(crate) create: Option<Create>,
    pub(crate) agent: AgentName,
    pub(crate) content: Json,
    pub(crate) at: UnixMillis,
}

#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) lease: Lease,
    /// The user message's place in the conversation.
    pub(crate) sequence: i64,
}

#[derive(Debug)]
pub(crate) struct Finish {
    pub(crate) key: TurnKey,
    pub(crate) answer: Answer,
    pub(crate) rows: Vec<LedgerRow>,
    pub(crate) at: UnixMillis,
}
