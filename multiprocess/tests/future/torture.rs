//! Torture: calls are submitted, mapped, cancelled and called back by several threads while workers
//! are killed and stopped at random instants. Every future ends; a call with a result ran once, a
//! cancelled one never, any other at most once; nothing is left behind.
//!
//! The long version, 60 s for each test:
//! `TORTURE_SECONDS=60 cargo test -p multiprocess --test future-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::futures::{
    Executor, Future, FutureError, MapOptions, ProcessPoolExecutor, ReturnWhen, TaskError,
    ThreadPoolExecutor, as_completed, wait,
};
use multiprocess::queue::Words;
use multiprocess::tasks;
use testing::{Deadline, Other, Random, children, stock, text};

multiprocess::test_entry!();
tasks![share, toil];

/// Number of workers.
const WORKERS: usize = 3;
/// Number of threads that submit calls.
const GIVERS: u64 = 3;

/// The words at the beginning: how many workers have begun, and the pids of the latest.
const PIDS: usize = 16;

/// Behind them, one for each call of a giver in a round.
const CALLS: u64 = 100_000;

/// Calls of a batch.
const BATCH: u64 = 200;

/// Tests look for what is left in the whole process, so only one runs at a time.
static ALONE: Mutex<()> = Mutex::new(());

thread_local! {
    static SHARED: RefCell<Option<Words>> = const { RefCell::new(None) };
}

/// Runs in each worker, as its initializer.
fn share(words: Words) {
    let number = words[0].fetch_add(1, Ordering::SeqCst) as usize;
    words[1 + number % (PIDS - 1)].store(std::process::id().into(), Ordering::SeqCst);
    SHARED.set(Some(words));
}

type Call = (u64, String);

/// What goes to the call of this number, and what comes back: most is short, some is long.
fn payload(call: u64, way: u64) -> Call {
    let length = match call % 400 {
        399 => 150_000,
        300..=320 => 2_000,
        rest => rest % 20,
    };
    (call, text((call * 2 + way) as usize, length as usize))
}

/// A call: counts that it runs, looks at its argument, returns another text.
fn toil((call, text): Call) -> Call {
    SHARED.with_borrow(|words| {
        words.as_ref().unwrap()[PIDS + call as usize].fetch_add(1, Ordering::SeqCst);
    });
    assert!((call, text) == payload(call, 0), "corrupt");
    payload(call, 1)
}

/// What was seen.
#[derive(Debug, Default)]
struct Seen {
    rounds: AtomicU64,
    killed: AtomicU64,
    stopped: AtomicU64,
    calls: AtomicU64,
    lost: AtomicU64,
    broken: AtomicU64,
    cancelled: AtomicU64,
    called_back: AtomicU64,
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

/// How a round is to be.
#[derive(Clone, Copy, Debug)]
struct How {
    strict: bool,
    most_tasks: Option<u64>,
    kills: bool,
}

const GENTLE: How = How { strict: false, most_tasks: None, kills: false };
const KILLED: How = How { kills: true, ..GENTLE };

fn processes(how: How, words: &Words) -> ProcessPoolExecutor {
    let mut builder = ProcessPoolExecutor::builder().max_workers(WORKERS).strict(how.strict);
    if let Some(most) = how.most_tasks {
        builder = builder.max_tasks_per_child(most);
    }
    builder.initializer(share, words.clone()).build().unwrap()
}

fn threads(_: How, words: &Words) -> ThreadPoolExecutor {
    let words = words.clone();
    let builder = ThreadPoolExecutor::builder().max_workers(WORKERS);
    builder.initializer(move || share(words.clone())).build().unwrap()
}

fn workers_of_threads(_: &ThreadPoolExecutor) -> Vec<u32> {
    Vec::new()
}

macro_rules! torture {
    ($($short:ident, $long:ident: $make:ident, $pids:expr, $how:expr;)+) => { $(
        #[test]
        fn $short() {
            torture($make, $pids, $how, Duration::from_millis(1000));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            torture($make, $pids, $how, Duration::from_secs(long()));
        }
    )+ };
}

torture! {
    calls_of_workers_that_are_killed, long_calls_of_workers_that_are_killed:
        processes, ProcessPoolExecutor::worker_pids, KILLED;
    in_strict_mode, long_in_strict_mode:
        processes, ProcessPoolExecutor::worker_pids, How { strict: true, ..KILLED };
    of_workers_that_end_by_themselves_too, long_of_workers_that_end_by_themselves_too:
        processes, ProcessPoolExecutor::worker_pids, How { most_tasks: Some(50), ..KILLED };
    of_workers_that_are_only_stopped, long_of_workers_that_are_only_stopped:
        processes, ProcessPoolExecutor::worker_pids, GENTLE;
    of_threads, long_of_threads: threads, workers_of_threads, GENTLE;
}

fn long() -> u64 {
    std::env::var("TORTURE_SECONDS").map_or(60, |seconds| seconds.parse().unwrap())
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    std::env::var("TORTURE_SEED").map_or(now.as_nanos() as u64, |seed| seed.parse().unwrap()) | 1
}

/// Rounds for so long, each with an executor of its own.
fn torture<E: Executor + Send + Sync + 'static>(
    make: fn(How, &Words) -> E,
    pids: fn(&E) -> Vec<u32>,
    how: How,
    time: Duration,
) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let seed = seed();
    let mut random = Random(seed);
    let name = thread::current().name().unwrap_or_default().to_owned();
    println!("{name}: TORTURE_SEED={seed}");
    let seen = Seen::default();
    let begun = Instant::now();
    let before = stock();
    while begun.elapsed() < time {
        // Long, for it may have to be nice to others.
        let _deadline = Deadline::seconds(300);
        let longest = if how.strict { 300 } else { 2000 };
        let round = Duration::from_millis(longest).min(time / 3);
        round_of(make, pids, how, Instant::now() + round, &mut random, &seen);
        before.comes_back().unwrap();
    }
    println!("{name}: {:.1} s: {seen:?}", begun.elapsed().as_secs_f32());
    let [killed, lost] = [&seen.killed, &seen.lost].map(|counter| counter.load(Ordering::Relaxed));
    assert!(lost <= killed, "more lost than killed");
    assert!(!how.kills || killed > 0, "none was killed");
}

fn round_of<E: Executor + Send + Sync + 'static>(
    make: fn(How, &Words) -> E,
    pids: fn(&E) -> Vec<u32>,
    how: How,
    end: Instant,
    random: &mut Random,
    seen: &Seen,
) {
    let words = Words::new(PIDS + (GIVERS * CALLS) as usize).unwrap();
    let executor = Arc::new(make(how, &words));
    add(&seen.rounds, 1);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let givers = (0..GIVERS).map(|giver| {
            let executor = &executor;
            let give = Giver { words: &words, seen, random: Random(random.next() | 1), how };
            scope.spawn(move || give.until(end, executor, giver * CALLS))
        });
        let givers = givers.collect::<Vec<_>>();
        let (executor, words, stop) = (&executor, &words, &stop);
        let seed = random.next() | 1;
        scope.spawn(move || {
            let mut random = Random(seed);
            while !stop.load(Ordering::Relaxed) {
                // Any instant will do: this sleep isn't a wait for something.
                let most = if how.strict { 40_000 } else { 20_000 };
                thread::sleep(Duration::from_micros(random.below(most)));
                disturb(|| pids(executor), words, how, &mut random, seen);
            }
        });
        let ended: Vec<_> = givers.into_iter().map(|giver| giver.join()).collect();
        stop.store(true, Ordering::Relaxed);
        ended.into_iter().for_each(|ended| ended.unwrap());
    });
    // Callbacks may hold handles for a moment.
    testing::until("nobody else has the executor", || Arc::strong_count(&executor) == 1);
    let executor = Arc::into_inner(executor).unwrap();
    match random.below(3) {
        0 => drop(executor),
        1 => executor.shutdown(true, true),
        _ => executor.shutdown(false, false),
    }
    assert!(words[PIDS..].iter().all(|word| word.load(Ordering::SeqCst) <= 1), "twice");
}

/// Kills a worker, or stops it for a moment. Seldom one that has hardly begun: twenty of them in a
/// row are a reason to give up.
fn disturb(pids: impl Fn() -> Vec<u32>, words: &Words, how: How, random: &mut Random, seen: &Seen) {
    let mut candidates = pids();
    if random.below(8) > 0 {
        let has_begun = |pid: &u32| {
            words[1..PIDS].iter().any(|word| word.load(Ordering::SeqCst) == u64::from(*pid))
        };
        candidates.retain(has_begun);
    }
    if candidates.is_empty() {
        return;
    }
    let pid = candidates[random.below(candidates.len() as u64) as usize];
    let Some(worker) = Other::of(pid) else { return };
    // Its number may have become somebody else's before we got hold of it.
    if !pids().contains(&pid) || !children().contains(&pid) {
        return;
    }
    if random.below(4) > 0 && how.kills {
        add(&seen.killed, u64::from(worker.kill()));
    } else if worker.stop() {
        thread::sleep(Duration::from_micros(random.below(3000)));
        if how.kills && random.below(2) == 0 {
            add(&seen.killed, u64::from(worker.kill()));
        }
        worker.go_on();
        add(&seen.stopped, 1);
    }
}

/// A thread that gives calls to the executor, in all ways.
struct Giver<'a> {
    words: &'a Words,
    seen: &'a Seen,
    random: Random,
    how: How,
}

impl Giver<'_> {
    /// The calls are numbered from `first` on.
    fn until<E: Executor + Send + Sync + 'static>(
        mut self,
        end: Instant,
        executor: &Arc<E>,
        first: u64,
    ) {
        for first in (first..first + CALLS - BATCH).step_by(BATCH as usize) {
            if Instant::now() > end {
                return;
            }
            let goes_on = match self.random.below(6) {
                0 | 1 => self.submit_and_cancel(executor, first),
                2 => self.map(&**executor, first),
                3 => self.drop_a_map(&**executor, first),
                4 => self.wait(&**executor, first),
                _ => self.call_back(executor, first),
            };
            add(&self.seen.calls, BATCH);
            if !goes_on {
                return;
            }
        }
    }

    fn runs(&self, call: u64) -> u64 {
        self.words[PIDS + call as usize].load(Ordering::SeqCst)
    }

    /// What came of a call, and how often it ran; false if the executor is broken.
    fn check(&self, call: u64, result: Result<&Call, FutureError>) -> bool {
        let runs = self.runs(call);
        match result {
            Ok(result) => {
                assert!(*result == payload(call, 1), "{call}: {}", result.0);
                assert_eq!(runs, 1, "{call} has a result");
            }
            Err(FutureError::Cancelled) => {
                assert_eq!(runs, 0, "{call} was cancelled");
                add(&self.seen.cancelled, 1);
            }
            Err(FutureError::Task(TaskError::WorkerDied { exitcode, end })) => {
                assert!(self.how.kills && !self.how.strict && exitcode == Some(-9), "{end}");
                assert!(runs <= 1, "{call} ran {runs} times");
                add(&self.seen.lost, 1);
            }
            Err(FutureError::Task(TaskError::Broken(reason))) => {
                assert!(self.how.strict && reason.contains("terminated abruptly"), "{reason}");
                assert!(runs <= 1, "{call} ran {runs} times");
                add(&self.seen.broken, 1);
                return false;
            }
            Err(error) => panic!("{call}: {error}"),
        }
        true
    }

    fn submit_and_cancel<E: Executor>(&mut self, executor: &Arc<E>, first: u64) -> bool {
        let (tell, told) = channel::<(u64, Future<Call>)>();
        let mut random = Random(self.random.next() | 1);
        let canceller = thread::spawn(move || {
            let mut answers = Vec::new();
            for (call, future) in told {
                match random.below(4) {
                    0 => answers.push((call, future.cancel())),
                    1 => {
                        (0..random.below(300)).for_each(|_| std::hint::spin_loop());
                        answers.push((call, future.cancel()));
                    }
                    _ => {}
                }
            }
            answers
        });
        let mut futures = Vec::new();
        for call in first..first + BATCH {
            let Ok(future) = executor.submit(toil, payload(call, 0)) else { break };
            tell.send((call, future.clone())).unwrap();
            futures.push(future);
        }
        drop(tell);
        let mut goes_on = futures.len() as u64 == BATCH;
        for (call, future) in (first..).zip(&futures) {
            goes_on &= self.check(call, future.result());
        }
        for (call, answer) in canceller.join().unwrap() {
            let future = &futures[(call - first) as usize];
            assert_eq!(future.cancelled(), answer, "{call}");
        }
        goes_on
    }

    fn options(&mut self) -> MapOptions {
        let options = MapOptions::default();
        match self.random.below(4) {
            0 => options,
            1 => options.chunksize(7),
            2 => options.buffersize(5),
            _ => options.chunksize(20).buffersize(3),
        }
    }

    fn map(&mut self, executor: &impl Executor, first: u64) -> bool {
        let items = (first..first + BATCH).map(|call| payload(call, 0));
        let Ok(results) = executor.map_with(self.options(), toil, items) else { return false };
        let mut goes_on = true;
        for (call, result) in (first..).zip(results) {
            goes_on &= self.check(call, result.as_ref().map_err(Clone::clone));
            if !goes_on {
                // What comes next may be that nothing more is taken.
                break;
            }
        }
        goes_on
    }

    fn drop_a_map(&mut self, executor: &impl Executor, first: u64) -> bool {
        let items = (first..first + BATCH).map(|call| payload(call, 0));
        let Ok(results) = executor.map_with(self.options(), toil, items) else { return false };
        let taken = self.random.below(BATCH) as usize;
        (first..)
            .zip(results.take(taken))
            .all(|(call, result)| self.check(call, result.as_ref().map_err(Clone::clone)))
    }

    fn wait(&mut self, executor: &impl Executor, first: u64) -> bool {
        let calls = first..first + BATCH;
        let futures: Vec<_> =
            calls.map_while(|call| executor.submit(toil, payload(call, 0)).ok()).collect();
        let waited = wait(&futures, Duration::from_millis(1), ReturnWhen::FirstCompleted);
        assert_eq!(waited.done.len() + waited.not_done.len(), futures.len());
        assert_eq!(as_completed(&futures, None).filter(Result::is_ok).count(), futures.len());
        let mut goes_on = futures.len() as u64 == BATCH;
        for (call, future) in (first..).zip(&futures) {
            assert!(future.done());
            goes_on &= self.check(call, future.result());
        }
        goes_on
    }

    /// Half of the calls are submitted by callbacks of the others.
    fn call_back<E: Executor + Send + Sync + 'static>(
        &mut self,
        executor: &Arc<E>,
        first: u64,
    ) -> bool {
        let (tell, told) = channel();
        let mut futures = Vec::new();
        for call in first..first + BATCH / 2 {
            let Ok(future) = executor.submit(toil, payload(call, 0)) else { break };
            let (other, tell) = (Arc::clone(executor), tell.clone());
            future.add_done_callback(move |future| {
                let next = other.submit(toil, payload(call + BATCH / 2, 0));
                drop(other);
                tell.send((call, future.result().cloned(), next.ok())).unwrap();
                panic_sometimes(call);
            });
            futures.push(future);
        }
        drop(tell);
        let mut goes_on = futures.len() as u64 == BATCH / 2;
        let mut called_back = 0;
        for (call, result, next) in told {
            goes_on &= self.check(call, result.as_ref().map_err(Clone::clone));
            goes_on &= next.is_some_and(|next| self.check(call + BATCH / 2, next.result()));
            called_back += 1;
        }
        assert_eq!(called_back, futures.len());
        add(&self.seen.called_back, called_back as u64);
        goes_on
    }
}

/// Without a message: there are thousands.
fn panic_sometimes(call: u64) {
    if call.is_multiple_of(10) {
        std::panic::resume_unwind(Box::new(()));
    }
}
