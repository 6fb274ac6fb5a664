//! Kill torture of the locks: workers are killed and stopped at random instants, and the lock goes
//! on, is held by one at a time, and tells of each death.
//!
//! ```text
//!   worker, with the lock:  a += 1 ── dawdles ── b += 1      by loads and stores, so that two at
//!                           and its phase before and after   a time would lose some
//!   driver:  kills, reads the phase of the dead, starts the next ── at the end compares
//! ```
//!
//! A worker that was killed while its phase said "holds" is told of for sure; one that was about to
//! lock or to unlock may have held the lock or not. So the number of deaths that are told lies
//! between two bounds.
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-lock-torture -- --ignored`, so
//! long for each test. `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::hint::spin_loop;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{mem, thread};

use multiprocess::shared::{Died, Lock, LockError, Recover, ReentrantLock, Words};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, Random, ends_well};

multiprocess::test_entry!();
tasks![attach, invite_again_and_again, work];

const WORKERS: usize = 4;

/// Words: the two halves of what the lock guards, deaths that were told, the process inside,
/// the number of times that the lock was held, and whether the workers shall end.
const A: usize = 0;
const B: usize = 1;
const TOLD: usize = 2;
const INSIDE: usize = 3;
const LOCKS: usize = 4;
const END: usize = 5;
/// What was wrong first, see [`WRONGS`].
const WRONG: usize = 6;
/// Two words for each worker: its phase, and deaths that it is just recovering from.
const FIRST: usize = 8;

/// Phases of a worker.
const OUTSIDE: u64 = 0;
const TRYING: u64 = 1;
const HOLDING: u64 = 2;
const LEAVING: u64 = 3;

const WRONGS: [&str; 4] = [
    "nothing",
    "the halves differ, and no death was told",
    "the halves differ by more than a death explains",
    "another process is inside",
];

/// Each torture takes the whole machine.
static ALONE: Mutex<()> = Mutex::new(());

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Kind {
    Lock(Lock),
    /// Each time taken twice.
    Reentrant(ReentrantLock),
}

/// How the lock is asked for.
#[derive(Clone, Copy, Debug)]
enum Form {
    Waits,
    WaitsFor(Duration),
    Tries,
}

impl Kind {
    /// Runs the work with the lock held, if it is got; what was told is given to the repair, after
    /// which all is whole.
    fn hold(&self, form: Form, repair: impl FnOnce(&Died), work: impl FnOnce(), ends: impl Fn()) {
        match self {
            Self::Lock(lock) => {
                let locked = match form {
                    Form::Waits => lock.lock().map(Some),
                    Form::WaitsFor(time) => lock.lock_timeout(time),
                    Form::Tries => lock.try_lock(),
                };
                let Some(_guard) = whole(locked, repair) else { return };
                work();
                ends();
            }
            Self::Reentrant(lock) => {
                let locked = match form {
                    Form::Waits => lock.lock().map(Some),
                    Form::WaitsFor(time) => lock.lock_timeout(time),
                    Form::Tries => lock.try_lock(),
                };
                let Some(_guard) = whole(locked, repair) else { return };
                let inner = lock.lock();
                assert!(inner.is_ok(), "nothing more is told");
                work();
                ends();
                drop(inner);
            }
        }
    }
}

/// Returns the guard, after the repair of what died.
fn whole<G: Recover>(
    locked: Result<Option<G>, LockError<G>>,
    repair: impl FnOnce(&Died),
) -> Option<G> {
    locked.unwrap_or_else(|error| {
        repair(error.died());
        Some(error.recover())
    })
}

/// A worker's view of the words; only loads and stores.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Truth(Words);

impl Truth {
    fn get(&self, index: usize) -> u64 {
        self.0[index].load(Ordering::Relaxed)
    }

    fn set(&self, index: usize, value: u64) {
        self.0[index].store(value, Ordering::Relaxed);
    }

    fn add(&self, index: usize, value: u64) {
        self.set(index, self.get(index) + value);
    }

    fn check(&self, is_right: bool, wrong: usize) {
        if !is_right {
            self.set(WRONG, wrong as u64);
        }
    }

    fn phase(place: usize) -> usize {
        FIRST + 2 * place
    }

    fn recovering(place: usize) -> usize {
        FIRST + 2 * place + 1
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    lock: Kind,
    truth: Truth,
    place: usize,
    seed: u64,
}

/// Runs in the child, until it is killed or shall end.
fn work(Work { lock, truth, place, seed }: Work) {
    let mut random = Random(seed | 1);
    let (phase, recovering) = (Truth::phase(place), Truth::recovering(place));
    let me = u64::from(std::process::id());
    while truth.get(END) == 0 {
        let form = match random.below(8) {
            0 => Form::Tries,
            1 | 2 => Form::WaitsFor(Duration::from_micros(random.below(3000))),
            _ => Form::Waits,
        };
        truth.set(phase, TRYING);
        let told = Cell::new(0);
        lock.hold(
            form,
            |died| {
                truth.set(phase, HOLDING);
                let (a, b) = (truth.get(A), truth.get(B));
                truth.check(a == b || a == b + 1, 2);
                truth.set(B, a);
                truth.set(INSIDE, 0);
                told.set(died.deaths.into());
                truth.set(recovering, died.deaths.into());
            },
            || {
                truth.set(phase, HOLDING);
                truth.add(TOLD, told.get());
                truth.set(recovering, 0);
                truth.check(truth.get(A) == truth.get(B), 1);
                truth.check(truth.get(INSIDE) == 0, 3);
                truth.set(INSIDE, me);
                truth.add(A, 1);
                if random.below(4) == 0 {
                    (0..random.below(2000)).for_each(|_| spin_loop());
                }
                if random.below(1000) == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
                truth.check(truth.get(INSIDE) == me, 3);
                truth.add(B, 1);
                truth.add(LOCKS, 1);
                truth.set(INSIDE, 0);
            },
            || truth.set(phase, LEAVING),
        );
        truth.set(phase, OUTSIDE);
        if random.below(8) == 0 {
            (0..random.below(3000)).for_each(|_| spin_loop());
        }
    }
}

/// Runs in the child, until it is killed: starts processes that get the lock among their arguments,
/// so numbers of the dead are given away all the time.
fn invite_again_and_again((lock, truth): (Kind, Truth)) {
    // Not a daemon, which could start no child.
    multiprocess::end_with_parent().unwrap();
    while truth.get(END) == 0 {
        let mut child = Process::new(attach, lock.clone()).daemonic(true);
        child.start().unwrap();
        child.join().unwrap();
    }
}

/// Runs in the child's child.
fn attach(lock: Kind) {
    drop(lock);
}

/// What was seen.
#[derive(Debug, Default)]
struct Counts {
    kills: u64,
    stops: u64,
    locks: u64,
    inviters_killed: u64,
    /// Killed in each phase.
    outside: u64,
    trying: u64,
    holding: u64,
    leaving: u64,
    /// Deaths that may have been told and not been counted.
    uncounted: u64,
    told: u64,
    /// Median and longest time until another one had the lock after a kill of its holder.
    median_wait: Duration,
    longest_wait: Duration,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { outside, trying, holding, leaving, uncounted, told, .. } = self;
        writeln!(
            f,
            "{} kills, {} stops, {} inviters killed, {} locks",
            self.kills, self.stops, self.inviters_killed, self.locks
        )?;
        writeln!(
            f,
            "killed outside {outside}, trying {trying}, holding {holding}, leaving {leaving}; told \
             {told}, and {uncounted} may not be counted"
        )?;
        let (median, longest) = (self.median_wait, self.longest_wait);
        write!(
            f,
            "from a kill of a holder to the next lock: median {median:?}, longest {longest:?}"
        )
    }
}

struct Driver {
    lock: Kind,
    truth: Truth,
    workers: Vec<Process>,
    inviter: Option<Process>,
    random: Random,
    counts: Counts,
    killed: HashSet<u32>,
    waits: Vec<Duration>,
}

impl Driver {
    fn start(&mut self, place: usize) -> Process {
        let seed = self.random.next();
        let work_of_it = Work { lock: self.lock.clone(), truth: self.truth.clone(), place, seed };
        let mut process = Process::new(work, work_of_it).daemonic(true);
        process.start().unwrap();
        process
    }

    fn start_inviter(&self) -> Process {
        let arguments = (self.lock.clone(), self.truth.clone());
        let mut process = Process::new(invite_again_and_again, arguments);
        process.start().unwrap();
        process
    }

    /// Kills a worker, and writes down what it was doing.
    fn kill(&mut self, place: usize) {
        let worker = &self.workers[place];
        let pid = worker.pid().unwrap();
        assert_eq!(worker.exitcode(), None, "it ended by itself");
        worker.kill().unwrap();
        worker.join().unwrap();
        self.killed.insert(pid);
        self.counts.kills += 1;
        match self.truth.get(Truth::phase(place)) {
            OUTSIDE => self.counts.outside += 1,
            TRYING => self.counts.trying += 1,
            HOLDING => self.counts.holding += 1,
            _ => self.counts.leaving += 1,
        }
        self.counts.uncounted += self.truth.get(Truth::recovering(place));
        let was_holding = self.truth.get(Truth::phase(place)) == HOLDING;
        self.truth.set(Truth::phase(place), OUTSIDE);
        self.truth.set(Truth::recovering(place), 0);
        if was_holding {
            self.waits.push(self.wait_for_progress());
        }
    }

    /// Waits until a worker has had the lock.
    ///
    /// On a busy machine the time is mostly that in which this process waits for a processor: at a
    /// niceness of 5 beside 12 threads that compute, the longest was 216 ms, of which the kernel
    /// counted 209 as this one's (Linux, `/proc/PID/schedstat`), and no wait was 20 ms longer than
    /// that.
    fn wait_for_progress(&self) -> Duration {
        let (before, begun) = (self.truth.get(LOCKS), Instant::now());
        while self.truth.get(LOCKS) == before {
            assert!(begun.elapsed() < LONG, "no worker gets the lock: {:?}", self.lock);
            thread::sleep(Duration::from_micros(100));
        }
        begun.elapsed()
    }

    fn one_step(&mut self) {
        thread::sleep(Duration::from_micros(self.random.below(3000)));
        let place = self.random.below(WORKERS as u64) as usize;
        if self.random.below(5) == 0 {
            let other = Other::of(self.workers[place].pid().unwrap()).unwrap();
            assert!(other.stop());
            self.counts.stops += 1;
            thread::sleep(Duration::from_micros(self.random.below(4000)));
            if self.random.below(2) == 0 {
                assert!(other.go_on());
                return;
            }
        }
        self.kill(place);
        if let Some(inviter) = self.inviter.take() {
            if self.random.below(2) == 0 {
                assert_eq!(inviter.exitcode(), None, "it ended by itself");
                inviter.kill().unwrap();
                inviter.join().unwrap();
                self.counts.inviters_killed += 1;
                self.inviter = Some(self.start_inviter());
            } else {
                self.inviter = Some(inviter);
            }
        }
        if self.random.below(4) == 0 {
            self.lock_here();
        }
        self.workers[place] = self.start(place);
    }

    /// The driver takes the lock, too, and sees of which process it is told.
    fn lock_here(&self) {
        let told = Cell::new(0);
        self.lock.hold(
            Form::Waits,
            |died| {
                assert!(self.killed.contains(&died.pid) && !died.panicked, "{died}");
                told.set(died.deaths.into());
                let (a, b) = (self.truth.get(A), self.truth.get(B));
                assert!(a == b || a == b + 1, "{a} {b}");
                self.truth.set(B, a);
                self.truth.set(INSIDE, 0);
            },
            || self.truth.add(TOLD, told.get()),
            || (),
        );
    }

    fn end(mut self) -> Counts {
        self.truth.set(END, 1);
        self.workers.iter().chain(&self.inviter).for_each(ends_well);
        self.lock_here();
        self.waits.sort_unstable();
        let waits = &self.waits;
        let at = |part: usize| waits.get(part * waits.len() / 100).copied().unwrap_or_default();
        Counts {
            locks: self.truth.get(LOCKS),
            told: self.truth.get(TOLD),
            median_wait: at(50),
            longest_wait: waits.last().copied().unwrap_or_default(),
            ..mem::take(&mut self.counts)
        }
    }
}

/// Whatever happens, no process stays.
impl Drop for Driver {
    fn drop(&mut self) {
        self.truth.set(END, 1);
        for process in self.workers.iter().chain(&self.inviter) {
            let _ = process.kill();
            let _ = process.join();
        }
    }
}

fn torture(lock: Kind, with_inviter: bool, time: Duration) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _deadline = Deadline::seconds(120 + time.as_secs());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("TORTURE_SEED={seed}");
    let mut driver = Driver {
        lock,
        truth: Truth(Words::new(FIRST + 2 * WORKERS).unwrap()),
        workers: Vec::new(),
        inviter: None,
        random: Random(seed | 1),
        counts: Counts::default(),
        killed: HashSet::new(),
        waits: Vec::new(),
    };
    for place in 0..WORKERS {
        let worker = driver.start(place);
        driver.workers.push(worker);
    }
    driver.inviter = with_inviter.then(|| driver.start_inviter());
    let begun = Instant::now();
    while begun.elapsed() < time {
        driver.one_step();
    }
    let truth = driver.truth.clone();
    let counts = driver.end();
    println!("{counts}");
    assert_eq!(WRONGS[truth.get(WRONG) as usize], WRONGS[0]);
    assert_eq!(truth.get(A), truth.get(B));
    let Counts { trying, holding, leaving, uncounted, told, .. } = counts;
    let (least, most) = (holding.saturating_sub(uncounted), holding + trying + leaving);
    assert!((least..=most).contains(&told), "{told} told, of {least} to {most}");
}

macro_rules! torture {
    ($($short:ident, $long:ident: $lock:expr, $with_inviter:expr;)+) => { $(
        #[test]
        fn $short() {
            torture($lock, $with_inviter, Duration::from_millis(800));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            let seconds = std::env::var("TORTURE_SECONDS");
            let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
            torture($lock, $with_inviter, Duration::from_secs(seconds));
        }
    )+ };
}

torture! {
    holders_and_waiters_are_killed, long_holders_and_waiters_are_killed:
        Kind::Lock(Lock::new().unwrap()), false;
    also_processes_that_hand_the_lock_over_are_killed,
        long_also_processes_that_hand_the_lock_over_are_killed:
        Kind::Lock(Lock::new().unwrap()), true;
    a_lock_that_is_taken_twice, long_a_lock_that_is_taken_twice:
        Kind::Reentrant(ReentrantLock::new().unwrap()), true;
}
