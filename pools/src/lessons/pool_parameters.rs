//! The parameters of a pool: how many workers it has, what each does before its first task, and
//! after how many tasks a new one takes over.
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

use common::{check, note, say};
use multiprocess::{Failure, Pool, Queue, cpu_count, current_process, tasks};

tasks![prepare, greet, name_and_pid];

/// What the initializer keeps for the tasks of its worker: each process has its own.
static GREETING: OnceLock<String> = OnceLock::new();

pub(crate) fn main() -> Result<(), Failure> {
    let pool = Pool::builder().build()?;
    let workers = pool.worker_pids().len();
    check!(workers == cpu_count(), "by default there is a worker for each usable core");
    note!("on this machine: {}", workers);

    let reports = Queue::unbounded()?;
    let arguments = ("hello".to_owned(), reports.clone());
    let pool = Pool::builder().processes(3).initializer(prepare, arguments).build()?;
    say!("starts three workers, whose initializer gets a text and a queue");
    let mut prepared = [reports.get()?, reports.get()?, reports.get()?];
    prepared.sort_unstable();
    let names = ["PoolWorker-1", "PoolWorker-2", "PoolWorker-3"];
    check!(prepared == names, "each worker has called its initializer once");
    let greeting = pool.apply(greet, "Tom".to_owned())?;
    check!(greeting == "hello, Tom", "a task finds the text that the initializer has kept");

    let pool = Pool::builder().processes(1).max_tasks_per_child(2).build()?;
    say!("gives four tasks to a pool of one worker, which may do two of them");
    let mut names = Vec::new();
    for _ in 0..4 {
        let (name, pid) = pool.apply(name_and_pid, ())?;
        note!("done by {} with the process id {}", name, pid);
        names.push(name);
    }
    let expected = ["PoolWorker-1", "PoolWorker-1", "PoolWorker-2", "PoolWorker-2"];
    check!(names == expected, "one worker did the first two, a new one the others");
    Ok(())
}

/// Runs in each worker, before its first task.
fn prepare((greeting, reports): (String, Queue<String>)) -> Result<(), Failure> {
    GREETING.get_or_init(|| greeting);
    reports.put(current_process().name().to_owned())?;
    Ok(())
}

/// Runs in a worker.
fn greet(name: String) -> String {
    let greeting = GREETING.get().map_or("no greeting", String::as_str);
    format!("{greeting}, {name}")
}

/// Runs in a worker.
fn name_and_pid(_: ()) -> (String, u32) {
    (current_process().name().to_owned(), current_process().pid())
}
