//! Plans that are really done, by workers that sleep for as long as the work would take.

use std::error::Error;

use amdahl::Plan;
use common::narrator::{Story, Untrue};
use common::time::{Pace, clock};
use common::timeline::Interval;
use multiprocess::futures::ProcessPoolExecutor;
use multiprocess::tasks;

/// The seconds of the tutorial that stand for one unit of a plan: ten milliseconds at its usual
/// pace here.
pub(crate) const UNIT: f64 = 0.1;

tasks![sleep];

/// Does the plan on processes, and returns from when to when each task was done.
pub(crate) fn really(
    story: &Story,
    plan: &Plan,
    executor: &ProcessPoolExecutor,
) -> Result<Vec<Interval>, Box<dyn Error>> {
    let argument = |task: u32| (plan.durations()[task as usize], story.pace());
    Ok(plan.run(None, executor, sleep, argument)?)
}

/// Runs in the worker: takes this many units of time.
fn sleep((units, pace): (f64, Pace)) -> Interval {
    let begin = clock();
    pace.work(units * UNIT);
    (begin, clock())
}

/// Returns the time from the first beginning to the last end, in units.
pub(crate) fn makespan(story: &Story, times: &[Interval]) -> f64 {
    let begin = times.iter().map(|time| time.0).min().unwrap_or_default();
    let end = times.iter().map(|time| time.1).max().unwrap_or_default();
    (end - begin).as_secs_f64() / story.pace().real(UNIT).as_secs_f64()
}

/// Claims what holds of every run, however busy the machine: the order, and that nothing is faster
/// than computed.
pub(crate) fn check(
    story: &Story,
    plan: &Plan,
    times: &[Interval],
    computed: f64,
) -> Result<(), Untrue> {
    let mut tasks = (0..times.len() as u32).zip(times);
    let in_order = tasks.all(|(task, time)| {
        let before = plan.graph().predecessors(task);
        before.iter().all(|before| times[*before as usize].1 <= time.0)
    });
    story.ok("no task began before those that it waits for had ended", in_order)?;
    // A pace is a division: the last digits may differ.
    let enough = makespan(story, times) >= computed * (1.0 - 1e-9);
    story.ok(format!("it took no less than the computed {computed}"), enough)
}
