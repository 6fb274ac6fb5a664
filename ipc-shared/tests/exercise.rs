//! The exercise at the end of the chapter: five philosophers dine, and the death of one starves
//! none of the others.

use testing::{Running, example};

#[test]
fn the_solution_feeds_all_philosophers_but_the_dead_one() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/dining_table/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    for victim in ["0", "1", "3"] {
        let table = Running::start(&example("dining_table"), &[choice, &["20", victim]].concat());
        let lines = [1, 2, 3, 4, 5].map(|number| {
            if number.to_string() == victim {
                format!("philosopher {number} died at meal 3")
            } else {
                format!("philosopher {number} has had 20 meals")
            }
        });
        assert_eq!(table.end(), (lines.to_vec(), Some(0)), "{victim} is killed");
    }
}
