//! Nothing is left open. Alone in its file, because other tests open and close descriptors too.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::ffi::OsString;
use std::fs;

use common::testing::Deadline;
use ipc_pipe::{Connection, pipe};
use process_basics::{Failure, tasks};
use support::{ends_well, start};

process_basics::test_entry!();
tasks![answer];

/// Runs in the child.
fn answer(mut end: Connection<u32, u32>) -> Result<(), Failure> {
    let number = end.recv()?;
    Ok(end.send(&(number + 1))?)
}

/// The numbers of the descriptors of this process.
fn open_descriptors() -> Vec<OsString> {
    let entries = fs::read_dir("/proc/self/fd").unwrap();
    let mut numbers: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    numbers.sort();
    numbers
}

#[test]
fn two_hundred_pipes_and_processes_leave_no_descriptor_open() {
    let _deadline = Deadline::seconds(120);
    let before = open_descriptors();
    for number in 0..200 {
        let (mut end, other) = pipe().unwrap();
        let child = start(answer, other);
        end.send(&number).unwrap();
        assert_eq!(end.recv().unwrap(), number + 1);
        ends_well(&child);
    }
    assert_eq!(open_descriptors(), before);
}
