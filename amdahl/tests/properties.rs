//! What holds for any plan and any law.

#![expect(clippy::unwrap_used, reason = "also the helpers are tests")]

use std::collections::BTreeMap;

use amdahl::{Plan, Schedule, Task, Usl, fit, laws};
use proptest::prelude::*;

/// Makes tasks that each wait for some of those before them, and need some of two resources.
fn any_tasks() -> impl Strategy<Value = Vec<Task>> {
    let task =
        (0..400_u32, prop::collection::vec(any::<prop::sample::Index>(), 0..4), 0..3_u32, 0..4_u32);
    prop::collection::vec(task, 1..40).prop_map(|all| {
        let task = |(number, (tenths, after, left, right)): (usize, _)| {
            let after: Vec<prop::sample::Index> = after;
            let after = after.iter().filter(|_| number > 0);
            let after: Vec<String> = after.map(|index| index.index(number).to_string()).collect();
            let after: Vec<&str> = after.iter().map(String::as_str).collect();
            let task = Task::new(&number.to_string(), f64::from(tenths) / 10.0, &after);
            let needs = [("left", left), ("right", right)];
            needs
                .iter()
                .filter(|need| need.1 > 0)
                .fold(task, |task, need| task.needing(need.0, need.1))
        };
        all.into_iter().enumerate().map(task).collect()
    })
}

fn resources() -> BTreeMap<String, u32> {
    [("left".to_owned(), 2), ("right".to_owned(), 5)].into()
}

fn without_needs(tasks: &[Task]) -> Plan {
    let tasks = tasks.iter().map(|task| Task { needs: BTreeMap::new(), ..task.clone() });
    Plan::new(tasks.collect(), BTreeMap::new()).unwrap()
}

/// Finds the longest path by looking at all paths from each task (with what is known kept).
fn longest(plan: &Plan) -> f64 {
    let mut from = vec![0.0_f64; plan.names().len()];
    // A task waits only for those before it.
    for task in (0..from.len()).rev() {
        let next = plan.graph().successors(task as u32).iter();
        from[task] =
            plan.durations()[task] + next.fold(0.0, |max: f64, t| max.max(from[*t as usize]));
    }
    from.into_iter().fold(0.0, f64::max)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

/// Returns true if each task begins after all that it waits for have ended, and no worker does two
/// tasks at once.
fn is_sound(plan: &Plan, schedule: &Schedule) -> bool {
    let in_order = (0..plan.names().len() as u32).all(|task| {
        let start = schedule.tasks[task as usize].start;
        plan.graph().predecessors(task).iter().all(|t| schedule.tasks[*t as usize].finish <= start)
    });
    let overlap = schedule.tasks.iter().enumerate().any(|(number, a)| {
        let others = schedule.tasks[number + 1..]
            .iter()
            .filter(|b| a.worker.is_some() && a.worker == b.worker);
        others.clone().any(|b| a.start < b.finish && b.start < a.finish)
    });
    in_order && !overlap
}

proptest! {
    #[test]
    fn the_makespan_is_the_longest_path_and_a_critical_path_is_as_long(tasks in any_tasks()) {
        let plan = without_needs(&tasks);
        let timetable = plan.timetable();
        prop_assert!(near(timetable.makespan, longest(&plan)));
        let paths: Vec<Vec<u32>> = timetable.critical_paths().take(1000).collect();
        prop_assert!(!paths.is_empty());
        prop_assert_eq!(paths.len() as u64, timetable.critical_paths().count_all().min(1000));
        for path in &paths {
            let long: f64 = path.iter().map(|task| plan.durations()[*task as usize]).sum();
            prop_assert!(near(long, timetable.makespan));
        }
        let mut different = paths.clone();
        different.sort();
        different.dedup();
        prop_assert_eq!(different.len(), paths.len());
    }

    #[test]
    fn the_two_slacks_agree_and_free_is_never_more(tasks in any_tasks()) {
        let plan = without_needs(&tasks);
        for times in plan.timetable().tasks {
            prop_assert!(near(times.latest_start - times.earliest_start, times.slack));
            prop_assert!(near(times.latest_finish - times.earliest_finish, times.slack));
            prop_assert!(times.slack >= 0.0 && times.free_slack >= 0.0);
            prop_assert!(times.free_slack <= times.slack);
        }
    }

    #[test]
    fn one_more_edge_never_shortens(mut tasks in any_tasks(), a in 0..40_usize, b in 0..40_usize) {
        let before = without_needs(&tasks).timetable().makespan;
        let (early, late) = (a.min(b) % tasks.len(), a.max(b) % tasks.len());
        if early < late {
            tasks[late].after.push(early.to_string());
        }
        prop_assert!(without_needs(&tasks).timetable().makespan >= before);
    }

    #[test]
    fn with_p_workers_a_schedule_keeps_grahams_bounds(tasks in any_tasks(), workers in 1..9_usize) {
        let plan = without_needs(&tasks);
        let timetable = plan.timetable();
        let schedule = plan.schedule(Some(workers));
        let share = timetable.work / workers as f64;
        prop_assert!(schedule.makespan >= share.max(timetable.makespan) - 1e-9);
        prop_assert!(schedule.makespan <= share + timetable.makespan + 1e-9);
        prop_assert!(is_sound(&plan, &schedule));
        prop_assert!(schedule.tasks.iter().all(|task| task.worker.is_none_or(|w| w < workers)));
    }

    #[test]
    fn with_resources_a_schedule_keeps_its_bounds_and_never_uses_more_than_there_is(
        tasks in any_tasks(), workers in prop::option::of(1..9_usize)
    ) {
        let plan = Plan::new(tasks.clone(), resources()).unwrap();
        let schedule = plan.schedule(workers);
        prop_assert!(schedule.at_least - 1e-9 <= schedule.makespan);
        prop_assert!(schedule.makespan <= schedule.at_most + 1e-9);
        prop_assert!(is_sound(&plan, &schedule));
        for placed in &schedule.tasks {
            for (resource, there) in plan.resources() {
                let now = schedule.tasks.iter().zip(&tasks);
                let now = now.filter(|(t, _)| t.start <= placed.start && placed.start < t.finish);
                let held: u32 = now.map(|(_, task)| task.needs.get(resource).unwrap_or(&0)).sum();
                prop_assert!(held <= *there);
            }
        }
    }

    #[test]
    fn amdahl_grows_with_n_up_to_its_limit(p in 0.0..=1.0, n in 1.0..1e6_f64) {
        let speedup = laws::amdahl(p, n).unwrap();
        prop_assert!((1.0 - 1e-12..=n + 1e-6).contains(&speedup));
        prop_assert!(speedup <= laws::amdahl_limit(p).unwrap() * (1.0 + 1e-12));
        prop_assert!(laws::amdahl(p, n + 1.0).unwrap() >= speedup * (1.0 - 1e-12));
    }

    #[test]
    fn karp_and_flatt_find_amdahls_serial_fraction(p in 0.0..=1.0, n in 2..1000_u32) {
        let speedup = laws::amdahl(p, f64::from(n)).unwrap();
        let found = laws::karp_flatt(speedup, f64::from(n)).unwrap();
        prop_assert!((found - (1.0 - p)).abs() < 1e-9);
    }

    #[test]
    fn a_fit_finds_the_law_that_made_the_points(
        alpha in 0.0..0.5,
        beta in 0.0..0.05,
        gamma in prop::sample::select(vec![1e-9, 0.3, 1.0, 2e12]),
    ) {
        let law = Usl { alpha, beta, gamma };
        let points: Vec<(f64, f64)> =
            [1, 2, 4, 8, 16, 32, 64].map(|n| (f64::from(n), law.throughput(f64::from(n)))).into();
        let found = fit(&points).unwrap().law;
        prop_assert!((found.alpha - alpha).abs() < 1e-6, "{found:?}");
        prop_assert!((found.beta - beta).abs() < 1e-6, "{found:?}");
        prop_assert!((found.gamma / gamma - 1.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn no_law_within_the_bounds_fits_better(
        noise in prop::collection::vec(0.2..3.0_f64, 7),
        nearby in (-1.0..1.0_f64, -1.0..1.0_f64, 0.9..1.1_f64),
    ) {
        let places = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 40.0];
        let points: Vec<(f64, f64)> = places.into_iter().zip(noise).collect();
        let found = fit(&points).unwrap();
        let squares = |law: &Usl| -> f64 {
            points.iter().map(|(n, x)| (x - law.throughput(*n)).powi(2)).sum()
        };
        let best = squares(&found.law);
        prop_assert!(near(found.residual_error, (best / 4.0).sqrt()));
        prop_assert!((0.0..=1.0).contains(&found.law.alpha));
        prop_assert!((0.0..=1.0).contains(&found.law.beta));
        for size in [1.0, 1e-2, 1e-4, 1e-6] {
            let other = Usl {
                alpha: (found.law.alpha + size * nearby.0).clamp(0.0, 1.0),
                beta: (found.law.beta + size * nearby.1).clamp(0.0, 1.0),
                gamma: found.law.gamma * nearby.2,
            };
            let is_no_better = squares(&other) >= best * (1.0 - 1e-9);
            prop_assert!(is_no_better, "{other:?} is better than {found:?}");
        }
    }
}
