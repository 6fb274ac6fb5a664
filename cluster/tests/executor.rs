//! The executor, with workers on machines of this machine.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use cluster::ClusterExecutor;
use cluster::local::{LocalCluster, test_server};
use multiprocess::futures::{Executor, FutureError, MapOptions, TaskError};
use multiprocess::tasks;
use testing::{Deadline, LONG};

multiprocess::test_entry!();

tasks![square, same, fail, pause];

fn square(number: u64) -> u64 {
    number * number
}

fn same(bytes: Vec<u8>) -> Vec<u8> {
    bytes
}

fn fail(text: String) -> u64 {
    panic!("{text}");
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// Returns a cluster of machines of one process each, and an executor for it, once all are there.
fn cluster(machines: usize) -> Option<(LocalCluster, ClusterExecutor)> {
    test_server()?;
    let cluster = LocalCluster::new(machines, 1).unwrap();
    let executor = ClusterExecutor::connect(&cluster.address()).unwrap();
    executor.wait_for_processes(machines, LONG).unwrap();
    Some((cluster, executor))
}

#[test]
fn calls_have_their_results_one_by_one_and_in_chunks() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(2) else { return };
    assert_eq!(executor.submit(square, 7).unwrap().result_timeout(LONG), Ok(&49));
    for chunk in [1, 7, 50] {
        let options = MapOptions::default().chunksize(chunk).timeout(LONG);
        let squares = executor.map_with(options, square, 0..50).unwrap();
        let squares: Vec<u64> = squares.map(Result::unwrap).collect();
        assert_eq!(squares, (0..50).map(|it| it * it).collect::<Vec<_>>());
    }
    let failed = executor.submit(fail, String::from("on purpose")).unwrap();
    let error = failed.result_timeout(LONG).unwrap_err();
    let FutureError::Task(TaskError::Panicked { message }) = &error else { panic!("{error}") };
    assert!(message.contains("on purpose"), "{message}");
}

#[test]
fn large_arguments_and_results_come_in_parts() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(1) else { return };
    for length in [0, 500_000, 524_288, 1 << 20, 5_000_001] {
        let bytes: Vec<u8> = (0..length).map(|it: usize| (it * 7 % 251) as u8).collect();
        let future = executor.submit(same, bytes.clone()).unwrap();
        assert!(future.result_timeout(LONG).unwrap() == &bytes, "{length}");
    }
}

#[test]
fn a_cancelled_call_never_runs_and_the_executor_waits_for_the_others() {
    let _deadline = Deadline::seconds(120);
    let Some((_cluster, executor)) = cluster(1) else { return };
    let first = executor.submit(pause, 300).unwrap();
    let others: Vec<_> = (0..10).map(|it| executor.submit(square, it).unwrap()).collect();
    let cancelled = others.iter().filter(|it| it.cancel()).count();
    assert!(cancelled > 8, "{cancelled}");
    executor.shutdown(true, false);
    assert!(first.done() && others.iter().all(|it| it.done()));
}
