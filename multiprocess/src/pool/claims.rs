//! Start and cancel flags of the tasks in the queue. Worker and owner race by compare-exchange: a
//! task is started or cancelled, never both.
//!
//! The owner cancels in this exact way because the queue has 1024 slots, so that workers need not
//! wait for the manager: Python's executor says of the calls in its queue that they run (with one
//! worker, two of six), and by that rule next to nothing could be cancelled here. The worker
//! writes into the task's word that it begins, the owner that it must not, each against what it
//! has seen; one of the two wins, and the other sees it. The word names the delivery. So what it
//! said of the slot's last task counts for nothing, and what a dead worker claimed but never began
//! can be given back, or be cancelled after all.

use std::sync::atomic::Ordering;

use crate::queue::{ByteQueue, Words};
use serde::{Deserialize, Serialize};

/// A word for each slot of the queue of tasks, about the slot's latest delivery.
///
/// # Memory ordering
/// Each change is one compare-exchange on one word, so of two processes that race for a task
/// exactly one wins. That needs atomicity alone; no other data is published through the words.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Claims(Words);

/// A decoded word; the word 0 stands for none.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Claim {
    delivery: u64,
    /// True if the task was cancelled, false if it has started.
    cancelled: bool,
}

impl Claim {
    fn word(self) -> u64 {
        (self.delivery + 1) << 1 | u64::from(self.cancelled)
    }

    fn of(word: u64) -> Option<Self> {
        let delivery = (word >> 1).checked_sub(1)?;
        Some(Self { delivery, cancelled: word & 1 == 1 })
    }

    /// Decodes a word, if it is about the task in this position.
    fn of_item(word: u64, position: u64) -> Option<Self> {
        Self::of(word).filter(|claim| ByteQueue::delivered(claim.delivery) == position)
    }
}

impl Claims {
    pub(crate) fn new(slots: usize) -> std::io::Result<Self> {
        Words::new(slots).map(Self)
    }

    fn word(&self, position: u64) -> &std::sync::atomic::AtomicU64 {
        &self.0[(position % self.0.len() as u64) as usize]
    }

    /// Starts the task of this delivery; called by the worker. Returns false if it was cancelled.
    pub(crate) fn begin(&self, delivery: u64) -> bool {
        let position = ByteQueue::delivered(delivery);
        let begun = Claim { delivery, cancelled: false }.word();
        let claim = |word| match Claim::of_item(word, position) {
            Some(Claim { cancelled: true, .. }) => None,
            _ => Some(begun),
        };
        let (set, load) = (Ordering::AcqRel, Ordering::Acquire);
        self.word(position).fetch_update(set, load, claim).is_ok()
    }

    /// Cancels the task in this position; returns false if it has started.
    pub(crate) fn cancel(&self, position: u64) -> bool {
        // Which delivery it names does not matter: workers compare the position.
        let cancelled = Claim { delivery: ByteQueue::first_delivery(position), cancelled: true };
        let claim = |word| match Claim::of_item(word, position) {
            Some(Claim { cancelled: false, .. }) => None,
            _ => Some(cancelled.word()),
        };
        let (set, load) = (Ordering::AcqRel, Ordering::Acquire);
        self.word(position).fetch_update(set, load, claim).is_ok()
    }

    /// Returns true if the task in this position has started.
    pub(crate) fn has_begun(&self, position: u64) -> bool {
        let word = self.word(position).load(Ordering::Acquire);
        Claim::of_item(word, position).is_some_and(|claim| !claim.cancelled)
    }

    /// Clears the start flag of this delivery, whose worker died before the task ran.
    pub(crate) fn give_back(&self, delivery: u64) {
        let begun = Claim { delivery, cancelled: false }.word();
        let word = self.word(ByteQueue::delivered(delivery));
        // Fails if another worker has started it in the meantime.
        let _ = word.compare_exchange(begun, 0, Ordering::AcqRel, Ordering::Acquire);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the first and the second delivery of the task in this position.
    fn deliveries(position: u64) -> [u64; 2] {
        let first = ByteQueue::first_delivery(position);
        [first, first + 1]
    }

    #[test]
    fn a_task_that_has_begun_cannot_be_cancelled_and_the_other_way_round() {
        let claims = Claims::new(4).unwrap();
        for position in 0..20 {
            let [first, _] = deliveries(position);
            assert!(!claims.has_begun(position), "{position}");
            if position % 2 == 0 {
                assert!(claims.begin(first) && claims.has_begun(position), "{position}");
                assert!(!claims.cancel(position), "{position}");
            } else {
                assert!(claims.cancel(position) && claims.cancel(position), "{position}");
                assert!(!claims.begin(first) && !claims.has_begun(position), "{position}");
            }
        }
    }

    #[test]
    fn a_task_that_is_given_back_can_be_cancelled_or_begun_again() {
        let claims = Claims::new(4).unwrap();
        let [first, second] = deliveries(5);
        assert!(claims.begin(first));
        claims.give_back(first);
        assert!(!claims.has_begun(5) && claims.begin(second));
        // Late news of the first delivery.
        claims.give_back(first);
        assert!(claims.has_begun(5));
        claims.give_back(second);
        assert!(claims.cancel(5));
    }
}
