//! How long the guard waits for a client, with one timer per connection.
//!
//! Only time spent waiting for the client counts: a clock starts when a read or write finds nothing to do and
//! stops when bytes move. While we are the slow side (hyper does not read, an answer is being produced) no
//! clock runs.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use super::scan::Phase;

/// How patient the guard is. The defaults are those of the failover contract.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// From the first byte of a request head to its end; for the first request from the connection's accept.
    pub(crate) head: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// Waiting granted to a body before its rate counts.
    pub(crate) body_grace: Duration,
    /// Bytes of a body that buy one more second of waiting.
    pub(crate) body_rate: u32,
    /// The most waiting a fast body can save up, so that it cannot buy an hour of silence.
    pub(crate) body_credit: Duration,
    /// Without a byte of the answer taken.
    pub(crate) write_stall: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            body_grace: Duration::from_secs(10),
            body_rate: 1024,
            body_credit: Duration::from_secs(30),
            write_stall: Duration::from_secs(30),
        }
    }
}

/// What the read side is waiting for, and until when.
#[derive(Debug, Default)]
pub(super) enum Wait {
    #[default]
    Nothing,
    /// The first request since the accept: its first byte, then its head, under one deadline.
    First(Instant),
    Head(Instant),
    Idle(Instant),
    /// A leaky bucket of time: waiting drains `credit`, bytes refill it.
    Body {
        credit: Duration,
        since: Option<Instant>,
    },
}

impl Wait {
    /// A read found nothing: the deadline of what is being waited for, started now if it was not running.
    pub(super) fn pending(&mut self, phase: Phase, limits: &Limits) -> Instant {
        match (phase, &mut *self) {
            (Phase::Fresh | Phase::Head, Self::First(at))
            | (Phase::Head, Self::Head(at))
            | (Phase::Between, Self::Idle(at)) => return *at,
            (Phase::Body, Self::Body { credit, since }) => {
                return *since.get_or_insert_with(Instant::now) + *credit;
            }
            _ => {}
        }
        let now = Instant::now();
        let (wait, at) = match phase {
            Phase::Fresh => (Self::First(now + limits.head), now + limits.head),
            Phase::Head => (Self::Head(now + limits.head), now + limits.head),
            Phase::Between => (Self::Idle(now + limits.idle), now + limits.idle),
            Phase::Body => {
                (Self::Body { credit: limits.body_grace, since: Some(now) }, now + limits.body_grace)
            }
        };
        *self = wait;
        at
    }

    /// `bytes` of a message arrived.
    pub(super) fn received(&mut self, bytes: usize, limits: &Limits) {
        if let Self::Body { credit, since } = self {
            let waited = since.take().map_or(Duration::ZERO, |since| since.elapsed());
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            let earned = Duration::from_secs(1) * bytes / limits.body_rate.max(1);
            *credit = (credit.saturating_sub(waited) + earned).min(limits.body_credit);
        }
    }
}

/// The connection's only timer. It is moved when it fires or when an earlier deadline comes up, never on each
/// read: a deadline that moves later just lets it fire once in vain.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether `deadline` has passed; if not, the task is woken then at the latest.
    pub(super) fn passed(&mut self, cx: &mut Context<'_>, deadline: Instant) -> bool {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
        false
    }
}
