//! A program that neither is inside `multiprocess::main` nor has a `test_entry!`: its children
//! would not know that they are children.

use multiprocess::process::Error;
use multiprocess::{Process, active_children, tasks};
use testing::children;

tasks![do_nothing];

fn do_nothing((): ()) {}

/// PROC-25
#[test]
fn a_start_outside_of_main_is_an_error_that_names_it_and_starts_nothing() {
    let mut process = Process::new(do_nothing, ());
    for _ in 0..2 {
        let error = process.start().unwrap_err();
        assert!(matches!(error, Error::OutsideMain));
        let text = error.to_string();
        assert!(text.contains("multiprocess::main") && !text.contains('\n'), "{text}");
        assert_eq!((process.pid(), process.is_alive(), process.exitcode()), (None, false, None));
    }
    assert!(active_children().is_empty() && children().is_empty());
}
