//! The exercise at the end of the chapter: calls whose workers die are tried again.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fs;

use cluster::local::test_server;
use testing::{Running, example};

multiprocess::test_entry!();

#[test]
fn the_solution_tries_again_what_died_and_nothing_else() {
    check(&["--solution"]);
}

#[test]
#[ignore = "yours: examples/fail_over/yours.rs"]
fn the_exercise_is_done() {
    check(&[]);
}

fn check(choice: &[&str]) {
    if test_server().is_none() {
        return;
    }
    // Which parts have accidents, and how often each of the eight is tried.
    let (calm, stormy) = ([1; 8], [1, 1, 1, 2, 1, 3, 1, 1]);
    for (accidents, attempts) in [(&[][..], calm), (&["3", "5", "5"][..], stormy)] {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [choice, &[folder.path().to_str().unwrap()], accidents].concat();
        let (said, code) = Running::start(&example("fail_over"), &arguments).end();
        assert_eq!(code, Some(0), "{said:?}");
        let sum: u64 = (0..8_000).map(|number| number * number).sum();
        assert!(said.contains(&format!("the sum: {sum}")), "{said:?}");
        for (part, wanted) in attempts.iter().enumerate() {
            let tried = fs::read(folder.path().join(part.to_string())).unwrap().len();
            assert_eq!(tried, *wanted, "part {part}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let hopeless = [choice, &[folder.path().to_str().unwrap(), "2", "2", "2", "2"]].concat();
    let (said, code) = Running::start(&example("fail_over"), &hopeless).end();
    assert_eq!(code, Some(1), "{said:?}");
    assert_eq!(fs::read(folder.path().join("2")).unwrap().len(), 3, "attempts at a hopeless part");
}
