//! The only SQL of the product: conversations and their turns, the ledger, the audit log.
//!
//! The API is by intent (`begin_turn`, `settle`), speaks in `domain` types and shows no SQL, so that a second
//! database is a second folder beside `sqlite/` and not a second API. Four promises hold for every intent:
//!
//! - **Durable when answered.** A method that writes returns after its commit. Intents that are waiting at the
//!   same moment share one transaction, so durability costs one flush for all of them.
//! - **Alone in its failure.** An intent that cannot be carried out fails by itself, whoever shares its group.
//! - **Nothing owed is forgotten.** What an attempt used and how a turn ended are kept while the disk is full or away,
//!   and written when it is back. Meanwhile nothing is begun that could not be written down.
//! - **Nobody else's data.** Everything is found by tenant and owner; another owner's id is an unknown id.
//!
//! ```text
//! Store -- Intent --> queue (bounded) --> Writer: BEGIN, every intent, ledger rows by the dozen, COMMIT, answers
//!   └---- reads ----> two read-only connections, opened when needed
//! ```

mod audit;
mod conversation;
mod error;
mod identity;
mod intent;
mod kept;
mod ledger;
mod lock;
pub mod migrate;
mod queue;
mod seats;
mod sqlite;
mod store;
mod title;
mod turn;

pub use audit::AuditEntry;
pub use conversation::{
    Change, Conversation, Json, List, MAX_PAGE, Message, MessageStatus, NewConversation, Order, Owner, Page,
    Role,
};
pub use error::{Error, Fault, OpenError};
pub use ledger::LedgerRow;
pub use queue::{Slot, Stats};
pub use sqlite::Writer;
pub use store::{Durability, Options, Store};
pub use turn::{Answer, AnswerStatus, BeginTurn, Lease, Target, Turn};
