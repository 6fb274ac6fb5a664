//! Kill torture of the semaphore: its users are killed and stopped at random instants, and no
//! permit is ever in two hands, none is lost, and no process hangs.
//!
//! ```text
//!   user:      acquires ─▶ writes its id into the permit's word ─▶ dawdles ─▶ 0 ─▶ gives back
//!              another id there must be that of a process which was killed
//!   adder:     says how many ─▶ adds ─▶ counts them        consumer: the same, one by one
//!   inviter:   starts short-lived users all the time, so that numbers of the dead are given away
//!   driver:    announces a death, kills, starts the next ─▶ at the end counts the permits
//! ```
//!
//! An adder or consumer that is killed in the middle has done what it said, or part of it, or
//! nothing: so at the end the number of permits lies between two bounds.
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-semaphore-torture -- --ignored`,
//! so long for each test. `TORTURE_SEED` begins with the same decisions; instants differ all the
//! same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::hint::spin_loop;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::shared::{Permit, Semaphore, Words};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, Random, Report, ends_well, reports, until};

multiprocess::test_entry!();
tasks![add_for_ever, consume_for_ever, invite_for_ever, use_for_ever, use_once];

const PERMITS: usize = 3;
const WORKERS: usize = 5;

/// The place of all that inviters start, which are never killed.
const INVITED: usize = WORKERS;

/// Words: whether all shall end, how often a permit was acquired, how many were a dead process's,
/// and what was wrong first, see [`WRONGS`].
const END: usize = 0;
const ACQUIRED: usize = 1;
const TAKEN_OVER: usize = 2;
const WRONG: usize = 3;
/// From here on the occupant of each permit.
const OCCUPANTS: usize = 8;
/// From here on a word for each place: how many of its processes were killed.
const KILLED: usize = OCCUPANTS + PERMITS;
/// From here on a word for each place: how many permits it has added or consumed; and from there
/// on, how many it is about to.
const DONE: usize = KILLED + WORKERS + 1;
const PENDING: usize = DONE + WORKERS;
const ALL: usize = PENDING + WORKERS;

const WRONGS: [&str; 4] = [
    "nothing",
    "two processes have the same permit",
    "a process has written into another's permit",
    "memory is damaged",
];

/// Each torture takes the whole machine.
static ALONE: Mutex<()> = Mutex::new(());

/// A place and the number of the process there, as one number that is not 0.
fn id(place: usize, generation: u64) -> u64 {
    generation * 64 + place as u64 + 1
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    semaphore: Semaphore,
    words: Words,
    place: usize,
    generation: u64,
    seed: u64,
}

impl Work {
    fn get(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.get(END) != 0
    }

    fn wrong(&self, what: usize) {
        self.words[WRONG].store(what as u64, Ordering::SeqCst);
    }

    /// Acquires a permit in one way or another, perhaps in vain.
    fn acquire(&self, random: &mut Random) -> Option<Permit<'_>> {
        match random.below(8) {
            0 => self.semaphore.try_acquire(),
            1 | 2 => self.semaphore.acquire_timeout(Duration::from_micros(random.below(3000))),
            _ => self.semaphore.acquire().map_err(|_| self.wrong(3)).ok(),
        }
    }

    /// Writes into the permit's word that it is this process's; the process before may have been
    /// killed.
    fn occupy(&self, permit: &Permit<'_>) {
        let me = id(self.place, self.generation);
        let before = self.words[OCCUPANTS + permit.number()].swap(me, Ordering::SeqCst);
        if before != 0 {
            let (place, generation) = ((before - 1) % 64, before / 64);
            if self.get(KILLED + place as usize) > generation {
                self.words[TAKEN_OVER].fetch_add(1, Ordering::SeqCst);
            } else {
                self.wrong(1);
            }
        }
        self.words[ACQUIRED].fetch_add(1, Ordering::SeqCst);
    }

    fn leave(&self, permit: Permit<'_>) {
        let me = id(self.place, self.generation);
        let before = self.words[OCCUPANTS + permit.number()].swap(0, Ordering::SeqCst);
        if before != me {
            self.wrong(2);
        }
        drop(permit);
    }

    fn use_permit(&self, random: &mut Random) {
        let Some(permit) = self.acquire(random) else { return };
        self.occupy(&permit);
        (0..random.below(3000)).for_each(|_| spin_loop());
        if random.below(1000) == 0 {
            thread::sleep(Duration::from_millis(1));
        }
        let second = if random.below(4) == 0 { self.semaphore.try_acquire() } else { None };
        if let Some(second) = &second {
            self.occupy(second);
        }
        self.leave(permit);
        (0..random.below(300)).for_each(|_| spin_loop());
        if let Some(second) = second {
            self.leave(second);
        }
    }

    /// Does what adds to or takes from the permits; says before how many, and counts them after.
    fn change(&self, count: u64, change: impl FnOnce() -> bool) {
        let (done, pending) = (DONE + self.place, PENDING + self.place);
        self.words[pending].store(count, Ordering::SeqCst);
        if change() {
            self.words[done].fetch_add(count, Ordering::SeqCst);
        }
        self.words[pending].store(0, Ordering::SeqCst);
    }
}

/// Runs in the child, until it is killed or shall end.
fn use_for_ever(work: Work) {
    multiprocess::end_with_parent().unwrap();
    let mut random = Random(work.seed | 1);
    while !work.is_over() {
        work.use_permit(&mut random);
        if random.below(4) == 0 {
            (0..random.below(1500)).for_each(|_| spin_loop());
        }
    }
}

/// Runs in the child, until it is killed or shall end: hands the semaphore to others.
fn invite_for_ever((work, report): (Work, Report)) {
    multiprocess::end_with_parent().unwrap();
    let mut random = Random(work.seed | 1);
    while !work.is_over() {
        let work = Work { place: INVITED, seed: random.next(), ..work.clone() };
        let mut child = Process::new(use_once, (work, report.another()));
        child.start().unwrap();
        child.join().unwrap();
    }
}

/// Runs in the child's child, which may outlive its parent. The report tells when it has ended.
fn use_once((work, _report): (Work, Report)) {
    work.use_permit(&mut Random(work.seed | 1));
}

/// Runs in the child, until it is killed or shall end.
fn add_for_ever(work: Work) {
    multiprocess::end_with_parent().unwrap();
    let mut random = Random(work.seed | 1);
    while !work.is_over() {
        let count = 1 + random.below(3);
        work.change(count, || work.semaphore.add(count as usize).is_ok());
    }
}

/// Runs in the child, until it is killed or shall end.
fn consume_for_ever(work: Work) {
    multiprocess::end_with_parent().unwrap();
    let mut random = Random(work.seed | 1);
    while !work.is_over() {
        let Some(permit) = work.acquire(&mut random) else { continue };
        work.change(1, || {
            permit.consume();
            true
        });
    }
}

/// What the workers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Use one of a fixed number of permits.
    Use,
    /// Use permits, and invite: an inviter is killed, too.
    UseAndInvite,
    /// Add permits and consume them.
    Count,
}

struct Driver {
    kind: Kind,
    semaphore: Semaphore,
    words: Words,
    random: Random,
    workers: Vec<Process>,
    inviter: Option<Process>,
    report: Report,
    kills: u64,
    stops: u64,
    /// Permits that the killed may have added, or consumed.
    perhaps_added: u64,
    perhaps_consumed: u64,
}

/// Every second worker adds.
fn is_adder(place: usize) -> bool {
    place.is_multiple_of(2)
}

impl Driver {
    fn get(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::SeqCst)
    }

    fn work(&mut self, place: usize) -> Work {
        let (semaphore, words) = (self.semaphore.clone(), self.words.clone());
        let generation = self.get(KILLED + place);
        Work { semaphore, words, place, generation, seed: self.random.next() }
    }

    fn start(&mut self, place: usize) -> Process {
        let work = self.work(place);
        let process = match self.kind {
            Kind::Count if is_adder(place) => Process::new(add_for_ever, work),
            Kind::Count => Process::new(consume_for_ever, work),
            Kind::Use | Kind::UseAndInvite => Process::new(use_for_ever, work),
        };
        let mut process = process.daemonic(true);
        process.start().unwrap();
        process
    }

    fn start_inviter(&mut self) -> Process {
        let work = self.work(INVITED);
        let mut process = Process::new(invite_for_ever, (work, self.report.another()));
        process.start().unwrap();
        process
    }

    /// Kills a worker, and starts the next.
    fn kill(&mut self, place: usize) {
        let worker = &self.workers[place];
        assert_eq!(worker.exitcode(), None, "it ended by itself");
        // Before the kill: another process may take over its permits before it returns.
        self.words[KILLED + place].fetch_add(1, Ordering::SeqCst);
        worker.kill().unwrap();
        worker.join().unwrap();
        self.kills += 1;
        let pending = self.words[PENDING + place].swap(0, Ordering::SeqCst);
        if is_adder(place) {
            self.perhaps_added += pending;
        } else {
            self.perhaps_consumed += pending;
        }
        self.workers[place] = self.start(place);
    }

    fn one_step(&mut self) {
        thread::sleep(Duration::from_micros(self.random.below(3000)));
        let place = self.random.below(WORKERS as u64) as usize;
        if self.random.below(5) == 0 {
            let other = Other::of(self.workers[place].pid().unwrap()).unwrap();
            assert!(other.stop());
            self.stops += 1;
            thread::sleep(Duration::from_micros(self.random.below(4000)));
            if self.random.below(2) == 0 {
                assert!(other.go_on());
                return;
            }
        }
        self.kill(place);
        if let Some(inviter) = self.inviter.take_if(|_| self.random.below(2) == 0) {
            assert_eq!(inviter.exitcode(), None, "it ended by itself");
            inviter.kill().unwrap();
            inviter.join().unwrap();
            self.kills += 1;
            self.inviter = Some(self.start_inviter());
        }
        if self.random.below(8) == 0 {
            self.wait_for_progress();
        }
    }

    fn progress(&self) -> u64 {
        self.get(ACQUIRED) + (0..WORKERS).map(|place| self.get(DONE + place)).sum::<u64>()
    }

    fn wait_for_progress(&self) {
        let (before, begun) = (self.progress(), Instant::now());
        while self.progress() == before {
            assert!(begun.elapsed() < LONG, "no worker goes on: {:?}", self.semaphore);
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Ends the workers of their own accord.
    fn end(&mut self) {
        self.words[END].store(1, Ordering::SeqCst);
        for worker in self.workers.iter().chain(&self.inviter) {
            while worker.exitcode().is_none() {
                if self.kind == Kind::Count {
                    // A consumer may wait for a permit.
                    if self.semaphore.add(1).is_ok() {
                        self.words[DONE].fetch_add(1, Ordering::SeqCst);
                    }
                }
                worker.join_timeout(Duration::from_millis(1)).unwrap();
            }
            ends_well(worker);
        }
    }

    fn sum(&self, adders: bool) -> u64 {
        let places = (0..WORKERS).filter(|place| is_adder(*place) == adders);
        places.map(|place| self.get(DONE + place)).sum()
    }
}

/// Whatever happens, no process stays.
impl Drop for Driver {
    fn drop(&mut self) {
        self.words[END].store(1, Ordering::SeqCst);
        for process in self.workers.iter().chain(&self.inviter) {
            let _ = process.kill();
            let _ = process.join();
        }
    }
}

fn torture(kind: Kind, time: Duration) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let _deadline = Deadline::seconds(120 + time.as_secs());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("TORTURE_SEED={seed}");
    let (said, report) = reports();
    let semaphore = match kind {
        Kind::Use | Kind::UseAndInvite => Semaphore::new(PERMITS),
        Kind::Count => Semaphore::with_room(0, PERMITS),
    };
    let mut driver = Driver {
        kind,
        semaphore: semaphore.unwrap(),
        words: Words::new(ALL).unwrap(),
        random: Random(seed | 1),
        workers: Vec::new(),
        inviter: None,
        report,
        kills: 0,
        stops: 0,
        perhaps_added: 0,
        perhaps_consumed: 0,
    };
    for place in 0..WORKERS {
        let worker = driver.start(place);
        driver.workers.push(worker);
    }
    driver.inviter = (kind == Kind::UseAndInvite).then(|| driver.start_inviter());
    let begun = Instant::now();
    while begun.elapsed() < time {
        driver.one_step();
    }
    driver.end();
    let (semaphore, words) = (driver.semaphore.clone(), driver.words.clone());
    let get = |index: usize| words[index].load(Ordering::SeqCst);
    println!(
        "{kind:?}: {} kills, {} stops, {} acquired, {} of a dead process",
        driver.kills,
        driver.stops,
        get(ACQUIRED),
        get(TAKEN_OVER)
    );
    assert_eq!(WRONGS[get(WRONG) as usize], WRONGS[0]);
    let permits = if kind == Kind::Count {
        let (added, consumed) = (driver.sum(true), driver.sum(false));
        let (more, less) = (driver.perhaps_added, driver.perhaps_consumed);
        println!("added {added} to {}, consumed {consumed} to {}", added + more, consumed + less);
        let permits = semaphore.available() as u64;
        assert!(permits + consumed <= added + more, "{permits}: some were made of nothing");
        assert!(permits + consumed + less >= added, "{permits}: some were lost");
        permits as usize
    } else {
        PERMITS
    };
    // What orphans have is given back when they have ended.
    drop(driver);
    said.end();
    until("all permits are back", || semaphore.available() == permits);
    let all: Vec<_> = (0..permits).map(|_| semaphore.try_acquire().unwrap()).collect();
    assert!(semaphore.try_acquire().is_none());
    semaphore.add(PERMITS - permits).unwrap();
    assert!(semaphore.add(1).is_err());
    drop(all);
    assert_eq!(semaphore.available(), PERMITS);
}

macro_rules! torture {
    ($($short:ident, $long:ident: $kind:expr;)+) => { $(
        #[test]
        fn $short() {
            torture($kind, Duration::from_millis(800));
        }

        #[test]
        #[ignore = "long: thousands of kills"]
        fn $long() {
            let seconds = std::env::var("TORTURE_SECONDS");
            let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
            torture($kind, Duration::from_secs(seconds));
        }
    )+ };
}

torture! {
    holders_and_waiters_are_killed, long_holders_and_waiters_are_killed: Kind::Use;
    also_processes_that_hand_the_semaphore_over_are_killed,
        long_also_processes_that_hand_the_semaphore_over_are_killed: Kind::UseAndInvite;
    adders_and_consumers_are_killed, long_adders_and_consumers_are_killed: Kind::Count;
}
