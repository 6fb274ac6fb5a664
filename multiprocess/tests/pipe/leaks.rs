//! Nothing is left of pipes that were used: no descriptor, no child, no memory.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use multiprocess::{Connection, Failure, one_way, pipe, tasks};
use testing::{Deadline, ends_well, leaves_nothing, start, text};

multiprocess::test_entry!();
tasks![answer, make_use_and_end_many, without_processes];

/// Runs in the child.
fn answer(mut end: Connection<u32, u32>) -> Result<(), Failure> {
    let number = end.recv()?;
    Ok(end.send(&(number + 1))?)
}

/// Runs in a process of its own.
fn make_use_and_end_many((): ()) {
    leaves_nothing(200, |number| {
        let number = number as u32;
        let (mut end, other) = pipe().unwrap();
        let child = start(answer, other);
        end.send(&number).unwrap();
        assert_eq!(end.recv().unwrap(), number + 1);
        ends_well(&child);
    });
}

/// Runs in a process of its own.
fn without_processes((): ()) {
    leaves_nothing(1000, |number| {
        let (mut end, mut other) = pipe::<String, u32>().unwrap();
        end.send(&text(number, 10_000)).unwrap();
        assert_eq!(other.recv().unwrap(), text(number, 10_000));
        let (mut receiver, mut sender) = one_way().unwrap();
        sender.send(&number).unwrap();
        drop(sender);
        assert_eq!(receiver.recv().unwrap(), number);
        receiver.recv().unwrap_err();
    });
}

#[test]
fn two_hundred_pipes_and_processes_leave_nothing() {
    let _deadline = Deadline::seconds(120);
    ends_well(&start(make_use_and_end_many, ()));
}

#[test]
fn a_thousand_pipes_leave_nothing() {
    let _deadline = Deadline::seconds(120);
    ends_well(&start(without_processes, ()));
}
