//! The exercise at the end of the chapter: where one helper is of most use.

use testing::{Running, example};

#[test]
fn the_solution_finds_where_help_is_of_most_use() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/helper/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    let start = |tasks: &[&str]| Running::start(&example("helper"), &[choice, tasks].concat());
    let house = ["foundation=5", "material=1", "walls=3:foundation,material"];
    let house = [&house[..], &["windows=2:walls", "paint=1:windows"]].concat();
    for (tasks, alone, helped) in [
        (&house[..], "11", "with help at foundation: 8.5"),
        // The longest task is one that nobody waits for.
        (&["a=4", "b=5:a", "long=6"], "9", "with help at b: 6.5"),
        // The longest critical one is half of it after all: another path is as long.
        (&["long=8", "end=6:long,other", "other=7"], "14", "with help at end: 11"),
        // Two paths are critical; only what they have in common helps.
        (&["a=6", "b=6", "c=1:a,b"], "7", "with help at c: 6.5"),
        (&["a=6", "b=6"], "6", "no help is of use"),
    ] {
        let (said, code) = start(tasks).end();
        assert_eq!(said, [format!("without help: {alone}"), helped.to_owned()], "{tasks:?}");
        assert_eq!(code, Some(0));
    }
    let (_, code) = start(&["a=1:b", "b=1:a"]).end();
    assert_eq!(code, Some(1), "two tasks that wait for each other are no plan");
}
