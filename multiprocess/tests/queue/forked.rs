//! A process that has items of an unbounded queue forks: its copy leaves none of them behind.
#![cfg(unix)]
#![expect(unsafe_code, reason = "nothing but fork forks")]

use multiprocess::{Failure, Queue, tasks};
use rustix::process::{Pid, WaitOptions, waitpid};
use testing::{Deadline, ends_well, start};

multiprocess::test_entry!();
tasks![put_and_fork];

unsafe extern "C" {
    fn fork() -> i32;
    fn exit(code: i32) -> !;
}

/// Runs in the child. More items than there are slots.
fn put_and_fork(queue: Queue<u32>) -> Result<(), Failure> {
    (0..3000).try_for_each(|number| queue.put(number))?;
    // SAFETY: the copy does nothing but exit, for which it needs no lock that a thread may have
    // had.
    let copy = unsafe {
        match fork() {
            0 => exit(0),
            copy => copy,
        }
    };
    let ended = waitpid(Pid::from_raw(copy), WaitOptions::empty())?;
    assert!(ended.is_some_and(|(_, status)| status.exit_status() == Some(0)));
    Ok(())
}

#[test]
fn a_forked_copy_that_exits_leaves_nothing_behind_a_second_time() {
    let _deadline = Deadline::seconds(120);
    let queue = Queue::unbounded().unwrap();
    ends_well(&start(put_and_fork, queue.clone()));
    (0..3000).for_each(|number| assert_eq!(queue.get().unwrap(), number));
    assert!(queue.is_empty());
}
