//! A process that is connected with a server forks: its copy has connections of its own, and
//! neither gets the other's answers.
#![cfg(unix)]
#![expect(unsafe_code, reason = "nothing but fork forks")]

use multiprocess::manager::{Manager, Proxy};
use multiprocess::{exposed, tasks};
use rustix::process::{Pid, WaitOptions, waitpid};
use testing::{Deadline, ends_well, start};

multiprocess::test_entry!();
tasks![call_and_fork];
exposed![Echo::new, Echo::echo];

struct Echo;

impl Echo {
    fn new((): ()) -> Self {
        Self
    }

    fn echo(&self, number: u32) -> u32 {
        number
    }
}

unsafe extern "C" {
    fn fork() -> i32;
    fn _exit(code: i32) -> !;
}

/// Returns true if each of these calls has its own answer.
fn all_come_back(echo: &Proxy<Echo>, numbers: std::ops::Range<u32>) -> bool {
    numbers.into_iter().all(|number| echo.call(Echo::echo, number) == Ok(number))
}

/// Runs in the child.
fn call_and_fork(echo: Proxy<Echo>) {
    assert!(all_come_back(&echo, 0..10));
    // SAFETY: the copy does nothing but call and exit; no other thread of this process had locks
    // that it needs.
    let copy = unsafe {
        match fork() {
            0 => _exit(i32::from(!all_come_back(&echo, 1000..1300))),
            copy => copy,
        }
    };
    assert!(all_come_back(&echo, 2000..2300));
    let ended = waitpid(Pid::from_raw(copy), WaitOptions::empty()).expect("it is a child");
    assert!(ended.is_some_and(|(_, status)| status.exit_status() == Some(0)), "{ended:?}");
}

#[test]
fn a_forked_copy_has_connections_of_its_own() {
    let _deadline = Deadline::seconds(120);
    let manager = Manager::start(Echo::new, ()).expect("it starts");
    ends_well(&start(call_and_fork, manager.proxy()));
}
