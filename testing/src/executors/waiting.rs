//! Waiting for futures, and awaiting them.

#![expect(missing_docs, reason = "the name of a test is the sentence that it proves")]

use std::thread;

use multiprocess::futures::{Future, Promise, ReturnWhen, TaskError, as_completed, wait};

use crate::{OnStage, SHORT, Stage, block_on, hold};

/// WAIT-02: a cancelled future is done at once, also for those who wait.
pub fn wait_for_the_first_returns_when_one_is_done<E: OnStage>() {
    let stage = Stage::new(3);
    let executor = E::on(&stage, 1);
    let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
    stage.next_waiting();
    stage.open(1);
    let waited = wait(&futures, None, ReturnWhen::FirstCompleted);
    assert!(waited.done[0].is_same(&futures[0]) && waited.done.len() == 1);
    assert_eq!(waited.not_done.len(), 2);
    assert!(futures[2].cancel());
    let waited = wait(&futures[1..], None, ReturnWhen::FirstCompleted);
    assert!(waited.done[0].is_same(&futures[2]) && waited.not_done[0].is_same(&futures[1]));
    stage.open(1);
}

/// WAIT-08
pub fn wait_with_a_timeout_tells_what_is_done<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let blocked = executor.submit(hold, 0).unwrap();
    let [cancelled, abandoned] = [(); 2].map(|()| Promise::new());
    assert!(cancelled.1.cancel());
    drop(abandoned.0);
    let mut futures = vec![cancelled.1, abandoned.1];
    for outcome in [Ok(42), Err(TaskError::Panicked { message: String::from("no") })] {
        let (promise, future) = Promise::<u64>::new();
        match outcome {
            Ok(result) => promise.set_result(result).unwrap(),
            Err(error) => promise.set_exception(error).unwrap(),
        }
        futures.push(future);
    }
    let waited = wait(&futures, SHORT, ReturnWhen::AllCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (4, 0));
    let waited = wait([&blocked], SHORT, ReturnWhen::AllCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (0, 1));
    stage.open(1);
}

/// WAIT-10
pub fn as_completed_gives_each_once<E: OnStage>() {
    let stage = Stage::new(2);
    let executor = E::on(&stage, 2);
    let held = [0, 1].map(|task| executor.submit(hold, task).unwrap());
    let done = [10, 11, 12].map(|task| {
        let (promise, future) = Promise::new();
        promise.set_result(task).unwrap();
        future
    });
    let futures: Vec<Future<u64>> = held.into_iter().chain(done).collect();
    let mut completed = as_completed(futures, None);
    let mut results: Vec<u64> =
        completed.by_ref().take(3).map(|future| future.unwrap().into_result().unwrap()).collect();
    stage.open(2);
    results.extend(completed.map(|future| future.unwrap().into_result().unwrap()));
    results[3..].sort_unstable();
    assert_eq!(results, [10, 11, 12, 0, 1]);
}

/// WAIT-B01
pub fn as_completed_gives_them_in_the_order_in_which_they_are_done<E: OnStage>() {
    let stages = [Stage::new(1), Stage::new(1)];
    let executors = stages.each_ref().map(|stage| E::on(stage, 1));
    let futures = executors.each_ref().map(|executor| executor.submit(hold, 0).unwrap());
    let mut completed = as_completed(&futures, None);
    stages[1].open(1);
    assert!(completed.next().unwrap().unwrap().is_same(&futures[1]));
    stages[0].open(1);
    assert!(completed.next().unwrap().unwrap().is_same(&futures[0]));
    assert!(completed.next().is_none());
}

/// WAIT-B03
pub fn wait_for_the_first_error_waits_for_all_if_there_is_none<E: OnStage>() {
    let stage = Stage::new(3);
    let executor = E::on(&stage, 3);
    let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
    thread::scope(|scope| {
        let waited = scope.spawn(|| wait(&futures, None, ReturnWhen::FirstException).done.len());
        stage.open(2);
        crate::until("two are done", || futures.iter().filter(|it| it.done()).count() == 2);
        thread::sleep(SHORT);
        assert!(!waited.is_finished());
        stage.open(1);
        assert_eq!(waited.join().unwrap(), 3);
    });
}

pub fn a_future_can_be_awaited<E: OnStage>() {
    let stage = Stage::new(20);
    let executor = E::on(&stage, 2);
    let results = block_on(async {
        let futures: Vec<_> = (0..20).map(|task| executor.submit(hold, task).unwrap()).collect();
        stage.open(20);
        let mut results = Vec::new();
        for future in futures {
            results.push(future.await);
        }
        results
    });
    assert_eq!(results, (0..20).map(Ok).collect::<Vec<_>>());
}

/// Makes tests of waiting: see [`on_executors!`](crate::on_executors).
#[macro_export]
macro_rules! test_waiting {
    ($($executors:tt)*) => {
        $crate::on_executors!([
            wait_for_the_first_returns_when_one_is_done,
            wait_with_a_timeout_tells_what_is_done,
            as_completed_gives_each_once,
            as_completed_gives_them_in_the_order_in_which_they_are_done,
            wait_for_the_first_error_waits_for_all_if_there_is_none,
            a_future_can_be_awaited,
        ] waiting $($executors)*);
    };
}
