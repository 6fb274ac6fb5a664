//! Kill torture of values: writers, waiting processes and processes that start others are killed
//! and stopped at random instants. No value is ever torn, no update is lost or made twice, no
//! reader waits, and no process hangs.
//!
//! ```text
//!   writer   counts "begun" ──▶ update: each number + 1 ──▶ counts "done" ┐ plain words
//!                                                                        ├──▶ the driver compares
//!   value    [n, n, n … n]   sum of "done" ≤ n ≤ sum of "begun" ──────────┘
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-value-torture -- --ignored`, so
//! long for each test. `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::shared::{Value, Words};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, Random, until};

multiprocess::test_entry!();
tasks![work::<5>, work::<100>, work::<200>, look::<5>, look::<100>, look::<200>,];

/// More processes than a round has.
const MOST: usize = 1 << 13;

/// Words that all processes of a round share: two flags, then two counts for each process.
const STOP: usize = 0;
const TORN: usize = 1;

/// What a process does until it is told to stop, or killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    /// Updates the value.
    Writer,
    /// Waits for the next value, and the next.
    Waiter,
    /// Starts processes that have the value, one after another.
    Inviter,
}

/// The processes that there are at any time.
const ROLES: [Role; 6] =
    [Role::Writer, Role::Writer, Role::Writer, Role::Waiter, Role::Waiter, Role::Inviter];

/// A process's part in a round. `N` numbers, which are always the same.
#[derive(Clone, Serialize, Deserialize)]
struct Work<const N: usize> {
    me: usize,
    role: Role,
    value: Value<[u64; N]>,
    words: Words,
}

impl<const N: usize> Work<N> {
    fn is_stopped(&self) -> bool {
        self.words[STOP].load(Ordering::Acquire) == 1
    }

    /// Returns what all numbers are. If they aren't, that is written down for the driver.
    fn number(&self, numbers: &[u64; N]) -> u64 {
        if numbers.iter().any(|number| *number != numbers[0]) {
            self.words[TORN].store(1, Ordering::Release);
            panic!("torn: {numbers:?}");
        }
        numbers[0]
    }

    /// Counts one more update that this process has begun (0) or done (1).
    fn count(&self, which: usize) {
        self.words[2 + 2 * self.me + which].fetch_add(1, Ordering::AcqRel);
    }

    fn update(&self) {
        self.count(0);
        self.value.update(|numbers| {
            let next = self.number(numbers) + 1;
            *numbers = [next; N];
        });
        self.count(1);
    }
}

/// Runs in a child.
fn work<const N: usize>(work: Work<N>) {
    // Not as a daemon, which could invite no other process.
    multiprocess::end_with_parent().unwrap();
    let mut random = Random(work.me as u64 | 1);
    while !work.is_stopped() {
        match work.role {
            Role::Writer => {
                for _ in 0..random.below(50) {
                    work.update();
                }
                if random.below(4) == 0 {
                    thread::yield_now();
                }
            }
            Role::Waiter => {
                let now = work.number(&work.value.get());
                let timeout = Duration::from_millis(random.below(30));
                let next = work.value.wait_until(|numbers| work.number(numbers) > now, timeout);
                assert!(next.is_none_or(|next| next[0] > now));
            }
            Role::Inviter => {
                let mut child = Process::new(look::<N>, work.clone());
                child.start().unwrap();
                child.join().unwrap();
                assert_eq!(child.exitcode(), Some(0));
            }
        }
    }
}

/// Runs in a child of a child.
fn look<const N: usize>(work: Work<N>) {
    for _ in 0..10 {
        work.number(&work.value.get());
    }
    // Under a number that another process had.
    work.update();
}

struct Worker {
    process: Process,
    role: Role,
    stopped_until: Option<Instant>,
}

impl Worker {
    fn other(&self) -> Other {
        // It is still ours, even if it has ended, so the number can't mean another.
        Other::of(self.process.pid().unwrap()).unwrap()
    }
}

/// Whatever happens, no process stays.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.join();
    }
}

/// What was seen.
#[derive(Debug, Default)]
struct Counts {
    killed_writers: usize,
    killed_others: usize,
    stops: usize,
    updates: u64,
    /// Begun, but cut off, or done by a process that had no time to count that.
    uncounted: u64,
    reads: u64,
}

struct Driver<const N: usize> {
    work: Work<N>,
    started: usize,
    workers: Vec<Worker>,
    dying: Vec<Worker>,
    counts: Counts,
}

impl<const N: usize> Driver<N> {
    fn start(&mut self, role: Role) {
        self.started += 1;
        assert!(self.started < MOST);
        let work = Work { me: self.started, role, ..self.work.clone() };
        let mut process = Process::new(self::work::<N>, work);
        process.start().unwrap();
        self.workers.push(Worker { process, role, stopped_until: None });
    }

    /// Lets those go on whose time has come, or all.
    fn go_on(&mut self, all: bool) {
        for worker in &mut self.workers {
            if worker.stopped_until.is_some_and(|until| all || until <= Instant::now()) {
                assert!(worker.other().go_on());
                worker.stopped_until = None;
            }
        }
    }

    /// Waits for the ends of the killed.
    fn collect(&mut self) {
        for worker in self.dying.drain(..) {
            worker.process.join().unwrap();
            assert_eq!(worker.process.exitcode(), Some(-9), "it ended by itself");
        }
    }

    fn one_step(&mut self, random: &mut Random) {
        thread::sleep(Duration::from_micros(random.below(3000)));
        self.go_on(false);
        let index = random.below(self.workers.len() as u64) as usize;
        if random.below(5) == 0 {
            let worker = &mut self.workers[index];
            if worker.stopped_until.is_none() {
                assert!(worker.other().stop());
                let time = Duration::from_micros(random.below(8000));
                worker.stopped_until = Some(Instant::now() + time);
                self.counts.stops += 1;
            }
            return;
        }
        let worker = self.workers.swap_remove(index);
        assert_eq!(worker.process.exitcode(), None, "it ended by itself");
        worker.process.kill().unwrap();
        let role = worker.role;
        match role {
            Role::Writer => self.counts.killed_writers += 1,
            Role::Waiter | Role::Inviter => self.counts.killed_others += 1,
        }
        self.dying.push(worker);
        // So its number is free for the next, or perhaps not.
        if random.below(2) == 0 {
            self.collect();
        }
        self.start(role);
    }

    /// Ends all processes, and compares the value with what was counted.
    fn end(mut self) -> Counts {
        self.go_on(true);
        self.collect();
        let before = self.work.number(&self.work.value.get());
        let after = self.work.value.wait_until(|numbers| numbers[0] > before, LONG);
        assert!(after.is_some(), "the writers don't go on");
        self.work.words[STOP].store(1, Ordering::Release);
        for worker in self.workers.drain(..) {
            worker.process.join().unwrap();
            assert_eq!(worker.process.exitcode(), Some(0), "{:?}", worker.role);
        }
        let sum = |which: usize| {
            let words = self.work.words[2 + which..].iter().step_by(2);
            words.map(|word| word.load(Ordering::Acquire)).sum::<u64>()
        };
        // A process whose parent was killed may still be at it.
        let mut number = self.work.number(&self.work.value.get());
        until("the last updates are counted", || {
            number = self.work.number(&self.work.value.get());
            (sum(1)..=sum(0)).contains(&number)
        });
        assert_eq!(self.work.words[TORN].load(Ordering::Acquire), 0, "a process saw it torn");
        self.counts.updates = number;
        self.counts.uncounted = sum(0) - sum(1);
        self.counts
    }
}

fn round<const N: usize>(seed: u64, time: Duration) -> Counts {
    let mut random = Random(seed | 1);
    let value = Value::new([0; N]).unwrap();
    let words = Words::new(2 + 2 * MOST).unwrap();
    let work = Work { me: 0, role: Role::Writer, value, words };
    let mut driver = Driver::<N> {
        work: work.clone(),
        started: 0,
        workers: Vec::new(),
        dying: Vec::new(),
        counts: Counts::default(),
    };
    ROLES.into_iter().for_each(|role| driver.start(role));
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut reads) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let number = work.number(&work.value.get());
                assert!(number >= last, "{number} after {last}");
                last = number;
                reads += 1;
            }
            reads
        });
        let begun = Instant::now();
        while begun.elapsed() < time {
            driver.one_step(&mut random);
        }
        is_over.store(true, Ordering::Relaxed);
        driver.counts.reads = reader.join().unwrap();
    });
    driver.end()
}

/// Rounds for so long.
fn torture<const N: usize>(time: Duration) -> Counts {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    let mut random = Random(seed | 1);
    let begun = Instant::now();
    let of_a_round = (time / 2).min(Duration::from_secs(2));
    let mut sum = Counts::default();
    while begun.elapsed() < time {
        let seed = random.next();
        // The kill timer tells the name of its thread.
        let name = format!("{N} numbers, seed {seed}");
        let round = thread::Builder::new().name(name.clone()).spawn(move || {
            let _deadline = Deadline::seconds(120 + of_a_round.as_secs());
            round::<N>(seed, of_a_round)
        });
        let Ok(counts) = round.unwrap().join() else { panic!("failed: {name}") };
        sum.killed_writers += counts.killed_writers;
        sum.killed_others += counts.killed_others;
        sum.stops += counts.stops;
        sum.updates += counts.updates;
        sum.uncounted += counts.uncounted;
        sum.reads += counts.reads;
    }
    println!("{N} numbers, {:.1} s: {sum:?}", begun.elapsed().as_secs_f32());
    sum
}

macro_rules! torture {
    ($($short:ident, $long:ident: $n:literal;)+) => { $(
        #[test]
        fn $short() {
            torture::<$n>(Duration::from_millis(900));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            let seconds = std::env::var("TORTURE_SECONDS");
            let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
            torture::<$n>(Duration::from_secs(seconds));
        }
    )+ };
}

torture! {
    five_numbers_are_never_torn, long_five_numbers_are_never_torn: 5;
    a_hundred_numbers_are_never_torn, long_a_hundred_numbers_are_never_torn: 100;
}

/// VALUE-B03
#[test]
fn two_hundred_numbers_are_never_torn() {
    let begun = Instant::now();
    let mut killed_writers = 0;
    // Where processes start slowly, as many as there is time for.
    while killed_writers < 200 && begun.elapsed() < Duration::from_secs(3) {
        killed_writers += torture::<200>(Duration::from_millis(500)).killed_writers;
    }
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_two_hundred_numbers_are_never_torn() {
    let seconds = std::env::var("TORTURE_SECONDS");
    let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
    let mut killed_writers = 0;
    // On a busy machine that may take several times as long.
    while killed_writers < 200 {
        killed_writers += torture::<200>(Duration::from_secs(seconds)).killed_writers;
    }
}
