//! You'll see the same work on a pool of processes and on two pools of threads, and then what
//! either can do that the other can't.
//!
//! ```python
//! Pool(3).map(square, range(1, 1001))
//! ThreadPool(3).map(square, range(1, 1001))     # of the same module
//! ```

use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::process::abort;
use std::sync::mpsc::channel;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Stopwatch, show};
use multiprocess::pool::{Error, TaskError};
use multiprocess::{Pool, Process, tasks};
use rayon::prelude::*;
use threadpool::ThreadPool;

const WORKERS: usize = 3;
const NUMBERS: RangeInclusive<u64> = 1..=1000;

pub(crate) const LESSON: Lesson = Lesson {
    name: "pools-of-threads",
    section: "2.3",
    question: (
        "线程池能做而进程池不能做的是什么？反过来呢？",
        "What can a pool of threads do that one of processes can't? And vice versa?",
    ),
    remember: (
        "线程共享内存，也共享命运；进程两样都不共享。",
        "Threads share their memory, and their fate; processes share neither.",
    ),
    tell,
};

tasks![square, panic_at_two, crash, crash_in_a_thread];

fn tell(story: &Story) -> Told {
    let processes = Pool::new(WORKERS)?;
    let threads = ThreadPool::new(WORKERS);
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?;

    story.event("parent", "has 1 to 1000 squared by three workers of each kind");
    let expected: Vec<u64> = NUMBERS.map(square).collect();
    let (squares, time) = timed(|| processes.map_chunked(square, NUMBERS, 1));
    story.ok("the pool of processes gives the squares, in order", squares? == expected)?;
    story.varies(format!("processes, a task each: {time}"));
    let (mut squares, time) = timed(|| answers(&threads, NUMBERS, square));
    squares.sort_unstable();
    story.ok("the crate threadpool gives the same, in any order", squares == expected)?;
    story.varies(format!("threadpool, a task each: {time}"));
    let (squares, time): (Vec<u64>, String) =
        timed(|| rayon.install(|| NUMBERS.into_par_iter().map(square).collect()));
    story.ok("the crate rayon gives the same, in order", squares == expected)?;
    story.varies(format!("rayon, which shares them out as it likes: {time}"));

    story.event("parent", "lends rayon's threads its own numbers");
    let mut numbers: Vec<u64> = NUMBERS.collect();
    rayon.install(|| numbers.par_iter_mut().for_each(|number| *number *= *number));
    story.ok("a closure has squared the parent's own numbers", numbers == expected)?;
    let closure = processes.apply(|number: u64| number * number, 6);
    let refused = matches!(closure, Err(Error::Function(_)));
    story.ok("a pool of processes refuses a closure: it takes listed functions", refused)?;

    story.event("parent", "lets the second of three tasks panic");
    let given = answers(&threads, 1..=3, panic_at_two).len();
    story.ok("threadpool gives two answers, and no word of the other", given == 2)?;
    let Err(error) = processes.map(panic_at_two, 1..=3) else { return Err("no panic".into()) };
    let told = matches!(&error.results[..], [Ok(1), Err(TaskError::Panicked { .. }), Ok(3)]);
    story.ok("processes give two, and an error for the second", told)?;

    story.event("parent", "lets a task crash in the pool of processes");
    let crashed = processes.apply(crash, ());
    let died = matches!(crashed, Err(Error::Task(TaskError::WorkerDied { .. })));
    story.ok("its worker has died, and it has an error", died)?;
    story.ok("the pool goes on", processes.apply(square, 6)? == 36)?;
    story.event("parent", "starts a process where a task crashes in a pool of threads");
    let mut process = Process::new(crash_in_a_thread, ());
    process.start()?;
    process.join()?;
    story.ok("the whole process has died of it", process.exitcode() == Some(-6))?;
    Ok(())
}

/// What the work gives, and how long it took, in this build.
fn timed<T>(work: impl FnOnce() -> T) -> (T, String) {
    let watch = Stopwatch::start();
    let given = work();
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    (given, format!("{} ({build} build)", show(watch.elapsed())))
}

/// What the jobs answer, in whatever order; a job that panics doesn't.
fn answers(threads: &ThreadPool, numbers: RangeInclusive<u64>, job: fn(u64) -> u64) -> Vec<u64> {
    let (sender, receiver) = channel();
    for number in numbers {
        let sender = sender.clone();
        threads.execute(move || {
            let _ = sender.send(job(number));
        });
    }
    // It ends when no job is left that could send.
    drop(sender);
    receiver.iter().collect()
}

/// Runs in the worker, whatever it is.
fn square(number: u64) -> u64 {
    number * number
}

/// Runs in the worker. Panics without the message on the screen that `panic!` gives.
fn panic_at_two(number: u64) -> u64 {
    if number == 2 { resume_unwind(Box::new("two")) } else { number }
}

/// Runs in the worker.
fn crash((): ()) {
    abort()
}

/// Runs in a process of its own, because nothing of it is left.
fn crash_in_a_thread((): ()) {
    let threads = ThreadPool::new(WORKERS);
    threads.execute(|| abort());
    threads.join();
}
