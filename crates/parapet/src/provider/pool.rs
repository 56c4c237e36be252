//! Idle connections to one upstream, newest first.
//!
//! Idle at most 15 s, because load balancers close theirs soon after, and at most 10 minutes old, so that a
//! change of address is noticed (FAILOVER.md, Timeouts).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;

const MAX_IDLE: Duration = Duration::from_secs(15);
const MAX_AGE: Duration = Duration::from_secs(600);
const MAX_KEPT: usize = 256;

#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    born: Instant,
    since: Instant,
}

/// A connection that was taken from the pool, or is to be put there.
pub(crate) struct Lent {
    pub(crate) connection: Connection,
    pub(crate) born: Instant,
}

impl Pool {
    /// A usable idle connection, if there is one.
    pub(crate) fn take(&self) -> Option<Lent> {
        let now = Instant::now();
        loop {
            let mut candidate = self.lock().pop()?;
            if candidate.is_fresh(now) && candidate.connection.is_usable() {
                return Some(Lent { connection: candidate.connection, born: candidate.born });
            }
        }
    }

    pub(crate) fn put(&self, lent: Lent) {
        let now = Instant::now();
        let mut idle = self.lock();
        if idle.len() < MAX_KEPT && now.duration_since(lent.born) < MAX_AGE {
            idle.push(Idle { connection: lent.connection, born: lent.born, since: now });
        }
    }

    /// Closes what has been idle or alive for too long. Called every few seconds.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let expired: Vec<Idle> = self.lock().extract_if(.., |idle| !idle.is_fresh(now)).collect();
        drop(expired);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Idle {
    fn is_fresh(&self, now: Instant) -> bool {
        now.duration_since(self.since) < MAX_IDLE && now.duration_since(self.born) < MAX_AGE
    }
}
