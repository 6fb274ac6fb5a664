//! You'll see how many workers a pool has, what each does before its first task, and how one leaves
//! after its last.
//!
//! ```python
//! def prepare(greeting, reports):
//!     global GREETING; GREETING = greeting
//!     reports.put(current_process().name)
//! Pool()                                             # as many as there are cores
//! Pool(3, initializer=prepare, initargs=("hello", reports))
//! Pool(1, maxtasksperchild=2)
//! ```

use std::sync::OnceLock;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::{Failure, Pool, Queue, cpu_count, current_process, tasks};

use super::PATIENCE;

pub(crate) const LESSON: Lesson = Lesson {
    name: "pool-parameters",
    section: "2.3",
    question: ("建立进程池时可以规定什么？", "What can be settled when a pool is made?"),
    remember: (
        "几个进程，开工前做什么，做多少任务后换新进程。",
        "How many workers, what each does first, and how many tasks each may do.",
    ),
    tell,
};

tasks![prepare, greet, who_am_i];

/// What a worker's initializer leaves for its tasks: each process has its own.
static GREETING: OnceLock<String> = OnceLock::new();

fn tell(story: &Story) -> Told {
    let pool = Pool::builder().build()?;
    let workers = pool.worker_pids().len();
    story.ok("by default there is a worker for each usable core", workers == cpu_count())?;
    story.varies(format!("on this machine: {workers}"));

    let reports = Queue::bounded(10)?;
    let arguments = (String::from("hello"), reports.clone());
    let pool = Pool::builder().processes(3).initializer(prepare, arguments).build()?;
    story.event("parent", "starts three workers, whose initializer gets a text and a queue");
    let mut prepared = Vec::new();
    for _ in 0..3 {
        prepared.push(reports.get_timeout(PATIENCE)?);
    }
    prepared.sort_unstable();
    let names = ["PoolWorker-1", "PoolWorker-2", "PoolWorker-3"];
    story.ok("each worker has called its initializer once", prepared == names)?;
    story.ok(
        "a task finds what the initializer has left",
        pool.apply(greet, String::from("Tom"))? == "hello, Tom",
    )?;

    let pool = Pool::builder().processes(1).max_tasks_per_child(2).build()?;
    story.event("parent", "gives four tasks to a pool of one worker, which may do two of them");
    let mut done = Vec::new();
    for _ in 0..4 {
        done.push(pool.apply(who_am_i, ())?);
    }
    story.varies(format!("process ids: {:?}", done.iter().map(|(_, pid)| pid).collect::<Vec<_>>()));
    let by: Vec<&str> = done.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["PoolWorker-1", "PoolWorker-1", "PoolWorker-2", "PoolWorker-2"];
    story.ok("one worker did the first two, another the rest", by == expected)?;
    Ok(())
}

/// Runs in the worker, before its first task.
fn prepare((greeting, reports): (String, Queue<String>)) -> Result<(), Failure> {
    GREETING.get_or_init(|| greeting);
    reports.put(current_process().name().to_owned())?;
    Ok(())
}

/// Runs in the worker.
fn greet(name: String) -> String {
    format!("{}, {name}", GREETING.get().map_or("no greeting", String::as_str))
}

/// Runs in the worker.
fn who_am_i((): ()) -> (String, u32) {
    (current_process().name().to_owned(), current_process().pid())
}
