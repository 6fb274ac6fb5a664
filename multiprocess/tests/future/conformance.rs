//! The behaviour of Python's `concurrent.futures.Executor`, on threads and on processes.
//!
//! What our types leave no room for: to shut an executor down twice (EXEC-B01) doesn't compile, as
//! the documentation of [`Executor::shutdown`] shows.

use std::panic::catch_unwind;

use multiprocess::futures::{
    BuildError, Executor, ProcessPoolExecutor, SubmitError, ThreadPoolExecutor,
};
use multiprocess::tasks;
use testing::executors::power;
use testing::kind_of;

multiprocess::test_entry!();
testing::test_calls!();
testing::test_maps!();
tasks![never_ready];

/// EXEC-12
#[test]
fn an_executor_without_workers_is_an_error() {
    let threads = ThreadPoolExecutor::builder().max_workers(0).build().unwrap_err();
    let processes = ProcessPoolExecutor::new(0).unwrap_err();
    for error in [threads, processes] {
        assert!(matches!(error, BuildError::NoWorkers));
        assert_eq!(error.to_string(), "max_workers must be greater than 0");
    }
    assert!(catch_unwind(|| ThreadPoolExecutor::new(0)).is_err());
}

/// Runs in each worker.
fn never_ready(_: ()) {
    panic!("not today");
}

/// EXEC-23 (its words on standard error: `programs.rs`)
#[test]
fn an_initializer_that_panics_breaks_the_executor() {
    let _deadline = testing::Deadline::seconds(60);
    let threads = ThreadPoolExecutor::builder().max_workers(2);
    broken(&threads.initializer(|| never_ready(())).build().unwrap());
    for strict in [false, true] {
        let processes = ProcessPoolExecutor::builder().max_workers(2).strict(strict);
        broken(&processes.initializer(never_ready, ()).build().unwrap());
    }
}

fn broken(executor: &impl Executor) {
    let mut futures = Vec::new();
    let refused = loop {
        match executor.submit(power, (1, 2)) {
            Ok(future) => futures.push(future),
            Err(refused) => break refused,
        }
    };
    assert!(!futures.is_empty());
    assert!(futures.iter().all(|future| kind_of(future) == "Broken"), "{:?}", futures[0]);
    assert!(matches!(refused, SubmitError::Broken(_)), "{refused}");
    assert!(executor.map(power, [(1, 2)]).is_err());
}
