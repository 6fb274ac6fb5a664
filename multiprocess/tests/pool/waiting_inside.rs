//! Waiting where the pool's own thread runs users' code: refused at once, because that thread would
//! wait for itself, and with it all others.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use multiprocess::pool::{Error, TaskError};
use multiprocess::{Pool, tasks};
use serde::{Deserialize, Deserializer, Serialize};
use testing::{Deadline, LONG, Stage, count, hold};

multiprocess::test_entry!();
tasks![square, asks_when_received, asks_when_dropped];

fn square(number: u64) -> u64 {
    number * number
}

/// Tries each way to wait for a pool; returns the answers, in words.
fn ways_to_wait(pool: &Pool) -> Vec<(&'static str, String)> {
    let sent = || pool.apply_async(square, 3).unwrap();
    let text = |error: &dyn ToString| error.to_string();
    let first = |next: Option<Result<u64, TaskError>>| text(&next.unwrap().unwrap_err());
    vec![
        ("apply", text(&pool.apply(square, 3).unwrap_err())),
        ("map", text(&pool.map(square, 0..9).unwrap_err())),
        ("map_chunked", text(&pool.map_chunked(square, 0..9, 2).unwrap_err())),
        ("starmap", text(&pool.starmap(square, 0..9).unwrap_err())),
        ("starmap_chunked", text(&pool.starmap_chunked(square, 0..9, 2).unwrap_err())),
        ("get", text(&sent().get().unwrap_err())),
        ("get_timeout", text(&sent().get_timeout(LONG).unwrap_err())),
        ("get of a map", text(&pool.map_async(square, 0..9).unwrap().get().unwrap_err())),
        ("imap", first(pool.imap(square, 0..9).unwrap().next())),
        ("imap, endless", first(pool.imap(square, 0..).unwrap().next())),
        ("imap_unordered", first(pool.imap_unordered(square, 0..9).unwrap().next())),
        ("next_timeout", first(pool.imap(square, 0..9).unwrap().next_timeout(LONG))),
        ("join", text(&pool.join().unwrap_err())),
    ]
}

fn are_refused(ways: Vec<(&'static str, String)>) {
    assert!(ways.len() > 10);
    for (way, answer) in ways {
        assert!(answer.contains("this thread brings the results of that pool"), "{way}: {answer}");
    }
}

#[test]
fn a_callback_that_waits_for_its_own_pool_is_refused_in_every_way() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(3);
    let pool = Arc::new(stage.pool(1));
    let (inner, (told, heard)) = (Arc::clone(&pool), channel());
    let result = pool.apply_async(hold, 2).unwrap();
    result.on_result(move |_| told.send(ways_to_wait(&inner)).unwrap());
    // Only now the result comes: the pool's own thread calls the callback.
    stage.open(1);
    are_refused(heard.recv().unwrap());
    // So for a map's, and when the pool is closed.
    let (inner, (told, heard)) = (Arc::clone(&pool), channel());
    pool.map_async(hold, 0..3).unwrap().on_result(move |_| {
        let ways = ways_to_wait(&inner);
        inner.close();
        told.send((ways, inner.join().unwrap_err())).unwrap();
    });
    stage.open(3);
    let (ways, join) = heard.recv().unwrap();
    are_refused(ways);
    assert!(matches!(join, Error::Deadlock), "{join}");
    assert_eq!(result.get(), Ok(2));
    pool.join().unwrap();
}

#[test]
fn waits_without_an_answer_end_at_once_in_a_callback() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = Arc::new(stage.pool(1));
    let (inner, (told, heard)) = (Arc::clone(&pool), channel());
    pool.apply_async(hold, 0).unwrap().on_result(move |_| {
        let other = inner.apply_async(square, 3).unwrap();
        other.wait();
        told.send(other.wait_timeout(LONG)).unwrap();
        // No wait at all is no deadlock.
        let now = other.get_timeout(Duration::ZERO);
        let next = inner.imap(square, [4]).unwrap().next_timeout(Duration::ZERO);
        told.send(now == Err(TaskError::TimedOut) && next == Some(Err(TaskError::TimedOut)))
            .unwrap();
    });
    stage.open(1);
    assert_eq!((heard.recv(), heard.recv()), (Ok(false), Ok(true)));
    assert_eq!(pool.apply(square, 5).unwrap(), 25);
}

#[test]
fn what_waits_in_a_callback_is_refused_before_a_call_is_made() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let pool = Arc::new(stage.pool(1));
    let (inner, (told, heard)) = (Arc::clone(&pool), channel());
    pool.apply_async(hold, 0).unwrap().on_result(move |_| {
        let applied = inner.apply(count, 1).map(drop);
        let mapped = inner.map(count, 2..10).map(drop).map_err(|error| error.error);
        told.send([applied, mapped]).unwrap();
    });
    stage.open(1);
    for refused in heard.recv().unwrap() {
        assert!(matches!(refused, Err(Error::Deadlock)), "{refused:?}");
    }
    pool.close();
    pool.join().unwrap();
    assert_eq!(stage.all_begun(), [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn an_imap_that_is_refused_in_a_callback_ends() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = Arc::new(stage.pool(1));
    let (inner, (told, heard)) = (Arc::clone(&pool), channel());
    pool.apply_async(hold, 0).unwrap().on_result(move |_| {
        for results in
            [inner.imap(square, 0..).unwrap(), inner.imap_unordered(square, 0..).unwrap()]
        {
            told.send(results.collect::<Vec<_>>()).unwrap();
        }
    });
    stage.open(1);
    for _ in 0..2 {
        assert_eq!(heard.recv(), Ok(vec![Err(TaskError::Deadlock)]));
    }
    assert_eq!(pool.apply(square, 5).unwrap(), 25);
}

#[test]
fn a_callback_may_wait_for_another_pool() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let (pool, other) = (stage.pool(1), Pool::new(1).unwrap());
    let (told, heard) = channel();
    let result = pool.apply_async(hold, 0).unwrap();
    result.on_result(move |_| told.send(other.apply(square, 3).unwrap()).unwrap());
    stage.open(1);
    assert_eq!(heard.recv(), Ok(9));
}

#[test]
fn a_late_callback_cannot_wait_for_its_own_result() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let result = Arc::new(pool.apply_async(square, 3).unwrap());
    result.wait();
    let (same, (told, heard)) = (Arc::clone(&result), channel());
    // In this thread, which isn't the pool's.
    result.on_result(move |_| told.send(same.get()).unwrap());
    assert_eq!(heard.recv(), Ok(Err(TaskError::Deadlock)));
    assert_eq!(result.get(), Ok(9));
}

#[test]
fn of_what_is_terminated_a_callback_cannot_wait_for_the_next() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(2);
    let pool = stage.pool(2);
    let results = [0, 1].map(|task| Arc::new(pool.apply_async(hold, task).unwrap()));
    for _ in 0..2 {
        stage.next_waiting();
    }
    let (told, heard) = channel();
    for (own, other) in [(0, 1), (1, 0)] {
        let (other, told) = (Arc::clone(&results[other]), told.clone());
        results[own].on_result(move |_| told.send(other.get()).unwrap());
    }
    pool.terminate();
    let heard = [heard.recv().unwrap(), heard.recv().unwrap()];
    // Of the two the first waits for the second, which has found what the first had left.
    assert!(heard.contains(&Err(TaskError::Deadlock)), "{heard:?}");
    assert!(heard.contains(&Err(TaskError::Terminated)), "{heard:?}");
}

static ASKED: OnceLock<Pool> = OnceLock::new();
static ANSWERS: Mutex<Option<Sender<Result<u64, Error>>>> = Mutex::new(None);

/// Waits for the pool, in the process that has one, and tells what came of it.
fn ask() {
    if let Some(pool) = ASKED.get() {
        let answer = pool.apply(square, 7);
        let _ = ANSWERS.lock().unwrap().as_ref().unwrap().send(answer);
    }
}

fn answers() -> Receiver<Result<u64, Error>> {
    let (told, heard) = channel();
    *ANSWERS.lock().unwrap() = Some(told);
    heard
}

#[derive(Debug, PartialEq, Serialize)]
struct AsksWhenReceived(u64);

impl<'de> Deserialize<'de> for AsksWhenReceived {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        ask();
        u64::deserialize(input).map(Self)
    }
}

#[derive(Serialize, Deserialize)]
struct AsksWhenDropped(u64);

impl Drop for AsksWhenDropped {
    fn drop(&mut self) {
        ask();
    }
}

fn asks_when_received(number: u64) -> AsksWhenReceived {
    AsksWhenReceived(number)
}

fn asks_when_dropped(number: u64) -> AsksWhenDropped {
    AsksWhenDropped(number)
}

#[test]
fn a_result_that_waits_for_the_pool_when_it_comes_or_goes_is_refused() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = ASKED.get_or_init(|| stage.pool(1));
    let is_refused = |answers: &Receiver<_>| {
        let answer = answers.recv().unwrap();
        assert!(matches!(answer, Err(Error::Deadlock)), "{answer:?}");
    };
    let heard = answers();
    assert_eq!(pool.apply(asks_when_received, 1).unwrap(), AsksWhenReceived(1));
    is_refused(&heard);
    assert_eq!(pool.map(asks_when_received, [1, 2]).unwrap().len(), 2);
    assert_eq!(pool.imap(asks_when_received, [1, 2]).unwrap().count(), 2);
    (0..4).for_each(|_| is_refused(&heard));
    // Nothing takes these, for their handles are gone before they come: the pool drops them.
    let held = pool.apply_async(hold, 0).unwrap();
    stage.next_waiting();
    drop(pool.apply_async(asks_when_dropped, 1).unwrap());
    drop(pool.map_async(asks_when_dropped, [1, 2]).unwrap());
    stage.open(1);
    held.get().unwrap();
    (0..3).for_each(|_| is_refused(&heard));
    assert_eq!(pool.apply(square, 5).unwrap(), 25);
}
