//! The way to the writer: a bounded queue with kept places.
//!
//! Most intents wait for room, which is the backpressure. A [`Slot`] is a place taken beforehand, for what must
//! be written whatever happens later: the end of a turn, the settlement of an attempt whose caller is gone.
//! Slots never take the last [`HEADROOM`] places, so that whoever holds one can still do everything else.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use domain::UnixMillis;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::Error;
use crate::intent::Intent;
use crate::ledger::LedgerRow;

/// Places in all. The queue's memory grows with what is in it, not with this.
pub(crate) const CAPACITY: usize = 32 * 1024;
/// Places that are never kept.
const HEADROOM: usize = 1024;

/// The writer's end.
pub(crate) struct Receiver {
    pub(crate) intents: mpsc::Receiver<Intent>,
    /// What stops every write, as long as it does. Goes away with the writer, however that ends.
    pub(crate) obstacle: watch::Sender<Option<Error>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Queue {
    sender: mpsc::Sender<Intent>,
    counters: Arc<Counters>,
    obstacle: watch::Receiver<Option<Error>>,
}

impl Queue {
    pub(crate) fn new() -> (Self, Receiver, Arc<Counters>) {
        let (sender, intents) = mpsc::channel(CAPACITY);
        let (tell, obstacle) = watch::channel(None);
        let counters = Arc::new(Counters::default());
        let receiver = Receiver { intents, obstacle: tell };
        (Self { sender, counters: Arc::clone(&counters), obstacle }, receiver, counters)
    }

    /// Hands an intent over and waits for what became of it.
    pub(crate) async fn ask<T>(
        &self,
        intent: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Intent,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let place = self.sender.reserve().await.map_err(|_| Error::Unavailable)?;
        self.counters.queued.fetch_add(1, Ordering::Relaxed);
        place.send(intent(reply));
        outcome(answer, self.obstacle.clone()).await
    }

    /// Refuses while nothing can be written, as far as is known.
    pub(crate) fn unobstructed(&self) -> Result<(), Error> {
        self.obstacle.borrow().map_or(Ok(()), Err)
    }

    /// Waits until nothing can be written any more; why.
    pub(crate) async fn obstructed(&self) -> Error {
        match self.obstacle.clone().wait_for(Option::is_some).await {
            Ok(obstacle) => obstacle.unwrap_or(Error::Unavailable),
            Err(_) => Error::Unavailable,
        }
    }

    /// Keeps a place, if there is one to spare and what it is for could be written.
    pub(crate) fn slot(&self) -> Result<Slot, Error> {
        self.unobstructed()?;
        if self.sender.capacity() <= HEADROOM {
            return Err(if self.sender.is_closed() { Error::Unavailable } else { Error::Overloaded });
        }
        let place = self.sender.clone().try_reserve_owned().map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded,
            mpsc::error::TrySendError::Closed(_) => Error::Unavailable,
        })?;
        Ok(Slot { place, counters: Arc::clone(&self.counters), obstacle: self.obstacle.clone() })
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats()
    }
}

/// A place in the write queue, kept for something that must not be refused later.
#[derive(Debug)]
pub struct Slot {
    place: mpsc::OwnedPermit<Intent>,
    counters: Arc<Counters>,
    obstacle: watch::Receiver<Option<Error>>,
}

impl Slot {
    /// Settles the attempts and waits until they are durable. Rows that are already there stay as they are.
    ///
    /// # Errors
    /// [`Error::Full`] and [`Error::Unavailable`]: nothing is written yet. The writer keeps the rows, and writes them
    /// as soon as the storage takes them.
    pub async fn settle(self, rows: Vec<LedgerRow>) -> Result<(), Error> {
        self.ask(|reply| Intent::Settle { rows, reply: Some(reply) }).await
    }

    /// Settles the attempts without waiting, for code that cannot: a body that is dropped. What cannot be written is
    /// kept, as by [`settle`](Slot::settle).
    pub fn post(self, rows: Vec<LedgerRow>) {
        self.send(Intent::Settle { rows, reply: None });
    }

    pub(crate) async fn ask<T>(
        self,
        intent: impl FnOnce(oneshot::Sender<Result<T, Error>>) -> Intent,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let obstacle = self.obstacle.clone();
        self.send(intent(reply));
        outcome(answer, obstacle).await
    }

    pub(crate) fn send(self, intent: Intent) {
        self.counters.queued.fetch_add(1, Ordering::Relaxed);
        self.place.send(intent);
    }
}

/// The channel takes what is sent into a kept place even when nobody will ever take it out, so the reply alone
/// does not tell that the writer is gone.
async fn outcome<T>(
    mut answer: oneshot::Receiver<Result<T, Error>>,
    mut obstacle: watch::Receiver<Option<Error>>,
) -> Result<T, Error> {
    tokio::select! {
        biased;
        answer = &mut answer => answer.unwrap_or(Err(Error::Unavailable)),
        _ = obstacle.wait_for(|_| false) => answer.try_recv().unwrap_or(Err(Error::Unavailable)),
    }
}

/// What the writer has done so far, for metrics and readiness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Intents handed over and not yet taken up.
    pub queued: u64,
    /// Groups committed.
    pub groups: u64,
    /// Intents in those groups.
    pub intents: u64,
    /// Ledger rows in those groups.
    pub ledger_rows: u64,
    /// Groups that could not be committed.
    pub failed_groups: u64,
    /// Settlements and ends of turns that could not be written and will be when the storage takes them.
    pub kept: u64,
    /// Those that could not be kept either.
    pub lost: u64,
    /// The last commit; none since the start.
    pub last_commit: Option<UnixMillis>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    queued: AtomicU64,
    groups: AtomicU64,
    intents: AtomicU64,
    ledger_rows: AtomicU64,
    failed_groups: AtomicU64,
    kept: AtomicU64,
    lost: AtomicU64,
    /// Unix milliseconds, 0 before the first.
    last_commit: AtomicI64,
}

impl Counters {
    pub(crate) fn taken_up(&self, intents: usize) {
        self.queued.fetch_sub(intents as u64, Ordering::Relaxed);
    }

    pub(crate) fn committed(&self, intents: usize, ledger_rows: usize, at: UnixMillis) {
        self.groups.fetch_add(1, Ordering::Relaxed);
        self.intents.fetch_add(intents as u64, Ordering::Relaxed);
        self.ledger_rows.fetch_add(ledger_rows as u64, Ordering::Relaxed);
        self.last_commit.store(at.0, Ordering::Relaxed);
    }

    pub(crate) fn failed(&self) {
        self.failed_groups.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn keeping(&self, kept: usize) {
        self.kept.store(kept as u64, Ordering::Relaxed);
    }

    pub(crate) fn lost(&self, number: usize) {
        self.lost.fetch_add(number as u64, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self) -> Stats {
        let last_commit = self.last_commit.load(Ordering::Relaxed);
        Stats {
            queued: self.queued.load(Ordering::Relaxed),
            groups: self.groups.load(Ordering::Relaxed),
            intents: self.intents.load(Ordering::Relaxed),
            ledger_rows: self.ledger_rows.load(Ordering::Relaxed),
            failed_groups: self.failed_groups.load(Ordering::Relaxed),
            kept: self.kept.load(Ordering::Relaxed),
            lost: self.lost.load(Ordering::Relaxed),
            last_commit: (last_commit != 0).then_some(UnixMillis(last_commit)),
        }
    }
}
