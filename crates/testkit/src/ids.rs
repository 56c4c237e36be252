//! Ids that are the same in every run.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::IdSource;
use uuid::{Builder, Uuid};

use crate::clock::SimulatedClock;

/// Version 7 UUIDs of one fixed millisecond that count from 1: deterministic, valid and in order.
#[derive(Debug, Default)]
pub struct SequentialIds {
    made: AtomicU64,
}

impl IdSource for SequentialIds {
    fn fresh(&self) -> Uuid {
        let count = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        // The builder overwrites the bits of version and variant; a count below 2^62 is clear of them.
        let [a, b, c, d, e, f, g, h] = count.to_be_bytes();
        Builder::from_unix_timestamp_millis(
            SimulatedClock::EPOCH.0.unsigned_abs(),
            &[0, 0, a, b, c, d, e, f, g, h],
        )
        .into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sources_give_the_same_ids_in_order() {
        let (one, other) = (SequentialIds::default(), SequentialIds::default());
        let made: Vec<_> = (0..1000).map(|_| one.request()).collect();
        assert!(made.is_sorted_by(|a, b| a < b));
        assert!(made.iter().all(|id| *id == other.request()));
        assert_eq!(made[0].uuid().get_version_num(), 7);
        assert_eq!(made[0].to_string(), "req_01941f297c0070008000000000000001");
    }
}
