//! Chains of callbacks, and callbacks that panic or wait.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::future::Future as _;
use std::panic::panic_any;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};

use multiprocess::futures::{ProcessPoolExecutor, Promise, TaskError, ThreadPoolExecutor};
use testing::executors::hostile::calls_that_end_together_may_wait_for_each_other;
use testing::values::{PANICS_WHEN_DROPPED, Trap};
use testing::{Deadline, LONG, bell};

multiprocess::test_entry!();

/// Length of a chain in which no callback may cost a piece of the stack.
const LONG_CHAIN: u64 = 100_000;

/// FUT-B06
#[test]
fn a_long_chain_of_promises_is_fulfilled_from_its_beginning() {
    let (first, mut last) = Promise::new();
    for _ in 0..LONG_CHAIN {
        let (promise, next) = Promise::new();
        last.add_done_callback(move |future| {
            promise.set_result(future.result().unwrap() + 1).unwrap();
        });
        last = next;
    }
    first.set_result(0).unwrap();
    assert_eq!(last.into_result(), Ok(LONG_CHAIN));
}

#[test]
fn a_long_chain_of_promises_that_are_dropped_or_cancelled_comes_to_its_end() {
    for cancel in [false, true] {
        let (first, beginning) = Promise::<u64>::new();
        let mut last = beginning.clone();
        for _ in 0..LONG_CHAIN {
            let (promise, next) = Promise::<u64>::new();
            // Dropped by the callback, unfulfilled.
            last.add_done_callback(move |_| drop(promise));
            last = next;
        }
        if cancel {
            assert!(beginning.cancel());
        } else {
            drop(first);
        }
        assert_eq!(last.into_result(), Err(TaskError::Abandoned.into()));
    }
}

fn count_down(number: u64, tell: Sender<u64>) {
    let (promise, future) = Promise::new();
    promise.set_result(number).unwrap();
    future.add_done_callback(move |future| match *future.result().unwrap() {
        0 => tell.send(0).unwrap(),
        number => count_down(number - 1, tell),
    });
}

#[test]
fn a_long_chain_of_callbacks_of_futures_that_are_done_comes_to_its_end() {
    let (tell, told) = channel();
    count_down(LONG_CHAIN, tell);
    assert_eq!(told.try_recv(), Ok(0));
}

#[test]
fn a_callback_that_fulfils_a_promise_has_run_its_callbacks_when_it_goes_on() {
    let (outer, future) = Promise::new();
    let (inner, inner_future) = Promise::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let (of_outer, of_inner) = (Arc::clone(&order), Arc::clone(&order));
    inner_future.add_done_callback(move |_| of_inner.lock().unwrap().push("inner"));
    future.add_done_callback(move |_| {
        inner.set_result(1).unwrap();
        of_outer.lock().unwrap().push("outer");
        assert_eq!(inner_future.into_result(), Ok(1));
        of_outer.lock().unwrap().push("taken");
    });
    outer.set_result(1).unwrap();
    assert_eq!(*order.lock().unwrap(), ["inner", "outer", "taken"]);
}

/// A waker that panics.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("woken");
    }
}

#[test]
fn what_a_callback_or_a_waker_panics_with_costs_that_one_alone() {
    let _deadline = Deadline::seconds(60);
    let (promise, mut future) = Promise::new();
    let mut copy = future.clone();
    let (tell, told) = channel();
    future.add_done_callback(|_| panic_any(Trap(PANICS_WHEN_DROPPED)));
    future.add_done_callback(move |future| tell.send(*future.result().unwrap()).unwrap());
    let ((bell, waker), panics) = (bell(), Waker::from(Arc::new(Panics)));
    let polls = [(&mut future, &panics), (&mut copy, &waker)];
    for (future, waker) in polls {
        assert!(Pin::new(future).poll(&mut Context::from_waker(waker)).is_pending());
    }
    promise.set_result(1).unwrap();
    assert_eq!(told.try_recv(), Ok(1));
    assert_eq!(bell.rung.load(Ordering::SeqCst), 1);
    drop(future);
    assert_eq!(copy.into_result(), Ok(1));
}

#[test]
fn a_callback_of_a_call_that_is_terminated_with_others_may_wait_for_these() {
    let _deadline = Deadline::seconds(60);
    calls_that_end_together_may_wait_for_each_other(
        |executor: ProcessPoolExecutor| executor.terminate_workers(),
        &TaskError::Terminated.into(),
    );
    calls_that_end_together_may_wait_for_each_other(
        |executor: ProcessPoolExecutor| executor.kill_workers(),
        &TaskError::Terminated.into(),
    );
}

#[test]
fn a_callback_of_a_broken_executor_of_threads_may_wait_for_other_calls() {
    let _deadline = Deadline::seconds(60);
    let (open, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let executor = ThreadPoolExecutor::builder().max_workers(1).initializer(move || {
        gate.lock().unwrap().recv().unwrap();
        panic!("no");
    });
    let executor = executor.build().unwrap();
    let ran = Arc::new(Mutex::new(0));
    let futures: Vec<_> = (0..10)
        .map(|_| {
            let ran = Arc::clone(&ran);
            executor.spawn(move || *ran.lock().unwrap() += 1).unwrap()
        })
        .collect();
    let last = futures[9].clone();
    let (tell, told) = channel();
    futures[0].add_done_callback(move |_| tell.send(last.exception().unwrap().cloned()).unwrap());
    open.send(()).unwrap();
    assert!(matches!(told.recv_timeout(LONG), Ok(Some(TaskError::Broken(_)))));
    drop(executor);
    assert_eq!(*ran.lock().unwrap(), 0);
}
