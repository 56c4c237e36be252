//! Time is a dependency. Production takes [`SystemClock`]; tests move a clock of their own.

use std::fmt;
use std::time::Duration;

/// A moment as unix milliseconds, UTC. This is what the store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Whole unix seconds, as the HTTP API shows times.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A monotonic reading in nanoseconds from an arbitrary start: only differences mean anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub u64);

impl Ticks {
    /// Time from `earlier` to `self`, zero if the order is the other way round.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// Wall time, for records. May jump.
    fn now(&self) -> UnixMillis;
    /// Monotonic time, for durations.
    fn ticks(&self) -> Ticks;
}

/// The machine's clocks.
#[derive(Debug)]
pub struct SystemClock {
    #[expect(clippy::disallowed_types, reason = "this is the clock the ban points to")]
    start: std::time::Instant,
}

impl Default for SystemClock {
    #[expect(clippy::disallowed_types, reason = "this is the clock the ban points to")]
    fn default() -> Self {
        Self { start: std::time::Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_types, reason = "this is the clock the ban points to")]
    fn now(&self) -> UnixMillis {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn ticks(&self) -> Ticks {
        Ticks(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
