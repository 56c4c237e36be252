//! Prefixed, time-sortable ids: `req_`, `conv_`, `msg_` and 32 hexadecimal digits of a version 7 UUID (RFC 9562).
//!
//! The text sorts as the time of creation does, which is what list cursors and the ledger's partitions rely on.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;

use uuid::{ContextV7, Timestamp, Uuid};

use crate::clock::Clock;

/// A text that is not an id of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an id of the form {prefix}<32 lower-case hexadecimal digits>")]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            #[must_use]
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let wrong = IdError { prefix: $prefix };
                let digits = text.strip_prefix($prefix).ok_or_else(|| wrong.clone())?;
                let canonical = digits.len() == 32
                    && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                if !canonical {
                    return Err(wrong);
                }
                Uuid::try_parse(digits).map(Self).map_err(|_| wrong)
            }
        }
    )*};
}

ids! {
    /// One request to us. The ledger's key, together with the attempt; never the caller's own id.
    RequestId = "req_";
    /// One conversation.
    ConversationId = "conv_";
    /// One message of a conversation.
    MessageId = "msg_";
}

/// One call to one target on behalf of a request: the request and the attempt's number, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId {
    pub request: RequestId,
    pub number: u32,
}

/// Where fresh ids come from. Later calls give greater ids.
pub trait IdSource: Send + Sync + 'static {
    fn fresh(&self) -> Uuid;

    fn request(&self) -> RequestId {
        RequestId::from_uuid(self.fresh())
    }
    fn conversation(&self) -> ConversationId {
        ConversationId::from_uuid(self.fresh())
    }
    fn message(&self) -> MessageId {
        MessageId::from_uuid(self.fresh())
    }
}

/// Version 7 UUIDs from a clock, with a counter that keeps the order within one millisecond.
pub struct TimeOrderedIds<C> {
    clock: C,
    counter: Mutex<ContextV7>,
}

impl<C: Clock> TimeOrderedIds<C> {
    pub const fn new(clock: C) -> Self {
        Self { clock, counter: Mutex::new(ContextV7::new()) }
    }
}

impl<C: Clock> IdSource for TimeOrderedIds<C> {
    fn fresh(&self) -> Uuid {
        let now = self.clock.now().0.max(0).unsigned_abs();
        let nanos = u32::try_from(now % 1000).unwrap_or(0).saturating_mul(1_000_000);
        let counter = self.counter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Uuid::new_v7(Timestamp::from_unix(&*counter, now / 1000, nanos))
    }
}

impl<C: Clock> Clock for std::sync::Arc<C> {
    fn now(&self) -> crate::UnixMillis {
        C::now(self)
    }
    fn ticks(&self) -> crate::Ticks {
        C::ticks(self)
    }
}

impl Clock for std::sync::Arc<dyn Clock> {
    fn now(&self) -> crate::UnixMillis {
        (**self).now()
    }
    fn ticks(&self) -> crate::Ticks {
        (**self).ticks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemClock;

    #[test]
    fn an_id_survives_its_text() {
        let ids = TimeOrderedIds::new(SystemClock::default());
        let id = ids.conversation();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), "conv_".len() + 32);
    }

    #[test]
    fn ids_of_one_millisecond_keep_their_order() {
        let ids = TimeOrderedIds::new(SystemClock::default());
        let made: Vec<String> = (0..10_000).map(|_| ids.message().to_string()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn another_kinds_id_and_other_spellings_are_refused() {
        let id = TimeOrderedIds::new(SystemClock::default()).request().to_string();
        assert!(id.replace("req_", "msg_").parse::<RequestId>().is_err());
        assert!(id.to_uppercase().parse::<RequestId>().is_err());
        assert!(id.replace("req_", "").parse::<RequestId>().is_err());
        assert!("req_".parse::<RequestId>().is_err());
        assert!("req_0190-b5b1-0000-7000-8000-000000000000".parse::<RequestId>().is_err());
    }
}
