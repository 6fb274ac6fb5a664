//! What a worker's death leaves while a process that one of its tasks forked lives on.
#![cfg(unix)]
#![expect(unsafe_code, reason = "nothing but fork forks")]

use std::fmt;
use std::thread;
use std::time::Duration;

use multiprocess::{Pool, tasks};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
#[cfg(target_os = "linux")]
use testing::state;
use testing::{Deadline, LONG};

multiprocess::test_entry!();
tasks![forks, weigh];

unsafe extern "C" {
    fn fork() -> i32;
    fn sleep(seconds: u32) -> u32;
    fn _exit(code: i32) -> !;
}

/// Forks a process that does nothing for so long, but has all descriptors.
fn forks(seconds: u32) {
    // SAFETY: the child calls nothing but two functions that are safe in it.
    unsafe {
        if fork() == 0 {
            sleep(seconds);
            _exit(0);
        }
    }
}

/// Value of this many bytes.
struct Huge(usize);

impl Serialize for Huge {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&vec![7; self.0])
    }
}

impl<'de> Deserialize<'de> for Huge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Length;
        impl de::Visitor<'_> for Length {
            type Value = Huge;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Huge, E> {
                Ok(Huge(bytes.len()))
            }
        }
        deserializer.deserialize_bytes(Length)
    }
}

fn weigh(huge: Huge) -> usize {
    huge.0
}

/// The worker dies while it takes its task out of the queue.
#[test]
fn a_task_is_given_back_when_that_process_has_ended_at_last() {
    let _deadline = Deadline::seconds(60);
    for round in 0..3 {
        let pool = Pool::new(1).unwrap();
        pool.apply(forks, 2).unwrap();
        let worker = pool.worker_pids()[0];
        #[cfg(target_os = "linux")]
        testing::until("the worker waits again", || state(worker) == Some('S'));
        let result = pool.apply_async(weigh, Huge(100_000_000)).unwrap();
        // Three instants: this sleep isn't a wait for something.
        thread::sleep(Duration::from_millis(5 * round));
        kill_process(Pid::from_raw(worker.cast_signed()).unwrap(), Signal::KILL).unwrap();
        // With its number or with an error, as the moment of the death has it.
        assert!(result.wait_timeout(LONG), "{round}: lost");
    }
}
