//! Work of a plan that is really done: workers sleep for as long as it would take.

use std::time::Duration;

use amdahl::Plan;
use common::check;
use common::pretend::{self, pace};
use common::time::{clock, show};
use common::timeline::Interval;
use multiprocess::{Failure, tasks};

/// The seconds of the tutorial that stand for one unit of a plan: ten milliseconds at the usual
/// pace.
const UNIT: f64 = 0.1;

tasks![work];

/// Takes this many units of time; returns from when to when.
pub(crate) fn work(units: f64) -> Interval {
    let begin = clock();
    pretend::work(units * UNIT);
    (begin, clock())
}

/// Writes how long a unit of a plan takes.
pub(crate) fn unit() -> String {
    show(pace().real(UNIT))
}

/// Returns how many units of a plan a time is.
pub(crate) fn units(time: Duration) -> f64 {
    time.as_secs_f64() / pace().real(UNIT).as_secs_f64()
}

/// Checks what holds of every run, however busy the machine: the order, and that nothing is faster
/// than computed. Returns the units from the first beginning to the last end.
pub(crate) fn check(plan: &Plan, times: &[Interval], computed: f64) -> Result<f64, Failure> {
    let mut tasks = (0..times.len() as u32).zip(times);
    let in_order = tasks.all(|(task, (begin, _))| {
        let before = plan.graph().predecessors(task);
        before.iter().all(|before| times[*before as usize].1 <= *begin)
    });
    check!(in_order, "no task began before those it waits for had ended");
    let begin = times.iter().map(|time| time.0).min().unwrap_or_default();
    let end = times.iter().map(|time| time.1).max().unwrap_or_default();
    let measured = units(end - begin);
    check!(is_no_less(measured, computed), "it took no less than the computed {}", computed);
    Ok(measured)
}

/// Returns true if a measured time is no less than the computed one: a pace is a division, so the
/// last digits may differ.
pub(crate) fn is_no_less(measured: f64, computed: f64) -> bool {
    measured >= computed * (1.0 - 1e-9)
}
