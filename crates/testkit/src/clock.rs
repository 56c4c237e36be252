//! A clock that follows tokio's time, so that `tokio::time::advance` moves timers and readings together.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use domain::{Clock, Ticks, UnixMillis};
use tokio::time::Instant;

/// A clock that starts at a chosen moment and moves as tokio's time does: with the runtime's time paused it
/// stands still until the test advances it. The wall part can jump on its own, as machines' clocks do.
///
/// Make it inside the runtime whose time it follows.
#[derive(Debug)]
pub struct SimulatedClock {
    start: UnixMillis,
    origin: Instant,
    jump: AtomicI64,
}

impl SimulatedClock {
    /// 2025-01-01T00:00:00Z, where a test begins unless it says otherwise.
    pub const EPOCH: UnixMillis = UnixMillis(1_735_689_600_000);

    #[must_use]
    pub fn starting_at(start: UnixMillis) -> Self {
        Self { start, origin: Instant::now(), jump: AtomicI64::new(0) }
    }

    /// Moves time forward for this clock and for every timer of the runtime, which must be paused.
    pub async fn advance(&self, span: Duration) {
        tokio::time::advance(span).await;
    }

    /// Sets the wall time off by `millis`, forward or back. Monotonic time does not notice.
    pub fn jump(&self, millis: i64) {
        self.jump.fetch_add(millis, Ordering::Relaxed);
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::starting_at(Self::EPOCH)
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> UnixMillis {
        let wall = self.start.plus(self.origin.elapsed());
        UnixMillis(wall.0.saturating_add(self.jump.load(Ordering::Relaxed)))
    }

    fn ticks(&self) -> Ticks {
        Ticks(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_clock_and_the_timers_move_together() {
        let clock = SimulatedClock::default();
        let before = clock.ticks();
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(clock.now(), UnixMillis(SimulatedClock::EPOCH.0 + 90_000));
        assert_eq!(clock.ticks().since(before), Duration::from_secs(90));
        clock.advance(Duration::from_secs(10)).await;
        assert_eq!(clock.now(), UnixMillis(SimulatedClock::EPOCH.0 + 100_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_jump_of_the_wall_leaves_monotonic_time_alone() {
        let clock = SimulatedClock::default();
        let before = clock.ticks();
        clock.jump(-3_600_000);
        assert_eq!(clock.now(), UnixMillis(SimulatedClock::EPOCH.0 - 3_600_000));
        assert_eq!(clock.ticks(), before);
    }
}
