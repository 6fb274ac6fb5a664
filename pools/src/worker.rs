//! A worker: takes tasks from the shared queue, one after the other, until it is told to end.
//!
//! ```text
//!   queue of tasks ──▶ ① note: job, item, position ──▶ ② give the place up ──▶ ③ run ──▶ queue of results
//!                            │                                                ▲
//!                            └── words that the pool reads if the worker dies ┘ item by item
//! ```

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ipc_queue::{ByteQueue, GetError, PutError, Words};
use process_basics::{Arguments, Exit, Listed, frame, tasks};
use serde::{Deserialize, Serialize};

use crate::TaskError;
use crate::message::{Item, Items, Report};

tasks![work];

/// What a worker is given.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Its place in the pool.
    pub place: usize,
    pub tasks: ByteQueue,
    pub reports: ByteQueue,
    pub notes: Words,
    pub initializer: Option<(Listed, Arguments)>,
    /// After so many tasks it ends.
    pub most_tasks: u64,
}

/// What a worker is at, in words that outlive it. It is valid if the job isn't 0.
pub(crate) struct Note<'a>(&'a [AtomicU64]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Noted {
    pub job: u64,
    /// The first item of the task, and the one that runs, or ran last.
    pub first: u64,
    pub item: u64,
    /// The position of the task in the queue.
    pub position: u64,
    /// How many bytes the task's message has.
    pub bytes: u64,
}

impl<'a> Note<'a> {
    /// Words of a note: those of two workers don't share a cache line.
    pub(crate) const WORDS: usize = 8;

    /// That of the worker in this place.
    pub(crate) fn of(words: &'a Words, place: usize) -> Self {
        Self(&words[place * Self::WORDS..][..Self::WORDS])
    }

    fn begin(&self, noted: Noted) {
        self.0[1].store(noted.item, Ordering::Relaxed);
        self.0[2].store(noted.position, Ordering::Relaxed);
        self.0[3].store(noted.bytes, Ordering::Relaxed);
        self.0[4].store(noted.first, Ordering::Relaxed);
        self.0[0].store(noted.job, Ordering::Release);
    }

    fn next_item(&self, item: u64) {
        self.0[1].store(item, Ordering::Release);
    }

    pub(crate) fn end(&self) {
        self.0[0].store(0, Ordering::Release);
    }

    /// The worker's number in the queue of tasks; 0 until it may get one.
    pub(crate) fn number(&self) -> u64 {
        self.0[5].load(Ordering::Acquire)
    }

    pub(crate) fn set_number(&self, number: u16) {
        self.0[5].store(number.into(), Ordering::Release);
    }

    pub(crate) fn read(&self) -> Option<Noted> {
        let job = self.0[0].load(Ordering::Acquire);
        let [item, position, bytes, first] =
            [1, 2, 3, 4].map(|word| self.0[word].load(Ordering::Acquire));
        (job != 0).then_some(Noted { job, first, item, position, bytes })
    }
}

/// Runs in each worker.
pub(crate) fn work(start: Start) -> Exit {
    // Ctrl-C goes to all processes of the terminal: the parent decides what it means. A handler, unlike
    // an ignored signal, isn't inherited by programs that a task execs.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::default());
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
    Note::of(&start.notes, start.place).set_number(start.tasks.number());
    let mut worker = Worker {
        place: start.place,
        reports: start.reports,
        note: Note::of(&start.notes, start.place),
        buffer: Vec::new(),
    };
    if worker.report(&Report::Ready { worker: start.place }).is_err() {
        return Exit::FAILURE;
    }
    for _ in 0..start.most_tasks {
        let note = |position, message: &[u8]| {
            if let Some((task, _)) = Items::of(message) {
                let bytes = message.len() as u64;
                Note::of(&start.notes, start.place).begin(Noted {
                    job: task.job,
                    first: task.first,
                    item: task.first,
                    position,
                    bytes,
                });
            }
        };
        match start.tasks.get(None, note, |message| worker.run(message)) {
            Ok(Ok(true)) | Err(GetError::Damaged) => {}
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
    /// A report, with the result; used again for the next.
    buffer: Vec<u8>,
}

/// The pool has gone.
struct Gone;

/// A buffer that grew beyond this, in bytes, for one large result is given back.
const KEPT: usize = 1 << 20;

impl Worker<'_> {
    /// Does a task; returns whether there may be more.
    fn run(&mut self, message: &[u8]) -> Result<bool, Gone> {
        let Some((task, mut items)) = Items::of(message) else {
            return Ok(false);
        };
        let mut number = task.first;
        let mut next = items.next();
        while let Some(arguments) = next {
            next = items.next();
            self.note.next_item(number);
            let ends = next.is_none().then_some(message.len() as u64);
            let item = Item { worker: self.place, job: task.job, number, first: task.first, ends };
            self.do_item(task.function, arguments, item)?;
            number += 1;
        }
        self.note.end();
        Ok(true)
    }

    fn do_item(&mut self, function: Listed, arguments: &[u8], item: Item) -> Result<(), Gone> {
        Report::Done(item).begin(&mut self.buffer);
        let done = guarded(|| function.call(arguments, &mut self.buffer)).and_then(|called| {
            called.map_err(|error| match error {
                frame::Error::Encode { .. } => TaskError::ResultNotSent(error.to_string()),
                _ => TaskError::ArgumentsNotReceived(error.to_string()),
            })
        });
        let sent = match done {
            Ok(()) => self.reports.put(&self.buffer),
            Err(error) => return self.report(&Report::Failed(item, error)),
        };
        let sent = match sent {
            Err(error @ (PutError::TooLong { .. } | PutError::System(_))) => {
                let error = TaskError::ResultNotSent(error.to_string());
                self.report(&Report::Failed(item, error))
            }
            sent => sent.map_err(|_| Gone),
        };
        self.buffer.truncate(KEPT);
        self.buffer.shrink_to(KEPT);
        sent
    }

    fn report(&mut self, report: &Report) -> Result<(), Gone> {
        report.begin(&mut self.buffer);
        self.reports.put(&self.buffer).map_err(|_| Gone)
    }
}

thread_local! {
    /// Whether this thread runs a task.
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
    /// What the last panic in a task said.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something of a task; a panic becomes its error.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, TaskError> {
    IN_TASK.set(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    IN_TASK.set(false);
    done.map_err(|_| {
        let message = PANIC.take().unwrap_or_else(|| String::from("without a message"));
        TaskError::Panicked { message }
    })
}

/// From now on a panic in a task is not printed here: it is the task's error, and goes to its owner.
fn keep_panics_of_tasks() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !IN_TASK.get() {
            return print(panic);
        }
        let payload = panic.payload();
        let text = (payload.downcast_ref::<&str>().copied())
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("with a value that is no text");
        let place = panic.location().map(|place| format!(" ({place})")).unwrap_or_default();
        PANIC.set(Some(format!("{text}{place}")));
    }));
}
