//! The exercise at the end of the chapter: letters, and pigeons that don't all arrive.

use testing::{Running, example};

#[test]
fn the_solution_has_lost_letters_carried_again() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/pigeons/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    let carried = |costs: &[&str]| {
        let arguments = [choice, costs].concat();
        let (said, code) = Running::start(&example("pigeons"), &arguments).end();
        let (mut flights, outcomes): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|line| line.starts_with("attempt"));
        flights.sort();
        (flights, outcomes, code)
    };
    let (flights, outcomes, code) = carried(&["0", "2", "1", "0", "3"]);
    let expected = [
        "letter 1 has arrived, by attempt 1",
        "letter 2 has arrived, by attempt 3",
        "letter 3 has arrived, by attempt 2",
        "letter 4 has arrived, by attempt 1",
        "letter 5 is given up: the task's worker ended: killed by signal 6 (SIGABRT)",
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(code, Some(1), "one was given up");
    let tried = [(1, vec![1, 2, 3, 4, 5]), (2, vec![2, 3, 5]), (3, vec![2, 5])];
    let tried = tried.iter().flat_map(|(attempt, letters)| {
        letters.iter().map(move |letter| format!("attempt {attempt} for letter {letter}"))
    });
    assert_eq!(flights, tried.collect::<Vec<_>>(), "what has arrived isn't carried again");

    let (_, outcomes, code) = carried(&["2"; 30]);
    assert!(outcomes.iter().all(|line| line.ends_with("has arrived, by attempt 3")));
    assert_eq!((outcomes.len(), code), (30, Some(0)));
    assert_eq!(carried(&[]), (vec![], vec![], Some(0)), "without letters there is nothing to do");
}
