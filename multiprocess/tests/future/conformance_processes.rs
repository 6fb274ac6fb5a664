//! The behaviour of Python's `ProcessPoolExecutor`: with strict mode where it speaks of a broken
//! pool.
//!
//! Here `shutdown(wait = false)` always means that the calls go on (PPE-12): the handle is gone
//! with it.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::sync::mpsc::channel;
use std::time::Duration;

use multiprocess::futures::{
    Executor, Future, FutureError, MapOptions, ProcessPoolExecutor, SubmitError, TaskError,
};
use multiprocess::{Failure, Process, tasks};
use serde::{Deserialize, Serialize};
use testing::stage::enter;
use testing::values::{
    CRASHES_WHEN_SENT, EXITS_WHEN_RECEIVED, FINE, NOT_RECEIVED, NOT_SENT, PANICS_WHEN_RECEIVED,
    PANICS_WHEN_SENT, Trap, give, take,
};
use testing::{
    Deadline, LONG, OnStage, Other, Signal, Stage, alone, children, count, hold, kill, kind_of,
    leaves_nothing, outcome, stock, text,
};

multiprocess::test_entry!();
tasks![square, fail, exit, process_in_a_process, nothing, size_of_text, hold_or_fail, crash_with];
tasks![never_ready, nothing_is_left, cycles, never_return, nested];
#[cfg(unix)]
tasks![without_descriptors];

fn square(number: u64) -> u64 {
    number * number
}

fn fail(number: u64) -> Result<u64, Failure> {
    number.to_string().parse::<u8>()?;
    Err(Failure::new(format!("RuntimeError({number})")))
}

fn exit(code: i32) {
    std::process::exit(code);
}

fn nothing(_: ()) {}

fn process_in_a_process(_: ()) -> Option<i32> {
    let mut process = Process::new(nothing, ());
    process.start().unwrap();
    process.join().unwrap();
    process.exitcode()
}

fn size_of_text(text: String) -> String {
    text
}

fn hold_or_fail(task: u64) -> u64 {
    assert!(task != 1, "the second of three");
    hold(task)
}

fn crash_with(_: String) {
    testing::end_by_signal(11);
}

fn never_return(task: u64) {
    testing::begin(task);
    loop {
        std::thread::park();
    }
}

fn strict(stage: &Stage, workers: usize) -> ProcessPoolExecutor {
    let builder = ProcessPoolExecutor::builder().max_workers(workers).strict(true);
    builder.initializer(enter, stage.clone()).build().unwrap()
}

fn at_most(stage: &Stage, workers: usize, tasks: u64) -> ProcessPoolExecutor {
    let builder = ProcessPoolExecutor::builder().max_workers(workers).max_tasks_per_child(tasks);
    builder.initializer(enter, stage.clone()).build().unwrap()
}

/// The reason of each broken future.
fn reasons<R>(futures: &[Future<R>]) -> Vec<String> {
    let reason = |future: &Future<R>| match future.exception_timeout(LONG).unwrap() {
        Some(TaskError::Broken(reason)) => reason.clone(),
        other => panic!("{other:?}"),
    };
    futures.iter().map(reason).collect()
}

/// PPE-01, PPE-02, PPE-B01, PPE-B02
#[test]
fn a_worker_that_dies_breaks_a_strict_executor() {
    let _deadline = Deadline::seconds(60);
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::KILL, "SIGKILL")] {
        let stage = Stage::new(6);
        let executor = strict(&stage, 2);
        let futures: Vec<_> = (0..6).map(|task| executor.submit(hold, task).unwrap()).collect();
        let (tell, told) = channel();
        for future in &futures {
            let tell = tell.clone();
            future.add_done_callback(move |future| tell.send(kind_of(future)).unwrap());
        }
        let [victim, other] = [stage.next_waiting().1, stage.next_waiting().1];
        let [victim, other] = [victim, other].map(|pid| Other::of(pid).unwrap());
        victim.signal(signal);
        let reasons = reasons(&futures);
        let expected = "a process in the process pool was terminated abruptly \
                        while the future was running or pending";
        assert!(reasons.iter().all(|reason| reason.starts_with(expected)), "{reasons:?}");
        assert!(reasons.iter().all(|reason| reason.contains(name)), "{reasons:?}");
        for _ in 0..6 {
            assert_eq!(told.recv_timeout(LONG), Ok("Broken"));
        }
        assert!(other.ends_within(LONG));
        let refused = executor.submit(square, 1).unwrap_err();
        assert!(matches!(refused, SubmitError::Broken(_)), "{refused}");
        let text = refused.to_string();
        assert!(
            text.starts_with("the executor is broken and takes no more calls: a process"),
            "{text}"
        );
        executor.shutdown(true, false);
    }
}

/// PPE-01, PPE-B05, without strict mode: only that call is lost.
#[test]
fn a_worker_that_dies_costs_the_call_it_was_at() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(8);
    let executor = ProcessPoolExecutor::on(&stage, 1);
    let futures: Vec<_> = (0..8).map(|task| executor.submit(hold, task).unwrap()).collect();
    let (_, worker) = stage.next_waiting();
    assert!(futures[4].cancel());
    kill(worker);
    stage.open(6);
    let kinds: Vec<_> = futures.iter().map(kind_of).collect();
    assert_eq!(kinds, ["WorkerDied", "", "", "", "Cancelled", "", "", ""]);
    executor.shutdown(true, false);
    assert_eq!(stage.all_begun(), [1, 1, 1, 1, 0, 1, 1, 1]);
}

/// PPE-05: a call that returns an `Err` has that as its result, with all that belongs to it.
#[test]
fn an_error_arrives_as_it_was() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::new(1).unwrap();
    let failed = executor.submit(fail, 123).unwrap().into_result().unwrap().unwrap_err();
    assert_eq!((failed.to_string().as_str(), failed.kind()), ("RuntimeError(123)", None));
    let failed = executor.submit(fail, 256).unwrap().into_result().unwrap().unwrap_err();
    assert_eq!(failed.kind(), Some("core::num::error::ParseIntError"));
}

/// PPE-29
#[test]
fn a_call_that_panics_tells_what_and_where() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::plain(1);
    let future = executor.submit(hold_or_fail, 1).unwrap();
    let Err(FutureError::Task(TaskError::Panicked { message })) = outcome(&future) else {
        panic!("{future:?}");
    };
    assert!(message.starts_with(concat!("the second of three (", file!(), ":")), "{message}");
    assert_eq!(executor.submit(square, 4).unwrap().into_result(), Ok(16));
}

/// PPE-06, PPE-20
#[test]
fn there_are_no_more_processes_than_allowed_or_needed() {
    let _deadline = Deadline::seconds(60);
    for (workers, tasks) in [(3, 45), (5, 3)] {
        let stage = Stage::new(45);
        let executor = ProcessPoolExecutor::on(&stage, workers);
        assert_eq!(executor.worker_pids(), [0; 0]);
        let futures: Vec<_> = (0..tasks).map(|task| executor.submit(hold, task).unwrap()).collect();
        for _ in 0..3 {
            stage.next_waiting();
        }
        let pids = executor.worker_pids();
        assert_eq!(pids.len(), 3);
        let others: Vec<_> = pids.iter().map(|pid| Other::of(*pid).unwrap()).collect();
        stage.open(tasks as usize);
        executor.shutdown(true, false);
        assert!(others.iter().all(|other| other.ends_within(Duration::ZERO)));
        assert!(futures.iter().all(|future| future.result().is_ok()));
    }
}

/// PPE-07, PPE-08
#[test]
fn a_process_that_is_free_does_the_next_call() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::new(4).unwrap();
    for number in 0..3 {
        assert_eq!(executor.submit(square, number).unwrap().into_result(), Ok(number * number));
        assert_eq!(executor.worker_pids().len(), 1);
    }
    let executor = ProcessPoolExecutor::new(4).unwrap();
    let mut futures = Vec::new();
    for number in 0..6 {
        futures.push(executor.submit(square, number).unwrap());
        if number % 2 == 1 {
            assert!(futures.iter().all(|future| outcome(future).is_ok()));
        }
    }
    assert!(executor.worker_pids().len() <= 3, "{executor:?}");
}

/// PPE-10
#[test]
fn workers_of_one_task_each_do_all_before_the_end() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(6);
    let executor = at_most(&stage, 3, 1);
    let futures: Vec<_> = (0..6).map(|task| executor.submit(count, task).unwrap()).collect();
    executor.shutdown(true, false);
    assert_eq!(futures.iter().map(outcome).collect::<Vec<_>>(), (0..6).map(Ok).collect::<Vec<_>>());
    assert_eq!(stage.all_begun(), [1; 6]);
}

/// Workers end all the time, while other threads start new ones in their places.
#[test]
fn workers_at_their_limit_lose_no_call_of_several_threads() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(240);
    let executor = at_most(&stage, 2, 1);
    std::thread::scope(|scope| {
        for first in [0, 60, 120, 180] {
            let executor = &executor;
            scope.spawn(move || {
                for task in first..first + 60 {
                    assert_eq!(executor.submit(count, task).unwrap().into_result(), Ok(task));
                }
            });
        }
    });
    assert_eq!(stage.all_begun(), [1; 240]);
}

/// PPE-12
#[test]
fn a_worker_at_its_limit_is_replaced_also_after_shutdown() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(3);
    let executor = at_most(&stage, 1, 1);
    let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
    let mut pids = BTreeSet::from([stage.next_waiting().1]);
    executor.shutdown(false, false);
    for _ in 0..2 {
        stage.open(1);
        pids.insert(stage.next_waiting().1);
    }
    stage.open(1);
    assert_eq!(futures.each_ref().map(outcome), [Ok(0), Ok(1), Ok(2)]);
    assert_eq!(pids.len(), 3);
}

/// PPE-13
#[test]
#[cfg(unix)]
fn a_worker_that_cannot_be_replaced_breaks_the_executor() {
    alone(without_descriptors);
}

/// Runs in the child.
#[cfg(unix)]
fn without_descriptors((): ()) {
    let stage = Stage::new(3);
    let executor = at_most(&stage, 1, 1);
    let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
    let (_, worker) = stage.next_waiting();
    let worker = Other::of(worker).unwrap();
    testing::limit_descriptors(3);
    stage.open(1);
    assert_eq!(outcome(&futures[0]), Ok(0));
    let reasons = reasons(&futures[1..]);
    assert!(reasons[0].contains("could not be started"), "{reasons:?}");
    assert!(worker.ends_within(LONG));
    assert!(matches!(executor.submit(count, 0), Err(SubmitError::Broken(_))));
    executor.shutdown(true, false);
    testing::limit_descriptors(1024);
    // The first one, too, which is the caller's.
    let executor = ProcessPoolExecutor::new(1).unwrap();
    testing::limit_descriptors(3);
    let refused = executor.submit(square, 1).unwrap_err();
    assert!(matches!(refused, SubmitError::Start(_)), "{refused}");
    testing::limit_descriptors(1024);
    assert_eq!(executor.submit(square, 3).unwrap().into_result(), Ok(9));
}

/// PPE-14
#[test]
fn a_worker_at_its_limit_is_not_replaced_when_all_are_ended() {
    let _deadline = Deadline::seconds(60);
    for way in 0..4 {
        let stage = Stage::new(3);
        let executor = at_most(&stage, 1, 1);
        let futures = [0, 1, 2].map(|task| executor.submit(hold, task).unwrap());
        let worker = Other::of(stage.next_waiting().1).unwrap();
        if way % 2 == 0 {
            stage.open(1);
        }
        match way {
            0 | 1 => executor.terminate_workers(),
            _ => executor.kill_workers(),
        }
        assert!(futures[1..].iter().all(|future| ["Terminated", ""].contains(&kind_of(future))));
        assert!(worker.ends_within(LONG));
        executor.shutdown(true, false);
        assert!(stage.all_begun()[2] <= 1);
    }
}

/// PPE-15, PPE-16, PPE-17, PPE-18
#[test]
fn terminate_and_kill_end_the_workers_at_once() {
    let _deadline = Deadline::seconds(60);
    let ends: [fn(&ProcessPoolExecutor); 2] =
        [ProcessPoolExecutor::terminate_workers, ProcessPoolExecutor::kill_workers];
    for end in ends {
        let stage = Stage::new(2);
        let executor = ProcessPoolExecutor::on(&stage, 1);
        let futures = [0, 1].map(|task| executor.submit(hold, task).unwrap());
        let worker = Other::of(stage.next_waiting().1).unwrap();
        end(&executor);
        assert_eq!(futures.each_ref().map(kind_of), ["Terminated"; 2]);
        assert!(worker.ends_within(LONG));
        let refused = executor.submit(count, 0).unwrap_err();
        assert_eq!(refused.to_string(), "cannot schedule new futures after shutdown");
        end(&executor);
        executor.shutdown(true, false);
        assert_eq!(stage.all_begun(), [1, 0]);
        // Broken already, and without any worker.
        let executor = strict(&Stage::new(1), 1);
        assert_eq!(kind_of(&executor.submit(exit, 3).unwrap()), "Broken");
        end(&executor);
        assert!(matches!(executor.submit(count, 0), Err(SubmitError::Broken(_))));
        let executor = ProcessPoolExecutor::new(2).unwrap();
        end(&executor);
        assert!(matches!(executor.submit(count, 0), Err(SubmitError::Shutdown)));
    }
}

/// PPE-15: also those that never return.
#[test]
fn calls_that_never_return_are_ended() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2);
    let executor = ProcessPoolExecutor::on(&stage, 2);
    let futures = [0, 1].map(|task| executor.submit(never_return, task).unwrap());
    let _workers = [0, 1].map(|_| stage.next_waiting());
    executor.terminate_workers();
    assert_eq!(futures.each_ref().map(kind_of), ["Terminated"; 2]);
    executor.shutdown(true, false);
}

/// PPE-21
#[test]
fn one_task_each_and_an_error_and_nobody_who_waits() {
    let _deadline = Deadline::seconds(60);
    for workers in [2, 4] {
        let stage = Stage::new(3);
        let executor = at_most(&stage, workers, 1);
        let futures = [0, 1, 2].map(|task| executor.submit(hold_or_fail, task).unwrap());
        executor.shutdown(false, false);
        stage.open(2);
        assert_eq!(futures.each_ref().map(kind_of), ["", "Panicked", ""]);
    }
}

/// Runs in each worker.
fn never_ready(_: ()) {
    panic!("not today");
}

/// PPE-22
#[test]
fn an_initializer_that_fails_leaves_nothing_behind() {
    alone(nothing_is_left);
}

/// Runs in the child.
fn nothing_is_left((): ()) {
    let before = stock();
    for strict in [true, false] {
        let builder = ProcessPoolExecutor::builder().max_workers(2).strict(strict);
        let executor = builder.initializer(never_ready, ()).build().unwrap();
        let future = executor.submit(square, 1).unwrap();
        assert_eq!(kind_of(&future), "Broken");
        drop(executor);
        before.comes_back().unwrap();
        assert_eq!(children(), [0; 0]);
    }
}

/// PPE-23, PPE-31, PPE-32 (a future fails alone), PPE-B07
#[test]
fn what_cannot_be_sent_or_received_is_the_error_of_its_future() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::builder().max_workers(1).strict(true).build().unwrap();
    let pid = executor.submit(testing::pid_of_worker, 0).unwrap().into_result();
    let arguments = [
        (NOT_SENT, "ArgumentsNotSent"),
        (PANICS_WHEN_SENT, "ArgumentsNotSent"),
        (NOT_RECEIVED, "ArgumentsNotReceived"),
        (PANICS_WHEN_RECEIVED, "Panicked"),
        (FINE, ""),
    ];
    for (way, kind) in arguments {
        assert_eq!(kind_of(&executor.submit(take, Trap(way)).unwrap()), kind, "argument {way}");
    }
    let results = [
        (NOT_SENT, "ResultNotSent"),
        (PANICS_WHEN_SENT, "Panicked"),
        (NOT_RECEIVED, "ResultNotReceived"),
        (PANICS_WHEN_RECEIVED, "ResultNotReceived"),
        (FINE, ""),
    ];
    for (way, kind) in results {
        assert_eq!(kind_of(&executor.submit(give, way).unwrap()), kind, "result {way}");
    }
    assert_eq!(executor.submit(testing::pid_of_worker, 0).unwrap().into_result(), pid);
    assert_eq!(executor.submit(square, 4).unwrap().into_result(), Ok(16));
}

/// PPE-31, PPE-32: in a chunk, too.
#[test]
fn a_result_that_cannot_be_sent_or_received_costs_its_own_item_of_a_map() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::builder().max_workers(1).strict(true).build().unwrap();
    let ways = [FINE, NOT_RECEIVED, NOT_SENT, PANICS_WHEN_RECEIVED, PANICS_WHEN_SENT, FINE];
    for chunk in [1, 2, 6] {
        let options = MapOptions::default().chunksize(chunk);
        let results = executor.map_with(options, give, ways).unwrap();
        let failed: Vec<bool> = results.map(|result| result.is_err()).collect();
        assert_eq!(failed, ways.map(|way| way != FINE), "chunks of {chunk}");
    }
}

/// What serde says of it, whichever way it was going.
#[test]
fn the_reason_that_a_value_gives_is_in_the_error() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::new(1).unwrap();
    let argument = |way| executor.submit(take, Trap(way)).unwrap().exception().unwrap().cloned();
    let result = |way| executor.submit(give, way).unwrap().exception().unwrap().cloned();
    for way in [NOT_SENT, NOT_RECEIVED] {
        for error in [argument(way).unwrap(), result(way).unwrap()] {
            assert!(error.to_string().ends_with(": no"), "{error}");
        }
    }
}

#[derive(Serialize, Deserialize)]
enum List {
    End,
    Next(Box<List>),
}

/// A call.
fn nested(depth: u32) -> List {
    (0..depth).fold(List::End, |list, _| List::Next(Box::new(list)))
}

/// Levels of a value that is nested too deep. Dropping it takes stack, of which a Windows program
/// has 1 MiB.
const DEEP: u32 = if cfg!(windows) { 1_000 } else { 20_000 };

/// A result that is nested too deep for a stack: the one call has no result.
#[test]
fn a_result_that_is_nested_very_deep_costs_its_own_item_of_a_map() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::new(1).unwrap();
    for chunk in [1, 3] {
        let options = MapOptions::default().chunksize(chunk);
        let results = executor.map_with(options, nested, [3, DEEP, 4]).unwrap();
        let failed: Vec<bool> = results.map(|result| result.is_err()).collect();
        assert_eq!(failed, [false, true, false], "chunks of {chunk}");
    }
    assert_eq!(executor.submit(square, 4).unwrap().into_result(), Ok(16));
}

/// PPE-24, PPE-28, PPE-30: whatever ends a worker, strict or not.
#[test]
fn whatever_ends_a_worker_hangs_nobody() {
    let _deadline = Deadline::seconds(60);
    for strict in [true, false] {
        let executor = || {
            let builder = ProcessPoolExecutor::builder().max_workers(1).strict(strict);
            let executor = builder.build().unwrap();
            assert_eq!(executor.submit(square, 2).unwrap().into_result(), Ok(4));
            executor
        };
        let kind = if strict { "Broken" } else { "WorkerDied" };
        let check = |executor: ProcessPoolExecutor, seen| {
            assert_eq!(seen, kind);
            let next = executor.submit(square, 3);
            assert_eq!(next.is_err(), strict);
            assert!(strict || next.unwrap().into_result() == Ok(9));
            executor.shutdown(true, false);
        };
        for code in [0, 1] {
            let executor = executor();
            let seen = kind_of(&executor.submit(exit, code).unwrap());
            check(executor, seen);
        }
        let one = executor();
        let seen = kind_of(&one.submit(take, Trap(EXITS_WHEN_RECEIVED)).unwrap());
        check(one, seen);
        let one = executor();
        let seen = kind_of(&one.submit(give, CRASHES_WHEN_SENT).unwrap());
        check(one, seen);
    }
}

/// PPE-34
#[test]
fn an_argument_that_cannot_be_sent_does_not_keep_the_executor_from_its_end() {
    let _deadline = Deadline::seconds(60);
    for way in [NOT_SENT, PANICS_WHEN_SENT] {
        let executor = ProcessPoolExecutor::new(2).unwrap();
        let before = executor.submit(square, 2).unwrap();
        let future = executor.submit(take, Trap(way)).unwrap();
        executor.shutdown(false, false);
        assert_eq!((kind_of(&future), kind_of(&before)), ("ArgumentsNotSent", ""));
        let executor = ProcessPoolExecutor::new(2).unwrap();
        assert_eq!(kind_of(&executor.submit(take, Trap(way)).unwrap()), "ArgumentsNotSent");
        executor.shutdown(true, false);
    }
}

/// PPE-35
#[test]
fn large_arguments_to_workers_that_crash() {
    let _deadline = Deadline::seconds(60);
    for strict in [true, false] {
        let builder = ProcessPoolExecutor::builder().max_workers(2).strict(strict);
        let executor = builder.build().unwrap();
        let large = || text(1, (4 << 20) + 1);
        let futures: Vec<_> =
            (0..10).map_while(|_| executor.submit(crash_with, large()).ok()).collect();
        let kind = if strict { "Broken" } else { "WorkerDied" };
        assert!(futures.iter().all(|future| kind_of(future) == kind));
        assert!(strict || futures.len() == 10);
        executor.shutdown(true, false);
    }
}

/// PPE-B03
#[test]
fn results_that_came_before_the_death_are_kept() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::builder().max_workers(1).strict(true).build().unwrap();
    let futures: Vec<_> = (0..4).map(|number| executor.submit(square, number).unwrap()).collect();
    let killer = executor.submit(exit, 1).unwrap();
    assert_eq!(kind_of(&killer), "Broken");
    assert_eq!(futures.iter().map(outcome).collect::<Vec<_>>(), [Ok(0), Ok(1), Ok(4), Ok(9)]);
}

/// PPE-B05, in strict mode.
#[test]
fn a_cancelled_future_does_not_disturb_the_breaking_of_the_others() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(8);
    let executor = strict(&stage, 1);
    let futures: Vec<_> = (0..8).map(|task| executor.submit(hold, task).unwrap()).collect();
    let (_, worker) = stage.next_waiting();
    assert!(futures[4].cancel());
    kill(worker);
    let kinds: Vec<_> = futures.iter().map(kind_of).collect();
    let mut expected = ["Broken"; 8];
    expected[4] = "Cancelled";
    assert_eq!(kinds, expected);
}

/// PPE-B06
#[test]
fn a_call_may_start_a_process() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::new(1).unwrap();
    assert_eq!(executor.submit(process_in_a_process, ()).unwrap().into_result(), Ok(Some(0)));
}

/// PPE-B07
#[test]
fn arguments_and_results_of_64_mib() {
    let _deadline = Deadline::seconds(60);
    let executor = ProcessPoolExecutor::new(1).unwrap();
    let large = text(3, 64 << 20);
    assert!(executor.submit(size_of_text, large.clone()).unwrap().into_result().unwrap() == large);
}

/// PPE-B10
#[test]
fn executors_that_come_and_go_leave_nothing_behind() {
    alone(cycles);
}

/// Runs in the child.
fn cycles((): ()) {
    let stage = Stage::new(20);
    leaves_nothing(200, |round| {
        let executor = match round % 3 {
            0 => ProcessPoolExecutor::on(&stage, 2),
            1 => strict(&stage, 2),
            _ => at_most(&stage, 2, 2),
        };
        let futures: Vec<_> = (0..10).map(|task| executor.submit(count, task).unwrap()).collect();
        match round % 5 {
            0 => drop(executor),
            1 => executor.shutdown(true, true),
            2 => executor.terminate_workers(),
            3 => executor.kill_workers(),
            _ => executor.shutdown(false, round.is_multiple_of(2)),
        }
        drop(futures);
    });
}
