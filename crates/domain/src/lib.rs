//! The words of the business, and nothing else: ids, names, money, usage, who is calling, what time it is.
//!
//! This crate does no I/O and knows no wire format. Everything above it speaks in these types, so that a
//! conversation id can never be passed where a request id is meant, money is never a float, and no code
//! reads a clock it was not given.

mod clock;
mod id;
mod money;
mod name;
mod principal;
mod usage;

pub use clock::{Clock, SystemClock, Ticks, UnixMillis};
pub use id::{AttemptId, ConversationId, IdError, IdSource, MessageId, RequestId, TimeOrderedIds};
pub use money::NanoUsd;
pub use name::{AgentName, KeyId, ModelName, NameError, ProviderName, TenantId, UserId};
pub use principal::{Permission, Principal, Role};
pub use usage::{FinishReason, Outcome, Usage};
