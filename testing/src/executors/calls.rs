//! Calls, what becomes of them, and the executor's end.

#![expect(missing_docs, reason = "the name of a test is the sentence that it proves")]

use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use multiprocess::futures::FutureError;
use multiprocess::{Failure, tasks};

use crate::executors::power;
use crate::{LONG, OnStage, Other, SHORT, Stage, count, hold, outcome};

tasks![add, pid];

fn add((left, right): (u64, u64)) -> u64 {
    left + right
}

fn pid(_: u64) -> u32 {
    std::process::id()
}

/// EXEC-01
pub fn a_call_gives_its_result<E: OnStage>() {
    let executor = E::plain(2);
    assert_eq!(executor.submit(power, (2, 8)).unwrap().result(), Ok(&256));
    assert_eq!(executor.submit(power, (3, 2)).unwrap().into_result(), Ok(9));
}

/// EXEC-13
pub fn an_executor_that_is_shut_down_at_once_returns<E: OnStage>() {
    let executor = E::plain(3);
    let futures: Vec<_> = (0..4).map(|task| executor.submit(add, (task, 1)).unwrap()).collect();
    executor.shutdown(true, false);
    assert!(futures.iter().all(|future| future.done() && future.result().is_ok()));
    E::plain(3).shutdown(true, true);
}

/// EXEC-15
pub fn shutdown_waits_for_all_calls<E: OnStage>() {
    let stage = Stage::new(50);
    let executor = E::on(&stage, 5);
    let futures: Vec<_> = (0..50).map(|task| executor.submit(hold, task).unwrap()).collect();
    thread::scope(|scope| {
        let shutdown = scope.spawn(|| executor.shutdown(true, false));
        for _ in 0..5 {
            stage.next_waiting();
        }
        assert!(!shutdown.is_finished());
        stage.open(50);
        shutdown.join().unwrap();
    });
    for (task, future) in (0..).zip(&futures) {
        assert!(future.done());
        assert_eq!(future.result(), Ok(&task));
    }
}

/// EXEC-16
pub fn shutdown_cancels_what_has_not_begun<E: OnStage>() {
    for begun_before in [true, false] {
        let stage = Stage::new(50);
        let executor = E::on(&stage, 5);
        let futures: Vec<_> = (0..50).map(|task| executor.submit(hold, task).unwrap()).collect();
        if begun_before {
            for _ in 0..5 {
                stage.next_waiting();
            }
        }
        stage.open(if begun_before { 0 } else { 50 });
        thread::scope(|scope| {
            let shutdown = scope.spawn(|| executor.shutdown(true, true));
            if begun_before {
                crate::until("those that wait are cancelled", || futures[49].cancelled());
                stage.open(5);
            }
            shutdown.join().unwrap();
        });
        let cancelled = futures.iter().filter(|future| future.cancelled()).count();
        if begun_before {
            assert_eq!(cancelled, 45);
        } else {
            assert!(cancelled < 50 || !E::BEGINS_AT_ONCE);
        }
        for (task, future) in (0..).zip(&futures) {
            match future.cancelled() {
                true => assert_eq!(stage.begun(task), 0),
                false => assert_eq!((future.exception(), stage.begun(task)), (Ok(None), 1)),
            }
        }
    }
}

/// EXEC-20
pub fn to_drop_an_executor_is_to_wait_for_all_its_calls<E: OnStage>() {
    let executor = E::plain(3);
    let futures: Vec<_> =
        (0..100).map(|task| executor.submit(add, (task, task)).unwrap()).collect();
    let worker = executor.submit(pid, 0).unwrap().into_result().unwrap();
    let worker = E::ENDS_ITS_WORKERS.then(|| Other::of(worker));
    drop(executor);
    for (task, future) in (0..).zip(&futures) {
        assert!(future.done());
        assert_eq!(future.result(), Ok(&(task * 2)));
    }
    assert!(worker.flatten().is_none_or(|worker| worker.ends_within(Duration::ZERO)));
}

/// EXEC-21
pub fn shutdown_without_waiting_lets_the_calls_go_on<E: OnStage>() {
    let stage = Stage::new(10);
    let executor = E::on(&stage, 2);
    let futures: Vec<_> = (0..10).map(|task| executor.submit(hold, task).unwrap()).collect();
    let worker = E::ENDS_ITS_WORKERS.then(|| Other::of(stage.next_waiting().1).unwrap());
    executor.shutdown(false, false);
    assert!(futures.iter().all(|future| !future.done()));
    stage.open(10);
    assert_eq!(
        futures.iter().map(outcome).collect::<Vec<_>>(),
        (0..10).map(Ok).collect::<Vec<_>>()
    );
    assert!(worker.is_none_or(|worker| worker.ends_within(LONG)));
}

/// EXEC-B05
pub fn an_error_in_a_scope_waits_for_the_calls_and_goes_on<E: OnStage>() {
    let stage = Stage::new(20);
    let submit = |executor: &E, from: u64| {
        (from..from + 10).map(|task| executor.submit(count, task).unwrap()).collect::<Vec<_>>()
    };
    let failed: Result<(), Failure> = E::on(&stage, 2).scope(|executor| {
        submit(executor, 0);
        Err(Failure::new("no"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "no");
    assert_eq!(stage.all_begun()[..10], [1; 10]);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        E::on(&stage, 2).scope(|executor| {
            submit(executor, 10);
            panic!("no")
        })
    }));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&"no"));
    assert_eq!(stage.all_begun(), [1; 20]);
}

/// EXEC-B07
pub fn callbacks_run_here_but_not_in_the_thread_that_submitted<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let future = executor.submit(hold, 0).unwrap();
    let (tell, told) = channel();
    future.add_done_callback(move |_| tell.send(thread::current().id()).unwrap());
    stage.open(1);
    assert_ne!(told.recv_timeout(LONG).unwrap(), thread::current().id());
}

/// EXEC-B08: exact for processes, too. A call is running when a worker has begun it; those that
/// wait are queued ahead for the workers, and can be cancelled all the same.
pub fn only_what_a_worker_has_begun_is_running_and_cannot_be_cancelled<E: OnStage>() {
    let stage = Stage::new(6);
    let executor = E::on(&stage, 1);
    let futures: Vec<_> = (0..6).map(|task| executor.submit(hold, task).unwrap()).collect();
    stage.next_waiting();
    assert_eq!(futures.iter().filter(|future| future.running()).count(), 1);
    assert!(!futures[0].cancel() && !futures[0].cancelled());
    assert!(futures[1..].iter().all(|future| future.cancel() && future.cancelled()));
    stage.open(1);
    drop(executor);
    assert_eq!(outcome(&futures[0]), Ok(0));
    assert_eq!(stage.all_begun(), [1, 0, 0, 0, 0, 0]);
}

pub fn a_future_that_outlives_its_executor_has_its_result<E: OnStage>() {
    let executor = E::plain(1);
    let future = executor.submit(add, (1, 2)).unwrap();
    let other = executor.submit(power, (0, 0)).unwrap();
    drop(executor);
    assert!(!future.cancel());
    assert_eq!((future.into_result(), other.into_result()), (Ok(3), Ok(1)));
}

pub fn two_threads_may_ask_one_future<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let future = executor.submit(hold, 0).unwrap();
    let copy = future.clone();
    thread::scope(|scope| {
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(|| future.result().cloned())).collect();
        let copy = scope.spawn(move || copy.result().cloned());
        stage.next_waiting();
        stage.open(1);
        assert!(askers.into_iter().all(|asker| asker.join().unwrap() == Ok(0)));
        assert_eq!(copy.join().unwrap(), Ok(0));
    });
    let copy = future.clone();
    assert_eq!(future.into_result(), Err(FutureError::Shared));
    assert_eq!(copy.into_result(), Ok(0));
}

pub fn futures_are_submitted_by_many_threads<E: OnStage>() {
    let stage = Stage::new(800);
    let executor = Arc::new(E::on(&stage, 3));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for first in [0, 200, 400, 600] {
            let (executor, done) = (&executor, &done);
            scope.spawn(move || {
                for task in first..first + 200 {
                    let future = executor.submit(count, task).unwrap();
                    assert_eq!(future.into_result(), Ok(task));
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 800);
    assert_eq!(stage.all_begun(), vec![1; 800]);
}

pub fn a_timeout_is_an_error_and_the_call_goes_on<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let future = executor.submit(hold, 0).unwrap();
    assert_eq!(future.result_timeout(SHORT), Err(FutureError::TimedOut));
    assert_eq!(future.exception_timeout(Duration::ZERO), Err(FutureError::TimedOut));
    stage.open(1);
    assert_eq!(future.result(), Ok(&0));
    assert!(iter::repeat_n((), 3).all(|()| future.result_timeout(Duration::ZERO) == Ok(&0)));
}

/// Makes tests of calls: see [`on_executors!`](crate::on_executors).
#[macro_export]
macro_rules! test_calls {
    ($($executors:tt)*) => {
        $crate::on_executors!([
            a_call_gives_its_result,
            an_executor_that_is_shut_down_at_once_returns,
            shutdown_waits_for_all_calls,
            shutdown_cancels_what_has_not_begun,
            to_drop_an_executor_is_to_wait_for_all_its_calls,
            shutdown_without_waiting_lets_the_calls_go_on,
            an_error_in_a_scope_waits_for_the_calls_and_goes_on,
            callbacks_run_here_but_not_in_the_thread_that_submitted,
            only_what_a_worker_has_begun_is_running_and_cannot_be_cancelled,
            a_future_that_outlives_its_executor_has_its_result,
            two_threads_may_ask_one_future,
            futures_are_submitted_by_many_threads,
            a_timeout_is_an_error_and_the_call_goes_on,
        ] calls $($executors)*);
    };
}
