//! The behaviour of Python's `ThreadPoolExecutor`.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use multiprocess::futures::{
    Executor, Future, FutureError, MapOptions, ReturnWhen, TaskError, ThreadPoolExecutor,
    as_completed, wait,
};
use multiprocess::{Process, tasks};
use testing::stage::enter;
use testing::{Deadline, OnStage, Stage, alone, count, hold, leaves_nothing, outcome};

multiprocess::test_entry!();
tasks![nothing, threads_come_and_go];

/// Runs in the child.
fn nothing(_: ()) {}

/// The names of the threads that did so many calls at the same time.
fn names(executor: &ThreadPoolExecutor, calls: usize) -> BTreeSet<String> {
    let meet = Arc::new(Barrier::new(calls));
    let call = || {
        let meet = Arc::clone(&meet);
        move || {
            meet.wait();
            thread::current().name().unwrap().to_owned()
        }
    };
    let futures: Vec<_> = (0..calls).map(|_| executor.spawn(call()).unwrap()).collect();
    futures.into_iter().map(|future| future.into_result().unwrap()).collect()
}

/// TPE-03
#[test]
fn there_are_no_more_threads_than_allowed() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(60);
    let executor = ThreadPoolExecutor::on(&stage, 4);
    let futures: Vec<_> = (0..60).map(|task| executor.submit(hold, task).unwrap()).collect();
    assert_eq!(executor.threads(), 4);
    stage.open(60);
    assert!(futures.iter().all(|future| outcome(future).is_ok()));
    assert_eq!(executor.threads(), 4);
}

/// TPE-04
#[test]
fn a_thread_that_is_free_does_the_next_call() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..50 {
        let executor = ThreadPoolExecutor::new(4);
        for number in 0..3 {
            assert_eq!(executor.spawn(move || number).unwrap().into_result(), Ok(number));
        }
        assert_eq!(executor.threads(), 1);
    }
}

/// TPE-05
#[test]
fn a_map_whose_time_is_over_at_once_starts_nothing() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(3);
    let executor = ThreadPoolExecutor::on(&stage, 1);
    let busy = executor.submit(hold, 0).unwrap();
    stage.next_waiting();
    let options = MapOptions::default().timeout(Duration::ZERO);
    let mut results = executor.map_with(options, count, [1, 2]).unwrap();
    assert_eq!(results.next(), Some(Err(FutureError::TimedOut)));
    assert_eq!(results.next(), None);
    stage.open(1);
    assert_eq!(outcome(&busy), Ok(0));
    drop(results);
    drop(executor);
    assert_eq!(stage.all_begun(), [1, 0, 0]);
}

/// TPE-06
#[test]
fn a_call_may_start_a_process_and_join_it() {
    let _deadline = Deadline::seconds(60);
    let executor = ThreadPoolExecutor::new(1);
    let exitcode = executor.spawn(|| {
        let mut process = Process::new(nothing, ());
        process.start().unwrap();
        process.join().unwrap();
        process.exitcode()
    });
    assert_eq!(exitcode.unwrap().into_result(), Ok(Some(0)));
}

/// TPE-07
#[test]
fn as_many_threads_are_started_as_are_needed_and_all_end() {
    alone(threads_come_and_go);
}

/// Runs in the child.
fn threads_come_and_go((): ()) {
    let stage = Stage::new(3);
    leaves_nothing(1000, |round| {
        let executor = ThreadPoolExecutor::on(&stage, 5);
        assert_eq!(executor.threads(), 0);
        let futures: Vec<_> = (0..3).map(|task| executor.submit(hold, task).unwrap()).collect();
        assert_eq!(executor.threads(), 3);
        (0..3).for_each(|_| {
            stage.next_waiting();
        });
        stage.open(3);
        match round % 3 {
            0 => executor.shutdown(true, false),
            1 => executor.shutdown(false, false),
            _ => drop(executor),
        }
        assert!(futures.iter().all(|future| outcome(future).is_ok()));
    });
}

/// TPE-08
#[test]
fn threads_are_named_after_the_prefix() {
    let _deadline = Deadline::seconds(60);
    let builder = ThreadPoolExecutor::builder().thread_name_prefix("SpecialPool");
    let executor = builder.max_workers(5).build().unwrap();
    let expected: Vec<String> = (0..5).map(|number| format!("SpecialPool_{number}")).collect();
    assert_eq!(names(&executor, 5).into_iter().collect::<Vec<_>>(), expected);
}

/// TPE-09
#[test]
fn threads_without_a_prefix_are_named_after_their_executor() {
    let _deadline = Deadline::seconds(60);
    for prefix in [None, Some("")] {
        let builder = ThreadPoolExecutor::builder().max_workers(3);
        let builder = match prefix {
            Some(prefix) => builder.thread_name_prefix(prefix),
            None => builder,
        };
        let names = names(&builder.build().unwrap(), 3);
        let numbers = names.iter().map(|name| {
            let name = name.strip_prefix("ThreadPoolExecutor-").unwrap();
            let (executor, thread) = name.split_once('_').unwrap();
            (executor.parse::<u32>().unwrap(), thread.parse::<u32>().unwrap())
        });
        let numbers: Vec<_> = numbers.collect();
        let executor = numbers[0].0;
        assert_eq!(numbers, [(executor, 0), (executor, 1), (executor, 2)]);
    }
}

/// TPE-B02: it is done at once, not only when a thread comes by.
#[test]
fn a_cancelled_call_never_runs_and_is_done_at_once() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(3);
    let executor = ThreadPoolExecutor::on(&stage, 1);
    let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
    stage.next_waiting();
    assert!(futures[1].cancel());
    let waited = wait([&futures[1]], Duration::ZERO, ReturnWhen::AllCompleted);
    assert_eq!(waited.done.len(), 1);
    stage.open(2);
    drop(executor);
    assert_eq!(stage.all_begun(), [1, 0, 1]);
}

#[test]
fn a_prefix_that_no_thread_can_have_hinders_none() {
    let _deadline = Deadline::seconds(60);
    let executor = ThreadPoolExecutor::builder().thread_name_prefix("a\0b").build().unwrap();
    let name = executor.spawn(|| thread::current().name().map(String::from)).unwrap();
    assert_eq!(name.into_result().unwrap().as_deref(), Some("a\u{fffd}b_0"));
}

/// TPE-B03
#[test]
fn a_call_that_panics_does_not_take_its_thread_along() {
    let _deadline = Deadline::seconds(60);
    let executor = ThreadPoolExecutor::new(1);
    let panics = executor.spawn(|| -> u64 { panic!("no {}", 1) }).unwrap();
    let name = executor.spawn(|| thread::current().id()).unwrap();
    let message = String::from("no 1");
    assert_eq!(panics.into_result(), Err(TaskError::Panicked { message }.into()));
    assert_eq!(executor.spawn(|| 2 * 2).unwrap().into_result(), Ok(4));
    assert_eq!(
        executor.spawn(|| thread::current().id()).unwrap().into_result(),
        name.into_result()
    );
    assert_eq!(executor.threads(), 1);
}

#[test]
fn a_call_may_wait_for_another_of_its_executor_also_without_a_free_thread() {
    let _deadline = Deadline::seconds(60);
    for workers in [1, 2] {
        let executor = Arc::new(ThreadPoolExecutor::new(workers));
        assert_eq!(fibonacci(&executor, 12).into_result(), Ok(144));
    }
}

/// A call that waits for two others, and so on.
fn fibonacci(executor: &Arc<ThreadPoolExecutor>, number: u32) -> Future<u64> {
    let other = Arc::clone(executor);
    let call = move || match number {
        0 | 1 => u64::from(number),
        _ => {
            let [one, two] = [1, 2].map(|less| fibonacci(&other, number - less));
            one.into_result().unwrap() + two.into_result().unwrap()
        }
    };
    executor.spawn(call).unwrap()
}

#[test]
fn a_call_may_wait_for_many_others_of_its_executor() {
    let _deadline = Deadline::seconds(60);
    let executor = Arc::new(ThreadPoolExecutor::new(1));
    for way in 0..4 {
        let other = Arc::clone(&executor);
        let sum = move || -> u64 {
            let futures: Vec<_> = (0..100).map(|n| other.spawn(move || n).unwrap()).collect();
            match way {
                0 => as_completed(futures, None)
                    .map(|future| future.unwrap().into_result().unwrap())
                    .sum(),
                1 => {
                    let waited = wait(&futures, None, ReturnWhen::AllCompleted);
                    waited.done.iter().map(|future| *future.result().unwrap()).sum()
                }
                2 => {
                    let waited = wait(&futures, None, ReturnWhen::FirstException);
                    assert_eq!(waited.not_done.len(), 0);
                    4950
                }
                _ => other.map(u64::from, 0..100_u32).unwrap().map(Result::unwrap).sum(),
            }
        };
        assert_eq!(executor.spawn(sum).unwrap().into_result(), Ok(4950), "way {way}");
    }
}

#[test]
fn a_call_that_waits_for_the_first_does_no_more_than_that_one() {
    let _deadline = Deadline::seconds(60);
    let executor = Arc::new(ThreadPoolExecutor::new(1));
    let other = Arc::clone(&executor);
    let begun = Arc::new(Mutex::new(0));
    let call = move || {
        let futures = [0, 1, 2].map(|_| {
            let begun = Arc::clone(&begun);
            other.spawn(move || *begun.lock().unwrap() += 1).unwrap()
        });
        let done = wait(&futures, None, ReturnWhen::FirstCompleted).done.len();
        (done, *begun.lock().unwrap())
    };
    assert_eq!(executor.spawn(call).unwrap().into_result(), Ok((1, 1)));
}

#[test]
fn a_callback_may_wait_for_other_calls_of_its_executor() {
    let _deadline = Deadline::seconds(60);
    let executor = Arc::new(ThreadPoolExecutor::new(1));
    let (tell, told) = channel();
    let (open, gate) = channel::<()>();
    let first = executor.spawn(move || gate.recv().is_ok()).unwrap();
    let second = executor.spawn(|| 2).unwrap();
    let other = Arc::clone(&executor);
    first.add_done_callback(move |_| {
        let third = other.spawn(|| 3).unwrap();
        tell.send((second.into_result(), third.into_result())).unwrap();
    });
    open.send(()).unwrap();
    assert_eq!(told.recv_timeout(testing::LONG).unwrap(), (Ok(2), Ok(3)));
    assert!(first.into_result().unwrap());
}

#[test]
fn calls_in_another_executor_are_waited_for() {
    let _deadline = Deadline::seconds(60);
    let outer = ThreadPoolExecutor::new(1);
    let nested = outer.spawn(|| {
        let inner = ThreadPoolExecutor::new(1);
        let result = inner.spawn(|| ThreadPoolExecutor::new(1).spawn(|| 1).unwrap().into_result());
        result.unwrap().into_result().unwrap()
    });
    assert_eq!(nested.unwrap().into_result(), Ok(Ok(1)));
}

#[test]
fn cancelled_calls_do_not_count_as_waiting_when_the_rest_is_cancelled() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let of_workers = stage.clone();
    let (alive, lives) = channel::<()>();
    let builder = ThreadPoolExecutor::builder().max_workers(2).initializer(move || {
        let _ = &alive;
        enter(of_workers.clone());
    });
    let executor = builder.build().unwrap();
    let futures: Vec<_> = (0..10).map(|task| executor.submit(hold, task).unwrap()).collect();
    stage.next_waiting();
    stage.next_waiting();
    assert!(futures[4..].iter().all(Future::cancel));
    executor.shutdown(false, true);
    assert!(futures[2..4].iter().all(|future| future.cancelled()));
    stage.open(2);
    assert!(futures[..2].iter().all(|future| outcome(future).is_ok()));
    drop(futures);
    assert!(lives.recv().is_err(), "the last worker has gone");
    assert_eq!(stage.all_begun()[2..], [0; 8]);
}
