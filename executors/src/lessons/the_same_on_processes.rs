//! You'll see the same function count on threads and on processes, and how long each takes.
//!
//! ```python
//! with ThreadPoolExecutor(3) as executor: ...               # 107 to 117 s: a global lock
//! with ProcessPoolExecutor(3) as executor: ...              # 40 s
//! ```

use std::time::Duration;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Stopwatch, cpu_time, show};
use multiprocess::futures::{Executor, ProcessPoolExecutor};
use multiprocess::{Failure, cpu_count};

use super::counting::{BASES, BUILD, count_up, ends, how_far, submit_three, three_threads};

pub(crate) const LESSON: Lesson = Lesson {
    name: "the-same-on-processes",
    section: "2.4",
    question: (
        "换成进程，哪些要改，快了多少？",
        "On processes instead: what has to change, and how much faster is it?",
    ),
    remember: (
        "只换执行器，别的不变；Rust 没有全局锁，线程也能同时计算。",
        "Only the executor changes; and in Rust threads, too, compute in parallel.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let how_far = how_far(story);
    story.event("main", "counts three times by itself");
    let watch = Stopwatch::start();
    let alone = BASES.map(|base| count_up((base, how_far)));
    let alone_time = watch.elapsed();

    story.event("main", "has three threads do it");
    let cpu = cpu_time();
    let (results, threads_time) = on(&three_threads()?, how_far)?;
    let cpu = cpu_time() - cpu;
    story.ok("they count to the same numbers", results == alone)?;

    story.event("main", "has three processes do it, by the same function");
    let executor = ProcessPoolExecutor::new(3)?;
    let (results, processes_time) = on(&executor, how_far)?;
    story.ok("so do the processes", results == alone && alone[..] == ends(how_far))?;
    let pids = executor.worker_pids();
    let others = !pids.is_empty() && !pids.contains(&std::process::id());
    story.ok("their process ids differ from the main process's", others)?;

    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    story.varies(format!("{BUILD}; in brackets the tutorial's Python, counting to 1000000000"));
    story.varies(format!("one after the other  {}", show(alone_time)));
    story.varies(format!("three threads        {} (107 to 117 s)", show(threads_time)));
    story.varies(format!("three processes      {} (40 s), with their start", show(processes_time)));
    let times = ratio(threads_time, processes_time);
    story.varies(format!("threads took {times:.2} times as long as processes (2.7 to 2.9 times)"));
    let (used, cores) = (ratio(cpu, threads_time), cpu_count());
    story.varies(format!("threads used {used:.2} of {cores} cores; with a global lock, at most 1"));
    Ok(())
}

/// Runs one code on whatever executor it is; returns the results, and how long they took.
fn on(executor: &impl Executor, how_far: u64) -> Result<(Vec<u64>, Duration), Failure> {
    let watch = Stopwatch::start();
    let futures = submit_three(executor, how_far)?;
    let results: Result<_, _> = futures.into_iter().map(|future| future.into_result()).collect();
    Ok((results?, watch.elapsed()))
}
