//! Two different functions run in two children; the parent watches and joins them.
//!
//! ```python
//! p1 = Process(target=child_1, args=(1,)); p2 = Process(target=child_2, args=(2,), name="child_2")
//! p1.start(); p2.start()
//! print(p1.is_alive(), p1.name, p1.pid); p1.join(); p2.join()
//! ```

use common::pretend::{hold_children, work};
use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::{Failure, Process, current_process, parent_process, tasks};

tasks![child_1, child_2];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let mut p1 = Process::new(child_1, 1.0);
    let mut p2 = Process::new(child_2, 2.0).named("child_2");
    say!("starts one child for 1 second and another for 2");
    p1.start()?;
    p2.start()?;
    note!("{} has the process id {}", p1.name(), p1.pid().unwrap_or_default());
    note!("{} has the process id {}", p2.name(), p2.pid().unwrap_or_default());
    check!(p1.is_alive() && p2.is_alive(), "both are alive");
    held.release();
    p1.join()?;
    p2.join()?;
    check!([p1.exitcode(), p2.exitcode()] == [Some(0); 2], "both have ended with exit code 0");
    say!("is done");
    Ok(())
}

/// Runs in the first child.
fn child_1(interval: f64) {
    let watch = Stopwatch::start();
    let parent = parent_process().map_or(0, |parent| parent.pid());
    say!("works; my id is {}, my parent's is {}", current_process().pid(), parent);
    work(interval);
    say!("worked for {}", show(watch.elapsed()));
}

/// Runs in the second child.
fn child_2(interval: f64) {
    let watch = Stopwatch::start();
    let parent = parent_process().map_or(0, |parent| parent.pid());
    say!("works longer; my id is {}, my parent's is {}", current_process().pid(), parent);
    work(interval);
    say!("worked for {}", show(watch.elapsed()));
}
