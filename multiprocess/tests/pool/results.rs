//! Results that come later: callbacks, results nobody wants, imaps that are given up.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use multiprocess::pool::{Error, TaskError};
use multiprocess::{Pool, tasks};
use testing::{Deadline, LONG, Stage, count, hold, kind};

multiprocess::test_entry!();
tasks![square, boom];

fn square(number: u64) -> u64 {
    number * number
}

fn boom(number: u64) -> u64 {
    panic!("boom {number}");
}

/// POOL-23
#[test]
fn a_failing_task_is_told_to_the_callback_and_by_get() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let (told, heard) = channel();
    let result = pool.apply_async(boom, 3).unwrap();
    result.on_result(move |result| told.send(result.clone()).unwrap());
    let told = heard.recv_timeout(LONG).unwrap().unwrap_err();
    assert_eq!(kind(&told), "Panicked");
    assert_eq!(result.get().unwrap_err(), told);
}

#[test]
fn callbacks_are_called_once_each_before_and_after_the_result_has_come() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let pool = stage.pool(1);
    let result = pool.apply_async(hold, 7).unwrap();
    let (told, heard) = channel();
    for _ in 0..3 {
        let told = told.clone();
        result.on_result(move |result| told.send(result.clone()).unwrap());
    }
    stage.open(1);
    for _ in 0..3 {
        assert_eq!(heard.recv_timeout(LONG).unwrap(), Ok(7));
    }
    result.wait();
    let late = told.clone();
    result.on_result(move |result| late.send(result.clone()).unwrap());
    assert_eq!(heard.recv_timeout(LONG).unwrap(), Ok(7));
    assert_eq!(result.get(), Ok(7));
    // Whose result has been taken has nothing to tell.
    result.on_result(move |result| told.send(result.clone()).unwrap());
    assert!(heard.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn a_panicking_callback_harms_neither_the_result_nor_the_pool() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    for _ in 0..3 {
        let one = pool.apply_async(square, 3).unwrap();
        one.on_result(|_| panic!("this panic is wanted"));
        let many = pool.map_async(square, 0..10).unwrap();
        many.on_result(|_| panic!("this panic is wanted"));
        assert_eq!(one.get(), Ok(9));
        assert_eq!(many.get().unwrap()[9], 81);
        one.on_result(|_| panic!("never called"));
    }
    pool.close();
    pool.join().unwrap();
}

#[test]
fn a_callback_may_submit_more() {
    let _deadline = Deadline::seconds(60);
    let pool = Arc::new(Pool::new(2).unwrap());
    let (told, heard) = channel();
    /// Submits one more at each result, so many times.
    fn go_on(pool: &Arc<Pool>, left: u64, told: std::sync::mpsc::Sender<u64>) {
        let next = Arc::clone(pool);
        let result = pool.apply_async(square, left).unwrap();
        result.on_result(move |result| {
            told.send(*result.as_ref().unwrap()).unwrap();
            if left > 0 {
                go_on(&next, left - 1, told);
            }
        });
    }
    go_on(&pool, 50, told);
    let all: Vec<u64> = heard.iter().collect();
    assert_eq!(all, (0..=50).rev().map(square).collect::<Vec<u64>>());
    pool.close();
    pool.join().unwrap();
}

#[test]
fn a_callback_may_hold_the_last_handle_of_the_pool() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = Arc::new(stage.pool(2));
    let workers: Vec<_> =
        pool.worker_pids().into_iter().map(|pid| testing::Other::of(pid).unwrap()).collect();
    let result = pool.apply_async(hold, 0).unwrap();
    stage.next_waiting();
    let last = Arc::clone(&pool);
    result.on_result(move |_| drop(last));
    drop(pool);
    stage.open(1);
    assert_eq!(result.get(), Ok(0));
    assert!(workers.iter().all(|worker| worker.ends_within(LONG)));
}

#[test]
fn a_callback_of_what_is_terminated_is_called_with_that() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = stage.pool(1);
    let result = pool.apply_async(hold, 0).unwrap();
    let (told, heard) = channel();
    result.on_result(move |result| told.send(result.clone()).unwrap());
    pool.terminate();
    assert_eq!(heard.recv_timeout(LONG).unwrap(), Err(TaskError::Terminated));
    assert_eq!(result.get(), Err(TaskError::Terminated));
}

#[test]
fn a_result_that_nobody_wants_is_thrown_away() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(200);
    let pool = stage.pool(2);
    for task in 0..100 {
        drop(pool.apply_async(count, task).unwrap());
    }
    drop(pool.map_async(count, 100..200).unwrap());
    pool.close();
    pool.join().unwrap();
    assert_eq!(stage.all_begun(), [1; 200]);
}

#[test]
fn several_threads_may_wait_for_one_result_and_one_gets_it() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let pool = stage.pool(1);
    let result = pool.apply_async(hold, 5).unwrap();
    let got = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mine = result.get();
                got.lock().unwrap().push(mine);
            });
        }
        stage.next_waiting();
        stage.open(1);
    });
    let got = got.into_inner().unwrap();
    assert_eq!(got.iter().filter(|got| **got == Ok(5)).count(), 1);
    assert_eq!(got.iter().filter(|got| **got == Err(TaskError::Taken)).count(), 3);
}

#[test]
fn several_threads_may_use_one_pool() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(3).unwrap();
    thread::scope(|scope| {
        for thread in 0..4 {
            let pool = &pool;
            scope.spawn(move || {
                let items = || (0..500).map(move |item| item * 10 + thread);
                let right: Vec<u64> = items().map(square).collect();
                assert_eq!(pool.map(square, items()).unwrap(), right);
                assert_eq!(pool.map_chunked(square, items(), 1).unwrap(), right);
                let results = pool.imap(square, items()).unwrap();
                assert_eq!(results.map(Result::unwrap).collect::<Vec<u64>>(), right);
                assert!(items().all(|item| pool.apply(square, item).unwrap() == item * item));
            });
        }
    });
}

#[test]
fn an_imap_dropped_early_leaves_its_rest_undone_and_the_pool_goes_on() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(100_000);
    let pool = stage.pool(1);
    let held = pool.apply_async(hold, 0).unwrap();
    stage.next_waiting();
    // More than go to the workers at once.
    let mut results = pool.imap(count, 1..100_000).unwrap();
    let mut endless = pool.imap_chunked(count, (1..).map(|_| 0), 3).unwrap();
    stage.open(1);
    assert_eq!(held.get(), Ok(0));
    assert_eq!(results.next(), Some(Ok(1)));
    drop(results);
    assert_eq!(endless.next(), Some(Ok(0)));
    drop(endless);
    assert_eq!(pool.apply(count, 0).unwrap(), 0);
    pool.close();
    pool.join().unwrap();
    let done = stage.all_begun()[1..].iter().filter(|begun| **begun > 0).count();
    assert!(done < 50_000, "{done} were done in vain");
    assert!(stage.all_begun()[1..].iter().all(|begun| *begun <= 1));
}

#[test]
fn an_imap_that_is_never_asked_for_a_result_makes_all_its_calls() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(4000);
    let pool = stage.pool(2);
    drop(pool.imap(count, 0..1000).unwrap());
    drop(pool.imap_chunked(count, 1000..2000, 7).unwrap());
    drop(pool.imap_unordered(count, 2000..3000).unwrap());
    let results = pool.imap_unordered_chunked(count, 3000..4000, 7).unwrap();
    // Those that have come are dropped with it.
    assert_eq!(pool.apply(count, 0).unwrap(), 0);
    drop(results);
    pool.close();
    pool.join().unwrap();
    assert!(stage.all_begun()[1..].iter().all(|begun| *begun == 1));
}

#[test]
fn of_an_input_of_unknown_length_what_was_taken_ahead_is_called_also_if_no_result_is_asked_for() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1000);
    let pool = stage.pool(1);
    let mut numbers = 0..500;
    drop(pool.imap(count, std::iter::from_fn(|| numbers.next())).unwrap());
    assert_eq!(numbers.start, 64);
    // One that ends before as much has been taken.
    let mut numbers = 500..509;
    drop(pool.imap(count, std::iter::from_fn(|| numbers.next())).unwrap());
    pool.close();
    pool.join().unwrap();
    let begun = stage.all_begun();
    assert!(begun[..64].iter().all(|begun| *begun == 1), "{begun:?}");
    assert_eq!(begun[64..500].iter().sum::<u64>(), 0);
    assert_eq!(begun[500..].iter().sum::<u64>(), 9);
}

#[test]
fn an_imap_that_is_never_asked_for_a_result_tells_nothing_of_a_panic_of_its_input() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(4);
    let pool = stage.pool(1);
    let failing = (0..4).inspect(|task| assert!(*task < 3, "this panic is wanted"));
    drop(pool.imap(count, failing).unwrap());
    pool.close();
    pool.join().unwrap();
    assert_eq!(stage.all_begun(), [1, 1, 1, 0]);
}

#[test]
fn next_timeout_gives_the_result_later_if_it_did_not_come_in_time() {
    let _deadline = Deadline::seconds(60);
    let short = Duration::from_millis(10);
    let stage = Stage::new(3);
    let pool = stage.pool(1);
    let mut results = pool.imap(hold, 0..3).unwrap();
    let mut unordered = pool.imap_unordered(square, 0..1).unwrap();
    assert_eq!(results.next_timeout(short), Some(Err(TaskError::TimedOut)));
    assert_eq!(results.next_timeout(Duration::ZERO), Some(Err(TaskError::TimedOut)));
    assert_eq!(unordered.next_timeout(short), Some(Err(TaskError::TimedOut)));
    stage.open(1);
    assert_eq!(results.next_timeout(LONG), Some(Ok(0)));
    assert_eq!(results.next_timeout(short), Some(Err(TaskError::TimedOut)));
    stage.open(2);
    assert_eq!(results.next(), Some(Ok(1)));
    assert_eq!(results.next_timeout(Duration::MAX), Some(Ok(2)));
    assert_eq!((results.next_timeout(LONG), results.next()), (None, None));
    assert_eq!(unordered.next_timeout(LONG), Some(Ok(0)));
    assert_eq!(unordered.next_timeout(LONG), None);
}

#[test]
fn to_join_before_an_endless_imap_has_been_taken_is_an_error_and_no_hang() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    let mut results = pool.imap(square, 0..).unwrap();
    assert_eq!(results.next(), Some(Ok(0)));
    pool.close();
    assert!(matches!(pool.join(), Err(Error::Unfinished)));
    assert_eq!(results.next(), Some(Ok(1)));
    drop(results);
    pool.join().unwrap();

    let pool = Pool::new(2).unwrap();
    let results = pool.imap(square, (0..).take_while(|number| *number < 1000)).unwrap();
    pool.close();
    assert!(matches!(pool.join(), Err(Error::Unfinished)));
    assert_eq!(results.map(Result::unwrap).sum::<u64>(), (0..1000).map(square).sum::<u64>());
    pool.join().unwrap();
}

#[test]
fn an_imap_of_a_terminated_pool_ends_with_that_error() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let pool = stage.pool(1);
    let mut known = pool.imap(hold, 0..3).unwrap();
    let mut endless = pool.imap(square, 0..).unwrap();
    stage.next_waiting();
    pool.terminate();
    let known: Vec<_> = known.by_ref().collect();
    assert_eq!(known, vec![Err(TaskError::Terminated); 3]);
    let come = endless.by_ref().take_while(|result| result.is_err()).take(1000).count();
    assert!((1..=1000).contains(&come), "{come}");
    assert!(endless.all(|result| result.is_err()));
    drop((known, endless));
    pool.join().unwrap();
}
