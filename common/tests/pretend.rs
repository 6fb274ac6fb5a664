//! Children work until their parent releases them.

use common::pretend::{hold_children, work};
use multiprocess::{Process, tasks};

multiprocess::test_entry!();
tasks![work_a_moment];

/// Runs in the child.
fn work_a_moment(_: ()) {
    work(0.001);
}

/// Starts a child.
fn start() -> Process {
    let mut child = Process::new(work_a_moment, ());
    child.start().expect("it can be started");
    child
}

/// A single test, since a process has one hold at a time.
#[test]
fn children_work_until_they_are_released_or_the_hold_is_dropped() {
    let _deadline = testing::Deadline::seconds(60);
    let held = hold_children().unwrap();
    let children = [(); 3].map(|()| start());
    held.wait_for(3).unwrap();
    assert!(children.iter().all(Process::is_alive));
    work(0.001); // the process that holds is not held
    held.release();
    for child in children.into_iter().chain([start()]) {
        child.join().unwrap();
        assert_eq!(child.exitcode(), Some(0));
    }
    let held = hold_children().unwrap();
    let child = start();
    held.wait_for(1).unwrap();
    drop(held);
    child.join().unwrap();
}
