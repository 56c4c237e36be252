//! What stops every write: how it comes, what is kept meanwhile, and how it goes.

use std::time::Duration;

use tokio::time::Instant;

use super::{GROUP, Writer, connection};
use crate::error::Error;
use crate::intent::Intent;
use crate::sqlite::failure::{Failure, Kind};

/// How often what could not be written is tried again.
pub(super) const RETRY_EVERY: Duration = Duration::from_secs(1);

impl Writer {
    /// Says so, once per obstacle or attempt to reopen, and sees to it that writing goes on when it can.
    pub(super) async fn failed(&mut self, failure: &Failure) {
        match failure.kind {
            Kind::Contradiction => tracing::error!(%failure, "a group of writes failed"),
            Kind::Broken => {
                tracing::error!(%failure, "a group of writes failed");
                // At once, as far as reopening is due: it may well be over.
                self.obstruct(Error::Unavailable, Duration::ZERO);
            }
            Kind::Full => {
                if self.trouble != Some(Error::Full) {
                    tracing::error!(
                        data_dir = %self.database.data_dir().display(),
                        "the storage is full: requests are refused until there is room"
                    );
                }
                self.obstruct(Error::Full, RETRY_EVERY);
            }
        }
        self.recover(failure.kind).await;
    }

    pub(super) fn obstacle(&self) -> Option<Error> {
        if self.files_in_place { self.trouble } else { Some(Error::Unavailable) }
    }

    fn publish(&self) {
        let obstacle = self.obstacle();
        self.receiver.obstacle.send_if_modified(|told| std::mem::replace(told, obstacle) != obstacle);
    }

    /// Nothing is begun any more; the first attempt to go on is made after `pause`.
    pub(super) fn obstruct(&mut self, trouble: Error, pause: Duration) {
        if self.trouble.is_none() {
            self.retry_at = Some(Instant::now() + pause);
        }
        self.trouble = Some(trouble);
        self.publish();
    }

    pub(super) fn keep(&mut self, intent: Intent) {
        if !self.kept.keep(intent) {
            self.counters.lost(1);
            if !std::mem::replace(&mut self.overflowed, true) {
                tracing::error!(
                    kept = self.kept.len(),
                    "too many writes have failed to keep them all: later settlements and ends of turns are lost"
                );
            }
        }
        self.counters.keeping(self.kept.len());
    }

    /// Writes what is kept. With that done and a proof of room, the obstacle is gone.
    pub(super) async fn retry(&mut self) {
        let owed = self.kept.len();
        if self.write_kept().await && self.prove().await {
            (self.trouble, self.retry_at, self.overflowed) = (None, None, false);
            // As loud as its beginning, so that a log of errors alone has both.
            tracing::error!(kept = owed, lost = self.counters.stats().lost, "the storage takes writes again");
        } else {
            self.retry_at = self.files_in_place.then(|| Instant::now() + RETRY_EVERY);
        }
        self.publish();
    }

    /// Whether nothing is left. What fails again is kept again.
    async fn write_kept(&mut self) -> bool {
        while !self.kept.is_empty() {
            let group = self.kept.take(GROUP);
            if !self.attempt(group).await {
                return false;
            }
            self.counters.keeping(self.kept.len());
        }
        true
    }

    /// Whether the disk takes as much as a few ordinary groups write.
    async fn prove(&mut self) -> bool {
        if self.is_barred() {
            return false;
        }
        let proved = match self.connection().await {
            Ok(connection) => connection::prove_room(connection).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = &proved {
            self.failed(failure).await;
        }
        proved.is_ok()
    }

    /// Before the process ends, which nothing that is kept survives.
    pub(super) async fn write_kept_at_last(&mut self) {
        self.reopened = None;
        if !self.write_kept().await {
            self.counters.lost(self.kept.len());
            tracing::error!(lost = self.kept.len(), "settlements and ends of turns could not be written");
        }
    }

    /// Whether the paths still lead to what is open.
    pub(super) async fn inspect(&mut self) {
        let mut astray = None;
        for file in &self.files {
            if !file.is_in_place().await {
                astray = Some(file.path());
            }
        }
        let in_place = astray.is_none();
        match astray {
            Some(path) if self.files_in_place => tracing::error!(
                path = %path.display(),
                "a file of the database was deleted or replaced under the server, so nothing is written any more: \
                 put it back, or restart the server to use what is there now"
            ),
            None if !self.files_in_place => {
                tracing::error!("the database's files are back where they were");
                self.trouble = Some(Error::Unavailable);
                self.retry_at = Some(Instant::now());
            }
            Some(_) | None => {}
        }
        self.files_in_place = in_place;
        let lock_in_place = self.lock.place.is_in_place().await;
        if self.lock_in_place && !lock_in_place {
            tracing::error!(
                path = %self.lock.place.path().display(),
                "the lock file was deleted or replaced, so a second server could be started on the same data: \
                 make sure that there is none, and restart this one"
            );
        }
        self.lock_in_place = lock_in_place;
        self.publish();
    }
}
