//! What the test files need: a stage that workers share with the test, scenarios in a process of
//! their own, and what the kernel says about processes.

#![allow(dead_code, unused_imports, reason = "each test file needs some of it")]

use std::any::Any;
use std::cell::RefCell;
use std::io::{PipeReader, PipeWriter, Read, pipe};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use common::stock::Stock;
use common::testing::Deadline;
pub(crate) use common::testing::{Other, children};
use multiprocess::pool::{Builder, TaskError};
use multiprocess::queue::Words;
use multiprocess::{Pool, Process, Queue, tasks};
use serde::{Deserialize, Serialize};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// No wait of a test lasts longer.
pub(crate) const LONG: Duration = Duration::from_secs(30);

tasks![enter, hold, count, pid_of_worker];

/// What a test shares with the workers of its pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stage {
    /// How often each numbered task has begun.
    words: Words,
    /// Tasks that wait at the gate, and the pids of their workers.
    waiting: Queue<(u64, u32)>,
    gate: Queue<()>,
}

thread_local! {
    /// Of a worker: a process does its tasks in one thread.
    static STAGE: RefCell<Option<Rc<Stage>>> = const { RefCell::new(None) };
}

impl Stage {
    pub(crate) fn new(words: usize) -> Self {
        Self {
            words: Words::new(words).unwrap(),
            waiting: Queue::bounded(1000).unwrap(),
            gate: Queue::bounded(1000).unwrap(),
        }
    }

    /// A pool of so many workers that are on this stage.
    pub(crate) fn builder(&self, processes: usize) -> Builder {
        Pool::builder().processes(processes).initializer(enter, self.clone())
    }

    pub(crate) fn pool(&self, processes: usize) -> Pool {
        self.builder(processes).build().unwrap()
    }

    /// Waits until one more task waits at the gate: its number, its worker.
    pub(crate) fn next_waiting(&self) -> (u64, u32) {
        self.waiting.get_timeout(LONG).unwrap()
    }

    /// Lets so many through, now or when they come.
    pub(crate) fn open(&self, times: usize) {
        (0..times).for_each(|_| self.gate.put(()).unwrap());
    }

    /// In a task: waits at the gate.
    pub(crate) fn pass(&self) {
        self.gate.get().unwrap();
    }

    pub(crate) fn nobody_waits(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn begun(&self, task: u64) -> u64 {
        self.words[task as usize].load(Ordering::SeqCst)
    }

    pub(crate) fn all_begun(&self) -> Vec<u64> {
        self.words.iter().map(|word| word.load(Ordering::SeqCst)).collect()
    }
}

/// Runs in each worker, as its initializer.
pub(crate) fn enter(stage: Stage) {
    STAGE.set(Some(Rc::new(stage)));
}

/// In a worker: the stage it is on.
pub(crate) fn stage() -> Rc<Stage> {
    STAGE.with_borrow(Clone::clone).unwrap()
}

/// A task: counts that it has begun.
pub(crate) fn count(task: u64) -> u64 {
    stage().words[task as usize].fetch_add(1, Ordering::SeqCst);
    task
}

/// A task: the same, and waits at the gate.
pub(crate) fn hold(task: u64) -> u64 {
    begin(task);
    stage().pass();
    task
}

/// In a task: counts and tells that it has begun.
pub(crate) fn begin(task: u64) {
    count(task);
    stage().waiting.put((task, std::process::id())).unwrap();
}

/// A task.
pub(crate) fn pid_of_worker(_: u64) -> u32 {
    std::process::id()
}

/// A process that runs.
pub(crate) fn start<A, R, F>(function: F, arguments: A) -> Process
where
    A: Serialize + Send + 'static,
    F: Fn(A) -> R + Any,
{
    let mut process = Process::new(function, arguments);
    process.start().unwrap();
    process
}

/// Runs a scenario in a process of its own, where no other test disturbs it.
pub(crate) fn alone(scenario: impl Fn(()) + Any) {
    // Starts take much longer on Windows.
    let _deadline = Deadline::seconds(if cfg!(windows) { 600 } else { 120 });
    let process = start(scenario, ());
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(0), "{process:?}");
}

/// A promise to be alive: whoever holds the other end sees when the last one that made it is gone.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Alive(#[serde(with = "multiprocess::process::handover")] PipeWriter);

pub(crate) struct Lives(PipeReader);

pub(crate) fn lives() -> (Lives, Alive) {
    let (reader, writer) = pipe().unwrap();
    (Lives(reader), Alive(writer))
}

impl Lives {
    /// How long it takes until all are gone.
    pub(crate) fn end(mut self) -> Duration {
        let begun = Instant::now();
        self.0.read_to_end(&mut Vec::new()).unwrap();
        begun.elapsed()
    }
}

/// Whatever the name of an error is.
pub(crate) const fn kind(error: &TaskError) -> &'static str {
    match error {
        TaskError::Panicked { .. } => "Panicked",
        TaskError::WorkerDied { .. } => "WorkerDied",
        TaskError::ArgumentsNotSent(_) => "ArgumentsNotSent",
        TaskError::ArgumentsNotReceived(_) => "ArgumentsNotReceived",
        TaskError::ResultNotSent(_) => "ResultNotSent",
        TaskError::ResultNotReceived(_) => "ResultNotReceived",
        TaskError::Terminated => "Terminated",
        TaskError::Broken(_) => "Broken",
        TaskError::TimedOut => "TimedOut",
        TaskError::Taken => "Taken",
        TaskError::Deadlock => "Deadlock",
        _ => "unknown",
    }
}

/// Kills it, and waits until it is dead.
pub(crate) fn kill(pid: u32) {
    let other = Other::of(pid).unwrap();
    other.kill();
    assert!(other.ends_within(LONG));
}

/// Until it is so; else the test has failed. What it asks can't be waited for otherwise.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        thread::yield_now();
    }
}

/// What this process has, without the threads of other tests.
pub(crate) fn stock() -> Stock {
    Stock::with_threads_like(&["pool-", "watch ", "queue-", "ThreadPool"]).unwrap()
}
