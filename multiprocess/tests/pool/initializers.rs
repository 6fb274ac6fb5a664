//! What workers do before their first task, how that fails, and how long they stay.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
#[cfg(unix)]
use std::thread;

use multiprocess::pool::{Error, TaskError};
use multiprocess::queue::Words;
use multiprocess::{Exit, Failure, Pool, tasks};
use serde::{Serialize, Serializer};
use testing::{Deadline, Stage, end_by_signal, hold, kill, kind, pid_of_worker};
#[cfg(unix)]
use testing::{Other, alone, children, until};

multiprocess::test_entry!();
tasks![count_worker, panic_at_once, fail, return_exit_1, return_exit_0, exit_at_once];
tasks![kill_yourself, kill_yourself_at_first];
#[cfg(unix)]
tasks![kill_each_first];

/// Runs in each worker.
fn count_worker(words: Words) {
    words[0].fetch_add(1, Ordering::SeqCst);
}

/// POOL-29
#[test]
fn the_initializer_runs_once_in_each_worker() {
    let _deadline = Deadline::seconds(60);
    for processes in [1, 3] {
        let words = Words::new(1).unwrap();
        let pool = Pool::builder().processes(processes).initializer(count_worker, words.clone());
        let pool = pool.build().unwrap();
        pool.map_chunked(pid_of_worker, 0..100, 1).unwrap();
        pool.close();
        pool.join().unwrap();
        assert_eq!(words[0].load(Ordering::SeqCst), processes as u64);
    }
}

#[test]
fn a_worker_that_takes_the_place_of_another_runs_the_initializer_too() {
    let _deadline = Deadline::seconds(60);
    let words = Words::new(1).unwrap();
    let pool = Pool::builder().processes(1).initializer(count_worker, words.clone());
    let pool = pool.max_tasks_per_child(1).build().unwrap();
    let workers: BTreeSet<u32> =
        pool.map_chunked(pid_of_worker, 0..5, 1).unwrap().into_iter().collect();
    assert_eq!(workers.len(), 5);
    pool.terminate();
    pool.join().unwrap();
    assert!(words[0].load(Ordering::SeqCst) >= 5);
}

/// An initializer.
fn panic_at_once((): ()) {
    panic!("this panic is wanted");
}

/// An initializer.
fn fail((): ()) -> Result<(), Failure> {
    Err(Failure::new("this failure is wanted"))
}

/// An initializer.
fn return_exit_1((): ()) -> Exit {
    Exit(1)
}

/// An initializer.
fn return_exit_0((): ()) -> Exit {
    Exit(0)
}

/// An initializer.
fn exit_at_once(code: i32) {
    std::process::exit(code);
}

/// An initializer.
fn kill_yourself((): ()) {
    end_by_signal(9);
}

/// All that a broken pool has to say.
fn is_broken(pool: &Pool) {
    let first = pool.map_async(pid_of_worker, 0..10);
    let text = match first {
        Ok(result) => {
            let error = result.get().unwrap_err();
            assert!(matches!(error.error, Error::Task(TaskError::Broken(_))), "{error}");
            let kinds = error.results.iter().map(|result| kind(result.as_ref().unwrap_err()));
            assert!(kinds.into_iter().all(|kind| kind == "Broken"));
            error.to_string()
        }
        Err(error) => error.to_string(),
    };
    assert!(text.contains("the pool has given up"), "{text}");
    assert!(matches!(pool.apply(pid_of_worker, 1), Err(Error::Broken(_))));
    assert!(matches!(pool.imap(pid_of_worker, 0..3), Err(Error::Broken(_))));
    assert!(matches!(pool.map(pid_of_worker, 0..3).unwrap_err().error, Error::Broken(_)));
    pool.join().unwrap();
    pool.close();
    pool.terminate();
    pool.join().unwrap();
    assert_eq!(pool.worker_pids(), [0; 0]);
}

/// POOL-B03
#[test]
fn a_pool_whose_initializer_fails_gives_up_and_says_so() {
    let _deadline = Deadline::seconds(60);
    let pool = || Pool::builder().processes(2);
    is_broken(&pool().initializer(panic_at_once, ()).build().unwrap());
    is_broken(&pool().initializer(fail, ()).build().unwrap());
    is_broken(&pool().initializer(return_exit_1, ()).build().unwrap());
    is_broken(&pool().initializer(exit_at_once, 0).build().unwrap());
    is_broken(&pool().initializer(exit_at_once, 3).build().unwrap());
    is_broken(&pool().initializer(kill_yourself, ()).build().unwrap());
}

#[test]
fn an_initializer_may_return_an_exit_code_of_0() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(1).initializer(return_exit_0, ()).build().unwrap();
    assert_eq!(pool.apply(pid_of_worker, 1).unwrap(), pool.worker_pids()[0]);
}

/// An initializer.
fn kill_yourself_at_first((words, times): (Words, u64)) {
    if words[0].fetch_add(1, Ordering::SeqCst) < times {
        end_by_signal(9);
    }
}

#[test]
fn some_workers_killed_before_they_are_ready_do_not_break_the_pool() {
    let _deadline = Deadline::seconds(60);
    let arguments = (Words::new(1).unwrap(), 10);
    let pool = Pool::builder().processes(1).initializer(kill_yourself_at_first, arguments);
    let pool = pool.build().unwrap();
    assert_eq!(pool.map(pid_of_worker, 0..10).unwrap(), [pool.worker_pids()[0]; 10]);
}

#[test]
fn an_unlisted_initializer_is_refused() {
    fn unlisted(_: u64) {}
    let _deadline = Deadline::seconds(60);
    let Err(error) = Pool::builder().initializer(unlisted, 1).build() else {
        panic!("it is listed");
    };
    assert!(matches!(error, Error::Function(_)));
    assert!(error.to_string().contains("tasks![unlisted];"), "{error}");
}

/// An argument that can't be sent.
struct Unsendable;

impl Serialize for Unsendable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("unsendable"))
    }
}

impl<'de> serde::Deserialize<'de> for Unsendable {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Ok(Self)
    }
}

tasks![take_unsendable];

fn take_unsendable(_: Unsendable) {}

#[test]
fn an_initializer_whose_argument_cannot_be_sent_is_an_error_of_the_start() {
    let _deadline = Deadline::seconds(60);
    let Err(error) = Pool::builder().initializer(take_unsendable, Unsendable).build() else {
        panic!("it was sent");
    };
    assert!(matches!(error, Error::Start(_)), "{error}");
    assert!(error.to_string().contains("Unsendable"), "{error}");
}

/// POOL-27
#[test]
fn a_limit_of_no_tasks_is_refused() {
    let refused = Pool::builder().processes(1).max_tasks_per_child(0).build();
    assert!(matches!(refused, Err(Error::NoTasks)));
}

/// POOL-25
#[test]
fn workers_are_replaced_after_so_many_tasks_and_nothing_is_lost() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(3).max_tasks_per_child(10).build().unwrap();
    let mut before = pool.worker_pids();
    let workers = pool.map_chunked(pid_of_worker, 0..100, 1).unwrap();
    assert_eq!(workers.len(), 100);
    let each = |pid: &u32| workers.iter().filter(|worker| *worker == pid).count();
    assert!(workers.iter().all(|pid| each(pid) <= 10));
    testing::until("the pool is whole", || pool.worker_pids().len() == 3);
    let mut after = pool.worker_pids();
    before.sort_unstable();
    after.sort_unstable();
    assert_ne!(before, after);
}

/// POOL-B12
#[test]
fn a_worker_does_as_many_tasks_as_it_may() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(1).max_tasks_per_child(3).build().unwrap();
    let workers: Vec<u32> =
        (0..12).map(|number| pool.apply(pid_of_worker, number).unwrap()).collect();
    let runs: Vec<usize> = workers.chunk_by(|one, next| one == next).map(<[u32]>::len).collect();
    assert_eq!(runs, [3, 3, 3, 3]);
}

/// POOL-B13
#[test]
fn a_chunk_is_one_task() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(1).max_tasks_per_child(2).build().unwrap();
    let workers = pool.map_chunked(pid_of_worker, 0..8, 4).unwrap();
    assert_eq!(workers.chunk_by(|one, next| one == next).count(), 1);
}

/// POOL-B11
#[test]
fn a_chunk_is_a_quarter_of_each_workers_share() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(2).max_tasks_per_child(1).build().unwrap();
    for (items, chunk) in [(5, 1), (100, 13), (8, 1), (9, 2), (0, 1)] {
        let workers = pool.map(pid_of_worker, 0..items).unwrap();
        let runs: Vec<usize> =
            workers.chunk_by(|one, next| one == next).map(<[u32]>::len).collect();
        assert_eq!(
            runs,
            (0..items).collect::<Vec<_>>().chunks(chunk).map(<[u64]>::len).collect::<Vec<_>>()
        );
        assert_eq!(workers.iter().collect::<BTreeSet<_>>().len(), runs.len());
    }
}

#[test]
fn a_chunk_is_as_large_as_it_is_said_to_be_also_without_waiting_and_of_tuples() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(1).max_tasks_per_child(1).build().unwrap();
    let runs = |workers: Vec<u32>| {
        workers.chunk_by(|one, next| one == next).map(<[u32]>::len).collect::<Vec<_>>()
    };
    let result = pool.map_async_chunked(pid_of_worker, 0..7, 3).unwrap();
    assert_eq!(runs(result.get().unwrap()), [3, 3, 1]);
    assert_eq!(runs(pool.starmap_chunked(pid_of_worker, 0..7, 3).unwrap()), [3, 3, 1]);
    let refused = pool.map_async_chunked(pid_of_worker, 0..7, 0).map(drop);
    assert!(matches!(refused, Err(Error::NoItems)));
    let refused = pool.starmap_chunked(pid_of_worker, 0..7, 0).unwrap_err();
    assert!(matches!(refused.error, Error::NoItems));
}

#[test]
fn workers_that_end_after_a_task_and_are_killed_in_one_lose_only_what_they_were_at() {
    let _deadline = Deadline::seconds(60);
    for most in [1, 2, 3] {
        let stage = Stage::new(20);
        let pool = stage.builder(1).max_tasks_per_child(most).build().unwrap();
        let results = pool.imap(hold, 0..20).unwrap();
        let mut killed = BTreeSet::new();
        for turn in 0..20 {
            let (task, pid) = stage.next_waiting();
            if turn % 3 == 1 {
                killed.insert(task);
                kill(pid);
            } else {
                stage.open(1);
            }
        }
        for (task, result) in (0..).zip(results) {
            match result {
                Ok(result) => assert!(result == task && !killed.contains(&task)),
                Err(error) => assert!(kind(&error) == "WorkerDied" && killed.contains(&task)),
            }
        }
        assert_eq!(stage.all_begun(), [1; 20]);
    }
}

/// Runs in a process of its own: kills the first worker of each pool as soon as it is there, which
/// is long before it can work.
#[cfg(unix)]
fn kill_each_first((): ()) {
    thread::scope(|scope| {
        for _ in 0..30 {
            let killer = scope.spawn(|| {
                until("there is a worker", || !children().is_empty());
                // Its start may have given it up already.
                children().iter().take(1).for_each(|pid| {
                    let _ = Other::of(*pid).is_some_and(|worker| worker.kill());
                });
            });
            let pool = Pool::new(2).unwrap();
            killer.join().unwrap();
            assert_eq!(pool.map(pid_of_worker, 0..10).unwrap().len(), 10);
            pool.terminate();
            pool.join().unwrap();
        }
    });
}

/// On Windows it would be killed inside of `CreateProcess`, which is an error of the start then.
#[test]
#[cfg(unix)]
fn a_pool_starts_another_worker_if_one_is_killed_while_it_is_being_started() {
    alone(kill_each_first);
}
