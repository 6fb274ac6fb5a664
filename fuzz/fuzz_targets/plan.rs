//! The plans that users write, and what is made of one that can be read: order, times, critical
//! paths and schedules.
#![no_main]

#[path = "../../amdahl/src/tool/plan_file.rs"]
mod plan_file;
#[path = "support/refusal.rs"]
mod refusal;

use libfuzzer_sys::fuzz_target;
use refusal::Refusal;

/// Number of critical paths that are made; there may be more than there are atoms.
const PATHS: usize = 100;

fuzz_target!(|text: &str| {
    let (plan, _unit) = match plan_file::parse("plan.toml", text) {
        Ok(read) => read,
        Err(Refusal(what)) => return assert!(what.starts_with("plan.toml:"), "{what}"),
    };
    let order = plan.graph().order().expect("a plan has no circles");
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(at, task)| place[*task as usize] = at);
    let comes_before = |task: u32, next: &u32| place[task as usize] < place[*next as usize];
    for &task in &order {
        assert!(plan.graph().successors(task).iter().all(|next| comes_before(task, next)));
    }

    let timetable = plan.timetable();
    // Sums in another order are rounded in another way.
    let rounding = 1e-9 * (1.0 + timetable.work);
    let is = |a: f64, b: f64| (a - b).abs() <= rounding;
    let paths: Vec<Vec<u32>> = timetable.critical_paths().take(PATHS).collect();
    let count = timetable.critical_paths().count_all();
    assert_eq!(paths.len() as u64, count.min(PATHS as u64));
    for path in paths {
        let times = path.iter().map(|task| timetable.tasks[*task as usize]);
        let length: f64 = times.map(|times| times.earliest_finish - times.earliest_start).sum();
        assert!(is(length, timetable.makespan), "{length} {}", timetable.makespan);
    }

    for workers in [None, Some(1), Some(2), Some(u32::MAX as usize)] {
        let schedule = plan.schedule(workers);
        assert!(schedule.makespan >= schedule.at_least - rounding, "{schedule:?}");
        assert!(schedule.makespan <= schedule.at_most + rounding, "{schedule:?}");
    }
});
