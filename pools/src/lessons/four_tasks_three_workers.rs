//! You'll see four tasks begin and end on three workers: the fourth has to wait for one of the
//! others.
//!
//! ```python
//! pool = Pool(3)
//! for name in "ABCD":
//!     pool.apply_async(task, (name,))        # says "begins", sleeps, says "ends"
//! pool.close(); pool.join()
//! print("all done")
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, speak};
use common::time::{Pace, clock};
use multiprocess::{Pool, current_process, tasks};
use rand::RngExt;

use super::who_did_what::{Done, by_worker, done};

const TASKS: [char; 4] = ['A', 'B', 'C', 'D'];

pub(crate) const LESSON: Lesson = Lesson {
    name: "four-tasks-three-workers",
    section: "2.3",
    question: (
        "三个进程，四个任务：第四个什么时候开始？",
        "Three workers, four tasks: when does the fourth begin?",
    ),
    remember: (
        "哪个进程先空下来，就由它做下一个任务；close 之后 join 等全部做完。",
        "Who is free first takes the next task; close and join wait for all of them.",
    ),
    tell,
};

tasks![do_task];

fn tell(story: &Story) -> Told {
    let pool = Pool::new(3)?;
    story.event("parent", "gives four tasks to three workers, and doesn't wait");
    let mut tasks = Vec::new();
    for task in TASKS {
        tasks.push(pool.apply_async(do_task, (task, story.pace()))?);
    }
    story.event("parent", "closes the pool and joins it");
    pool.close();
    pool.join()?;
    story.ok("all four are done", tasks.iter().all(|task| task.successful() == Some(true)))?;

    let mut tasks = tasks.iter().map(|task| task.get()).collect::<Result<Vec<Done>, _>>()?;
    story.varying_figure(by_worker(&tasks));
    tasks.sort_unstable_by_key(|task| task.time.0);
    let first_end = tasks.iter().map(|task| task.time.1).min();
    story.ok(
        "the last to begin began only after another had ended",
        first_end <= Some(tasks[3].time.0),
    )?;
    Ok(())
}

/// Runs in the worker.
fn do_task((task, pace): (char, Pace)) -> Done {
    let worker = current_process().name();
    let begin = clock();
    speak(worker, format!("begins {task}"));
    pace.work(rand::rng().random_range(1.0..=3.0));
    speak(worker, format!("ends {task}"));
    done(task, begin)
}
