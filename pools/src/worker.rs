//! A worker: takes tasks from the shared queue, one after the other, until it is told to end.
//!
//! ```text
//!   queue of tasks ──▶ ① note: job, item, delivery ──▶ ② give the place up ──▶ ③ run ──▶ queue of reports
//!                            │                                                ▲
//!                            └── words that the pool reads if the worker dies ┘ item by item
//! ```

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipc_queue::{ByteQueue, GetError, PutError, Words};
use process_basics::{Arguments, Exit, Listed, current_process, frame, tasks};
use serde::{Deserialize, Serialize};

use crate::TaskError;
use crate::claims::Claims;
use crate::message::{Items, KEPT, Progress, Report, Task, WORD, push};

tasks![work];

/// What a worker is given.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Its place in the pool.
    pub place: usize,
    pub tasks: ByteQueue,
    pub reports: ByteQueue,
    pub notes: Words,
    pub claims: Claims,
    pub initializer: Option<(Listed, Arguments)>,
    /// After so many tasks it ends.
    pub most_tasks: u64,
}

/// What a worker is at, in words that outlive it. It is valid if the job isn't 0.
#[derive(Clone, Copy)]
pub(crate) struct Note<'a>(&'a [AtomicU64]);

/// Where things lie in a note.
mod at {
    pub(super) const JOB: usize = 0;
    pub(super) const FIRST: usize = 1;
    pub(super) const ITEM: usize = 2;
    pub(super) const DELIVERY: usize = 3;
    pub(super) const BYTES: usize = 4;
    /// The first item whose result is kept here, and how many words the results have.
    pub(super) const FROM: usize = 5;
    pub(super) const KEPT: usize = 6;
    pub(super) const RESULTS: usize = 8;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub job: u64,
    /// The first item of the task, and the one that runs, or ran last.
    pub first: u64,
    pub item: u64,
    /// The number of its delivery by the queue.
    pub delivery: u64,
    /// How many bytes the task's message has.
    pub bytes: u64,
}

impl<'a> Note<'a> {
    /// Words of a note: those of two workers don't share a cache line.
    pub(crate) const WORDS: usize = at::RESULTS + Self::ROOM;

    /// How many words of results it may keep.
    const ROOM: usize = 1024;

    /// That of the worker in this place.
    pub(crate) fn of(words: &'a Words, place: usize) -> Self {
        Self(&words[place * Self::WORDS..][..Self::WORDS])
    }

    fn set(&self, word: usize, value: u64) {
        self.0[word].store(value, Ordering::Release);
    }

    fn get(&self, word: usize) -> u64 {
        self.0[word].load(Ordering::Acquire)
    }

    fn begin(&self, noted: Noted) {
        self.set(at::FIRST, noted.first);
        self.set(at::ITEM, noted.item);
        self.set(at::DELIVERY, noted.delivery);
        self.set(at::BYTES, noted.bytes);
        self.set(at::JOB, noted.job);
    }

    /// Keeps these results, the first of which is that of item `from`, until they have been reported.
    /// What comes before byte `start` is kept already.
    fn keep(&self, from: u64, results: &[u8], start: usize) {
        let words = self.0[at::RESULTS..].iter().skip(start / WORD);
        for (word, bytes) in words.zip(results[start..].chunks_exact(WORD)) {
            let bytes = bytes.try_into().expect("a chunk is a word");
            word.store(u64::from_le_bytes(bytes), Ordering::Relaxed);
        }
        self.set(at::FROM, from);
        self.set(at::KEPT, (results.len() / WORD) as u64);
    }

    fn forget(&self) {
        self.set(at::KEPT, 0);
    }

    pub(crate) fn end(&self) {
        self.set(at::JOB, 0);
        self.forget();
    }

    pub(crate) fn read(&self) -> Option<Noted> {
        let job = self.get(at::JOB);
        let [first, item] = [at::FIRST, at::ITEM].map(|word| self.get(word));
        let [delivery, bytes] = [at::DELIVERY, at::BYTES].map(|word| self.get(word));
        (job != 0).then_some(Noted { job, first, item, delivery, bytes })
    }

    /// The first item whose result is kept here, and the results.
    pub(crate) fn kept(&self) -> (u64, Vec<u8>) {
        let kept = usize::try_from(self.get(at::KEPT)).unwrap_or(0).min(Self::ROOM);
        let words = self.0[at::RESULTS..][..kept].iter();
        let bytes = words.flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes());
        (self.get(at::FROM), bytes.collect())
    }
}

/// Runs in each worker.
pub(crate) fn work(start: Start) -> Exit {
    // Ctrl-C goes to all processes of the terminal: the parent decides what it means. A handler, unlike
    // an ignored signal, isn't inherited by programs that a task execs.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default());
    if !current_process().is_daemon() && process_basics::end_with_parent().is_err() {
        eprintln!("a worker can't watch its parent: there is no thread for it");
        return Exit::FAILURE;
    }
    if let Some((initializer, arguments)) = start.initializer {
        match initializer.call_once(arguments) {
            Ok(Exit::SUCCESS) => {}
            Ok(exit) => return exit,
            Err(error) => {
                eprintln!("the initializer of a pool can't run: {error}");
                return Exit::FAILURE;
            }
        }
    }
    keep_panics_of_tasks();
    let note = Note::of(&start.notes, start.place);
    let mut worker =
        Worker { place: start.place, reports: start.reports, note, results: Vec::new() };
    if worker.report(&Report::Ready { worker: start.place }).is_err() {
        return Exit::FAILURE;
    }
    let mut tasks_done = 0;
    while tasks_done < start.most_tasks {
        let has_begun = Cell::new(false);
        let begin = |delivery, message: &[u8]| {
            if let Some((Task { job, first, .. }, _)) = Items::of(message) {
                let bytes = message.len() as u64;
                note.begin(Noted { job, first, item: first, delivery, bytes });
                has_begun.set(start.claims.begin(delivery));
            }
        };
        match start.tasks.get(None, begin, |message| worker.run(message, has_begun.get())) {
            Ok(Ok(true)) => tasks_done += u64::from(has_begun.get()),
            Err(GetError::Damaged) => {}
            Ok(Ok(false)) | Err(GetError::Disconnected) => return Exit::SUCCESS,
            Ok(Err(_)) => return Exit::FAILURE,
            Err(error) => {
                eprintln!("a worker can't get its tasks: {error}");
                return Exit::FAILURE;
            }
        }
    }
    Exit::SUCCESS
}

struct Worker<'a> {
    place: usize,
    reports: ByteQueue,
    note: Note<'a>,
    /// Results that have not been reported. The note has them, too: if this process is killed, they
    /// aren't lost.
    results: Vec<u8>,
}

/// The pool has gone.
struct Gone;

impl Worker<'_> {
    /// Does a task, unless it was cancelled; returns whether there may be more.
    fn run(&mut self, message: &[u8], has_begun: bool) -> Result<bool, Gone> {
        let Some((task, mut items)) = Items::of(message) else {
            return Ok(false);
        };
        let Task { job, first, function } = task;
        let mut progress =
            Progress { worker: self.place, job, first, from: first, to: first, ends: None };
        if !has_begun {
            let after = first + items.count() as u64;
            for item in first..after {
                let ends = (item + 1 == after).then_some(message.len() as u64);
                let progress = Progress { from: item, to: item, ends, ..progress };
                self.report(&Report::Failed(progress, TaskError::Terminated))?;
            }
            self.note.end();
            return Ok(true);
        }
        let mut next = items.next();
        while let Some(arguments) = next {
            next = items.next();
            self.note.set(at::ITEM, progress.to);
            progress.ends = next.is_none().then_some(message.len() as u64);
            self.do_item(function, arguments, &mut progress)?;
            progress.to += 1;
        }
        self.note.end();
        Ok(true)
    }

    /// Does the item up to which the progress goes. What has not been reported after that is in
    /// `results`, and in the note.
    fn do_item(
        &mut self,
        function: Listed,
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
        let too_many = self.results.len() > Note::ROOM * WORD;
        if start > 0 && (done.is_err() || too_many) {
            let last = self.results.split_off(start);
            self.report_done(Progress { to: progress.to - 1, ends: None, ..*progress })?;
            self.results = last;
            progress.from = progress.to;
            start = 0;
        }
        let fits = self.results.len() <= Note::ROOM * WORD;
        match done {
            Ok(()) if fits && progress.ends.is_none() => {
                self.note.keep(progress.from, &self.results, start);
                return Ok(());
            }
            Ok(()) => self.report_done(*progress)?,
            Err(error) => self.report(&Report::Failed(*progress, error))?,
        }
        progress.from = progress.to + 1;
        Ok(())
    }

    /// Reports the results that are there.
    fn report_done(&mut self, progress: Progress) -> Result<(), Gone> {
        Report::Done(progress).end(&mut self.results);
        let sent = self.reports.put(&self.results);
        self.results.clear();
        self.results.shrink_to(KEPT);
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
        self.note.forget();
        Ok(())
    }

    /// Reports what has no results.
    fn report(&self, report: &Report) -> Result<(), Gone> {
        self.reports.put(&report.alone()).map_err(|_| Gone)
    }
}

thread_local! {
    /// Whether this thread runs a task.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// Where the last panic in a task was, and what it said.
    static PANIC: RefCell<Option<(String, String)>> = const { RefCell::new(None) };
}

/// Does something of a task; a panic becomes its error.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, TaskError> {
    IN_TASK.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IN_TASK.set(false);
    done.map_err(|payload| {
        let mut message = String::from(text_of(&*payload));
        // The task may have caught that panic, and gone on with another by `resume_unwind`.
        if let Some((text, place)) = PANIC.take()
            && text == message
        {
            message.push_str(&place);
        }
        TaskError::Panicked { message }
    })
}

/// What a panic said, by what [`catch_unwind`] gives.
pub fn text_of(payload: &(dyn Any + Send)) -> &str {
    (payload.downcast_ref::<&str>().copied())
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("with a value that is no text")
}

/// From now on a panic in a task is not printed here: it is the task's error, and goes to its owner.
fn keep_panics_of_tasks() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IN_TASK.get() {
            return print(panic);
        }
        let text = text_of(panic.payload()).to_owned();
        let place = panic.location().map(|place| format!(" ({place})")).unwrap_or_default();
        PANIC.set(Some((text, place)));
    }));
}
