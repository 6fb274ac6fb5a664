//! You'll see six tasks that only compute: on one core they take turns, on several they run at
//! the same time.
//!
//! ```python
//! def task():                      # no waiting, only computing
//!     while time.process_time() < 1: pass
//! os.sched_setaffinity(0, {0})     # one core, or all
//! ```

use std::io::{PipeReader, PipeWriter, Write, pipe};
use std::time::Duration;

use common::cores;
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{clock, cpu_time, show};
use common::timeline::{Interval, Timeline};
use multiprocess::process::{frame, handover};
use multiprocess::{Failure, Gate, Process, Waiting, tasks};
use serde::{Deserialize, Serialize};

const TASKS: usize = 6;

/// How much of the whole is drawn.
const SHOWN: Duration = Duration::from_millis(60);

/// A task that hasn't looked at the clock for so long was not running.
const PAUSE: Duration = Duration::from_millis(1);

pub(crate) const LESSON: Lesson = Lesson {
    name: "concurrent-or-parallel",
    section: "一",
    question: (
        "六个任务、一个 CPU 核：它们是同时运行的吗？",
        "Six tasks and one core: do they run at the same time?",
    ),
    remember: (
        "在一个核上轮流运行叫并发；在多个核上同时运行叫并行。",
        "Taking turns on one core is concurrent; several cores at once is parallel.",
    ),
    tell,
};

tasks![compute];

fn tell(story: &Story) -> Told {
    let (all, work) = (cores::usable()?, story.pace().real(1.0));
    let one = &all[..1];
    story.event("parent", "binds six tasks to one core and lets them begin together");
    let results = run_all(one, work)?;
    let (begin, end) = picture(story, &results);
    let computed: Duration = results.iter().map(|result| result.computed).sum();
    story.ok("each was bound to that core", results.iter().all(|result| result.cores == one))?;
    story.ok(
        "all of them together computed no longer than the clock ran",
        computed <= end - begin,
    )?;
    story.event("parent", "starts six more, which may use every core");
    picture(story, &run_all(&all, work)?);
    if all.len() == 1 {
        story.varies("there is only one core here, so both pictures show the same");
    }
    Ok(())
}

fn run_all(cores: &[usize], work: Duration) -> Result<Vec<Computed>, Failure> {
    let (gate, waiting) = Gate::new()?;
    let mut tasks: Vec<(Process, PipeReader)> = Vec::new();
    for number in 1..=TASKS {
        let (reader, report) = pipe()?;
        let task = Task { cores: cores.to_vec(), work, waiting: waiting.another()?, report };
        let mut process = Process::new(compute, task).named(format!("task {number}"));
        process.start()?;
        tasks.push((process, reader));
    }
    gate.open();
    let report = |(process, reader): &mut (Process, PipeReader)| {
        let mut bytes = Vec::new();
        frame::read(reader, frame::LIMIT, &mut bytes)?;
        process.join()?;
        Ok(frame::decode(&bytes)?)
    };
    tasks.iter_mut().map(report).collect()
}

/// Shows the beginning, short enough for the turns to be seen; returns the times of the whole.
fn picture(story: &Story, results: &[Computed]) -> Interval {
    let mut timeline = Timeline::default();
    for (number, result) in (1..).zip(results) {
        timeline.row(format!("task {number}"), result.running.clone());
    }
    let (begin, end) = timeline.whole();
    story.varies(format!("the first {} of {}:", show(SHOWN.min(end - begin)), show(end - begin)));
    story.varying_figure(timeline.first(SHOWN));
    (begin, end)
}

#[derive(Serialize, Deserialize)]
struct Task {
    cores: Vec<usize>,
    /// Time on a core that the whole task takes.
    work: Duration,
    waiting: Waiting,
    #[serde(with = "handover")]
    report: PipeWriter,
}

/// What a task tells of itself.
#[derive(Serialize, Deserialize)]
struct Computed {
    cores: Vec<usize>,
    computed: Duration,
    running: Vec<Interval>,
}

/// Runs in the child. Computes, and notes when it was on a core.
fn compute(mut task: Task) -> Result<(), Failure> {
    cores::bind_to(&task.cores)?;
    task.waiting.wait();
    let mut running: Vec<Interval> = vec![(clock(), clock())];
    let begun = cpu_time();
    let mut computed = Duration::ZERO;
    while computed < task.work {
        computed = cpu_time() - begun;
        let now = clock();
        match running.last_mut() {
            Some(last) if now - last.1 < PAUSE => last.1 = now,
            _ => running.push((now, now)),
        }
    }
    let mut bytes = Vec::new();
    frame::encode(&Computed { cores: cores::usable()?, computed, running }, &mut bytes)?;
    task.report.write_all(&bytes)?;
    Ok(())
}
