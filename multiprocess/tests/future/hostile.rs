//! What users may do to executors in calls, callbacks, destructors, inputs and initializers.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use multiprocess::futures::{
    BuildError, Executor, FutureError, MapOptions, ProcessPoolExecutor, ReturnWhen, SubmitError,
    TaskError, ThreadPoolExecutor, as_completed, wait,
};
use multiprocess::{Pool, tasks};
use testing::stage::enter;
use testing::values::{FINE, NOT_SENT, PANICS_WHEN_DROPPED, Trap, give, take};
use testing::{
    Deadline, LONG, OnStage, Other, Stage, alone, block_on, children, count, hold, kind_of,
    on_both, outcome, stock, work_of_this_thread,
};

multiprocess::test_entry!();
tasks![
    square,
    hold_trap,
    give_when_open,
    hold_the_second,
    executors_in_a_call,
    threads_in_a_call,
    hang
];
tasks![terminate_at_any_instant];

fn square(number: u64) -> u64 {
    number * number
}

// ---------------------------------------------------------------------------- what runs, and where

/// The places of the queue of tasks are used again while it runs.
fn a_call_that_runs_for_long_stays_running<E: OnStage>() {
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

fn a_hundred_thousand_waiting_calls_are_cancelled_in_a_moment<E: OnStage>() {
    let stage = Stage::new(1);
    let executor = E::on(&stage, 1);
    let held = executor.submit(hold, 0).unwrap();
    let (futures, submitting) = measured(|| {
        let futures = (0..100_000).map(|n| executor.submit(square, n).unwrap());
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

fn a_map_of_a_hundred_thousand_is_dropped_in_a_moment<E: OnStage>() {
    let stage = Stage::new(2);
    let executor = E::on(&stage, 1);
    let (results, submitting) = measured(|| executor.map(hold_the_second, 0..100_000));
    let mut results = results.unwrap();
    assert_eq!(results.next(), Some(Ok(0)));
    stage.next_waiting();
    let ((), dropping) = measured(|| drop(results));
    stage.open(1);
    assert!(dropping < 5 * submitting, "{dropping:?}, and to submit them {submitting:?}");
    assert_eq!(executor.submit(square, 3).unwrap().into_result(), Ok(9));
}

// ------------------------------------------------------------------------- panics where things end

fn hold_trap(trap: Trap) -> Trap {
    testing::stage().pass();
    trap
}

/// A call: what it gives panics somewhere.
fn give_when_open(way: u8) -> Trap {
    testing::stage().pass();
    give(way)
}

/// Nobody wants the result; so it is dropped by who brings it.
fn a_result_whose_drop_panics_harms_nobody<E: OnStage>() {
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

fn an_argument_whose_drop_panics_is_the_error_of_its_call<E: OnStage>() {
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

#[test]
fn a_cancelled_call_whose_drop_panics_harms_no_thread() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..20 {
        let stage = Stage::new(1);
        let executor = ThreadPoolExecutor::on(&stage, 1);
        let held = executor.submit(hold, 0).unwrap();
        stage.next_waiting();
        let trap = Trap(PANICS_WHEN_DROPPED);
        let futures: Vec<_> = (0..3)
            .map(|_| {
                let trap = trap.clone();
                executor.spawn(move || drop(trap)).unwrap()
            })
            .collect();
        std::mem::forget(trap);
        let _ = catch_unwind(AssertUnwindSafe(|| futures[0].cancel()));
        assert!(futures[0].cancelled());
        executor.shutdown(false, true);
        assert!(futures.iter().all(|future| future.cancelled()));
        stage.open(1);
        assert_eq!(outcome(&held), Ok(0));
    }
}

// ---------------------------------------------------------------------------------- callbacks

fn callbacks_may_submit_more<E: OnStage>() {
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

fn a_callback_may_hold_the_last_handle<E: OnStage>() {
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

#[test]
fn a_call_may_hold_the_last_handle_also_if_another_waits_for_it() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..100 {
        let executor = Arc::new(ThreadPoolExecutor::new(2));
        let other = Arc::clone(&executor);
        let (open, gate) = channel::<()>();
        let holds = executor.spawn(move || {
            gate.recv().unwrap();
            drop(other);
        });
        let holds = holds.unwrap();
        let (tell, told) = channel();
        let waits = executor.spawn(move || {
            tell.send(()).unwrap();
            holds.into_result()
        });
        let waits = waits.unwrap();
        told.recv_timeout(LONG).unwrap();
        drop(executor);
        open.send(()).unwrap();
        assert_eq!(waits.result_timeout(LONG), Ok(&Ok(())));
    }
}

/// PPE-B11
#[test]
fn a_callback_of_processes_cannot_wait_for_others_and_is_told_so() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(3);
    let executor = Arc::new(ProcessPoolExecutor::on(&stage, 1));
    let first = executor.submit(hold, 0).unwrap();
    let second = executor.submit(hold, 1).unwrap();
    let (tell, told) = channel();
    let (other, copy) = (Arc::clone(&executor), second.clone());
    first.add_done_callback(move |_| {
        assert_eq!(copy.result(), Err(FutureError::Deadlock));
        assert_eq!(copy.exception(), Err(FutureError::Deadlock));
        assert_eq!(copy.result_timeout(Duration::ZERO), Err(FutureError::TimedOut));
        assert_eq!(copy.result_timeout(LONG), Err(FutureError::Deadlock));
        assert_eq!(copy.exception_timeout(LONG), Err(FutureError::Deadlock));
        assert_eq!(copy.clone().into_result(), Err(FutureError::Deadlock));
        assert_eq!(block_on(copy.clone()), Err(FutureError::Deadlock));
        for limit in [None, Some(LONG)] {
            let waited = wait([&copy], limit, ReturnWhen::AllCompleted);
            assert_eq!((waited.done.len(), waited.not_done.len()), (0, 1));
            let mut completed = as_completed([&copy], limit);
            assert_eq!(completed.next().unwrap().unwrap_err().unfinished, 1);
            assert!(completed.next().is_none());
        }
        for options in [MapOptions::default(), MapOptions::default().timeout(LONG)] {
            let mut results = other.map_with(options, count, [2]).unwrap();
            assert_eq!(results.next(), Some(Err(FutureError::Deadlock)));
        }
        tell.send(()).unwrap();
    });
    stage.open(2);
    assert_eq!(told.recv_timeout(LONG), Ok(()));
    assert_eq!(outcome(&second), Ok(1));
}

// ------------------------------------------------------------------------ executors in executors

/// A call: has executors of its own.
fn executors_in_a_call(number: u64) -> u64 {
    let processes = ProcessPoolExecutor::new(2).unwrap();
    let threads = ThreadPoolExecutor::new(2);
    let one = processes.submit(square, number).unwrap();
    let two = threads.submit(square, number).unwrap();
    one.into_result().unwrap() + two.into_result().unwrap()
}

/// A task of a pool, whose workers can't start processes.
fn threads_in_a_call(number: u64) -> u64 {
    let processes = ProcessPoolExecutor::new(2).unwrap();
    let refused = processes.submit(square, number).unwrap_err();
    assert!(matches!(refused, SubmitError::Start(_)), "{refused}");
    ThreadPoolExecutor::new(2).submit(square, number).unwrap().into_result().unwrap()
}

fn executors_may_be_in_calls_of_executors<E: OnStage>() {
    let executor = E::plain(2);
    let results: Vec<_> = executor.map(executors_in_a_call, 0..6).unwrap().collect();
    assert_eq!(results, (0..6).map(|n| Ok(2 * n * n)).collect::<Vec<_>>());
}

#[test]
fn executors_of_threads_may_be_in_tasks_of_pools() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(threads_in_a_call, 0..4).unwrap(), [0, 1, 4, 9]);
}

// ------------------------------------------------------------------------------- initializers

/// Runs in each worker.
fn hang(stage: Stage) {
    enter(stage);
    testing::begin(0);
    testing::stage().pass();
}

#[test]
fn an_initializer_that_hangs_can_be_ended() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let builder = ProcessPoolExecutor::builder().max_workers(2);
    let executor = builder.initializer(hang, stage.clone()).build().unwrap();
    let futures = [1, 2].map(|number| executor.submit(square, number).unwrap());
    let workers = [0, 1].map(|_| Other::of(stage.next_waiting().1).unwrap());
    assert!(futures.iter().all(|future| !future.running()));
    assert!(futures[0].cancel());
    executor.terminate_workers();
    assert_eq!(futures.each_ref().map(kind_of), ["Cancelled", "Terminated"]);
    assert!(workers.iter().all(|worker| worker.ends_within(LONG)));
    executor.shutdown(true, true);
}

#[test]
fn a_strict_executor_takes_a_worker_at_its_limit_for_no_death() {
    let _deadline = Deadline::seconds(60);
    let builder = ProcessPoolExecutor::builder().max_workers(2).strict(true);
    let executor = builder.max_tasks_per_child(3).build().unwrap();
    let results = executor.map(square, 0..60).unwrap();
    assert_eq!(results.filter(Result::is_ok).count(), 60);
    executor.shutdown(true, false);
}

// ---------------------------------------------------------------------------------------- maps

fn a_map_whose_input_panics_leaves_the_executor_as_it_was<E: OnStage>() {
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

#[test]
fn a_chunk_with_arguments_that_cannot_be_sent_is_cancelled_with_its_map() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let executor = ProcessPoolExecutor::on(&stage, 1);
    let held = executor.submit(hold, 0).unwrap();
    stage.next_waiting();
    let ways = [NOT_SENT, FINE, FINE, NOT_SENT, FINE, NOT_SENT];
    let items = || ways.map(Trap);
    let options = MapOptions::default().chunksize(6);
    let mut cancelled = executor.map_with(options, hold_trap, items()).unwrap();
    assert!(cancelled.next().unwrap().is_err());
    drop(cancelled);
    stage.open(1);
    assert_eq!(outcome(&held), Ok(0));
    assert_eq!(executor.submit(square, 2).unwrap().into_result(), Ok(4));
    // Not cancelled: each its own error.
    stage.open(3);
    let results = executor.map_with(options, hold_trap, items()).unwrap();
    let failed: Vec<bool> = results.map(|result| result.is_err()).collect();
    assert_eq!(failed, ways.map(|way| way == NOT_SENT));
    executor.shutdown(true, false);
}

// -------------------------------------------------------------------------------------- memory

/// What calls, callbacks and results hold is let go with them.
#[test]
fn a_future_that_is_done_keeps_nothing_alive() {
    let _deadline = Deadline::seconds(60);
    let executor = ThreadPoolExecutor::new(1);
    let token = Arc::new(());
    let (open, gate) = channel::<()>();
    let held = executor.spawn(move || gate.recv().is_ok()).unwrap();
    let call = || {
        let token = Arc::clone(&token);
        move || token
    };
    let [done, cancelled, dropped, last] = [(); 4].map(|()| executor.spawn(call()).unwrap());
    for future in [&done, &cancelled, &last] {
        let token = Arc::clone(&token);
        future.add_done_callback(move |_| drop(token));
    }
    assert_eq!(Arc::strong_count(&token), 8);
    assert!(cancelled.cancel());
    assert_eq!(Arc::strong_count(&token), 6, "cancelled: the call and its callback");
    drop(dropped);
    open.send(()).unwrap();
    assert_eq!(outcome(&held), Ok(true));
    assert!(last.result().is_ok());
    assert!(done.result().is_ok());
    // The results of two; what nobody wanted is gone, and so are the callbacks.
    testing::until("the callbacks are gone", || Arc::strong_count(&token) == 3);
    drop((done, last));
    assert_eq!(Arc::strong_count(&token), 1);
    drop(cancelled);
}

fn a_future_that_is_done_keeps_no_callback_alive<E: OnStage>() {
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

// ------------------------------------------------------------------------------ ends of all kinds

/// Workers that are being started when all are ended are ended, too.
#[test]
fn workers_are_terminated_also_while_they_are_started() {
    alone(terminate_at_any_instant);
}

/// Runs in the child.
fn terminate_at_any_instant((): ()) {
    let before = stock();
    for round in 0..60 {
        let executor = ProcessPoolExecutor::new(2).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..3 {
                    let _ = executor.submit(square, number);
                }
            });
            // Any instant will do: this sleep isn't a wait for something.
            thread::sleep(Duration::from_micros(round * 100));
            match round % 2 {
                0 => executor.terminate_workers(),
                _ => executor.kill_workers(),
            }
        });
        drop(executor);
        assert_eq!(children(), [0; 0], "still there after round {round}");
    }
    before.comes_back().unwrap();
}

static FORGOTTEN: OnceLock<ProcessPoolExecutor> = OnceLock::new();

#[test]
fn an_executor_in_a_static_is_used_by_all_threads() {
    let _deadline = Deadline::seconds(60);
    let executor = || FORGOTTEN.get_or_init(|| ProcessPoolExecutor::new(1).unwrap());
    thread::scope(|scope| {
        for number in 0..4 {
            scope.spawn(move || {
                let future = executor().submit(square, number).unwrap();
                assert_eq!(future.into_result(), Ok(number * number));
            });
        }
    });
}

fn many_calls_are_submitted_at_once<E: OnStage>() {
    let calls = std::env::var("MANY_CALLS").map_or(50_000, |calls| calls.parse().unwrap());
    let executor = E::plain(2);
    let futures: Vec<_> = (0..calls).map(|n| executor.submit(square, n).unwrap()).collect();
    executor.shutdown(false, false);
    for (number, future) in (0..calls).zip(futures) {
        assert_eq!(future.into_result(), Ok(number * number));
    }
}

#[test]
fn unlisted_functions_are_an_error_of_processes_only() {
    let _deadline = Deadline::seconds(60);
    fn unlisted(_: u64) {}
    let refused = ProcessPoolExecutor::new(1).unwrap().submit(unlisted, 1).unwrap_err();
    assert!(matches!(refused, SubmitError::Unlisted(_)), "{refused}");
    assert!(ThreadPoolExecutor::new(1).submit(unlisted, 1).unwrap().into_result().is_ok());
    let error = FutureError::from(TaskError::Abandoned);
    assert_eq!(error.to_string(), TaskError::Abandoned.to_string());
}

/// For reporters that print an error, then its source, and so on.
#[test]
fn no_error_says_its_cause_twice() {
    let system = || std::io::Error::other("no memory");
    let start =
        || multiprocess::process::Error::Start { name: String::from("worker"), reason: system() };
    let errors: [&dyn std::error::Error; 8] = [
        &FutureError::from(TaskError::ArgumentsNotSent(String::from("no memory"))),
        &FutureError::from(TaskError::Broken(String::from("no memory"))),
        &SubmitError::Broken(String::from("no memory")),
        &SubmitError::Unlisted(start()),
        &SubmitError::Start(start().to_string()),
        &BuildError::Unlisted(start()),
        &BuildError::System(system()),
        &BuildError::from(system()),
    ];
    for error in errors {
        assert!(error.to_string().contains("no memory"), "{error}");
        assert!(error.source().is_none(), "{error}");
    }
}

on_both![
    a_call_that_runs_for_long_stays_running,
    a_hundred_thousand_waiting_calls_are_cancelled_in_a_moment,
    a_map_of_a_hundred_thousand_is_dropped_in_a_moment,
    a_result_whose_drop_panics_harms_nobody,
    an_argument_whose_drop_panics_is_the_error_of_its_call,
    callbacks_may_submit_more,
    a_callback_may_hold_the_last_handle,
    executors_may_be_in_calls_of_executors,
    a_map_whose_input_panics_leaves_the_executor_as_it_was,
    a_future_that_is_done_keeps_no_callback_alive,
    many_calls_are_submitted_at_once,
];
