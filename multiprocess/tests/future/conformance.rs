//! The behaviour of Python's `concurrent.futures.Executor`, on threads and on processes.
//!
//! What our types leave no room for: to shut an executor down twice (EXEC-B01) doesn't compile, as
//! the documentation of [`Executor::shutdown`] shows.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::cell::Cell;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use multiprocess::futures::{
    BuildError, Executor, FutureError, MapOptions, ProcessPoolExecutor, SubmitError, TaskError,
    ThreadPoolExecutor,
};
use multiprocess::{Failure, tasks};
use testing::executors::power;
use testing::{LONG, OnStage, Other, SHORT, Stage, count, hold, kind_of, on_both, outcome};

multiprocess::test_entry!();
tasks![divide, hold_from_2_on, add, pid];

fn divide((number, by): (u64, u64)) -> (u64, u64) {
    (number / by, number % by)
}

fn add((left, right): (u64, u64)) -> u64 {
    left + right
}

fn pid(_: u64) -> u32 {
    std::process::id()
}

fn hold_from_2_on(task: u64) -> u64 {
    if task < 2 { count(task) } else { hold(task) }
}

fn chunks_of(items: usize) -> MapOptions {
    MapOptions::default().chunksize(items)
}

fn buffer_of(tasks: usize) -> MapOptions {
    MapOptions::default().buffersize(tasks)
}

/// EXEC-01
fn a_call_gives_its_result<E: OnStage>() {
    let executor = E::plain(2);
    assert_eq!(executor.submit(power, (2, 8)).unwrap().result(), Ok(&256));
    assert_eq!(executor.submit(power, (3, 2)).unwrap().into_result(), Ok(9));
}

/// EXEC-02
fn a_map_gives_the_results_in_the_order_of_its_items<E: OnStage>() {
    let executor = E::plain(3);
    let items = || (0..10).zip(0..10);
    let powers: Vec<u64> = items().map(power).collect();
    let results: Result<Vec<u64>, _> = executor.map(power, items()).unwrap().collect();
    assert_eq!(results.unwrap(), powers);
    let results = executor.map_with(chunks_of(3), power, items()).unwrap();
    assert_eq!(results.collect::<Result<Vec<u64>, _>>().unwrap(), powers);
}

/// EXEC-03: an error is one result, and the others come all the same, as in the newest Python.
fn a_map_goes_on_after_an_error<E: OnStage>() {
    let executor = E::plain(2);
    for chunk in [1, 3, 10] {
        let items = [5, 5, 5, 5].into_iter().zip([2, 3, 0, 5]);
        let mut results = executor.map_with(chunks_of(chunk), divide, items).unwrap();
        assert_eq!(results.next(), Some(Ok((2, 1))));
        assert_eq!(results.next(), Some(Ok((1, 2))));
        match results.next() {
            Some(Err(FutureError::Task(TaskError::Panicked { message }))) => {
                assert!(message.contains("divide by zero"), "{message}");
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(results.next(), Some(Ok((1, 0))));
        assert_eq!(results.next(), None);
        assert_eq!(results.next(), None);
    }
}

/// EXEC-04
fn a_map_whose_time_is_over_ends_and_cancels_the_rest<E: OnStage>() {
    let stage = Stage::new(5);
    let executor = E::on(&stage, 1);
    let options = MapOptions::default().timeout(Duration::from_millis(500));
    let results: Vec<_> = executor.map_with(options, hold_from_2_on, 0..5).unwrap().collect();
    let (last, first) = results.split_last().unwrap();
    assert_eq!(*last, Err(FutureError::TimedOut));
    assert!(first.len() <= 2 && first.iter().all(Result::is_ok), "{first:?}");
    stage.open(1);
    drop(executor);
    assert_eq!(stage.all_begun()[3..], [0, 0]);
}

/// EXEC-06: to drop it in the middle cancels what has not begun, with and without chunks.
fn a_map_that_is_dropped_cancels_what_has_not_begun<E: OnStage>() {
    for (options, begin) in [(MapOptions::default(), 1), (chunks_of(4), 4), (buffer_of(3), 1)] {
        let begin = if E::IS_OF_PROCESSES { begin } else { 1 };
        let stage = Stage::new(12);
        let executor = E::on(&stage, 1);
        let mut results = executor.map_with(options, hold, 0..12).unwrap();
        stage.open(begin);
        assert_eq!(results.next(), Some(Ok(0)));
        (0..=begin).for_each(|_| _ = stage.next_waiting());
        drop(results);
        stage.open(begin);
        drop(executor);
        let begun: u64 = stage.all_begun().iter().sum();
        assert_eq!(begun, 2 * begin as u64, "{options:?}: {:?}", stage.all_begun());
    }
}

/// EXEC-B09: as a statement it makes all calls; with a buffer, as many as that.
fn a_map_whose_results_nobody_asks_for_makes_its_calls<E: OnStage>() {
    let options = [MapOptions::default(), chunks_of(5), buffer_of(3), buffer_of(2).chunksize(4)];
    for (options, calls) in options.into_iter().zip([12, 12, 3, 8]) {
        let stage = Stage::new(12);
        let executor = E::on(&stage, 1);
        executor.map_with(options, count, 0..12).unwrap();
        drop(executor);
        let begun: u64 = stage.all_begun().iter().sum();
        assert_eq!(begun, calls, "{options:?}: {:?}", stage.all_begun());
    }
}

/// EXEC-07
fn a_map_with_a_buffer_gives_the_same<E: OnStage>() {
    let executor = E::plain(2);
    for buffer in [1, 2, 4, 8] {
        let items = (0..4).zip(0..4);
        let results = executor.map_with(buffer_of(buffer), add, items.clone()).unwrap();
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4, 6]);
        let results = executor.map_with(buffer_of(buffer).chunksize(3), add, items).unwrap();
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), [0, 2, 4, 6]);
    }
}

/// EXEC-08
fn a_map_with_a_buffer_takes_an_endless_input<E: OnStage>() {
    let executor = E::plain(2);
    let results = executor.map_with(buffer_of(2), add, (0..).zip(0..)).unwrap();
    assert_eq!(results.map(Result::unwrap).take(3).collect::<Vec<_>>(), [0, 2, 4]);
}

/// EXEC-09
fn a_map_with_a_buffer_takes_no_more_of_its_input_than_that<E: OnStage>() {
    let executor = E::plain(2);
    let taken = Cell::new(0);
    let input = || {
        taken.set(0);
        (0..).inspect(|_| taken.set(taken.get() + 1)).zip(0..)
    };
    let mut results = executor.map_with(buffer_of(2), add, input()).unwrap();
    assert_eq!(taken.get(), 2);
    assert_eq!(results.next(), Some(Ok(0)));
    assert_eq!(taken.get(), 3);
    drop(results);
    // Of chunks, the buffer holds so many.
    let _results = executor.map_with(buffer_of(2).chunksize(5), add, input()).unwrap();
    assert_eq!(taken.get(), 10);
}

/// EXEC-10
fn a_map_of_nothing_is_empty<E: OnStage>() {
    let executor = E::plain(1);
    for options in [MapOptions::default(), chunks_of(3), buffer_of(1)] {
        assert!(executor.map_with(options, add, []).unwrap().next().is_none());
    }
}

/// EXEC-11
fn a_map_with_a_buffer_or_chunks_of_0_is_an_error<E: OnStage>() {
    let executor = E::plain(1);
    let error = executor.map_with(buffer_of(0), add, [(1, 2)]).unwrap_err();
    assert_eq!(error.to_string(), "buffersize must be greater than 0");
    let error = executor.map_with(chunks_of(0), add, [(1, 2)]).unwrap_err();
    assert!(matches!(error, SubmitError::Zero("chunksize")), "{error}");
}

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

/// EXEC-13
fn an_executor_that_is_shut_down_at_once_returns<E: OnStage>() {
    let executor = E::plain(3);
    let futures: Vec<_> = (0..4).map(|task| executor.submit(add, (task, 1)).unwrap()).collect();
    executor.shutdown(true, false);
    assert!(futures.iter().all(|future| future.done() && future.result().is_ok()));
    E::plain(3).shutdown(true, true);
}

/// EXEC-15
fn shutdown_waits_for_all_calls<E: OnStage>() {
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
fn shutdown_cancels_what_has_not_begun<E: OnStage>() {
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
                testing::until("those that wait are cancelled", || futures[49].cancelled());
                stage.open(5);
            }
            shutdown.join().unwrap();
        });
        let cancelled = futures.iter().filter(|future| future.cancelled()).count();
        if begun_before {
            assert_eq!(cancelled, 45);
        } else {
            assert!(cancelled < 50);
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
fn to_drop_an_executor_is_to_wait_for_all_its_calls<E: OnStage>() {
    let executor = E::plain(3);
    let futures: Vec<_> =
        (0..100).map(|task| executor.submit(add, (task, task)).unwrap()).collect();
    let worker = executor.submit(pid, 0).unwrap().into_result().unwrap();
    let worker = E::IS_OF_PROCESSES.then(|| Other::of(worker));
    drop(executor);
    for (task, future) in (0..).zip(&futures) {
        assert!(future.done());
        assert_eq!(future.result(), Ok(&(task * 2)));
    }
    assert!(worker.flatten().is_none_or(|worker| worker.ends_within(Duration::ZERO)));
}

/// EXEC-21
fn shutdown_without_waiting_lets_the_calls_go_on<E: OnStage>() {
    let stage = Stage::new(10);
    let executor = E::on(&stage, 2);
    let futures: Vec<_> = (0..10).map(|task| executor.submit(hold, task).unwrap()).collect();
    let worker = E::IS_OF_PROCESSES.then(|| Other::of(stage.next_waiting().1).unwrap());
    executor.shutdown(false, false);
    assert!(futures.iter().all(|future| !future.done()));
    stage.open(10);
    assert_eq!(
        futures.iter().map(outcome).collect::<Vec<_>>(),
        (0..10).map(Ok).collect::<Vec<_>>()
    );
    assert!(worker.is_none_or(|worker| worker.ends_within(LONG)));
}

tasks![never_ready];

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
        match executor.submit(add, (1, 2)) {
            Ok(future) => futures.push(future),
            Err(refused) => break refused,
        }
    };
    assert!(!futures.is_empty());
    assert!(futures.iter().all(|future| kind_of(future) == "Broken"), "{:?}", futures[0]);
    assert!(matches!(refused, SubmitError::Broken(_)), "{refused}");
    assert!(executor.map(add, [(1, 2)]).is_err());
}

/// EXEC-B03
fn a_map_takes_its_whole_input_at_the_call<E: OnStage>() {
    let executor = E::plain(2);
    let taken = Cell::new(0);
    let input = (0..100).inspect(|_| taken.set(taken.get() + 1));
    let results = executor.map(add, input.zip(0..)).unwrap();
    assert_eq!(taken.get(), 100);
    assert_eq!(results.count(), 100);
    assert_eq!(executor.map(add, (0..5).zip(0..3)).unwrap().count(), 3);
}

/// EXEC-B05
fn an_error_in_a_scope_waits_for_the_calls_and_goes_on<E: OnStage>() {
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
fn callbacks_run_here_but_not_in_the_thread_that_submitted<E: OnStage>() {
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
fn only_what_a_worker_has_begun_is_running_and_cannot_be_cancelled<E: OnStage>() {
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

fn a_future_that_outlives_its_executor_has_its_result<E: OnStage>() {
    let executor = E::plain(1);
    let future = executor.submit(add, (1, 2)).unwrap();
    let other = executor.submit(power, (0, 0)).unwrap();
    drop(executor);
    assert!(!future.cancel());
    assert_eq!((future.into_result(), other.into_result()), (Ok(3), Ok(1)));
}

fn two_threads_may_ask_one_future<E: OnStage>() {
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

fn futures_are_submitted_by_many_threads<E: OnStage>() {
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

fn a_timeout_is_an_error_and_the_call_goes_on<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let future = executor.submit(hold, 0).unwrap();
    assert_eq!(future.result_timeout(SHORT), Err(FutureError::TimedOut));
    assert_eq!(future.exception_timeout(Duration::ZERO), Err(FutureError::TimedOut));
    stage.open(1);
    assert_eq!(future.result(), Ok(&0));
    assert!(iter::repeat_n((), 3).all(|()| future.result_timeout(Duration::ZERO) == Ok(&0)));
}

on_both![
    a_call_gives_its_result,
    a_map_gives_the_results_in_the_order_of_its_items,
    a_map_goes_on_after_an_error,
    a_map_whose_time_is_over_ends_and_cancels_the_rest,
    a_map_that_is_dropped_cancels_what_has_not_begun,
    a_map_whose_results_nobody_asks_for_makes_its_calls,
    a_map_with_a_buffer_gives_the_same,
    a_map_with_a_buffer_takes_an_endless_input,
    a_map_with_a_buffer_takes_no_more_of_its_input_than_that,
    a_map_of_nothing_is_empty,
    a_map_with_a_buffer_or_chunks_of_0_is_an_error,
    an_executor_that_is_shut_down_at_once_returns,
    shutdown_waits_for_all_calls,
    shutdown_cancels_what_has_not_begun,
    to_drop_an_executor_is_to_wait_for_all_its_calls,
    shutdown_without_waiting_lets_the_calls_go_on,
    a_map_takes_its_whole_input_at_the_call,
    an_error_in_a_scope_waits_for_the_calls_and_goes_on,
    callbacks_run_here_but_not_in_the_thread_that_submitted,
    only_what_a_worker_has_begun_is_running_and_cannot_be_cancelled,
    a_future_that_outlives_its_executor_has_its_result,
    two_threads_may_ask_one_future,
    futures_are_submitted_by_many_threads,
    a_timeout_is_an_error_and_the_call_goes_on,
];
