//! What is owed and could not be written: settlements, and ends of turns with the seats of their conversations.
//!
//! The money is spent and the answer was given, so that the disk was full is no reason to forget them. They are
//! kept in memory until a write succeeds, which is idempotent: it may well be that the one that failed did arrive.

use std::collections::VecDeque;

use crate::intent::Intent;
use crate::queue::CAPACITY;

/// In the order in which they failed.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    intents: VecDeque<Intent>,
    weight: usize,
}

impl Kept {
    /// False if there is no room for it: what is older stays.
    pub(crate) fn keep(&mut self, intent: Intent) -> bool {
        let weight = self.weight.saturating_add(weight(&intent));
        // As much as the queue has places: nearly all of it was in kept places before.
        if weight > CAPACITY {
            return false;
        }
        self.weight = weight;
        self.intents.push_back(intent);
        true
    }

    /// Takes out the oldest, at most so many.
    pub(crate) fn take(&mut self, most: usize) -> Vec<Intent> {
        let taken: Vec<Intent> = self.intents.drain(..most.min(self.intents.len())).collect();
        self.weight = self.weight.saturating_sub(taken.iter().map(weight).sum());
        taken
    }

    pub(crate) fn len(&self) -> usize {
        self.intents.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.intents.is_empty()
    }
}

/// In ledger rows; the end of a turn without any counts as one.
fn weight(intent: &Intent) -> usize {
    intent.ledger_rows().len().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settlement() -> Intent {
        Intent::Settle { rows: Vec::new(), reply: None }
    }

    #[test]
    fn there_is_a_bound_and_taking_makes_room() {
        let mut kept = Kept::default();
        for _ in 0..CAPACITY {
            assert!(kept.keep(settlement()));
        }
        assert!(!kept.keep(settlement()));
        assert_eq!(kept.len(), CAPACITY);
        assert_eq!(kept.take(10).len(), 10);
        assert!(kept.keep(settlement()));
        assert_eq!(kept.take(usize::MAX).len(), CAPACITY - 9);
        assert!(kept.is_empty());
    }
}
