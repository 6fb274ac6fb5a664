//! You'll see a worker killed in the middle of its task: that task has an error, all others are
//! done, and a new worker takes the place.
//!
//! ```python
//! result = pool.apply_async(task)
//! os.kill(pid_of_its_worker, signal.SIGKILL)
//! result.get()                      # in Python this waits for ever
//! ```

use std::sync::OnceLock;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::pool::TaskError;
use multiprocess::{Failure, Pool, Queue, active_children, current_process, tasks};
use serde::{Deserialize, Serialize};

use super::PATIENCE;

pub(crate) const LESSON: Lesson = Lesson {
    name: "a-worker-is-killed",
    section: "2.3",
    question: (
        "一个工作进程被杀死，它的任务和整个进程池会怎样？",
        "A worker is killed: what becomes of its task, and of the pool?",
    ),
    remember: (
        "只有它手里的任务失败，并说出原因；新进程接替它的位置。",
        "Only the task in its hands fails, and says why; a new worker takes over.",
    ),
    tell,
};

tasks![report, hold, double];

/// What the workers say to the parent, and it to them.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Lines {
    /// "I am here", with its process id.
    here: Queue<u32>,
    /// "I hold this task", with its process id.
    held: Queue<(u64, u32)>,
    /// "You may end it."
    words: Queue<()>,
}

static LINES: OnceLock<Lines> = OnceLock::new();

fn tell(story: &Story) -> Told {
    let (here, held, words) = (Queue::bounded(9)?, Queue::bounded(9)?, Queue::bounded(9)?);
    let lines = Lines { here, held, words };
    let pool = Pool::builder().processes(3).initializer(report, lines.clone()).build()?;
    let mut results = Vec::new();
    for task in 1..=3 {
        results.push(pool.apply_async(hold, task)?);
    }
    let (mut victim, mut workers) = (0, Vec::new());
    for _ in 1..=3 {
        let (task, worker) = lines.held.get_timeout(PATIENCE)?;
        workers.push(lines.here.get_timeout(PATIENCE)?);
        if task == 2 {
            victim = worker;
        }
    }
    story.event("parent", "has three tasks at work, and kills the worker of the second");
    story.varies(format!("process ids: {workers:?}; killed: {victim}"));
    let of_second = active_children().into_iter().find(|child| child.pid() == Some(victim));
    of_second.ok_or("the worker is no child")?.kill()?;

    let Err(error) = results[1].get() else { return Err("the killed worker has answered".into()) };
    story.event("parent", format!("gets \"{error}\""));
    let killed = matches!(error, TaskError::WorkerDied { exitcode: Some(-9), .. });
    story.ok("it names the signal", killed && error.to_string().contains("SIGKILL"))?;
    let new = lines.here.get_timeout(PATIENCE)?;
    story.varies(format!("process id of the fourth worker: {new}"));
    story.ok("another worker has taken the place", !workers.contains(&new))?;

    story.event("parent", "lets the first and the third task go on");
    lines.words.put(())?;
    lines.words.put(())?;
    story.ok("they have their results", [results[0].get()??, results[2].get()??] == [1, 3])?;
    let doubled = pool.map(double, 1..=6)?;
    story.ok("the pool goes on: 2, 4, 6, 8, 10, 12", doubled == [2, 4, 6, 8, 10, 12])?;
    Ok(())
}

/// Runs in the worker, before its first task.
fn report(lines: Lines) -> Result<(), Failure> {
    lines.here.put(current_process().pid())?;
    LINES.get_or_init(|| lines);
    Ok(())
}

/// Runs in the worker: its task ends at the parent's word.
fn hold(task: u64) -> Result<u64, Failure> {
    let lines = LINES.get().expect("the initializer comes before any task");
    lines.held.put((task, current_process().pid()))?;
    lines.words.get()?;
    Ok(task)
}

/// Runs in the worker.
fn double(number: u64) -> u64 {
    2 * number
}
