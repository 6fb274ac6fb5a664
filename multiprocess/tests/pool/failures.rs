//! How tasks fail: each way costs one item an error, and nothing else. What is lost with a killed
//! worker is what it was at.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::pool::{Error, MapError, TaskError};
use multiprocess::{Pool, tasks};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testing::{
    Deadline, Other, Stage, count, end_by_signal, hold, kill, kind, pid_of_worker, resident, text,
};

multiprocess::test_entry!();
tasks![meet, count_or_die, large, never_return, ignore_sigterm_and_never_return];
tasks![take];

/// What becomes of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    ArgumentsNotSent,
    ArgumentsPanicWhenSent,
    ArgumentsNotReceived,
    ArgumentsPanicWhenReceived,
    Panics,
    ResultNotSent,
    ResultPanicsWhenSent,
    ResultNotReceived,
    ResultPanicsWhenReceived,
    Exits(i32),
    Aborts,
    Signal(i32),
}

use Fate::*;

/// Fates, each with its error, a part of its text, and the exit code if the worker dies of it.
const FATES: [(Fate, &str, &str, Option<i32>); 15] = [
    (
        ArgumentsNotSent,
        "ArgumentsNotSent",
        "failures::Argument can't be serialised: its own reason",
        None,
    ),
    (ArgumentsPanicWhenSent, "ArgumentsNotSent", "panicked", None),
    (ArgumentsNotReceived, "ArgumentsNotReceived", "failures::Argument: its own reason", None),
    (ArgumentsPanicWhenReceived, "Panicked", "received with a panic", None),
    (Panics, "Panicked", concat!("wanted 5 (", file!(), ":"), None),
    (ResultNotSent, "ResultNotSent", "failures::Outcome can't be serialised: its own reason", None),
    (ResultPanicsWhenSent, "Panicked", "sent with a panic", None),
    (ResultNotReceived, "ResultNotReceived", "failures::Outcome: its own reason", None),
    (ResultPanicsWhenReceived, "ResultNotReceived", "panicked", None),
    (Exits(3), "WorkerDied", "exit code 3", Some(3)),
    (Exits(0), "WorkerDied", "exit code 0", Some(0)),
    (Aborts, "WorkerDied", "killed by signal 6 (SIGABRT)", Some(-6)),
    (Signal(9), "WorkerDied", "killed by signal 9 (SIGKILL)", Some(-9)),
    (Signal(11), "WorkerDied", "killed by signal 11 (SIGSEGV)", Some(-11)),
    (Signal(15), "WorkerDied", "killed by signal 15 (SIGTERM)", Some(-15)),
];

impl Fate {
    /// Its number for the way to the worker and back.
    fn number(self) -> u8 {
        let same = |(fate, ..): &(Fate, &str, &str, Option<i32>)| *fate == self;
        FATES.iter().position(same).map_or(0, |place| place as u8 + 1)
    }

    fn of(number: u8) -> Self {
        number.checked_sub(1).map_or(Fine, |place| FATES[usize::from(place)].0)
    }
}

struct Argument(Fate);

#[derive(Debug)]
struct Outcome(Fate);

impl fmt::Debug for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ArgumentsNotSent => Err(serde::ser::Error::custom("its own reason")),
            ArgumentsPanicWhenSent => panic!("sent with a panic"),
            fate => serializer.serialize_u8(fate.number()),
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Fate::of(u8::deserialize(input)?) {
            ArgumentsNotReceived => Err(serde::de::Error::custom("its own reason")),
            ArgumentsPanicWhenReceived => panic!("received with a panic"),
            fate => Ok(Self(fate)),
        }
    }
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            ResultNotSent => Err(serde::ser::Error::custom("its own reason")),
            ResultPanicsWhenSent => panic!("sent with a panic"),
            fate => serializer.serialize_u8(fate.number()),
        }
    }
}

impl<'de> Deserialize<'de> for Outcome {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Fate::of(u8::deserialize(input)?) {
            ResultNotReceived => Err(serde::de::Error::custom("its own reason")),
            ResultPanicsWhenReceived => panic!("received with a panic"),
            fate => Ok(Self(fate)),
        }
    }
}

/// A task: what its argument says becomes of it.
fn meet(argument: Argument) -> Outcome {
    match argument.0 {
        Panics => panic!("wanted {}", 5),
        Exits(code) => std::process::exit(code),
        Aborts => std::process::abort(),
        Signal(number) => end_by_signal(number),
        _ => {}
    }
    Outcome(argument.0)
}

/// All are fine but the one at this place, which has the error it should.
fn check(
    results: impl IntoIterator<Item = Result<Outcome, TaskError>>,
    bad: usize,
    (fate, name, text, exit): (Fate, &str, &str, Option<i32>),
) {
    for (place, result) in results.into_iter().enumerate() {
        if place != bad {
            assert_eq!(result.unwrap().0, Fine, "beside {fate:?}");
            continue;
        }
        let error = result.unwrap_err();
        assert_eq!(kind(&error), name, "{fate:?}: {error}");
        assert!(error.to_string().contains(text), "{fate:?}: {error}");
        if let TaskError::WorkerDied { exitcode, .. } = error {
            assert_eq!(exitcode, exit);
        }
    }
}

/// All ways to call, with one item of this fate.
fn call_in_all_ways(pool: &Pool, fate: (Fate, &'static str, &'static str, Option<i32>)) {
    let with = |bad: usize, count| {
        (0..count).map(move |place| Argument(if place == bad { fate.0 } else { Fine }))
    };
    let applied = pool.apply(meet, Argument(fate.0)).map_err(|error| match error {
        Error::Task(error) => error,
        error => panic!("{error}"),
    });
    check([applied], 0, fate);
    for (count, chunk) in [(3, 1), (5, 5), (10, 4)] {
        for bad in [0, 2, count - 1] {
            let MapError { index, results, error } =
                pool.map_chunked(meet, with(bad, count), chunk).unwrap_err();
            assert_eq!((index, results.len()), (Some(bad), count), "{error}");
            check(results, bad, fate);
            let results: Vec<_> =
                pool.imap_chunked(meet, with(bad, count), chunk).unwrap().collect();
            assert_eq!(results.len(), count);
            check(results, bad, fate);
            let results: Vec<_> =
                pool.imap_unordered_chunked(meet, with(bad, count), chunk).unwrap().collect();
            assert_eq!(results.len(), count);
            let bad = results.iter().position(Result::is_err).unwrap();
            check(results, bad, fate);
        }
    }
    let MapError { index, results, .. } = pool.map(meet, with(1, 4)).unwrap_err();
    assert_eq!(index, Some(1));
    check(results, 1, fate);
}

/// POOL-B01, POOL-B02
#[test]
fn whatever_becomes_of_a_task_is_one_error_at_once_and_the_pool_goes_on() {
    let _deadline = Deadline::seconds(120);
    for fate in FATES {
        let stage = Stage::new(1);
        let pool = stage.pool(2);
        let mut workers = pool.worker_pids();
        workers.sort_unstable();
        let held = pool.apply_async(hold, 0).unwrap();
        stage.next_waiting();
        // While another task runs, for as long as it likes.
        pool.apply(meet, Argument(fate.0)).unwrap_err();
        stage.open(1);
        assert_eq!(held.get(), Ok(0));
        call_in_all_ways(&pool, fate);
        let still: Vec<u32> = pool.map_chunked(pid_of_worker, 0..20, 1).unwrap();
        let died = fate.3.is_some();
        assert_eq!(still.iter().all(|pid| workers.contains(pid)), !died, "{fate:?}");
        testing::until("the pool is whole", || pool.worker_pids().len() == 2);
        pool.close();
        pool.join().unwrap();
    }
}

#[derive(Debug, Deserialize)]
struct PanicsWhenSent;

impl Serialize for PanicsWhenSent {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("sent with a panic")
    }
}

/// A task.
fn take(_: PanicsWhenSent) {}

#[test]
fn an_argument_that_panics_when_it_is_sent_does_not_keep_the_pool_from_its_end() {
    let _deadline = Deadline::seconds(60);
    let pool = Pool::new(1).unwrap();
    let sent = AssertUnwindSafe(|| pool.apply(take, PanicsWhenSent));
    assert!(!matches!(catch_unwind(sent), Ok(Ok(_))));
    let sent = AssertUnwindSafe(|| pool.map(take, [PanicsWhenSent]));
    assert!(!matches!(catch_unwind(sent), Ok(Ok(_))));
    pool.close();
    pool.join().unwrap();
}

/// What becomes of one item of a chunk, by its number below 100.
fn count_or_die(task: u64) -> u64 {
    count(task);
    if task % 10 == 4 {
        std::process::exit(1);
    }
    task
}

#[test]
fn of_a_chunk_only_the_item_that_ran_is_lost_and_none_runs_twice() {
    let _deadline = Deadline::seconds(60);
    for (count, chunk) in [(10, 10), (100, 10), (100, 100), (100, 7)] {
        let stage = Stage::new(count as usize);
        let pool = stage.pool(2);
        let MapError { results, .. } = pool.map_chunked(count_or_die, 0..count, chunk).unwrap_err();
        for (task, result) in (0..).zip(results) {
            match result {
                Ok(result) => assert!(result == task && task % 10 != 4),
                Err(error) => assert!(kind(&error) == "WorkerDied" && task % 10 == 4, "{error}"),
            }
        }
        assert_eq!(stage.all_begun(), vec![1; count as usize]);
        let stage = Stage::new(count as usize);
        let pool = stage.pool(2);
        let results = pool.imap_chunked(count_or_die, 0..count, chunk).unwrap();
        let lost = results.filter(Result::is_err).count();
        assert_eq!(lost as u64, count / 10);
        assert_eq!(stage.all_begun(), vec![1; count as usize]);
    }
}

#[test]
fn a_worker_killed_in_the_middle_of_a_chunk_costs_the_item_it_was_at() {
    let _deadline = Deadline::seconds(60);
    let stage = Stage::new(10);
    let pool = stage.pool(1);
    let mapped = thread::scope(|scope| {
        let mapped = scope.spawn(|| pool.map_chunked(hold, 0..10, 10));
        for _ in 0..4 {
            stage.next_waiting();
            stage.open(1);
        }
        let (task, pid) = stage.next_waiting();
        assert_eq!(task, 4);
        kill(pid);
        stage.open(5);
        mapped.join().unwrap()
    });
    let MapError { index, results, .. } = mapped.unwrap_err();
    assert_eq!(index, Some(4));
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 9);
    assert_eq!(stage.all_begun(), [1; 10]);
}

/// A worker that is killed while it takes a task has not begun it: the task goes to another. If
/// that one dies of it, it is an error, and no third one is waited for.
#[test]
fn a_task_that_was_given_back_is_not_taken_for_given_back_again() {
    let _deadline = Deadline::seconds(120);
    let mut given_back = 0;
    for _ in 0..40 {
        let stage = Stage::new(1);
        let pool = stage.pool(1);
        pool.apply(pid_of_worker, 0).unwrap();
        let worker = pool.worker_pids()[0];
        let before = resident(worker);
        let result = pool.apply_async(large, text(0, 200 << 20)).unwrap();
        // While it reads the argument, its memory grows.
        testing::until("it reads", || resident(worker) > before + (20 << 10));
        kill(worker);
        stage.open(1);
        match result.get() {
            Err(TaskError::WorkerDied { exitcode: Some(3), .. }) => given_back += 1,
            Err(TaskError::WorkerDied { exitcode: Some(-9), .. }) => {}
            wrong => panic!("{wrong:?}"),
        }
        if given_back == 2 {
            return;
        }
    }
    assert!(given_back > 0, "never killed in time");
}

/// A task that the worker dies of, when the gate is opened.
fn large(_: String) {
    testing::stage().pass();
    std::process::exit(3);
}

/// A task.
fn never_return(task: u64) {
    testing::begin(task);
    loop {
        thread::park();
    }
}

/// A task.
fn ignore_sigterm_and_never_return(task: u64) {
    testing::ignore_sigterm();
    never_return(task);
}

#[test]
fn terminate_ends_tasks_that_never_return_within_a_second() {
    let _deadline = Deadline::seconds(60);
    for stubborn in [false, true] {
        let stage = Stage::new(2);
        let pool = stage.pool(2);
        let submit = |task| match stubborn {
            false => pool.apply_async(never_return, task).unwrap(),
            true => pool.apply_async(ignore_sigterm_and_never_return, task).unwrap(),
        };
        let results = [submit(0), submit(1)];
        let workers = [stage.next_waiting().1, stage.next_waiting().1];
        let workers = workers.map(|pid| Other::of(pid).unwrap());
        let begun = Instant::now();
        pool.terminate();
        assert_eq!(results[0].get(), Err(TaskError::Terminated));
        pool.join().unwrap();
        let time = begun.elapsed();
        // Twenty times what is promised: the machine may be busy.
        assert!(time < Duration::from_secs(20), "{time:?}");
        assert!(workers.iter().all(|worker| worker.ends_within(Duration::ZERO)));
        assert_eq!(results[1].get(), Err(TaskError::Terminated));
    }
}

/// For reporters that print an error and then its sources.
#[test]
fn an_error_says_its_cause_once() {
    fn check(error: &dyn std::error::Error) {
        let mut said = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let text = error.to_string();
            assert!(!said.contains(&text), "{said:?} says {text:?}, too");
            said += &text;
            source = error.source();
        }
    }
    let system = || std::io::Error::other("the reason");
    let start =
        || multiprocess::process::Error::Start { name: String::from("worker"), reason: system() };
    check(&Error::System(system()));
    check(&Error::Start(start()));
    check(&Error::Function(start()));
    check(&Error::Task(TaskError::ArgumentsNotSent(String::from("the reason"))));
    check(&MapError::<u64>::from(Error::Start(start())));
    check(&MapError::<u64> { index: Some(3), ..TaskError::Terminated.into() });
}
