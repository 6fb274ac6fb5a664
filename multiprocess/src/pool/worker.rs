//! A worker: takes tasks from the shared queue, one after the other, until it is told to end.
//!
//! ```text
//!   queue of tasks ──▶ ① intent record ──▶ ② free the queue slot ──▶ ③ run ──▶ queue of reports
//!                      job, item, delivery                               item by item
//! ```
//!
//! # The intent record
//! What the worker is about to do, in shared memory that outlives it:
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

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::output::complain;
use crate::process::{Arguments, Exit, FunctionId, current_process, frame};
use crate::queue::{ByteQueue, GetError, MAX_REUSED, PutError, Words};
use crate::tasks;
use serde::{Deserialize, Serialize};

use crate::future::TaskError;
use crate::future::panics::{guarded, keep_panics_of_tasks};
use crate::pool::claims::Claims;
use crate::pool::message::{Items, Progress, Report, Task, WORD, push};

tasks![work];

/// Everything a worker is given when it starts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// The worker's slot in the pool.
    pub slot: usize,
    pub tasks: ByteQueue,
    pub reports: ByteQueue,
    pub intents: Words,
    pub claims: Claims,
    pub initializer: Option<(FunctionId, Arguments)>,
    /// Number of tasks after which the worker ends.
    pub max_tasks: u64,
}

/// Runs a worker: the main function of its process.
pub(crate) fn work(start: Start) -> Exit {
    if !current_process().is_daemon() && crate::process::end_with_parent().is_err() {
        complain("a worker can't watch its parent: there is no thread for it");
        return Exit::FAILURE;
    }
    if let Some((initializer, arguments)) = start.initializer {
        match initializer.call_once(arguments) {
            Ok(Exit::SUCCESS) => {}
            Ok(exit) => return exit,
            Err(error) => {
                complain(format_args!("the initializer of a pool can't run: {error}"));
                return Exit::FAILURE;
            }
        }
    }
    keep_panics_of_tasks();
    let record = IntentRecord::of(&start.intents, start.slot);
    let mut worker =
        Worker { slot: start.slot, reports: start.reports, record, results: Vec::new() };
    if worker.report(&Report::Ready { worker: start.slot }).is_err() {
        return Exit::FAILURE;
    }
    let mut tasks_done = 0;
    while tasks_done < start.max_tasks {
        let has_begun = Cell::new(false);
        let begin = |delivery, message: &[u8]| {
            if let Some((Task { job, first, .. }, _)) = Items::of(message) {
                let bytes = message.len() as u64;
                record.begin(Intent { job, first, item: first, delivery, bytes });
                has_begun.set(start.claims.begin(delivery));
            }
        };
        match start.tasks.get(None, begin, |message| worker.run(message, has_begun.get())) {
            Ok(Ok(true)) => tasks_done += u64::from(has_begun.get()),
            Err(GetError::Damaged) => {}
            Ok(Ok(false)) | Err(GetError::Disconnected) => return Exit::SUCCESS,
            Ok(Err(_)) => return Exit::FAILURE,
            Err(error) => {
                complain(format_args!("a worker can't get its tasks: {error}"));
                return Exit::FAILURE;
            }
        }
    }
    Exit::SUCCESS
}

/// A running worker.
struct Worker<'a> {
    slot: usize,
    reports: ByteQueue,
    record: IntentRecord<'a>,
    /// Results that have not been reported. The intent record holds a copy, in case the worker is
    /// killed.
    results: Vec<u8>,
}

/// Error of a report: the pool is gone.
struct Gone;

impl Worker<'_> {
    /// Does a task, unless it was cancelled; returns false if it was the message to end.
    fn run(&mut self, message: &[u8], has_begun: bool) -> Result<bool, Gone> {
        let Some((task, mut items)) = Items::of(message) else {
            return Ok(false);
        };
        let Task { job, first, function } = task;
        let mut progress =
            Progress { worker: self.slot, job, first, from: first, to: first, ends: None };
        if !has_begun {
            let after = first + items.count() as u64;
            for item in first..after {
                let ends = (item + 1 == after).then_some(message.len() as u64);
                let progress = Progress { from: item, to: item, ends, ..progress };
                self.report(&Report::Failed(progress, TaskError::Terminated))?;
            }
            self.record.end();
            return Ok(true);
        }
        let mut next = items.next();
        while let Some(arguments) = next {
            next = items.next();
            self.record.set(at::ITEM, progress.to);
            progress.ends = next.is_none().then_some(message.len() as u64);
            self.do_item(function, arguments, &mut progress)?;
            progress.to += 1;
        }
        self.record.end();
        Ok(true)
    }

    /// Does item `progress.to`. Afterwards its result is reported, or kept in `results` and in the
    /// record.
    fn do_item(
        &mut self,
        function: FunctionId,
        arguments: &[u8],
        progress: &mut Progress,
    ) -> Result<(), Gone> {
        let mut start = self.results.len();
        let results = &mut self.results;
        let called = guarded(|| push(results, |result| function.call(arguments, result)));
        let done = called.and_then(|called| {
            called.map_err(|error| match error {
                frame::Error::Encode { .. } => TaskError::ResultNotSent(error.to_string()),
                _ => TaskError::ArgumentsNotReceived(error.to_string()),
            })
        });
        if done.is_err() {
            self.results.truncate(start);
        }
        let too_many = self.results.len() > IntentRecord::RESULT_WORDS * WORD;
        if start > 0 && (done.is_err() || too_many) {
            let last = self.results.split_off(start);
            self.report_done(Progress { to: progress.to - 1, ends: None, ..*progress })?;
            self.results = last;
            progress.from = progress.to;
            start = 0;
        }
        let fits = self.results.len() <= IntentRecord::RESULT_WORDS * WORD;
        match done {
            Ok(()) if fits && progress.ends.is_none() => {
                self.record.keep(progress.from, &self.results, start);
                return Ok(());
            }
            Ok(()) => self.report_done(*progress)?,
            Err(error) => self.report(&Report::Failed(*progress, error))?,
        }
        progress.from = progress.to + 1;
        Ok(())
    }

    /// Reports the results in the buffer.
    fn report_done(&mut self, progress: Progress) -> Result<(), Gone> {
        Report::Done(progress).end(&mut self.results);
        let sent = self.reports.put(&self.results);
        self.results.clear();
        self.results.shrink_to(MAX_REUSED);
        if let Err(error @ (PutError::TooLong { .. } | PutError::System(_))) = sent {
            let error = TaskError::ResultNotSent(error.to_string());
            for item in progress.from..=progress.to {
                let ends = progress.ends.filter(|_| item == progress.to);
                let progress = Progress { from: item, to: item, ends, ..progress };
                self.report(&Report::Failed(progress, error.clone()))?;
            }
        } else {
            sent.map_err(|_| Gone)?;
        }
        self.record.forget();
        Ok(())
    }

    /// Sends a report without results.
    fn report(&self, report: &Report) -> Result<(), Gone> {
        self.reports.put(&report.alone()).map_err(|_| Gone)
    }
}

/// The intent record of one worker.
#[derive(Clone, Copy)]
pub(crate) struct IntentRecord<'a>(&'a [AtomicU64]);

/// Indices of the words of a record.
mod at {
    pub(super) const JOB: usize = 0;
    pub(super) const FIRST: usize = 1;
    pub(super) const ITEM: usize = 2;
    pub(super) const DELIVERY: usize = 3;
    pub(super) const BYTES: usize = 4;
    /// The first item whose result is kept here.
    pub(super) const FROM: usize = 5;
    /// Number of words of kept results.
    pub(super) const KEPT: usize = 6;
    pub(super) const RESULTS: usize = 8;
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
