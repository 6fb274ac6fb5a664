//! You'll see the main process come to its end while its three workers go on.
//!
//! ```python
//! for i in range(3):
//!     multiprocessing.Process(target=worker, args=(i,)).start()
//! print("main process is through")
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, speak};
use common::time::Pace;
use multiprocess::{Gate, Process, Waiting, tasks};

pub(crate) const LESSON: Lesson = Lesson {
    name: "three-workers",
    section: "2.1",
    question: (
        "主进程启动三个子进程后，会等它们结束吗？",
        "The main process starts three children: does it wait for them?",
    ),
    remember: ("start 不等待；join 才等待。", "Starting doesn't wait; joining does."),
    tell,
};

tasks![worker];

fn tell(story: &Story) -> Told {
    let (gate, waiting) = Gate::new()?;
    let mut workers = Vec::new();
    for number in 0..3 {
        let mut process = Process::new(worker, (number, story.pace(), waiting.another()?));
        process.start()?;
        workers.push(process);
    }
    story.event("parent", "has started workers 0, 1 and 2, and has nothing left to do");
    story.ok("all three are still at work", workers.iter().all(Process::is_alive))?;
    gate.open();
    story.event("parent", "joins them");
    for process in &workers {
        process.join()?;
    }
    let ended_well = |process: &Process| process.exitcode() == Some(0);
    story.ok("all three have ended with exit code 0", workers.iter().all(ended_well))?;
    Ok(())
}

/// Runs in the child. Works for two seconds, and on until the parent is through.
fn worker((number, pace, parent_is_through): (u32, Pace, Waiting)) {
    let name = format!("worker {number}");
    speak(&name, "I am in the worker");
    pace.work(2.0);
    parent_is_through.wait();
    speak(&name, format!("my number is {number}"));
}
