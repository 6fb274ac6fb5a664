//! The attributes of a process before, while and after it runs.
//!
//! ```python
//! p.name, p.pid, p.exitcode, p.daemon, p.authkey, p.sentinel
//! ```

use std::time::Duration;

use common::pretend::{hold_children, work};
use common::{check, note, say};
use multiprocess::{Exit, Failure, Process, current_process, tasks, wait};

tasks![compare_keys];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let key = current_process().authkey();
    let unnamed = Process::new(compare_keys, key);
    check!(unnamed.name().starts_with("Process-"), "its default name is Process- and a number");

    let mut process = Process::new(compare_keys, key).named("worker").daemonic(true);
    check!(process.name() == "worker", "a given name is kept");
    check!(process.is_daemon(), "it is marked as daemonic");
    check!(process.pid().is_none(), "before its start it has no pid");
    check!(process.sentinel().is_none(), "and no sentinel to wait for");

    say!("starts it");
    process.start()?;
    check!(process.pid().is_some(), "now it has a pid");
    check!(process.exitcode().is_none(), "but no exit code yet");
    let sentinel = process.sentinel().ok_or_else(|| Failure::new("it has no sentinel"))?;
    check!(wait(&[sentinel], Duration::ZERO)?.is_empty(), "its sentinel is not ready");
    note!("all at once: {}", format_args!("{process:?}"));

    say!("waits for the sentinel");
    held.release();
    wait(&[sentinel], None)?;
    check!(process.exitcode() == Some(0), "exit code 0: the child has the parent's authkey");
    Ok(())
}

/// Runs in the child.
fn compare_keys(parents_key: [u8; 32]) -> Exit {
    work(1.0);
    if current_process().authkey() == parents_key { Exit::SUCCESS } else { Exit::FAILURE }
}
