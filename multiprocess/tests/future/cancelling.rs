//! Cancelling from other threads at any instant: a cancelled call never ran, any other ran once,
//! and each callback is called once.
use std::thread;

use multiprocess::futures::{Executor, ProcessPoolExecutor};
use multiprocess::tasks;
use testing::{Deadline, OnStage, Other, Stage, count, kind_of, text};

multiprocess::test_entry!();
testing::test_cancelling!();
tasks![count_large, exit_at_0];

/// A call: counts that it runs.
fn count_large((call, _): (u64, String)) -> u64 {
    count(call)
}

/// The worker is killed while it takes the call, so another is to run it. Cancelled in that moment,
/// the call is cancelled for good, or runs once.
#[test]
fn a_call_is_cancelled_while_its_worker_dies() {
    let _deadline = Deadline::seconds(60);
    let (mut cancelled, mut ran, mut lost) = (0, 0, 0);
    for round in 0..6 {
        let stage = Stage::new(1);
        let executor = ProcessPoolExecutor::on(&stage, 1);
        let worker = executor.submit(testing::pid_of_worker, 0).unwrap().into_result().unwrap();
        let before = testing::resident(worker);
        let future = executor.submit(count_large, (0, text(0, 16 << 20))).unwrap();
        // While it reads the argument, its memory grows: if that isn't missed.
        let reads = || testing::resident(worker) > before + (2 << 10);
        testing::until("it reads", || reads() || future.done());
        let other = Other::of(worker).unwrap();
        assert!(other.kill());
        for _ in 0..round * 40 {
            thread::yield_now();
        }
        let answer = future.cancel();
        match (kind_of(&future), stage.begun(0)) {
            ("Cancelled", 0) => cancelled += 1,
            ("", 1) => ran += 1,
            ("WorkerDied", 0 | 1) => lost += 1,
            other => panic!("{other:?}"),
        }
        assert_eq!(future.cancelled(), answer);
        executor.shutdown(true, false);
        assert!(!answer || stage.begun(0) == 0);
    }
    println!("{cancelled} cancelled, {ran} ran, {lost} lost");
}

/// A call: ends its worker if it is the first of its chunk.
fn exit_at_0(call: u64) -> u64 {
    if call == 0 { std::process::exit(3) } else { call }
}

/// The rest waits in the queue again, but is part of what has begun.
#[test]
fn the_rest_of_a_chunk_whose_worker_died_is_not_cancelled_with_all_that_waits() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..10 {
        let executor = ProcessPoolExecutor::new(1).unwrap();
        let futures = executor.submit_chunk(exit_at_0, vec![0, 1, 2]).unwrap();
        futures[0].exception().unwrap().expect("its worker has died");
        executor.shutdown(true, true);
        let results = futures[1..].iter().map(|future| *future.result().unwrap());
        assert!(results.eq([1, 2]));
    }
}
