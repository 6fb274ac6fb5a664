//! Published plans with known answers, and what is no plan.

#![expect(clippy::unwrap_used, reason = "also the helpers are tests")]

use std::collections::BTreeMap;

use amdahl::{Plan, PlanError, Task, Times, Timetable, three_point};
use testing::Deadline;

/// Parses tasks, `name duration predecessors`, one a line; `–` for none.
fn tasks(text: &str) -> Vec<Task> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, duration) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
        let after = words.next().unwrap();
        let after: Vec<&str> = after.split(',').filter(|name| *name != "–").collect();
        Task::new(name, duration, &after)
    };
    text.trim().lines().map(line).collect()
}

fn plan(text: &str) -> Plan {
    Plan::new(tasks(text), BTreeMap::new()).unwrap()
}

/// Returns the critical paths, each as names in a line.
fn critical(timetable: &Timetable<'_>, plan: &Plan) -> Vec<String> {
    let name = |task: &u32| plan.names()[*task as usize].as_str();
    let paths = timetable.critical_paths();
    paths.map(|path| path.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
}

/// Checks `es ef ls lf slack free` of each task; `free` may be missing.
fn check(timetable: &Timetable<'_>, text: &str) {
    let lines: Vec<&str> = text.trim().lines().collect();
    assert_eq!(lines.len(), timetable.tasks.len());
    for (line, times) in lines.iter().zip(&timetable.tasks) {
        let Times { earliest_start, earliest_finish, latest_start, latest_finish, .. } = *times;
        let all = [earliest_start, earliest_finish, latest_start, latest_finish];
        let all = [&all[..], &[times.slack, times.free_slack]].concat();
        let expected: Vec<f64> =
            line.split_whitespace().map(|word| word.parse().unwrap()).collect();
        assert_eq!(all[..expected.len()], expected, "{line}");
    }
}

const TEA: &str =
    "kettle 1 –\nboil 15 kettle\npot 1 –\ncups 2 –\nleaves 1 –\nbrew 0 boil,pot,cups,leaves";

#[test]
fn the_tea_takes_16_minutes_of_20_minutes_of_work() {
    let plan = plan(TEA);
    let timetable = plan.timetable();
    assert_eq!((timetable.makespan, timetable.work), (16.0, 20.0));
    assert_eq!(critical(&timetable, &plan), ["kettle boil brew"]);
    check(
        &timetable,
        "0 1 0 1 0 0\n1 16 1 16 0 0\n0 1 15 16 15 15\n0 2 14 16 14 14\n0 1 15 16 15 15\n\
         16 16 16 16 0 0",
    );
}

#[test]
fn one_person_and_one_stove_are_enough_for_the_tea() {
    let person = |task: Task| {
        let what = if task.name == "boil" { "stove" } else { "person" };
        task.needing(what, 1)
    };
    for persons in [1, 2, 5] {
        let tasks = tasks(TEA).into_iter().map(person).collect();
        let resources = [("person".to_owned(), persons), ("stove".to_owned(), 1)];
        let plan = Plan::new(tasks, resources.into()).unwrap();
        assert_eq!(plan.schedule(None).makespan, 16.0, "{persons} persons");
    }
}

#[test]
fn the_careless_orders_of_the_tea_take_20_minutes() {
    for text in [
        "pot 1 –\ncups 2 pot\nleaves 1 cups\nkettle 1 leaves\nboil 15 kettle\n\
         brew 0 boil,pot,cups,leaves",
        "kettle 1 –\nboil 15 kettle\nleaves 1 boil\npot 1 leaves\ncups 2 pot\n\
         brew 0 boil,pot,cups,leaves",
    ] {
        assert_eq!(plan(text).timetable().makespan, 20.0);
    }
}

#[test]
fn the_house_takes_11_days_of_12() {
    let text =
        "foundation 5 –\nwalls 3 foundation,material\ndoors 2 walls\npaint 1 doors\nmaterial 1 –";
    let plan = plan(text);
    let timetable = plan.timetable();
    assert_eq!((timetable.makespan, timetable.work), (11.0, 12.0));
    assert_eq!(critical(&timetable, &plan), ["foundation walls doors paint"]);
    assert_eq!(timetable.tasks[4].slack, 4.0);
}

#[test]
fn general_foundry() {
    let plan = plan("A 2 –\nB 3 –\nC 2 A\nD 4 B\nE 4 C\nF 3 C\nG 5 D,E\nH 2 F,G");
    let timetable = plan.timetable();
    assert_eq!(timetable.makespan, 15.0);
    assert_eq!(critical(&timetable, &plan), ["A C E G H"]);
    check(
        &timetable,
        "0 2 0 2 0 0\n0 3 1 4 1 0\n2 4 2 4 0 0\n3 7 4 8 1 1\n4 8 4 8 0 0\n4 7 10 13 6 6\n\
         8 13 8 13 0 0\n13 15 13 15 0 0",
    );
}

#[test]
fn the_house_of_glpk() {
    let plan = plan(
        "A 3 –\nB 4 A\nC 3 B\nD 10 B\nE 8 D\nF 4 D\nG 6 D\nH 8 C,E,F,G\nI 5 H\nJ 5 H\nK 4 I\n\
         L 2 J\nM 4 K,L",
    );
    let timetable = plan.timetable();
    assert_eq!((timetable.makespan, timetable.work), (46.0, 66.0));
    assert_eq!(critical(&timetable, &plan), ["A B D E H I K M"]);
    check(
        &timetable,
        "0 3 0 3 0 0\n3 7 3 7 0 0\n7 10 22 25 15 15\n7 17 7 17 0 0\n17 25 17 25 0 0\n\
         17 21 21 25 4 4\n17 23 19 25 2 2\n25 33 25 33 0 0\n33 38 33 38 0 0\n33 38 35 40 2 0\n\
         38 42 38 42 0 0\n38 40 40 42 2 2\n42 46 42 46 0 0",
    );
}

#[test]
fn sums_that_are_the_same_but_for_rounding_are_the_same() {
    let plan = plan("a 4.00 –\nb 5.33 –\nc 5.17 a\nd 6.33 a\ne 5.17 b,c\nf 4.50 d\ng 5.17 e");
    let timetable = plan.timetable();
    assert!((timetable.makespan - 19.51).abs() < 1e-9);
    assert_eq!(critical(&timetable, &plan), ["a c e g"]);
    let slack: Vec<String> = timetable.tasks.iter().map(|t| format!("{:.2}", t.slack)).collect();
    assert_eq!(slack, ["0.00", "3.84", "0.00", "4.68", "0.00", "4.68", "0.00"]);

    // Three times 0.1 is more than 0.3, by one bit.
    let plan = self::plan("a 0.1 –\nb 0.1 a\nc 0.1 b\nd 0.3 –\nend 0 c,d");
    assert_eq!(critical(&plan.timetable(), &plan), ["a b c end", "d end"]);
}

#[test]
fn three_estimates_weigh_one_four_one() {
    assert_eq!(three_point(1.0, 4.0, 7.0), 4.0);
    assert_eq!(format!("{:.2}", three_point(2.0, 5.0, 10.0)), "5.33");
    assert_eq!(format!("{:.2}", three_point(3.0, 5.0, 8.0)), "5.17");
}

#[test]
fn all_critical_paths_are_found() {
    let plan = plan("a 2 –\nb 2 –\nc 1 a,b\nd 3 c\ne 3 c\nlate 1 c\nf 0 d,e,late");
    let timetable = plan.timetable();
    assert_eq!(critical(&timetable, &plan), ["a c d f", "a c e f", "b c d f", "b c e f"]);
    assert_eq!(timetable.critical_paths().count_all(), 4);
}

#[test]
fn more_critical_paths_than_can_be_listed_are_counted_and_begun() {
    let _deadline = Deadline::seconds(60);
    let mut text = String::from("0 1 –\n");
    for stage in 0..70 {
        text +=
            &format!("a{stage} 1 {stage}\nb{stage} 1 {stage}\n{} 1 a{stage},b{stage}\n", stage + 1);
    }
    let plan = plan(&text);
    let timetable = plan.timetable();
    assert_eq!(timetable.critical_paths().count_all(), u64::MAX);
    let first: Vec<Vec<u32>> = timetable.critical_paths().take(1000).collect();
    assert!(first.iter().all(|path| path.len() == 141) && first[0] != first[999]);
}

#[test]
fn the_order_in_which_tasks_are_written_does_not_matter() {
    let forward = tasks("A 2 –\nB 3 –\nC 2 A\nD 4 B\nE 4 C\nF 3 C\nG 5 D,E\nH 2 F,G");
    let backward: Vec<Task> = forward.iter().rev().cloned().collect();
    let (forward, backward) = (Plan::new(forward, [].into()), Plan::new(backward, [].into()));
    let (forward, backward) = (forward.unwrap(), backward.unwrap());
    let mut turned = backward.timetable().tasks;
    turned.reverse();
    assert_eq!(forward.timetable().tasks, turned);
}

#[test]
fn milestones_take_no_time_and_may_be_critical() {
    let plan = plan("start 0 –\na 3 start\nb 1 start\nend 0 a,b");
    let timetable = plan.timetable();
    assert_eq!(critical(&timetable, &plan), ["start a end"]);
    let only = self::plan("start 0 –\nend 0 start");
    let nothing = only.timetable();
    assert_eq!((nothing.makespan, nothing.best_speedup()), (0.0, 1.0));
    assert_eq!(only.schedule(Some(1)).makespan, 0.0);
}

#[test]
fn a_chain_of_100_000_tasks_is_one_critical_path() {
    let _deadline = Deadline::seconds(60);
    let name = |number: u32| number.to_string();
    let link = |number: u32| match number {
        0 => Task::new("0", 0.1, &[]),
        _ => Task::new(&name(number), 0.1, &[&name(number - 1)]),
    };
    let plan = Plan::new((0..100_000).rev().map(link).collect(), [].into()).unwrap();
    let timetable = plan.timetable();
    assert!((timetable.makespan - 10_000.0).abs() < 1e-6);
    let paths: Vec<Vec<u32>> = timetable.critical_paths().collect();
    assert_eq!(paths, [(0..100_000).rev().collect::<Vec<u32>>()]);
    assert_eq!(plan.schedule(Some(3)).makespan, timetable.makespan);
}

#[test]
fn a_cycle_is_told_with_the_names_of_its_tasks() {
    let _deadline = Deadline::seconds(60);
    let error = Plan::new(tasks("a 1 c\nb 1 a\nc 1 b\nd 1 a\ne 1 –"), [].into()).unwrap_err();
    assert!(error.to_string().ends_with("b → c → a → b"), "{error}");
    let error = Plan::new(tasks("a 1 a"), [].into()).unwrap_err();
    assert!(error.to_string().ends_with("a → a"), "{error}");
}

#[test]
fn a_cycle_of_100_000_tasks_is_told_in_some_words() {
    let _deadline = Deadline::seconds(60);
    let name = |number: u32| format!("task {}", number % 100_000);
    let tasks = (0..100_000).map(|number| Task::new(&name(number + 1), 1.0, &[&name(number)]));
    let error = Plan::new(tasks.collect(), [].into()).unwrap_err();
    assert!(matches!(&error, PlanError::Cycle { names, .. } if names.len() == 100_000));
    assert!(error.to_string().contains("99980") && error.to_string().len() < 500);
}

#[test]
fn what_is_no_plan_is_told_with_its_task() {
    let error = |tasks: Vec<Task>| {
        Plan::new(tasks, [("stove".to_owned(), 1)].into()).expect_err("it is no plan")
    };
    assert_eq!(error(vec![]), PlanError::Empty);
    let (name, after) = ("b".to_owned(), "x".to_owned());
    let unknown = PlanError::Unknown { task: 1, name, after, meant: None };
    assert_eq!(error(tasks("a 1 –\nb 1 a,x")), unknown);
    let twice = PlanError::Duplicate { task: 2, first: 0, name: "a".to_owned() };
    assert_eq!(error(tasks("a 1 –\nb 1 a\na 2 –")), twice);
    for number in ["-1", "NaN", "inf"] {
        let error = error(tasks(&format!("a 1 –\nb {number} a")));
        assert!(matches!(error, PlanError::Duration { task: 1, .. }), "{error}");
    }
    assert_eq!(error(tasks("a 1e308 –\nb 1e308 –")), PlanError::TooLong);
    assert_eq!(error(vec![Task::new(" ", 1.0, &[])]), PlanError::Nameless { task: 0 });
    let needy = |resource, amount| vec![Task::new("boil", 1.0, &[]).needing(resource, amount)];
    for (resource, amount, is_there) in [("stove", 2, 1), ("oven", 1, 0)] {
        let error = error(needy(resource, amount));
        let is_refused = matches!(error, PlanError::Resource { there, .. } if there == is_there);
        assert!(is_refused && error.task() == Some(0), "{error}");
    }
}
