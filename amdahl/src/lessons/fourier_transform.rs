//! You'll see a Fourier transform of which 25 of 31 parts can be shared: with four workers it takes
//! 12.25, and all give the same spectrum.
//!
//! ```python
//! read()                                            # 3 units
//! parts = executor.map(transform, shares(4))        # 25 / 4 units each
//! combine(parts)                                    # 3 units
//! 31 / (6 + 25 / 4)                                 # 2.5306: 253.06 %
//! ```

use std::f64::consts::TAU;

use amdahl::{Plan, PlanError, Task};
use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::table::Table;
use common::time::{Pace, clock};
use common::timeline::Interval;
use multiprocess::futures::ProcessPoolExecutor;
use multiprocess::tasks;
use prettytable::row;
use serde::{Deserialize, Serialize};

use super::slept;

/// Units of work: before and after the step that can be shared, and in it.
const SERIAL: f64 = 3.0;
const SHARED: f64 = 25.0;
/// The number of samples, and the swings of the signal's two tones in them.
const SAMPLES: usize = 64;
const TONES: [usize; 2] = [3, 10];

pub(crate) const LESSON: Lesson = Lesson {
    name: "fourier-transform",
    section: "5.1",
    question: (
        "三十一份活里有二十五份可以分给四个人做，能快多少？",
        "Of 31 parts of the work 25 can be shared by four: how much faster is that?",
    ),
    remember: (
        "四个人做，只快到 2.53 倍：分不开的那六份，谁也帮不上。",
        "Four workers are 2.53 times as fast: six parts can't be shared.",
    ),
    tell,
};

tasks![transform];

fn tell(story: &Story) -> Told {
    let mut table = Table::new(row![r->"workers", r->"time", r->"speedup"]);
    for workers in 1..=4 {
        let timetable = plan(workers)?;
        let timetable = timetable.timetable();
        let (time, speedup) = (timetable.makespan, 31.0 / timetable.makespan);
        table.add_row(
            row![r->workers, r->format!("{time:.2}"), r->format!("{:.2} %", 100.0 * speedup)],
        );
    }
    story.event("planner", "computes what one to four workers give");
    story.figure(&table);
    story.ok("four workers: 6 + 25/4 = 12.25", plan(4)?.timetable().makespan == 12.25)?;

    story.event("planner", "has it done by one to four workers");
    let signal: Vec<f64> = (0..SAMPLES).map(sample).collect();
    let executor = ProcessPoolExecutor::new(4)?;
    let mut first = None;
    for workers in 1..=4 {
        let plan = plan(workers)?;
        let computed = plan.timetable().makespan;
        let step = |task: u32| Step {
            bins: bins(task as usize, workers),
            signal: signal.clone(),
            units: plan.durations()[task as usize],
            pace: story.pace(),
        };
        let (times, parts): (Vec<Interval>, Vec<Vec<f64>>) =
            plan.run(Some(workers), &executor, transform, step)?.into_iter().unzip();
        let spectrum = parts.concat();
        let measured = slept::makespan(story, &times);
        let who = if workers == 1 { "worker" } else { "workers" };
        story.varies(format!(
            "{workers} {who}: computed {computed:.2}, measured {measured:.2} units"
        ));
        story.ok(
            format!("{workers} {who}: no faster than computed, and the same spectrum"),
            measured >= computed * (1.0 - 1e-9)
                && *first.get_or_insert_with(|| spectrum.clone()) == spectrum,
        )?;
    }
    let mut loudest: Vec<(usize, f64)> =
        first.unwrap_or_default().into_iter().enumerate().collect();
    loudest.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut tones = [loudest[0].0, loudest[1].0];
    tones.sort_unstable();
    story.ok("it finds the signal's two tones", tones == TONES)?;
    Ok(())
}

/// Plans reading, the shares, and combining them.
fn plan(workers: usize) -> Result<Plan, PlanError> {
    let shares: Vec<String> = (1..=workers).map(|share| format!("share {share}")).collect();
    let mut tasks = vec![Task::new("read", SERIAL, &[])];
    tasks.extend(shares.iter().map(|share| Task::new(share, SHARED / workers as f64, &["read"])));
    tasks.push(Task { after: shares, ..Task::new("combine", SERIAL, &[]) });
    Plan::new(tasks, Default::default())
}

/// Returns the part of the spectrum that a task computes: reading and combining compute none.
fn bins(task: usize, workers: usize) -> (usize, usize) {
    let all = SAMPLES / 2;
    match task.checked_sub(1) {
        Some(share) if share < workers => (all * share / workers, all * (share + 1) / workers),
        _ => (0, 0),
    }
}

fn sample(number: usize) -> f64 {
    TONES.map(|tone| (TAU * (tone * number) as f64 / SAMPLES as f64).sin()).iter().sum()
}

/// The work of a task.
#[derive(Serialize, Deserialize)]
struct Step {
    bins: (usize, usize),
    signal: Vec<f64>,
    units: f64,
    pace: Pace,
}

/// Runs in the worker: computes how loud each of its tones is, by the definition, which is slow but
/// short.
fn transform(step: Step) -> (Interval, Vec<f64>) {
    let begin = clock();
    let loudness = |bin: usize| {
        let swing = |(number, value): (usize, &f64)| {
            let angle = TAU * (bin * number) as f64 / SAMPLES as f64;
            (value * angle.cos(), value * angle.sin())
        };
        let all = step.signal.iter().enumerate().map(swing);
        let (x, y) = all.fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        f64::hypot(x, y)
    };
    let loudness = (step.bins.0..step.bins.1).map(loudness).collect();
    step.pace.work(step.units * slept::UNIT);
    ((begin, clock()), loudness)
}
