//! A worker: takes tasks from the shared queue, one after the other, until it is told to end.
//!
//! ```text
//!   queue of tasks ──▶ ① intent record ──▶ ② free the queue slot ──▶ ③ run ──▶ queue of reports
//!                      job, item, delivery                               item by item
//! ```
//!
//! If the worker dies, the pool reads the record.

use std::cell::Cell;

use crate::output::complain;
use crate::process::{Arguments, Exit, FunctionId, current_process, frame};
use crate::queue::{ByteQueue, GetError, PutError, Words};
use crate::tasks;
use serde::{Deserialize, Serialize};

use crate::future::TaskError;
use crate::future::panics::{guarded, keep_panics_of_tasks};
use crate::pool::claims::Claims;
use crate::pool::intent::{Intent, IntentRecord, at};
use crate::pool::message::{Items, MAX_REUSED, Progress, Report, Task, WORD, push};

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
