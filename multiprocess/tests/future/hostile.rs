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
use testing::values::{FINE, NOT_SENT, PANICS_WHEN_DROPPED, Trap};
use testing::{
    Deadline, LONG, OnStage, Other, Stage, alone, block_on, children, count, hold, kind_of,
    outcome, stock,
};

multiprocess::test_entry!();
testing::test_hostile!();
tasks![square, hold_trap, threads_in_a_call, hang];
tasks![terminate_at_any_instant];

fn square(number: u64) -> u64 {
    number * number
}

// ------------------------------------------------------------------------- panics where things end

fn hold_trap(trap: Trap) -> Trap {
    testing::stage().pass();
    trap
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

/// A task of a pool, whose workers can't start processes.
fn threads_in_a_call(number: u64) -> u64 {
    let processes = ProcessPoolExecutor::new(2).unwrap();
    let refused = processes.submit(square, number).unwrap_err();
    assert!(matches!(refused, SubmitError::Start(_)), "{refused}");
    ThreadPoolExecutor::new(2).submit(square, number).unwrap().into_result().unwrap()
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
