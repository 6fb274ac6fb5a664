//! What users may do to a pool in callbacks, destructors and serialisation, and with absurd
//! numbers.

use std::cell::Cell;
use std::iter;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, OnceLock};
use std::thread;

use multiprocess::pool::{Error, TaskError};
use multiprocess::{Pool, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, SHORT, Stage, hold, until};

multiprocess::test_entry!();
tasks![square, never_return, bomb, touchy, enter, resumes, catches, sized, once];
tasks![deep, hostile_when_received, panics_twice, take_hostile, enter_hostile];

fn square(number: u64) -> u64 {
    number * number
}

/// True until the next bomb is dropped here, in the test.
static ARMED: AtomicBool = AtomicBool::new(false);
#[derive(Serialize, Deserialize)]
struct Bomb(u64);
impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!ARMED.swap(false, Ordering::SeqCst), "the result's drop panics");
    }
}
fn bomb(n: u64) -> Bomb {
    Bomb(hold(n))
}

#[test]
fn a_result_whose_drop_panics_on_the_managers_thread() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = stage.pool(1);
    ARMED.store(true, Ordering::SeqCst);
    // Its handle is gone when it comes: the pool drops it.
    drop(pool.apply_async(bomb, 0).unwrap());
    stage.open(1);
    until("the result is dropped", || !ARMED.load(Ordering::SeqCst));
    assert_eq!(pool.apply_async(square, 3).unwrap().get(), Ok(9));
}

/// A panic's payload that panics, too, when it is dropped.
struct PanicsWhenDropped;
impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("the second panic");
    }
}

#[test]
fn a_callback_whose_panic_panics_when_it_is_dropped() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(square, 3).unwrap();
    result.on_result(|_| panic_any(PanicsWhenDropped));
    assert_eq!(result.get(), Ok(9));
    assert_eq!(pool.apply(square, 4).unwrap(), 16);
    pool.close();
    pool.join().unwrap();
}

/// Panics twice when it is received, wherever that is.
#[derive(Debug, Serialize)]
struct Hostile;
impl<'de> Deserialize<'de> for Hostile {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic_any(PanicsWhenDropped)
    }
}
fn hostile_when_received(_: u64) -> Hostile {
    Hostile
}
fn take_hostile(_: Hostile) {}
fn panics_twice(_: u64) {
    panic_any(PanicsWhenDropped)
}

#[test]
fn values_and_tasks_whose_panic_panics_when_it_is_dropped_cost_their_task() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let workers = pool.worker_pids();
    let not_received = |error: &TaskError| matches!(error, TaskError::ResultNotReceived(_));
    let panicked = |error: &TaskError| matches!(error, TaskError::Panicked { .. });
    let result = pool.apply_async(hostile_when_received, 1).unwrap();
    assert!(result.get().is_err_and(|error| not_received(&error)));
    let error = pool.map(hostile_when_received, 0..5).unwrap_err();
    assert!(error.results.iter().all(|it| it.as_ref().is_err_and(not_received)));
    let mut results = pool.imap(hostile_when_received, 0..5).unwrap();
    assert!(results.all(|it| it.is_err_and(|error| not_received(&error))));
    let mut results = pool.imap_unordered(hostile_when_received, 0..5).unwrap();
    assert!(results.all(|it| it.is_err_and(|error| not_received(&error))));
    let error = pool.map(take_hostile, [Hostile, Hostile]).unwrap_err();
    assert!(error.results.iter().all(|it| it.as_ref().is_err_and(panicked)), "{error}");
    let error = pool.map(panics_twice, 0..5).unwrap_err();
    assert!(error.results.iter().all(|it| it.as_ref().is_err_and(panicked)), "{error}");
    assert_eq!(pool.apply(square, 4).unwrap(), 16);
    assert_eq!(pool.worker_pids(), workers, "the worker goes on");
}

/// Panics twice when it is sent, beginning with the second time.
#[derive(Debug, Deserialize)]
struct HostileWhenSent;
static HOSTILE: AtomicU32 = AtomicU32::new(0);
impl Serialize for HostileWhenSent {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match HOSTILE.fetch_add(1, Ordering::SeqCst) {
            0 => s.serialize_unit_struct("HostileWhenSent"),
            _ => panic_any(PanicsWhenDropped),
        }
    }
}
fn enter_hostile(_: HostileWhenSent) {}

#[test]
fn a_panic_while_a_worker_is_started_is_an_error_and_the_pool_ends() {
    let _deadline = Deadline::seconds(60);
    let builder = || Pool::builder().initializer(enter_hostile, HostileWhenSent);
    let pool = builder().processes(1).build().unwrap();
    // In the pool's own thread, for the worker that takes the place of the first.
    let died = pool.apply_async(once, 0).unwrap();
    assert!(died.get().is_err());
    let refused = pool.apply(square, 3).unwrap_err();
    assert!(refused.to_string().contains("panicked"), "{refused}");
    pool.close();
    pool.join().unwrap();
    // In the thread that makes it.
    let refused = builder().processes(3).build().map(drop).unwrap_err();
    assert!(matches!(refused, Error::Start(_)), "{refused}");
    assert!(refused.to_string().contains("panicked"), "{refused}");
}

#[derive(Serialize, Deserialize)]
enum List {
    End,
    Next(Box<List>),
}

/// Levels of a value that is nested too deep. Dropping it takes stack, of which a Windows program
/// has 1 MiB.
const DEEP: u32 = if cfg!(windows) { 1_000 } else { 20_000 };

fn deep(depth: u32) -> List {
    (0..depth).fold(List::End, |list, _| List::Next(Box::new(list)))
}

#[test]
fn a_result_nested_deeply_costs_its_task_at_most() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let came = |result: Result<List, TaskError>| match result {
        Ok(list) => drop(list),
        Err(TaskError::ResultNotSent(_)) => {}
        Err(error) => panic!("{error}"),
    };
    came(pool.apply_async(deep, DEEP).unwrap().get());
    match pool.map(deep, [1, DEEP, 1]) {
        Ok(_) => panic!("one of them can't be sent"),
        Err(error) => {
            assert_eq!(error.index, Some(1));
            error.results.into_iter().for_each(came);
        }
    }
    pool.imap(deep, [1, DEEP, 1]).unwrap().for_each(came);
    pool.imap_unordered(deep, [1, DEEP, 1]).unwrap().for_each(came);
    assert_eq!(pool.apply(square, 4).unwrap(), 16);
}

static POOL: OnceLock<Pool> = OnceLock::new();
static ASKED: AtomicU32 = AtomicU32::new(0);
#[derive(Serialize, Deserialize)]
struct Touchy(u64);
impl Drop for Touchy {
    fn drop(&mut self) {
        if let Some(pool) = POOL.get() {
            let _ = pool.worker_pids();
            ASKED.fetch_add(1, Ordering::SeqCst);
        }
    }
}
fn touchy(n: u64) -> Touchy {
    if n == 1 {
        testing::stage().pass();
        panic!("the last one");
    }
    Touchy(n)
}

#[test]
fn a_result_whose_drop_asks_the_pool() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = POOL.get_or_init(|| stage.pool(1));
    drop(pool.map_async(touchy, [0, 1]).unwrap());
    stage.open(1);
    until("the dropped result has asked", || ASKED.load(Ordering::SeqCst) == 1);
    assert_eq!(pool.apply(square, 3).unwrap(), 9);
    assert_eq!(ASKED.load(Ordering::SeqCst), 1);
}

#[derive(Deserialize)]
struct Once(u32);
static PACKED: AtomicU32 = AtomicU32::new(0);
impl Serialize for Once {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        assert!(PACKED.fetch_add(1, Ordering::SeqCst) == 0, "packed twice");
        s.serialize_newtype_struct("Once", &self.0)
    }
}
fn enter(_: Once) {}
fn once(n: u64) -> u64 {
    if n == 0 {
        std::process::exit(3);
    }
    n
}

#[test]
fn an_initializers_arguments_that_panic_when_packed_again() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::builder().processes(1).initializer(enter, Once(1)).build().unwrap();
    let first = pool.apply_async(once, 0).unwrap();
    let second = pool.apply_async(once, 1).unwrap();
    assert!(matches!(first.get(), Err(TaskError::WorkerDied { .. } | TaskError::Broken(_))));
    let second = second.get();
    assert!(matches!(second, Err(TaskError::Broken(_))), "{second:?}");
}

#[test]
fn terminated_while_a_callback_runs() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = stage.pool(1);
    let result = pool.apply_async(hold, 0).unwrap();
    let ((told, heard), (go_on, goes_on)) = (channel(), channel());
    result.on_result(move |result| {
        told.send(result.clone()).unwrap();
        goes_on.recv().unwrap();
    });
    stage.open(1);
    let called = heard.recv().unwrap();
    pool.terminate();
    go_on.send(()).unwrap();
    assert_eq!(called, result.get());
    pool.join().unwrap();
    assert_eq!(result.get(), Err(TaskError::Taken));
}

#[test]
fn terminated_by_a_callback() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(1);
    let pool = Arc::new(stage.pool(1));
    let result = pool.apply_async(hold, 0).unwrap();
    let (told, heard) = channel();
    let other = Arc::clone(&pool);
    result.on_result(move |result| {
        other.terminate();
        told.send(result.clone()).unwrap();
        drop(other);
    });
    stage.open(1);
    assert_eq!(result.get(), Ok(0));
    assert_eq!(heard.recv().unwrap(), Ok(0));
}

#[test]
fn got_while_a_late_callback_runs() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let result = pool.apply_async(square, 3).unwrap();
    result.wait();
    thread::scope(|scope| {
        let ((runs, running), (go_on, goes_on)) = (channel(), channel());
        let late = &result;
        scope.spawn(move || {
            late.on_result(move |_| {
                runs.send(()).unwrap();
                goes_on.recv().unwrap();
            });
        });
        running.recv().unwrap();
        let (told, heard) = channel();
        result.on_result(move |result| told.send(result.clone()).unwrap());
        assert_eq!(result.get_timeout(SHORT), Err(TaskError::TimedOut), "the callback has it");
        go_on.send(()).unwrap();
        assert_eq!(result.get(), Ok(9));
        assert_eq!(heard.recv(), Ok(Ok(9)), "the second callback was called, too");
    });
}

#[test]
fn an_imap_in_one_chunk_of_an_input_of_unknown_length() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(2).unwrap();
    let mut left = 5;
    let input = iter::from_fn(move || {
        left -= 1;
        (left >= 0).then_some(left as u64)
    });
    for chunk in [usize::MAX, usize::MAX / 2 + 1, 1 << 57] {
        let results = pool.imap_chunked(square, input.clone(), chunk).unwrap();
        let results: Vec<u64> = results.map(|r| r.unwrap()).collect();
        assert_eq!(results, [16, 9, 4, 1, 0]);
    }
}

/// An input that panics as soon as its length is asked for once more.
struct AskedOnce(Cell<bool>);
impl Iterator for AskedOnce {
    type Item = u64;
    fn next(&mut self) -> Option<u64> {
        None
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        assert!(!self.0.replace(true), "this panic is wanted");
        (0, None)
    }
}

#[test]
fn an_imap_of_an_input_whose_length_panics_does_not_keep_the_pool_from_its_end() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    for asked in [true, false] {
        let count = || pool.imap(square, AskedOnce(Cell::new(asked))).map(Iterator::count);
        assert!(!matches!(catch_unwind(AssertUnwindSafe(count)), Ok(Ok(1..) | Err(_))));
    }
    pool.close();
    pool.join().unwrap();
}

#[test]
fn far_too_many_processes() {
    let _deadline = Deadline::seconds(60);
    for processes in [usize::MAX, 1 << 50] {
        let r = catch_unwind(|| Pool::new(processes).map(|_| ()));
        assert!(matches!(r, Ok(Err(Error::System(_)))), "{processes}: {:?}", r.is_err());
    }
}

fn catches(n: u64) -> u64 {
    let _ = catch_unwind(|| panic!("caught"));
    n
}
fn resumes(_: u64) -> u64 {
    resume_unwind(Box::new("resumed"))
}

#[test]
fn a_panic_tells_its_own_message() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    pool.apply(catches, 1).unwrap();
    let Err(Error::Task(TaskError::Panicked { message })) = pool.apply(resumes, 1) else {
        panic!()
    };
    assert!(message.contains("resumed"), "{message}");
}

fn sized((index, size, dies): (u64, usize, u64)) -> String {
    if index == dies {
        testing::end_by_signal(9);
    }
    "x".repeat(size)
}

#[test]
fn results_around_the_limit_of_what_is_kept() {
    let _deadline = Deadline::seconds(100);
    let pool = Pool::new(2).unwrap();
    for size in [0, 1, 4086, 4087, 4088, 8180, 8182, 8183, 8190, 20000, 200_000, 2_000_000] {
        for dies in 0..7 {
            let items = (0..7).map(|i| (i, size, dies));
            let error = pool.map_chunked(sized, items, 7).unwrap_err();
            for (index, result) in error.results.iter().enumerate() {
                let died = matches!(result, Err(TaskError::WorkerDied { .. }));
                assert_eq!(died, index as u64 == dies, "{size} {dies} {index}");
                if let Ok(text) = result {
                    assert_eq!(text.len(), size);
                }
            }
        }
    }
    pool.close();
    pool.join().unwrap();
}

#[test]
fn pools_made_and_dropped_in_many_threads() {
    let _deadline = Deadline::seconds(100);
    thread::scope(|scope| {
        for t in 0..8 {
            scope.spawn(move || {
                for n in 0..6u64 {
                    let pool = Arc::new(Pool::new(2).unwrap());
                    let results: Vec<_> =
                        (0..20).map(|i| pool.apply_async(square, i).unwrap()).collect();
                    let enders: Vec<_> = (0..3)
                        .map(|k| {
                            let pool = Arc::clone(&pool);
                            thread::spawn(move || {
                                if (n + t + k) % 3 == 0 {
                                    pool.close()
                                } else {
                                    pool.terminate()
                                }
                                pool.join().unwrap();
                            })
                        })
                        .collect();
                    for r in results {
                        let _ = r.get();
                    }
                    enders.into_iter().for_each(|e| e.join().unwrap());
                }
            });
        }
    });
}

/// A task: ends with its worker.
fn never_return((): ()) {
    loop {
        thread::park();
    }
}

#[test]
fn dropped_while_others_get() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..10 {
        let pool = Pool::new(2).unwrap();
        let results: Vec<_> = (0..5).map(|_| pool.apply_async(never_return, ()).unwrap()).collect();
        let (tell, told) = channel();
        let getters: Vec<_> = results
            .into_iter()
            .map(|r| {
                let tell = tell.clone();
                thread::spawn(move || {
                    tell.send(()).unwrap();
                    assert_eq!(r.get(), Err(TaskError::Terminated));
                })
            })
            .collect();
        (0..5).for_each(|_| told.recv().unwrap());
        drop(pool);
        getters.into_iter().for_each(|g| g.join().unwrap());
    }
}

#[test]
fn the_last_handle_in_a_callback() {
    let _deadline = Deadline::seconds(60);
    for _ in 0..10 {
        let stage = Stage::new(1);
        let pool = stage.pool(2);
        let result = pool.apply_async(hold, 0).unwrap();
        let other = pool.apply_async(never_return, ()).unwrap();
        let (told, heard) = channel();
        result.on_result(move |_| {
            drop(pool);
            told.send(()).unwrap();
        });
        stage.open(1);
        heard.recv().unwrap();
        assert_eq!(other.get(), Err(TaskError::Terminated));
        assert_eq!(result.get(), Ok(0));
    }
}
