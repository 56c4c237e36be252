//! Whose turn it is: one seat per conversation, given out in the order of asking.
//!
//! The queue is in memory because the process owns its data. A conversation is in the map only while somebody
//! sits or waits, so the map is as large as the work in flight. The key holds the owner too: someone who guesses
//! a foreign id waits in a queue of his own and learns nothing from how long it takes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{ConversationId, TenantId, UserId};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::conversation::Owner;
use crate::error::Error;

/// How many may sit and wait for one conversation. More are told at once that it is busy.
const MAX_QUEUE: usize = 1024;

#[derive(Clone, Debug, Default)]
pub(crate) struct Seats {
    queues: Arc<Mutex<HashMap<Key, Arc<Semaphore>>>>,
}

type Key = (TenantId, UserId, ConversationId);

impl Seats {
    /// Waits for the seat, first come, first served, until the deadline.
    pub(crate) async fn take(
        &self,
        owner: &Owner,
        conversation: ConversationId,
        wait_until: Instant,
    ) -> Result<Seat, Error> {
        let mut place = self.enter(owner, conversation).ok_or(Error::Busy)?;
        // A fair semaphore: permits go out in the order in which they were first asked for.
        match timeout_at(wait_until, Arc::clone(&place.queue).acquire_owned()).await {
            Ok(Ok(permit)) => {
                place.permit = Some(permit);
                Ok(Seat { _place: place })
            }
            Ok(Err(_)) | Err(_) => Err(Error::Busy),
        }
    }

    fn enter(&self, owner: &Owner, conversation: ConversationId) -> Option<Place> {
        let key = (owner.tenant.clone(), owner.user.clone(), conversation);
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = queues.entry(key.clone()).or_insert_with(|| Arc::new(Semaphore::new(1)));
        // The map's own reference, and one or two of everyone inside.
        if Arc::strong_count(queue) > MAX_QUEUE {
            return None;
        }
        Some(Place { seats: self.clone(), key, queue: Arc::clone(queue), permit: None })
    }

    fn leave(&self, place: &mut Place) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        // Gives the permit to the next one, and lets go of its reference, before the count.
        drop(place.permit.take());
        // Ours and the map's: nobody else is inside, and nobody can enter while the map is locked.
        if Arc::strong_count(&place.queue) == 2 {
            queues.remove(&place.key);
        }
    }

    #[cfg(test)]
    fn occupied(&self) -> usize {
        self.queues.lock().unwrap().len()
    }
}

/// The right to be the only one. Dropping it lets the next one in.
#[derive(Debug)]
pub(crate) struct Seat {
    _place: Place,
}

#[derive(Debug)]
struct Place {
    seats: Seats,
    key: Key,
    queue: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.seats.clone().leave(self);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::IdSource;

    use super::*;

    fn owner(user: &str) -> Owner {
        Owner { tenant: TenantId::new("t").unwrap(), user: UserId::new(user).unwrap(), key: None }
    }

    fn conversation() -> ConversationId {
        domain::TimeOrderedIds::new(domain::SystemClock::default()).conversation()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test(start_paused = true)]
    async fn the_second_waits_to_its_deadline() {
        let seats = Seats::default();
        let id = conversation();
        let first = seats.take(&owner("a"), id, soon()).await.unwrap();
        let before = Instant::now();
        assert_eq!(seats.take(&owner("a"), id, soon()).await.unwrap_err(), Error::Busy);
        assert_eq!(before.elapsed().as_secs(), 5);
        drop(first);
        assert!(seats.take(&owner("a"), id, soon()).await.is_ok());
    }

    #[tokio::test]
    async fn an_empty_queue_is_forgotten() {
        let seats = Seats::default();
        let id = conversation();
        let first = seats.take(&owner("a"), id, soon()).await.unwrap();
        assert!(seats.take(&owner("a"), id, Instant::now()).await.is_err());
        assert_eq!(seats.occupied(), 1);
        drop(first);
        assert_eq!(seats.occupied(), 0);
    }

    #[tokio::test]
    async fn a_strangers_wait_is_not_in_the_owners_queue() {
        let seats = Seats::default();
        let id = conversation();
        let _first = seats.take(&owner("a"), id, soon()).await.unwrap();
        assert!(seats.take(&owner("b"), id, soon()).await.is_ok());
    }

    #[tokio::test]
    async fn a_queue_has_a_bound() {
        let seats = Seats::default();
        let id = conversation();
        let places: Vec<_> =
            std::iter::from_fn(|| seats.enter(&owner("a"), id)).take(MAX_QUEUE * 2).collect();
        assert_eq!(places.len(), MAX_QUEUE);
        assert_eq!(seats.take(&owner("a"), id, soon()).await.unwrap_err(), Error::Busy);
    }
}
