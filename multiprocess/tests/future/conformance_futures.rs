//! The behaviour of Python's `concurrent.futures.Future`, `wait` and `as_completed`, and awaiting.
//!
//! What our types leave no room for: to fulfil a promise twice (FUT-B03, the second half) doesn't
//! compile, as the documentation of [`Promise::set_result`] shows; nor is there another
//! `return_when` (WAIT-B02).
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use multiprocess::futures::{
    Future, FutureError, Promise, ReturnWhen, TaskError, ThreadPoolExecutor, as_completed, wait,
};
use testing::{Deadline, LONG, bell, block_on, thread_id, work_of_this_thread};

multiprocess::test_entry!();
testing::test_waiting!();

/// How its text says what it is; a future; its promise, if that is still there.
type State = (&'static str, Future<i32>, Option<Promise<i32>>);

/// A future in each of its states.
fn states() -> [State; 5] {
    let [pending, running, cancelled, failed, finished] = [(); 5].map(|()| Promise::<i32>::new());
    assert_eq!(running.0.set_running(), Ok(true));
    assert!(cancelled.1.cancel());
    failed.0.set_exception(error()).unwrap();
    finished.0.set_result(42).unwrap();
    [
        ("pending", pending.1, Some(pending.0)),
        ("running", running.1, Some(running.0)),
        ("cancelled", cancelled.1, Some(cancelled.0)),
        ("finished raised Panicked", failed.1, None),
        ("finished returned i32", finished.1, None),
    ]
}

fn error() -> TaskError {
    TaskError::Panicked { message: String::from("no") }
}

/// What callbacks have seen: each tells its name and the future's outcome.
fn told<R: Clone + Send + Sync + 'static>(
    future: &Future<R>,
    names: &[&'static str],
) -> Receiver<(&'static str, Result<R, FutureError>)> {
    let (tell, told) = channel();
    for name in names {
        let (tell, name) = (tell.clone(), *name);
        future.add_done_callback(move |future| {
            assert!(future.done());
            tell.send((name, future.result().cloned())).unwrap();
        });
    }
    told
}

/// FUT-01
#[test]
fn a_callback_sees_the_result() {
    let (promise, future) = Promise::new();
    let told = told(&future, &["callback"]);
    promise.set_result(5).unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [("callback", Ok(5))]);
}

/// FUT-02
#[test]
fn a_callback_sees_the_error() {
    let (promise, future) = Promise::<i32>::new();
    let told = told(&future, &["callback"]);
    promise.set_exception(error()).unwrap();
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [("callback", Err(error().into()))]);
}

/// FUT-03
#[test]
fn a_callback_sees_that_it_was_cancelled() {
    let (promise, future) = Promise::<i32>::new();
    let told = told(&future, &["callback"]);
    assert!(future.cancel());
    assert_eq!(told.try_iter().collect::<Vec<_>>(), [("callback", Err(FutureError::Cancelled))]);
    assert!(promise.is_cancelled());
}

/// FUT-04, FUT-B01 (what is on standard error: `programs.rs`)
#[test]
fn callbacks_run_in_the_order_in_which_they_were_added_also_if_one_panics() {
    let (promise, future) = Promise::new();
    let first = told(&future, &["1"]);
    future.add_done_callback(|_| panic!("the second callback"));
    let third = told(&future, &["3"]);
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..10 {
        let order = Arc::clone(&order);
        future.add_done_callback(move |_| order.lock().unwrap().push(number));
    }
    promise.set_result(5).unwrap();
    assert_eq!((first.try_recv(), third.try_recv()), (Ok(("1", Ok(5))), Ok(("3", Ok(5)))));
    assert_eq!(*order.lock().unwrap(), (0..10).collect::<Vec<_>>());
}

/// FUT-05
#[test]
fn a_callback_that_is_added_to_a_future_that_is_done_runs_at_once() {
    for (_, future, _promise) in &states()[2..] {
        let told = told(future, &["late"]);
        assert_eq!(told.try_recv(), Ok(("late", future.result().cloned())));
    }
}

/// FUT-06
#[test]
fn a_callback_that_panics_at_once_does_the_caller_no_harm() {
    for (_, future, _promise) in &states()[2..] {
        let added =
            catch_unwind(AssertUnwindSafe(|| future.add_done_callback(|_| panic!("at once"))));
        assert!(added.is_ok());
    }
}

/// FUT-07
#[test]
fn only_a_pending_future_can_be_cancelled() {
    let answers = states().map(|(name, future, _promise)| {
        let answer = future.cancel();
        assert_eq!(future.cancel(), answer);
        (name, answer, future.cancelled())
    });
    let expected = [
        ("pending", true, true),
        ("running", false, false),
        ("cancelled", true, true),
        ("finished raised Panicked", false, false),
        ("finished returned i32", false, false),
    ];
    assert_eq!(answers, expected);
}

/// FUT-09
#[test]
fn a_future_is_done_if_it_is_finished_or_cancelled() {
    let states = states();
    let done = states.each_ref().map(|(_, future, _)| future.done());
    assert_eq!(done, [false, false, true, true, true]);
    let running = states.each_ref().map(|(_, future, _)| future.running());
    assert_eq!(running, [false, true, false, false, false]);
}

/// FUT-11
#[test]
fn a_result_without_waiting() {
    let states = states();
    let results = states.each_ref().map(|(_, future, _)| future.result_timeout(Duration::ZERO));
    let (late, cancelled) = (FutureError::TimedOut, FutureError::Cancelled);
    let expected = [Err(late.clone()), Err(late), Err(cancelled), Err(error().into()), Ok(&42)];
    assert_eq!(results, expected);
}

/// FUT-12
#[test]
fn an_error_without_waiting() {
    let states = states();
    let results = states.each_ref().map(|(_, future, _)| future.exception_timeout(Duration::ZERO));
    let (late, cancelled, error) = (FutureError::TimedOut, FutureError::Cancelled, error());
    let expected = [Err(late.clone()), Err(late), Err(cancelled), Ok(Some(&error)), Ok(None)];
    assert_eq!(results, expected);
}

/// Waits until this thread waits for something.
#[cfg(target_os = "linux")]
fn until_asleep(thread: u64) {
    testing::until("the thread sleeps", || testing::state(thread as u32) == Some('S'));
}

/// Gives a thread time to wait for something: these systems don't tell.
#[cfg(not(target_os = "linux"))]
fn until_asleep(_thread: u64) {
    thread::sleep(testing::SHORT);
}

/// FUT-14
#[test]
fn who_waits_for_a_future_hears_that_it_was_cancelled() {
    let _deadline = Deadline::seconds(60);
    let (_promise, future) = Promise::<i32>::new();
    let (tell, told) = channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            tell.send(thread_id()).unwrap();
            future.result().cloned()
        });
        until_asleep(told.recv().unwrap());
        assert!(future.cancel());
        assert_eq!(waiting.join().unwrap(), Err(FutureError::Cancelled));
    });
}

/// FUT-15
#[test]
fn who_waits_for_an_error_gets_the_one_of_another_thread() {
    let _deadline = Deadline::seconds(60);
    let (promise, future) = Promise::<i32>::new();
    let (tell, told) = channel();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            tell.send(thread_id()).unwrap();
            future.exception().map(Option::<&TaskError>::cloned)
        });
        until_asleep(told.recv().unwrap());
        promise.set_exception(error()).unwrap();
        assert_eq!(waiting.join().unwrap(), Ok(Some(error())));
    });
}

/// FUT-18
#[test]
fn its_text_says_what_became_of_it() {
    for (name, future, _promise) in states() {
        let text = format!("{future:?}");
        assert!(text.starts_with("<Future at 0x"), "{text}");
        assert!(text.ends_with(&format!(" state={name}>")), "{text}");
    }
    let (promise, future) = Promise::new();
    promise.set_result([Err::<Vec<String>, _>(FutureError::Cancelled)]).unwrap();
    let text = format!("{future:?}");
    assert!(text.ends_with(" returned [Result<Vec<String>, FutureError>; 1]>"), "{text}");
}

/// FUT-19: what is seen at one moment goes together, however many threads look.
#[test]
fn what_threads_see_of_a_future_goes_together() {
    let _deadline = Deadline::seconds(60);
    for round in 0..300 {
        let (promise, future) = Promise::new();
        let begin = Barrier::new(5);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    begin.wait();
                    loop {
                        let (done, cancelled) = (future.done(), future.cancelled());
                        let result = future.result_timeout(Duration::ZERO);
                        let error = future.exception_timeout(Duration::ZERO);
                        match result {
                            Err(FutureError::TimedOut) => assert!(!done && !cancelled),
                            Err(FutureError::Cancelled) => {
                                assert_eq!(error, Err(FutureError::Cancelled));
                                assert!(future.cancelled() && future.done());
                                break;
                            }
                            result => {
                                assert_eq!((result, error), (Ok(&7), Ok(None)));
                                assert!(!cancelled && future.done() && !future.cancel());
                                break;
                            }
                        }
                    }
                });
            }
            begin.wait();
            if round % 2 == 0 {
                assert!(future.cancel());
                assert!(promise.set_result(7).is_err());
            } else {
                assert_eq!(promise.set_running(), Ok(true));
                promise.set_result(7).unwrap();
            }
        });
    }
}

/// FUT-B02
#[test]
fn the_work_begins_once_and_not_if_it_was_cancelled() {
    let (promise, future) = Promise::<i32>::new();
    assert_eq!(promise.set_running(), Ok(true));
    assert!(!future.cancel());
    assert_eq!(promise.set_running().unwrap_err().to_string(), "the future is running already");
    let (promise, future) = Promise::<i32>::new();
    assert!(future.cancel());
    assert_eq!(promise.set_running(), Ok(false));
}

/// FUT-B03
#[test]
fn a_cancelled_future_takes_no_result() {
    for fulfil in [(|promise| promise.set_result(1)) as fn(Promise<i32>) -> _, |promise| {
        promise.set_exception(error())
    }] {
        let (promise, future) = Promise::new();
        assert!(future.cancel());
        let refused = fulfil(promise).unwrap_err();
        assert_eq!(refused.to_string(), "the future is cancelled already");
        assert_eq!(future.into_result(), Err(FutureError::Cancelled));
    }
}

/// FUT-B04
#[test]
fn a_callback_that_is_added_by_a_callback_runs_before_the_rest_of_it() {
    let (promise, future) = Promise::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&order);
    future.add_done_callback(move |future| {
        let inner = Arc::clone(&seen);
        seen.lock().unwrap().push("outer begins");
        future.add_done_callback(move |_| inner.lock().unwrap().push("inner"));
        seen.lock().unwrap().push("outer ends");
    });
    promise.set_result(1).unwrap();
    assert_eq!(*order.lock().unwrap(), ["outer begins", "inner", "outer ends"]);
}

/// FUT-B05
#[test]
#[expect(clippy::mutable_key_type, reason = "what changes in a future isn't part of the key")]
fn a_future_is_a_key_whichever_handle_it_is_looked_up_by() {
    let futures = [(); 3].map(|()| Promise::<i32>::new().1);
    let [first, second, other] = futures.each_ref();
    assert_eq!(first, &first.clone());
    assert_ne!(first, second);
    let names = HashMap::from([(first.clone(), "first"), (second.clone(), "second")]);
    let found = [first, second, other].map(|future| names.get(&future.clone()).copied());
    assert_eq!(found, [Some("first"), Some("second"), None]);
    assert_eq!(HashSet::from([first, first, &first.clone()]).len(), 1);
}

#[test]
fn a_promise_that_is_dropped_ends_its_future() {
    let (promise, future) = Promise::<i32>::new();
    let told = told(&future, &["callback"]);
    drop(promise);
    assert_eq!(future.result(), Err(TaskError::Abandoned.into()));
    assert_eq!(told.try_recv(), Ok(("callback", Err(TaskError::Abandoned.into()))));
    let (promise, future) = Promise::<i32>::new();
    assert!(future.cancel());
    drop(promise);
    assert!(future.cancelled());
}

#[test]
fn a_result_is_taken_out_by_the_last_handle_also_while_callbacks_run() {
    let _deadline = Deadline::seconds(60);
    let (promise, future) = Promise::new();
    let ((tell, told), (take, taker)) = (channel(), channel());
    let runs = Arc::new(Barrier::new(2));
    let callback = Arc::clone(&runs);
    future.add_done_callback(move |future| {
        callback.wait();
        until_asleep(taker.recv().unwrap());
        tell.send(future.result().cloned()).unwrap();
    });
    thread::scope(|scope| {
        scope.spawn(|| promise.set_result(String::from("moved")));
        runs.wait();
        take.send(thread_id()).unwrap();
        assert_eq!(future.into_result(), Ok(String::from("moved")));
        assert_eq!(told.try_recv(), Ok(Ok(String::from("moved"))));
    });
}

// ---------------------------------------------------------------------------- wait, as_completed

fn none() -> Option<Duration> {
    None
}

/// WAIT-01
#[test]
fn a_future_that_is_given_twice_to_wait_counts_once() {
    let (promise, future) = Promise::new();
    promise.set_result(1).unwrap();
    let waited = wait([&future, &future], None, ReturnWhen::AllCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (1, 0));
    let copy = future.clone();
    let waited = wait([future, copy], None, ReturnWhen::AllCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (1, 0));
}

/// WAIT-03
#[test]
fn wait_returns_at_once_if_one_is_done_already() {
    let _deadline = Deadline::seconds(60);
    let states = states();
    let [_, (_, running, _), (_, cancelled, _), _, (_, finished, _)] = &states;
    let waited = wait([running, cancelled, finished], None, ReturnWhen::FirstCompleted);
    assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
    assert!(waited.not_done[0].is_same(running));
}

#[test]
fn wait_for_the_first_error_returns_when_it_is_there() {
    let _deadline = Deadline::seconds(60);
    let [(_, pending, _promise), .., (_, failed, _), (_, finished, _)] = states();
    let waited = wait([&finished, &failed, &pending], None, ReturnWhen::FirstException);
    assert_eq!((waited.done.len(), waited.not_done.len()), (2, 1));
}

/// WAIT-11, WAIT-13
#[test]
fn as_completed_gives_what_is_done_before_its_time_is_over() {
    let _deadline = Deadline::seconds(60);
    let states = states();
    let [(_, pending, _), (_, running, _), .., (_, failed, _), (_, finished, _)] = &states;
    for timeout in [Duration::ZERO, Duration::from_millis(100)] {
        let mut completed = as_completed([pending, finished, running, failed], timeout);
        assert!(completed.next().unwrap().unwrap().is_same(finished));
        assert!(completed.next().unwrap().unwrap().is_same(failed));
        let error = completed.next().unwrap().unwrap_err();
        assert_eq!(error.to_string(), "2 (of 4) futures unfinished");
        assert_eq!((error.unfinished, error.all), (2, 4));
        assert!(completed.next().is_none());
    }
}

/// WAIT-12
#[test]
fn as_completed_gives_a_future_once_however_often_it_is_given() {
    let (promise, future) = Promise::new();
    promise.set_result(1).unwrap();
    assert_eq!(as_completed([&future, &future, &future], None).count(), 1);
    let handles = std::iter::repeat_with(|| future.clone()).take(3);
    assert_eq!(as_completed(handles, None).count(), 1);
    assert_eq!(as_completed(vec![future.clone(), future.clone(), future], None).count(), 1);
}

/// WAIT-B02
#[test]
fn of_no_futures_all_are_done() {
    let none: [Future<i32>; 0] = [];
    for return_when in
        [ReturnWhen::AllCompleted, ReturnWhen::FirstCompleted, ReturnWhen::FirstException]
    {
        let waited = wait(&none, None, return_when);
        assert!(waited.done.is_empty() && waited.not_done.is_empty());
    }
    assert!(as_completed(none, None).next().is_none());
}

#[test]
fn what_a_wait_costs_does_not_grow_with_the_number_of_futures() {
    let _deadline = Deadline::seconds(60);
    // Some ticks of a coarse clock: on Windows they are 15.6 ms long.
    const TICKS: Duration = Duration::from_millis(50);
    let (few, many) = (work_of_waits(1_000), work_of_waits(10_000));
    // Ten times as long; a hundred times if each looked at all others.
    assert!(many < 40 * few.max(TICKS), "{many:?} instead of {few:?}");
}

/// Waits for so many futures, of which each is done only when the one before it has come; returns
/// how long this thread worked.
fn work_of_waits(futures: usize) -> Duration {
    let (promises, futures): (Vec<_>, Vec<_>) = (0..futures).map(|_| Promise::new()).unzip();
    let (ask, asked) = channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            for (promise, ()) in promises.into_iter().zip(asked) {
                promise.set_result(1).unwrap();
            }
        });
        let before = work_of_this_thread();
        ask.send(()).unwrap();
        for future in as_completed(&futures, None) {
            assert_eq!(future.unwrap().result(), Ok(&1));
            let _ = ask.send(());
        }
        work_of_this_thread() - before
    })
}

// ------------------------------------------------------------------------------------- awaiting

fn poll<R>(future: &mut Future<R>, waker: &Waker) -> Poll<Result<R, FutureError>> {
    std::future::Future::poll(Pin::new(future), &mut Context::from_waker(waker))
}

#[test]
fn awaiting_tells_of_errors_and_cancellation() {
    let [.., (_, cancelled, _), (_, failed, _), (_, finished, _)] = states();
    assert_eq!(block_on(cancelled), Err(FutureError::Cancelled));
    assert_eq!(block_on(failed), Err(error().into()));
    let copy = finished.clone();
    assert_eq!(block_on(finished), Err(FutureError::Shared));
    assert_eq!(block_on(copy), Ok(42));
}

#[test]
fn each_task_that_awaits_is_woken_once_by_its_latest_waker() {
    let (promise, mut future) = Promise::new();
    let mut copy = future.clone();
    let [old, new, other] = [(); 3].map(|()| bell());
    for _ in 0..3 {
        assert!(poll(&mut future, &old.1).is_pending());
    }
    for _ in 0..3 {
        assert!(poll(&mut future, &new.1).is_pending());
    }
    assert!(poll(&mut copy, &other.1).is_pending());
    assert_eq!(Arc::strong_count(&old.0), 2, "the waker that was replaced is gone");
    promise.set_result(1).unwrap();
    let rung = [&old, &new, &other].map(|(bell, _)| bell.rung.load(Ordering::SeqCst));
    assert_eq!(rung, [0, 1, 1]);
    assert_eq!(poll(&mut future, &new.1), Poll::Ready(Err(FutureError::Shared)));
    drop(future);
    assert_eq!(poll(&mut copy, &new.1), Poll::Ready(Ok(1)));
    assert_eq!(poll(&mut copy, &new.1), Poll::Ready(Err(FutureError::Taken)));
    assert_eq!(copy.result(), Err(FutureError::Taken));
    assert_eq!(copy.exception(), Err(FutureError::Taken));
}

#[test]
fn a_pending_future_that_is_dropped_takes_its_waker_along() {
    let (promise, mut future) = Promise::new();
    let other = future.clone();
    let (bell, waker) = bell();
    assert!(poll(&mut future, &waker).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&bell), 2);
    drop(future);
    assert_eq!(Arc::strong_count(&bell), 1);
    promise.set_result(1).unwrap();
    assert_eq!(bell.rung.load(Ordering::SeqCst), 0);
    assert_eq!(block_on(other), Ok(1));
}

#[test]
fn who_cancels_a_future_wakes_who_awaits_it() {
    let (_promise, mut future) = Promise::<i32>::new();
    let copy = future.clone();
    let (bell, waker) = bell();
    assert!(poll(&mut future, &waker).is_pending());
    assert!(copy.cancel());
    assert_eq!(bell.rung.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut future, &waker), Poll::Ready(Err(FutureError::Cancelled)));
}

/// An async executor's task: its wakers hold it.
struct Holds(#[expect(dead_code, reason = "held")] Mutex<Option<Future<i32>>>);

impl Wake for Holds {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_that_holds_the_last_handle_on_the_future_is_dropped_without_harm() {
    let _deadline = Deadline::seconds(60);
    let (promise, mut future) = Promise::new();
    let holder = || {
        let mut copy = future.clone();
        assert!(poll(&mut copy, Waker::noop()).is_pending());
        Waker::from(Arc::new(Holds(Mutex::new(Some(copy)))))
    };
    let [first, second] = [holder(), holder()];
    assert!(poll(&mut future, &first).is_pending());
    drop(first);
    // The future has moved to another task: the first one goes, with what it held.
    assert!(poll(&mut future, &bell().1).is_pending());
    assert!(poll(&mut future, &second).is_pending());
    drop(second);
    drop(future);
    promise.set_result(1).unwrap();
}

#[test]
fn awaited_while_it_is_fulfilled_none_is_forgotten() {
    let _deadline = Deadline::seconds(60);
    for round in 0..2000 {
        let (promise, future) = Promise::new();
        if round % 3 == 0 {
            future.add_done_callback(|_| ());
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                if round % 2 == 0 {
                    thread::yield_now();
                }
                promise.set_result(round)
            });
            assert_eq!(block_on(future), Ok(round));
        });
    }
}

#[test]
fn an_awaited_future_may_be_one_of_many_waits() {
    let _deadline = Deadline::seconds(60);
    let executor = ThreadPoolExecutor::new(4);
    let futures: Vec<_> = (0..200).map(|n| executor.spawn(move || n).unwrap()).collect();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let waited = wait(&futures, none(), ReturnWhen::AllCompleted);
                assert_eq!(waited.done.len(), 200);
                assert_eq!(as_completed(&futures, LONG).filter(Result::is_ok).count(), 200);
            });
        }
    });
    for (n, future) in futures.into_iter().enumerate() {
        assert_eq!(block_on(future), Ok(n));
    }
}
