//! What a test shares with the workers of its pool: a gate, and counters.
//!
//! ```text
//!   worker: hold(7) ─▶ counts 7 ─▶ "7 waits, in process 4711" ─▶ waits at the gate ─▶ returns 7
//!   test:   next_waiting() ─▶ (7, 4711) …                        open(1) ─┘
//! ```

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use multiprocess::pool::Builder;
use multiprocess::queue::Words;
use multiprocess::{Pool, Queue, tasks};
use serde::{Deserialize, Serialize};

use crate::LONG;

tasks![enter, hold, count, pid_of_worker];

/// A gate for tasks, and a counter for each: shared by a test and the workers of its pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Stage {
    /// How often each numbered task has begun.
    words: Words,
    /// Tasks that wait at the gate, and the pids of their workers.
    waiting: Queue<(u64, u32)>,
    gate: Queue<()>,
}

thread_local! {
    /// The stage of a worker: a process does its tasks in one thread.
    static STAGE: RefCell<Option<Rc<Stage>>> = const { RefCell::new(None) };
}

impl Stage {
    /// Makes a stage with so many counters.
    #[must_use]
    pub fn new(words: usize) -> Self {
        Self {
            words: Words::new(words).unwrap(),
            waiting: Queue::bounded(1000).unwrap(),
            gate: Queue::bounded(1000).unwrap(),
        }
    }

    /// Begins a pool of so many workers that are on this stage.
    pub fn builder(&self, processes: usize) -> Builder {
        Pool::builder().processes(processes).initializer(enter, self.clone())
    }

    /// Makes a pool of so many workers that are on this stage.
    #[must_use]
    pub fn pool(&self, processes: usize) -> Pool {
        self.builder(processes).build().unwrap()
    }

    /// Waits until one more task waits at the gate; returns its number, and its worker.
    pub fn next_waiting(&self) -> (u64, u32) {
        self.waiting.get_timeout(LONG).unwrap()
    }

    /// Lets so many tasks through, now or when they come.
    pub fn open(&self, times: usize) {
        (0..times).for_each(|_| self.gate.put(()).unwrap());
    }

    /// Waits at the gate; called in a task.
    pub fn pass(&self) {
        self.gate.get().unwrap();
    }

    /// Returns whether no task has come to the gate since the last that was told.
    #[must_use]
    pub fn nobody_waits(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns how often a task has begun.
    #[must_use]
    pub fn begun(&self, task: u64) -> u64 {
        self.words[task as usize].load(Ordering::SeqCst)
    }

    /// Returns how often each task has begun.
    #[must_use]
    pub fn all_begun(&self) -> Vec<u64> {
        self.words.iter().map(|word| word.load(Ordering::SeqCst)).collect()
    }
}

/// Puts a worker on the stage; its initializer.
pub fn enter(stage: Stage) {
    STAGE.set(Some(Rc::new(stage)));
}

/// Returns the stage that this worker is on.
#[must_use]
pub fn stage() -> Rc<Stage> {
    STAGE.with_borrow(Clone::clone).unwrap()
}

/// Counts that the task has begun; a task.
pub fn count(task: u64) -> u64 {
    stage().words[task as usize].fetch_add(1, Ordering::SeqCst);
    task
}

/// Counts that the task has begun, and waits at the gate; a task.
pub fn hold(task: u64) -> u64 {
    begin(task);
    stage().pass();
    task
}

/// Counts and tells that the task has begun; called in a task.
pub fn begin(task: u64) {
    count(task);
    stage().waiting.put((task, std::process::id())).unwrap();
}

/// Returns the worker's process id; a task.
pub fn pid_of_worker(_: u64) -> u32 {
    std::process::id()
}
