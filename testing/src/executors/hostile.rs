//! What users may do to executors in calls, callbacks, destructors and inputs.

#![expect(missing_docs, reason = "the name of a test is the sentence that it proves")]

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use multiprocess::futures::{
    Executor, FutureError, MapOptions, ProcessPoolExecutor, ThreadPoolExecutor,
};
use multiprocess::tasks;

use crate::values::{FINE, PANICS_WHEN_DROPPED, Trap, give, take};
use crate::{LONG, OnStage, Stage, count, hold, kind_of, outcome, work_of_this_thread};

tasks![square, give_when_open, hold_the_second, executors_in_a_call, panic_with_a_trap];

fn square(number: u64) -> u64 {
    number * number
}

// ---------------------------------------------------------------------------- what runs, and where

/// The places of the queue of tasks are used again while it runs.
pub fn a_call_that_runs_for_long_stays_running<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 2);
    let held = executor.submit(hold, 0).unwrap();
    stage.next_waiting();
    for _ in 0..3 {
        assert_eq!(executor.map(square, 0..1000).unwrap().filter(Result::is_ok).count(), 1000);
        assert!(held.running() && !held.cancel() && !held.done());
    }
    // Nor is it cancelled with all others.
    executor.shutdown(false, true);
    assert!(held.running() && !held.cancelled());
    stage.open(1);
    assert_eq!(outcome(&held), Ok(0));
}

/// Does the work; returns what came of it, and how long this thread worked, at least some ticks of
/// a coarse clock: on Windows they are 15.6 ms long.
fn measured<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    const TICKS: Duration = Duration::from_millis(50);
    let before = work_of_this_thread();
    let done = work();
    (done, (work_of_this_thread() - before).max(TICKS))
}

pub fn very_many_waiting_calls_are_cancelled_in_a_moment<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let held = executor.submit(hold, 0).unwrap();
    let (futures, submitting) = measured(|| {
        let futures = (0..E::MANY).map(|n| executor.submit(square, n).unwrap());
        futures.collect::<Vec<_>>()
    });
    let (all, cancelling) = measured(|| futures.iter().all(|future| future.cancel()));
    stage.open(1);
    assert!(all);
    // Each looking for its call among the others would take a hundred times as long.
    assert!(cancelling < 5 * submitting, "{cancelling:?}, and to submit them {submitting:?}");
    assert_eq!(outcome(&held), Ok(0));
    assert_eq!(executor.submit(square, 3).unwrap().into_result(), Ok(9));
}

/// A call: the second of them waits at the gate.
fn hold_the_second(number: u64) -> u64 {
    if number == 1 { hold(number) } else { number }
}

pub fn a_map_of_very_many_is_dropped_in_a_moment<E: OnStage>() {
    let stage = Stage::new(2);
    let executor = E::on(&stage, 1);
    let (results, submitting) = measured(|| executor.map(hold_the_second, 0..E::MANY));
    let mut results = results.unwrap();
    assert_eq!(results.next(), Some(Ok(0)));
    stage.next_waiting();
    let ((), dropping) = measured(|| drop(results));
    stage.open(1);
    assert!(dropping < 5 * submitting, "{dropping:?}, and to submit them {submitting:?}");
    assert_eq!(executor.submit(square, 3).unwrap().into_result(), Ok(9));
}

/// A call: what it gives panics somewhere.
fn give_when_open(way: u8) -> Trap {
    crate::stage().pass();
    give(way)
}

/// Nobody wants the result; so it is dropped by who brings it.
pub fn a_result_whose_drop_panics_harms_nobody<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    // None ends before its handle is gone.
    let submit = || executor.submit(give_when_open, PANICS_WHEN_DROPPED).unwrap();
    for _ in 0..3 {
        drop(submit());
        stage.open(1);
        let future = submit();
        future.add_done_callback(|_| ());
        drop(future);
        stage.open(1);
        // Cancelled before it runs, or too late.
        let future = submit();
        let is_cancelled = future.cancel();
        drop(future);
        stage.open(usize::from(!is_cancelled));
    }
    assert_eq!(executor.submit(square, 3).unwrap().result_timeout(LONG), Ok(&9));
    executor.shutdown(true, false);
}

pub fn an_argument_whose_drop_panics_is_the_error_of_its_call<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let submit = || executor.submit(take, Trap(PANICS_WHEN_DROPPED));
    match catch_unwind(AssertUnwindSafe(submit)) {
        Ok(future) => assert_eq!(kind_of(&future.unwrap()), "Panicked"),
        // Processes: the one that was sent is dropped here.
        Err(panic) => assert_eq!(panic.downcast_ref(), Some(&"dropped with a panic")),
    }
    assert_eq!(executor.submit(square, 3).unwrap().result_timeout(LONG), Ok(&9));
}

// ---------------------------------------------------------------------------------- callbacks

pub fn callbacks_may_submit_more<E: OnStage>() {
    let executor = Arc::new(E::plain(2));
    let (tell, told) = channel();
    for number in 0..50 {
        let (other, tell) = (Arc::clone(&executor), tell.clone());
        executor.submit(square, number).unwrap().add_done_callback(move |_| {
            let futures: Vec<_> = (0..20).map(|n| other.submit(square, n).unwrap()).collect();
            drop(other);
            for future in futures {
                let tell = tell.clone();
                future.add_done_callback(move |future| {
                    tell.send(*future.result().unwrap()).unwrap();
                });
            }
        });
    }
    drop(tell);
    let sum: u64 = (0..1000).map(|_| told.recv_timeout(LONG).unwrap()).sum();
    assert_eq!(sum, 50 * 2470);
}

pub fn a_callback_may_hold_the_last_handle<E: OnStage>() {
    for round in 0..20 {
        let stage = Stage::new(3);
        let executor = E::on(&stage, 1 + round % 2);
        let future = executor.submit(hold, 0).unwrap();
        let others = [1, 2].map(|task| executor.submit(count, task).unwrap());
        let (tell, told) = channel();
        future.add_done_callback(move |_| {
            drop(executor);
            tell.send(()).unwrap();
        });
        stage.open(1);
        told.recv_timeout(LONG).unwrap();
        // What it was given is done all the same.
        assert_eq!(others.each_ref().map(outcome), [Ok(1), Ok(2)]);
    }
}

/// A call: has executors of its own.
fn executors_in_a_call(number: u64) -> u64 {
    let processes = ProcessPoolExecutor::new(2).unwrap();
    let threads = ThreadPoolExecutor::new(2);
    let one = processes.submit(square, number).unwrap();
    let two = threads.submit(square, number).unwrap();
    one.into_result().unwrap() + two.into_result().unwrap()
}

pub fn executors_may_be_in_calls_of_executors<E: OnStage>() {
    let executor = E::plain(2);
    let results: Vec<_> = executor.map(executors_in_a_call, 0..6).unwrap().collect();
    assert_eq!(results, (0..6).map(|n| Ok(2 * n * n)).collect::<Vec<_>>());
}

// ---------------------------------------------------------------------------------------- maps

pub fn a_map_whose_input_panics_leaves_the_executor_as_it_was<E: OnStage>() {
    let stage = Stage::new(10);
    let executor = E::on(&stage, 1);
    let held = executor.submit(hold, 0).unwrap();
    stage.next_waiting();
    let bad = |from: u64| (from..10).inspect(|n| assert!(*n != 5, "the input panics"));
    for options in [MapOptions::default(), MapOptions::default().chunksize(2)] {
        let mapped =
            catch_unwind(AssertUnwindSafe(|| drop(executor.map_with(options, count, bad(1)))));
        assert!(mapped.is_err());
    }
    stage.open(1);
    assert_eq!(outcome(&held), Ok(0));
    // What had been taken was cancelled. In the middle of it, the panic comes instead of a result.
    let mut results =
        executor.map_with(MapOptions::default().buffersize(2), count, bad(1)).unwrap();
    assert_eq!((results.next(), results.next()), (Some(Ok(1)), Some(Ok(2))));
    assert!(catch_unwind(AssertUnwindSafe(|| results.next())).is_err());
    assert_eq!((results.next(), results.next()), (Some(Ok(4)), None));
    drop(results);
    drop(executor);
    assert_eq!(stage.all_begun(), [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]);
}

pub fn a_future_that_is_done_keeps_no_callback_alive<E: OnStage>() {
    let stage = Stage::new(3);
    let executor = E::on(&stage, 1);
    let token = Arc::new(());
    let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
    for future in &futures {
        let token = Arc::clone(&token);
        // It holds a handle on its own future, too.
        let handle = future.clone();
        future.add_done_callback(move |_| drop((token, handle)));
    }
    assert!(futures[1].cancel());
    stage.open(2);
    drop(executor);
    assert_eq!(Arc::strong_count(&token), 1);
    assert!(futures.iter().all(|future| future.done()));
}

pub fn many_calls_are_submitted_at_once<E: OnStage>() {
    let calls = std::env::var("MANY_CALLS").map_or(E::MANY / 2, |calls| calls.parse().unwrap());
    let executor = E::plain(2);
    let futures: Vec<_> = (0..calls).map(|n| executor.submit(square, n).unwrap()).collect();
    executor.shutdown(false, false);
    for (number, future) in (0..calls).zip(futures) {
        assert_eq!(future.into_result(), Ok(number * number));
    }
}

fn panic_with_a_trap(_: u64) {
    panic_any(Trap(PANICS_WHEN_DROPPED));
}

pub fn a_panic_that_panics_when_it_is_dropped_costs_its_call_alone<E: OnStage>() {
    let executor = E::plain(1);
    let future = executor.submit(panic_with_a_trap, 0).unwrap();
    future.add_done_callback(|_| panic_any(Trap(PANICS_WHEN_DROPPED)));
    assert!(matches!(future.into_result(), Err(FutureError::Task(_))));
    assert!(executor.submit(give, FINE).unwrap().into_result().is_ok());
}

/// All calls end at once, in this thread: a callback of the first may ask for the last.
pub fn calls_that_end_together_may_wait_for_each_other<E: OnStage>(
    end: impl FnOnce(E),
    how: &FutureError,
) {
    let stage = Stage::new(10);
    let executor = E::on(&stage, 1);
    let held = executor.submit(hold, 0).unwrap();
    stage.next_waiting();
    let futures: Vec<_> = (1..10).map(|task| executor.submit(hold, task).unwrap()).collect();
    let (tell, told) = channel();
    for future in &futures {
        let (tell, futures) = (tell.clone(), futures.clone());
        future.add_done_callback(move |_| {
            let outcomes = futures.iter().map(|future| future.result().cloned());
            tell.send(outcomes.collect::<Vec<_>>()).unwrap();
        });
    }
    end(executor);
    for _ in &futures {
        let outcomes = told.recv_timeout(LONG).unwrap();
        assert!(outcomes.iter().all(|outcome| outcome.as_ref() == Err(how)), "{outcomes:?}");
    }
    stage.open(1);
    assert!(held.result_timeout(LONG).is_ok() || how != &FutureError::Cancelled);
}

pub fn a_callback_of_a_call_that_is_cancelled_with_others_may_wait_for_these<E: OnStage>() {
    calls_that_end_together_may_wait_for_each_other(
        |executor: E| executor.shutdown(false, true),
        &FutureError::Cancelled,
    );
}

/// Makes tests of what users may do: see [`on_executors!`](crate::on_executors).
#[macro_export]
macro_rules! test_hostile {
    ($($executors:tt)*) => {
        $crate::on_executors!([
            a_call_that_runs_for_long_stays_running,
            very_many_waiting_calls_are_cancelled_in_a_moment,
            a_map_of_very_many_is_dropped_in_a_moment,
            a_result_whose_drop_panics_harms_nobody,
            an_argument_whose_drop_panics_is_the_error_of_its_call,
            callbacks_may_submit_more,
            a_callback_may_hold_the_last_handle,
            executors_may_be_in_calls_of_executors,
            a_map_whose_input_panics_leaves_the_executor_as_it_was,
            a_future_that_is_done_keeps_no_callback_alive,
            many_calls_are_submitted_at_once,
            a_panic_that_panics_when_it_is_dropped_costs_its_call_alone,
            a_callback_of_a_call_that_is_cancelled_with_others_may_wait_for_these,
        ] hostile $($executors)*);
    };
}
