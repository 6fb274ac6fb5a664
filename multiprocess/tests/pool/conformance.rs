//! What Python's tests say of `multiprocessing.Pool`'s calls and their results. How pools end is in
//! `lifecycle.rs`, how tasks end in `failures.rs`, what initializers do in `initializers.rs`.
//!
//! Our types leave no room for a pool of −1 workers (POOL-15), a `maxtasksperchild` of −1, 0.5 or
//! "12" (POOL-27), an initializer that can't be called (POOL-29), and a pool of threads (POOL-21).
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use multiprocess::pool::{Error, MapError, TaskError};
use multiprocess::{Failure, Pool, Process, tasks};
use serde::{Deserialize, Serialize, Serializer};
use testing::{Deadline, LONG, Stage, hold, kind, text};

multiprocess::test_entry!();
tasks![square, square_of, parse, start_a_process, panic_with_much, boom, refuse, echo];

fn square(number: u64) -> u64 {
    number * number
}

#[derive(Serialize, Deserialize)]
struct Keyword {
    x: u64,
}

fn square_of(keyword: Keyword) -> u64 {
    keyword.x * keyword.x
}

fn squares(count: u64) -> Vec<u64> {
    (0..count).map(|number| number * number).collect()
}

/// Numbers from 0 to `at`, where it panics. Its length is known if it is `exact`.
struct Fails {
    next: u64,
    at: u64,
    exact: bool,
}

impl Fails {
    fn at(at: u64) -> Self {
        Self { next: 0, at, exact: false }
    }

    fn although_its_length_is_known(at: u64) -> Self {
        Self { exact: true, ..Self::at(at) }
    }
}

impl Iterator for Fails {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        assert!(self.next != self.at, "the input fails");
        self.next += 1;
        Some(self.next - 1)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.exact { (1, Some(self.at as usize + 1)) } else { (0, None) }
    }
}

/// What the panic says that the input caused, and only it.
fn panic_of<T>(work: impl FnOnce() -> T) -> &'static str {
    let panicked = catch_unwind(AssertUnwindSafe(work)).map(drop).unwrap_err();
    panicked.downcast_ref::<&str>().copied().unwrap()
}

/// POOL-01
#[test]
fn apply_gives_the_value_of_the_function() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.apply(square, 5).unwrap(), 25);
    assert_eq!(pool.apply(square_of, Keyword { x: 3 }).unwrap(), 9);
    assert_eq!(pool.apply_async(square, 7).unwrap().get().unwrap(), 49);
    assert_eq!(pool.starmap(square, 0..10).unwrap(), squares(10));
}

#[derive(Debug, Deserialize)]
struct Unsendable;

impl Serialize for Unsendable {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("unsendable"))
    }
}

fn refuse(_: Unsendable) {
    unreachable!("it can't be sent")
}

/// POOL-06
#[test]
fn a_map_over_items_that_fail_to_serialise_has_that_error_for_each() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    for chunk in [1, 3, 10] {
        let items = || (0..10).map(|_| Unsendable);
        let error = pool.map_chunked(refuse, items(), chunk).unwrap_err();
        assert_eq!((error.index, error.results.len()), (Some(0), 10));
        let kinds = error.results.iter().map(|result| kind(result.as_ref().unwrap_err()));
        assert!(kinds.into_iter().all(|kind| kind == "ArgumentsNotSent"));
        let found = pool.imap_chunked(refuse, items(), chunk).unwrap().filter(Result::is_err);
        assert_eq!(found.count(), 10);
    }
    assert_eq!(pool.map(square, 0..10).unwrap(), squares(10));
    pool.close();
    pool.join().unwrap();
}

/// POOL-07
#[test]
fn a_map_over_nothing_is_ready_at_once() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2);
    let pool = stage.pool(2);
    let held = pool.map_async(hold, 0..2).unwrap();
    assert_ne!(stage.next_waiting(), stage.next_waiting());
    // No worker is free to do anything for it.
    let result = pool.map_async(square, []).unwrap();
    assert!(result.wait_timeout(LONG));
    assert_eq!(result.get().unwrap(), [0; 0]);
    assert!(!held.ready());
}

/// POOL-08
#[test]
fn an_input_that_fails_is_a_panic_of_map_and_the_pool_goes_on() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    for _ in 0..2 {
        for at in [0, 3] {
            for input in [Fails::at, Fails::although_its_length_is_known] {
                let said = panic_of(|| pool.map(square, input(at)));
                assert_eq!(said, "the input fails");
                let said = panic_of(|| pool.map_chunked(square, input(at), 1));
                assert_eq!(said, "the input fails");
                panic_of(|| pool.map_async(square, input(at)));
            }
        }
        assert_eq!(pool.map(square, 0..10).unwrap(), squares(10));
    }
    pool.close();
    pool.join().unwrap();
}

/// POOL-10
#[test]
fn get_with_a_time_ends_after_the_time_and_may_be_asked_again() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let pool = stage.pool(1);
    let result = pool.apply_async(hold, 7).unwrap();
    let begun = Instant::now();
    // The task doesn't end before the gate is opened: this does.
    let got = result.get_timeout(Duration::from_millis(100));
    assert_eq!(got, Err(TaskError::TimedOut));
    assert!(begun.elapsed() >= Duration::from_millis(100));
    assert!(!result.wait_timeout(Duration::ZERO));
    stage.open(1);
    assert_eq!(result.get_timeout(Duration::MAX), Ok(7));
    assert_eq!(result.get(), Err(TaskError::Taken));
    assert!(result.ready());
}

/// POOL-11
#[test]
fn imap_gives_results_in_the_order_of_the_input_and_ends() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(3).unwrap();
    let mut results = pool.imap(square, 0..10).unwrap();
    for number in 0..10 {
        assert_eq!(results.next().unwrap().unwrap(), number * number);
    }
    assert!(results.next().is_none() && results.next().is_none());
    for chunk in [1, 100, 333, 5000] {
        let results = pool.imap_chunked(square, 0..1000, chunk).unwrap();
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), squares(1000));
        // One whose length nobody knows.
        let input = (0..1000).filter(|_| true).scan((), |(), number| Some(number));
        let input = input.map_while(Some);
        let results = pool.imap_chunked(square, input, chunk).unwrap();
        assert_eq!(results.map(Result::unwrap).collect::<Vec<_>>(), squares(1000));
    }
    let endless = pool.imap_chunked(square, 0.., 10).unwrap().take(1000);
    assert_eq!(endless.map(Result::unwrap).collect::<Vec<_>>(), squares(1000));
    pool.close();
    pool.join().unwrap();
}

/// POOL-12
#[test]
fn after_the_results_of_what_came_before_the_panic_of_the_input_goes_on_in_next() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(3).unwrap();
    for input in [Fails::at, Fails::although_its_length_is_known] {
        for (at, chunk, whole) in [(0, 1, 0), (3, 1, 3), (7, 2, 6), (7, 4, 4)] {
            let mut results = pool.imap_chunked(square, input(at), chunk).unwrap();
            for number in 0..whole {
                assert_eq!(results.next().unwrap().unwrap(), number * number);
            }
            assert_eq!(panic_of(|| results.next()), "the input fails");
            assert!(results.next().is_none());
        }
    }
    assert_eq!(pool.map(square, 0..10).unwrap(), squares(10));
    pool.close();
    pool.join().unwrap();
}

/// POOL-13
#[test]
fn imap_unordered_gives_all_results_in_any_order() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(3).unwrap();
    for chunk in [1, 100] {
        let results = pool.imap_unordered_chunked(square, 0..1000, chunk).unwrap();
        let mut results: Vec<u64> = results.map(Result::unwrap).collect();
        results.sort_unstable();
        assert_eq!(results, squares(1000));
    }
    // What is ready needn't wait for what isn't.
    let stage = Stage::new(10);
    let pool = stage.pool(2);
    let first = pool.apply_async(hold, 0).unwrap();
    stage.next_waiting();
    let mut held = pool.imap_unordered(hold, 1..3).unwrap();
    assert_eq!(stage.next_waiting().0, 1);
    stage.open(3);
    let both: BTreeSet<u64> = held.by_ref().map(Result::unwrap).collect();
    assert_eq!(both, BTreeSet::from([1, 2]));
    assert_eq!(first.get(), Ok(0));
}

/// POOL-14
#[test]
fn imap_unordered_gives_only_right_results_once_each_until_the_input_fails() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(3).unwrap();
    for (at, chunk, whole) in [(0, 1, 0), (3, 1, 3), (7, 2, 6), (100, 7, 98)] {
        let mut results = pool.imap_unordered_chunked(square, Fails::at(at), chunk).unwrap();
        let mut found = BTreeSet::new();
        for _ in 0..whole {
            assert!(found.insert(results.next().unwrap().unwrap()), "twice");
        }
        assert_eq!(found, squares(whole).into_iter().collect());
        assert_eq!(panic_of(|| results.next()), "the input fails");
    }
}

/// POOL-15
#[test]
fn a_pool_has_as_many_workers_as_asked_for_and_at_least_one() {
    let _deadline = Deadline::seconds(60);
    assert!(matches!(Pool::new(0), Err(Error::NoProcesses)));
    let pool = Pool::new(3).unwrap();
    assert_eq!(pool.worker_pids().into_iter().collect::<BTreeSet<_>>().len(), 3);
    let pool = Pool::builder().build().unwrap();
    assert_eq!(pool.worker_pids().len(), multiprocess::cpu_count());
}

/// POOL-17
#[test]
fn nothing_gives_nothing_and_does_not_hinder_the_end() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    assert_eq!(pool.map(square, []).unwrap(), [0; 0]);
    assert_eq!(pool.imap(square, []).unwrap().count(), 0);
    assert_eq!(pool.imap_unordered(square, []).unwrap().count(), 0);
    assert_eq!(pool.imap_chunked(square, (0..9).map_while(|_| None), 4).unwrap().count(), 0);
    assert_eq!(pool.map_async(square, []).unwrap().get().unwrap(), [0; 0]);
    pool.close();
    pool.join().unwrap();
}

fn parse(number: String) -> Result<u64, Failure> {
    Ok(number.parse()?)
}

fn boom(number: u64) -> u64 {
    assert!(number != 3, "boom {number}");
    number
}

/// POOL-20
#[test]
fn an_error_arrives_as_the_value_it_is_and_a_panic_tells_where_it_was() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    assert_eq!(pool.apply(parse, "12".to_owned()).unwrap(), Ok(12));
    let error = pool.apply(parse, "x".to_owned()).unwrap().unwrap_err();
    assert!(error.kind().unwrap().ends_with("ParseIntError"), "{error:?}");
    assert_eq!(error.to_string(), "x".parse::<u64>().unwrap_err().to_string());
    let Err(Error::Task(TaskError::Panicked { message })) = pool.apply(boom, 3) else {
        panic!("it doesn't panic");
    };
    assert!(message.starts_with("boom 3") && message.contains("conformance.rs:"), "{message}");
    // The panic of the input is what it is.
    assert_eq!(panic_of(|| pool.map(square, Fails::at(1))), "the input fails");
}

/// POOL-21
#[test]
fn a_panicking_task_is_an_error_of_apply() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let error = pool.apply(boom, 3).unwrap_err();
    assert!(matches!(error, Error::Task(TaskError::Panicked { .. })), "{error}");
    assert_eq!(pool.apply(boom, 4).unwrap(), 4);
}

fn panic_with_much(task: u64) {
    if task == 1 {
        hold(task);
    }
    panic!("{}", text(task as usize, 1 << 20));
}

/// POOL-22
#[test]
fn a_map_tells_its_error_when_all_its_tasks_have_ended() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2);
    let pool = stage.pool(2);
    let result = pool.map_async(panic_with_much, 0..2).unwrap();
    assert_eq!(stage.next_waiting().0, 1);
    assert!(!result.wait_timeout(Duration::from_millis(100)));
    stage.open(1);
    let MapError { index, results, .. } = result.get().unwrap_err();
    assert_eq!((index, results.len()), (Some(0), 2));
    for (task, result) in results.into_iter().enumerate() {
        let Err(TaskError::Panicked { message }) = result else { panic!("{result:?}") };
        assert!(message.starts_with(&text(task, 1 << 20)));
    }
    pool.close();
    pool.join().unwrap();
}

/// POOL-B06
#[test]
fn a_result_is_ready_and_successful_when_it_has_come() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = stage.pool(1);
    let result = pool.apply_async(hold, 0).unwrap();
    let failed = pool.apply_async(boom, 3).unwrap();
    assert_eq!((result.ready(), result.successful()), (false, None));
    stage.open(1);
    result.wait();
    assert_eq!((result.ready(), result.successful()), (true, Some(true)));
    result.get().unwrap();
    assert_eq!((result.ready(), result.successful()), (true, Some(true)));
    failed.wait();
    assert_eq!((failed.ready(), failed.successful()), (true, Some(false)));
}

fn start_a_process(number: u64) -> Result<(), Failure> {
    Ok(Process::new(square, number).start()?)
}

/// POOL-B09
#[test]
fn a_task_can_not_start_a_process() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let error = pool.apply(start_a_process, 3).unwrap().unwrap_err();
    assert_eq!(error.to_string(), "daemonic processes are not allowed to have children");
}

fn echo(text: String) -> String {
    text
}

/// POOL-B15
#[test]
fn an_argument_and_a_result_of_64_mib_pass() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    let text = text(1, 64 << 20);
    assert!(pool.apply(echo, text.clone()).unwrap() == text);
    let several = vec![text; 3];
    assert!(pool.map(echo, several.clone()).unwrap() == several);
}

#[test]
fn a_chunk_of_no_items_is_refused() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let refused = pool.map_chunked(square, 0..3, 0).unwrap_err();
    assert!(matches!(refused, MapError { error: Error::NoItems, index: None, .. }));
    assert!(matches!(pool.imap_chunked(square, 0..3, 0), Err(Error::NoItems)));
    assert!(matches!(pool.imap_unordered_chunked(square, 0..3, 0), Err(Error::NoItems)));
}

#[test]
fn a_function_that_is_not_listed_is_refused_and_what_to_write_is_told() {
    fn unlisted(number: u64) -> u64 {
        number
    }
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let refused = pool.apply(unlisted, 1).unwrap_err();
    assert!(refused.to_string().contains("tasks![unlisted];"), "{refused}");
    assert!(matches!(pool.apply_async(unlisted, 1), Err(Error::Function(_))));
    assert!(matches!(pool.imap(unlisted, 0..3), Err(Error::Function(_))));
    let refused = pool.map(unlisted, 0..3).unwrap_err();
    assert!(matches!(refused.error, Error::Function(_)));
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
    pool.close();
    pool.join().unwrap();
}
