//! The record of a worker: what it is at, in words that outlive it.
//!
//! ```text
//!   ┌─────┬───────┬──────┬──────────┬───────┬──────┬──────┬───┬─────────────────────────────┐
//!   │ job │ first │ item │ delivery │ bytes │ from │ kept │   │ results not reported yet  … │
//!   └─────┴───────┴──────┴──────────┴───────┴──────┴──────┴───┴─────────────────────────────┘
//! ```
//!
//! The worker writes it, and the pool reads it when the worker has died.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::Words;

use crate::pool::message::WORD;

/// What a worker is at, in words that outlive it. It is valid if the job isn't 0.
#[derive(Clone, Copy)]
pub(crate) struct IntentRecord<'a>(&'a [AtomicU64]);

/// Where things lie in a record.
pub(crate) mod at {
    pub(crate) const JOB: usize = 0;
    pub(crate) const FIRST: usize = 1;
    pub(crate) const ITEM: usize = 2;
    pub(crate) const DELIVERY: usize = 3;
    pub(crate) const BYTES: usize = 4;
    /// The first item whose result is kept here, and how many words the results have.
    pub(crate) const FROM: usize = 5;
    pub(crate) const KEPT: usize = 6;
    pub(crate) const RESULTS: usize = 8;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub job: u64,
    /// The first item of the task, and the one that runs, or ran last.
    pub first: u64,
    pub item: u64,
    /// The number of its delivery by the queue.
    pub delivery: u64,
    /// How many bytes the task's message has.
    pub bytes: u64,
}

impl<'a> IntentRecord<'a> {
    /// Words of a record: those of two workers don't share a cache line.
    pub(crate) const WORDS: usize = at::RESULTS + Self::ROOM;

    /// How many words of results it may keep.
    pub(crate) const ROOM: usize = 1024;

    /// That of the worker in this slot.
    pub(crate) fn of(words: &'a Words, slot: usize) -> Self {
        Self(&words[slot * Self::WORDS..][..Self::WORDS])
    }

    pub(crate) fn set(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Release);
    }

    fn get(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Acquire)
    }

    pub(crate) fn begin(&self, intent: Intent) {
        self.set(at::FIRST, intent.first);
        self.set(at::ITEM, intent.item);
        self.set(at::DELIVERY, intent.delivery);
        self.set(at::BYTES, intent.bytes);
        self.set(at::JOB, intent.job);
    }

    /// Keeps these results, the first of which is that of item `from`, until they have been reported.
    /// What comes before byte `start` is kept already.
    pub(crate) fn keep(&self, from: u64, results: &[u8], start: usize) {
        let words = self.0[at::RESULTS..].iter().skip(start / WORD);
        for (word, bytes) in words.zip(results[start..].chunks_exact(WORD)) {
            let bytes = bytes.try_into().expect("a chunk is a word");
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
        self.set(at::FROM, from);
        self.set(at::KEPT, (results.len() / WORD) as u64);
    }

    pub(crate) fn forget(&self) {
        self.set(at::KEPT, 0);
    }

    pub(crate) fn end(&self) {
        self.set(at::JOB, 0);
        self.forget();
    }

    pub(crate) fn read(&self) -> Option<Intent> {
        let job = self.get(at::JOB);
        let [first, item] = [at::FIRST, at::ITEM].map(|word| self.get(word));
        let [delivery, bytes] = [at::DELIVERY, at::BYTES].map(|word| self.get(word));
        (job != 0).then_some(Intent { job, first, item, delivery, bytes })
    }

    /// The first item whose result is kept here, and the results.
    pub(crate) fn kept(&self) -> (u64, Vec<u8>) {
        let kept = usize::try_from(self.get(at::KEPT)).unwrap_or(0).min(Self::ROOM);
        let words = self.0[at::RESULTS..][..kept].iter();
        let bytes = words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        (self.get(at::FROM), bytes.collect())
    }
}
