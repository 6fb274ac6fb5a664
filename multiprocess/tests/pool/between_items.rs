//! A worker that dies between reporting an item and starting the next: the item's result has
//! arrived, and is not lost. And one that is stopped between its wake-up and its next task.
//!
//! The windows are short. So all runs on one core, where workers run last, and the result itself
//! kills the worker that it comes from as soon as it is deserialised here: most often before that
//! worker has gone on.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::cores;
use multiprocess::pool::TaskError;
use multiprocess::{Pool, tasks};
use serde::{Deserialize, Deserializer, Serialize};
use testing::{Deadline, Other, alone, pid_of_worker, text};

multiprocess::test_entry!();
tasks![give_way, tell, kill_at_each_result];

/// How many workers have been killed.
static KILLED: AtomicU64 = AtomicU64::new(0);

/// A number, and the worker that dies when the pool gets it, if it is to.
#[derive(Debug, Serialize)]
struct Deadly(u64, u32);

impl<'de> Deserialize<'de> for Deadly {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let (number, pid) = <(u64, u32)>::deserialize(input)?;
        if number % 7 == 3
            && let Some(worker) = Other::of(pid)
        {
            KILLED.fetch_add(u64::from(worker.kill()), Ordering::Relaxed);
        }
        Ok(Self(number, pid))
    }
}

/// Runs in each worker, which lets all others go first from then on.
fn give_way((): ()) {
    testing::give_way_to_all();
}

/// A task. It takes a moment, so that the pool is asleep, and is woken by its report.
fn tell(number: u64) -> Deadly {
    thread::sleep(Duration::from_micros(100));
    Deadly(number, std::process::id())
}

/// Runs in the child.
fn kill_at_each_result((): ()) {
    // macOS binds nothing: it is only less likely there.
    if !cfg!(target_os = "macos") {
        cores::bind_to(&cores::usable().unwrap()[..1]).unwrap();
    }
    const ITEMS: u64 = 500;
    for chunk in [1, 4, 50] {
        let pool = Pool::builder().processes(2).initializer(give_way, ()).build().unwrap();
        for in_order in [true, false] {
            let results: Vec<_> = match in_order {
                true => pool.imap_chunked(tell, 0..ITEMS, chunk).unwrap().collect(),
                false => pool.imap_unordered_chunked(tell, 0..ITEMS, chunk).unwrap().collect(),
            };
            assert_eq!(results.len() as u64, ITEMS);
            let lost = results.iter().filter(|result| result.is_err()).count();
            assert!(lost as u64 <= KILLED.swap(0, Ordering::Relaxed), "{lost} are lost");
            let mut come = BTreeSet::new();
            for (place, result) in (0..).zip(&results) {
                match result {
                    Ok(Deadly(number, _)) => {
                        assert!(come.insert(number), "{number} came twice");
                        assert!(!in_order || *number == place);
                    }
                    Err(TaskError::WorkerDied { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
        }
        pool.close();
        pool.join().unwrap();
    }
}

#[test]
fn what_a_worker_had_reported_when_it_died_is_not_lost_as_well() {
    alone(kill_at_each_result);
}

tasks![tell_again_and_again, stop_whoever_is_woken];

/// A task, one of very many in a chunk: its result is too long to wait for the next.
fn tell_again_and_again(_: u64) -> (u32, String) {
    thread::sleep(Duration::from_millis(20));
    (std::process::id(), text(0, 10_000))
}

/// Runs in the child.
fn stop_whoever_is_woken((): ()) {
    let _deadline = Deadline::seconds(120);
    if !cfg!(target_os = "macos") {
        cores::bind_to(&cores::usable().unwrap()[..1]).unwrap();
    }
    let pool = Pool::builder().processes(6).initializer(give_way, ()).build().unwrap();
    let many = 0..100_000;
    let mut told = pool.imap_unordered_chunked(tell_again_and_again, many, 100_000).unwrap();
    let (busy, _) = told.next().unwrap().unwrap();
    let mut late = 0;
    for task in 0..8 {
        let last = pool.apply(pid_of_worker, task).unwrap();
        let is_other = |pid: &u32| *pid != busy && *pid != last;
        let others = pool.worker_pids().into_iter().filter(is_other).filter_map(Other::of);
        let others: Vec<Other> = others.collect();
        // Most often the last one sleeps by then, too, and will be woken after the others.
        thread::sleep(Duration::from_millis(5));
        let result = pool.apply_async(pid_of_worker, task).unwrap();
        assert!(others.iter().all(Other::stop));
        late += usize::from(!result.wait_timeout(Duration::from_secs(5)));
        assert!(others.iter().all(Other::go_on));
        result.get().unwrap();
    }
    // Seldom a worker is stopped when it has the task already.
    assert!(late <= 1, "{late}");
}

/// A worker that is stopped between its wake-up and its task leaves that to another one, also
/// while the pool has reports to handle all the time.
#[test]
fn a_task_does_not_wait_for_a_worker_that_was_woken_for_it_and_stopped() {
    alone(stop_whoever_is_woken);
}
