//! How an attempt fails, and what a fault makes of the answer that there would have been.
//!
//! Chance falls by the seed and the number of the attempt, not by the request: asked again, the same request can
//! succeed, and a run of attempts fails the same way every time.

use std::time::Duration;

use super::dice::Fingerprint;
use super::script::{End, Script};
use super::shape::Error;

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 500.
    Error,
    /// 503.
    Overloaded,
    /// 429, to be asked again after [`PATIENCE`].
    RateLimited,
    /// Nobody takes the connection.
    Refused,
    /// A stream falls silent after some content; a whole answer never comes.
    Stall,
    /// The connection breaks after some content, or in the middle of a whole answer.
    Cut,
    /// A stream's first event cannot be read; nor can a whole answer.
    Malformed,
    /// A stream gives up with an error after some content; a whole answer is one, under status 200.
    ErrorEvent,
}

const EVERY_FAULT: [Fault; 8] = [
    Fault::Error,
    Fault::Overloaded,
    Fault::RateLimited,
    Fault::Refused,
    Fault::Stall,
    Fault::Cut,
    Fault::Malformed,
    Fault::ErrorEvent,
];

/// Faults by chance.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Faults {
    /// The part of all attempts that fail, from 0 to 1.
    pub(crate) rate: f64,
    /// What may happen to them, one as likely as the other; none listed: anything.
    pub(crate) kinds: Vec<Fault>,
}

/// Nobody takes the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable;

/// How long a rate-limited caller is asked to wait.
const PATIENCE: Duration = Duration::from_secs(2);

const OVERLOADED: Error<'static> =
    Error::failure("the simulated provider is overloaded", "server_error", Some("overloaded"));
const RATE_LIMITED: Error<'static> =
    Error::failure("the simulated provider's rate limit is reached", "requests", Some("rate_limit_exceeded"));
const FAILED: Error<'static> = Error::failure("the simulated provider failed", "server_error", None);

impl Faults {
    /// What befalls the attempt `nonce`. Of the same seed, dice of different names fall differently.
    pub(super) fn strike(&self, seed: u64, name: &str, nonce: u64) -> Option<Fault> {
        let mut dice = Fingerprint::new(seed).text(name).number(nonce).dice();
        // The highest throw is 1.
        let strikes = self.rate >= 1.0 || dice.fraction() < self.rate;
        let kinds = if self.kinds.is_empty() { &EVERY_FAULT[..] } else { &self.kinds };
        kinds.get(dice.below(kinds.len())).copied().filter(|_| strikes)
    }
}

/// The answer, or what the fault makes of it.
pub(super) fn befall(fault: Option<Fault>, answer: impl FnOnce() -> Script) -> Result<Script, Unreachable> {
    Ok(match fault {
        None => answer(),
        Some(Fault::Error) => Script::error(500, &FAILED),
        Some(Fault::Overloaded) => Script::error(503, &OVERLOADED),
        Some(Fault::RateLimited) => Script::error(429, &RATE_LIMITED).retry_after(PATIENCE),
        Some(Fault::Refused) => return Err(Unreachable),
        Some(Fault::Stall) => answer().broken_off(End::Silent),
        Some(Fault::Cut) => answer().broken_off(End::Cut),
        Some(Fault::Malformed) => answer().garbled(),
        Some(Fault::ErrorEvent) => answer().given_up(&FAILED),
    })
}
