//! A worker's intent record: what it is about to do, in shared memory that outlives it.
//!
//! ```text
//!   ┌─────┬───────┬──────┬──────────┬───────┬──────┬──────┬───┬─────────────────────────────┐
//!   │ job │ first │ item │ delivery │ bytes │ from │ kept │   │ results not reported yet  … │
//!   └─────┴───────┴──────┴──────────┴───────┴──────┴──────┴───┴─────────────────────────────┘
//! ```
//!
//! The worker writes it; the pool reads it once the worker has died.
//!
//! Results of a chunk are reported together: to report each by itself cost two thirds of the
//! throughput. Until then they lie here, because in the worker's own memory they would be lost
//! with it.
//!
//! # Memory ordering
//! A record is valid while its job isn't 0. [`begin`](IntentRecord::begin) stores the job last, and
//! [`keep`](IntentRecord::keep) stores the number of results after the results, each with
//! `Release`, and the pool loads these two with `Acquire` before the rest: so it sees all that was
//! stored before them. (Waiting for the worker's death is no synchronisation that the memory model
//! knows.)

use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::Words;

use crate::pool::message::WORD;

/// The intent record of one worker.
#[derive(Clone, Copy)]
pub(crate) struct IntentRecord<'a>(&'a [AtomicU64]);

/// Indices of the words of a record.
pub(crate) mod at {
    pub(crate) const JOB: usize = 0;
    pub(crate) const FIRST: usize = 1;
    pub(crate) const ITEM: usize = 2;
    pub(crate) const DELIVERY: usize = 3;
    pub(crate) const BYTES: usize = 4;
    /// The first item whose result is kept here.
    pub(crate) const FROM: usize = 5;
    /// Number of words of kept results.
    pub(crate) const KEPT: usize = 6;
    pub(crate) const RESULTS: usize = 8;
}

/// The task that a worker runs, and how far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub job: u64,
    /// The first item of the task.
    pub first: u64,
    /// The item that runs, or ran last.
    pub item: u64,
    /// Number of the task's delivery by the queue.
    pub delivery: u64,
    /// Size of the task's message in bytes.
    pub bytes: u64,
}

/// Results that a worker has computed, but not reported.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept {
    /// The first item with such a result.
    pub from: u64,
    /// The results, in the form of a report.
    pub results: Vec<u8>,
}

impl<'a> IntentRecord<'a> {
    /// Size of a record in words: a multiple of a cache line, so workers do not share one.
    pub(crate) const WORDS: usize = at::RESULTS + Self::RESULT_WORDS;

    /// Maximum number of words of kept results.
    pub(crate) const RESULT_WORDS: usize = 1024;

    /// Returns the record of the worker in this slot.
    pub(crate) fn of(words: &'a Words, slot: usize) -> Self {
        Self(&words[slot * Self::WORDS..][..Self::WORDS])
    }

    pub(crate) fn set(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Release);
    }

    fn get(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Acquire)
    }

    /// Declares that the worker begins this task.
    pub(crate) fn begin(&self, intent: Intent) {
        self.set(at::FIRST, intent.first);
        self.set(at::ITEM, intent.item);
        self.set(at::DELIVERY, intent.delivery);
        self.set(at::BYTES, intent.bytes);
        self.set(at::JOB, intent.job);
    }

    /// Keeps these results, the first of which is that of item `from`, until they are reported. The
    /// bytes before `start` are kept already.
    pub(crate) fn keep(&self, from: u64, results: &[u8], start: usize) {
        let words = self.0[at::RESULTS..].iter().skip(start / WORD);
        for (word, bytes) in words.zip(results[start..].chunks_exact(WORD)) {
            let bytes = bytes.try_into().expect("a chunk is a word");
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
        self.set(at::FROM, from);
        self.set(at::KEPT, (results.len() / WORD) as u64);
    }

    /// Drops the kept results, which have been reported.
    pub(crate) fn forget(&self) {
        self.set(at::KEPT, 0);
    }

    /// Declares that the worker has no task.
    pub(crate) fn end(&self) {
        self.set(at::JOB, 0);
        self.forget();
    }

    /// Returns the worker's task, if it has one.
    pub(crate) fn read(&self) -> Option<Intent> {
        let job = self.get(at::JOB);
        let [first, item] = [at::FIRST, at::ITEM].map(|word| self.get(word));
        let [delivery, bytes] = [at::DELIVERY, at::BYTES].map(|word| self.get(word));
        (job != 0).then_some(Intent { job, first, item, delivery, bytes })
    }

    /// Returns the kept results.
    pub(crate) fn kept(&self) -> Kept {
        let kept = usize::try_from(self.get(at::KEPT)).unwrap_or(0).min(Self::RESULT_WORDS);
        let words = self.0[at::RESULTS..][..kept].iter();
        let bytes = words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        Kept { from: self.get(at::FROM), results: bytes.collect() }
    }
}
