//! What a test shares with the workers of its pool: a gate, and counters.
//!
//! ```text
//!   worker: hold(7) ─▶ counts 7 ─▶ "7 waits, in process 4711" ─▶ waits at the gate ─▶ returns 7
//!   test:   next_waiting() ─▶ (7, 4711) …                        open(1) ─┘
//! ```

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use multiprocess::pool::Builder;
use multiprocess::queue::Words;
use multiprocess::{Pool, Queue, tasks};
use serde::{Deserialize, Serialize};

use crate::LONG;
use crate::relay::FarStage;

tasks![enter, enter_far, hold, count, pid_of_worker];

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
    static STAGE: RefCell<Option<Rc<WorkersStage>>> = const { RefCell::new(None) };
}

/// The stage that a worker is on, as the worker sees it.
#[derive(Debug)]
pub enum WorkersStage {
    /// A stage whose memory is this process's, too.
    Shared(Stage),
    /// A stage that is reached over a connection.
    Far(RefCell<FarStage>),
}

impl WorkersStage {
    /// Waits at the gate.
    pub fn pass(&self) {
        match self {
            Self::Shared(stage) => stage.pass(),
            Self::Far(stage) => stage.borrow_mut().ask("pass"),
        }
    }

    fn count(&self, task: u64) {
        match self {
            Self::Shared(stage) => stage.count(task),
            Self::Far(stage) => stage.borrow_mut().ask(&format!("count {task}")),
        }
    }

    fn tell(&self, task: u64, pid: u32) {
        match self {
            Self::Shared(stage) => stage.tell(task, pid),
            Self::Far(stage) => stage.borrow_mut().ask(&format!("tell {task} {pid}")),
        }
    }
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

    /// Waits at the gate.
    pub(crate) fn pass(&self) {
        self.gate.get().unwrap();
    }

    /// Counts that the task has begun.
    pub(crate) fn count(&self, task: u64) {
        self.words[task as usize].fetch_add(1, Ordering::SeqCst);
    }

    /// Tells that the task waits at the gate, in this process.
    pub(crate) fn tell(&self, task: u64, pid: u32) {
        self.waiting.put((task, pid)).unwrap();
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
    STAGE.set(Some(Rc::new(WorkersStage::Shared(stage))));
}

/// Puts a worker on the stage of the [`Relay`](crate::relay::Relay) at this address; a task, of
/// which each worker has to do one.
pub fn enter_far(address: SocketAddr) {
    let stage = RefCell::new(FarStage::connect(address));
    STAGE.set(Some(Rc::new(WorkersStage::Far(stage))));
}

/// Returns the stage that this worker is on.
#[must_use]
pub fn stage() -> Rc<WorkersStage> {
    STAGE.with_borrow(Clone::clone).unwrap()
}

/// Counts that the task has begun; a task.
pub fn count(task: u64) -> u64 {
    stage().count(task);
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
    stage().tell(task, std::process::id());
}

/// Returns the worker's process id; a task.
pub fn pid_of_worker(_: u64) -> u32 {
    std::process::id()
}
