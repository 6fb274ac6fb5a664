//! Kill torture of the event: processes that wait, ask, set and clear are killed and stopped at
//! random instants. All that live go on when it is set, not before, and also if it is cleared at
//! once.
//!
//! ```text
//!   driver:  new round ──────▶ some are killed or stopped ──▶ sets ──▶ all have passed ──▶ clears
//!   waiter:  writes "waits" ─▶ waits ──────────────────────────▶ writes "passed" ─▶ next round
//! ```
//!
//! In some rounds a process sets the event, which may be killed before, or after, or in between; in
//! others the event is cleared right after it was set, again and again, until all have passed. One
//! process does nothing but ask, and checks what it is told. Another starts short-lived ones all
//! the time, so that numbers of the dead are given away.
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-event-torture -- --ignored`, so
//! long for each test. `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::shared::{Event, Words};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, Other, Random, ends_well, until};

multiprocess::test_entry!();
tasks![ask_for_ever, invite_for_ever, look_once, set_once, wait_in_rounds];

const WAITERS: usize = 4;

/// Words: the round, from 1; whether all shall end; what is sure about the event, see below; how
/// often an asker was told something else.
const ROUND: usize = 0;
const END: usize = 1;
const STATE: usize = 2;
const WRONG: usize = 3;
/// From here on two words for each waiter: the last round in which it waits, and has passed.
const WAITS: usize = 8;
const PASSED: usize = WAITS + WAITERS;
const ALL: usize = PASSED + WAITERS;

/// What is sure about the event: a count of changes, and one of these.
const UNSET: u64 = 0;
const SET: u64 = 1;
const EITHER: u64 = 2;
const KINDS: u64 = 3;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Work {
    event: Event,
    words: Words,
    place: usize,
    seed: u64,
}

impl Work {
    fn get(&self, index: usize) -> u64 {
        self.words[index].load(Ordering::SeqCst)
    }

    fn set(&self, index: usize, value: u64) {
        self.words[index].store(value, Ordering::SeqCst);
    }

    fn is_over(&self) -> bool {
        self.get(END) != 0
    }
}

/// Runs in the child, until it is killed or shall end.
fn wait_in_rounds(work: Work) {
    let mut random = Random(work.seed | 1);
    // The round in which it begins, too.
    let mut last = work.get(ROUND) - 1;
    loop {
        while work.get(ROUND) == last {
            if work.is_over() {
                return;
            }
            thread::yield_now();
        }
        last = work.get(ROUND);
        work.set(WAITS + work.place, last);
        match random.below(3) {
            0 => work.event.wait(),
            1 => while !work.event.wait_timeout(Duration::from_micros(random.below(3000))) {},
            _ => while !work.event.wait_timeout(Duration::from_secs(600)) {},
        }
        work.set(PASSED + work.place, last);
    }
}

/// Runs in the child, until it is killed or shall end: asks, and compares with what is sure.
fn ask_for_ever(work: Work) {
    while !work.is_over() {
        let sure = work.get(STATE);
        let is_set = work.event.is_set();
        let is_sure = sure % KINDS != EITHER && work.get(STATE) == sure;
        if is_sure && is_set != (sure % KINDS == SET) {
            work.words[WRONG].fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Runs in the child, which may be killed meanwhile.
fn set_once(work: Work) {
    work.event.set();
}

/// Runs in the child, until it is killed or shall end, and may be killed as it starts another.
fn invite_for_ever(work: Work) {
    // Not a daemon, which could start no child.
    multiprocess::end_with_parent().unwrap();
    while !work.is_over() {
        let child = start(look_once, &work);
        child.join().unwrap();
    }
}

/// Runs in the child's child.
fn look_once(work: Work) {
    let _ = work.event.wait_timeout(Duration::from_millis(1));
}

struct Driver {
    work: Work,
    random: Random,
    waiters: Vec<Process>,
    asker: Process,
    inviter: Process,
    /// Waiters that are stopped.
    stopped: Vec<Other>,
    kills: u64,
    stops: u64,
}

impl Driver {
    fn new(seed: u64) -> Self {
        let (event, words) = (Event::new().unwrap(), Words::new(ALL).unwrap());
        let work = Work { event, words, place: 0, seed };
        work.set(ROUND, 1);
        let (asker, inviter) = (start(ask_for_ever, &work), start_inviter(&work));
        let (random, waiters, stopped) = (Random(seed | 1), Vec::new(), Vec::new());
        let mut driver =
            Self { work, random, waiters, asker, inviter, stopped, kills: 0, stops: 0 };
        for place in 0..WAITERS {
            let waiter = driver.start_waiter(place);
            driver.waiters.push(waiter);
        }
        driver
    }

    fn start_waiter(&mut self, place: usize) -> Process {
        start(wait_in_rounds, &Work { place, seed: self.random.next(), ..self.work.clone() })
    }

    /// Says what is sure from now on.
    fn now(&self, kind: u64) {
        let count = self.work.get(STATE) / KINDS + 1;
        self.work.set(STATE, count * KINDS + kind);
    }

    /// Kills or stops one of the processes, or none.
    fn disturb(&mut self) {
        thread::sleep(Duration::from_micros(self.random.below(2000)));
        let place = self.random.below(WAITERS as u64) as usize;
        match self.random.below(7) {
            0 => {}
            1 => {
                let other = Other::of(self.waiters[place].pid().unwrap()).unwrap();
                assert!(other.stop());
                self.stops += 1;
                self.stopped.push(other);
            }
            2 => {
                kill(&self.asker);
                self.kills += 1;
                self.asker = start(ask_for_ever, &self.work);
            }
            3 => {
                kill(&self.inviter);
                self.kills += 1;
                self.inviter = start_inviter(&self.work);
            }
            _ => {
                kill(&self.waiters[place]);
                self.kills += 1;
                self.waiters[place] = self.start_waiter(place);
            }
        }
    }

    fn go_on(&mut self) {
        // One that was killed since is not there any more.
        self.stopped.drain(..).for_each(|other| {
            other.go_on();
        });
    }

    fn have_passed(&self) -> bool {
        let round = self.work.get(ROUND);
        (0..WAITERS).all(|place| self.work.get(PASSED + place) == round)
    }

    fn one_round(&mut self) {
        let round = self.work.get(ROUND);
        (0..self.random.below(3)).for_each(|_| self.disturb());
        let passed = (0..WAITERS).filter(|place| self.work.get(PASSED + place) == round);
        assert_eq!(passed.count(), 0, "the event is not set yet");
        self.now(EITHER);
        match self.random.below(3) {
            0 => {
                let setter = start(set_once, &self.work);
                thread::sleep(Duration::from_micros(self.random.below(2000)));
                self.disturb();
                // Perhaps it has ended by then.
                setter.kill().unwrap();
                setter.join().unwrap();
                self.kills += 1;
                self.work.event.set();
            }
            1 => self.work.event.set(),
            _ => {
                self.disturb();
                self.go_on();
                let event = self.work.event.clone();
                until("all pass while the event is set and cleared", || {
                    event.set();
                    event.clear();
                    // So that all can fall asleep.
                    thread::sleep(Duration::from_micros(self.random.below(2000)));
                    self.have_passed()
                });
                event.set();
            }
        }
        self.now(SET);
        self.go_on();
        until("all that live pass", || self.have_passed());
        if self.random.below(2) == 0 {
            self.disturb();
            self.go_on();
            until("those that come later pass, too", || self.have_passed());
        }
        self.now(EITHER);
        self.work.event.clear();
        self.now(UNSET);
        self.work.set(ROUND, round + 1);
    }

    /// Ends all processes of their own accord.
    fn end(&self) {
        // In the last round none is stopped, and all that wait go on.
        self.work.set(END, 1);
        self.now(EITHER);
        self.work.event.set();
        self.waiters.iter().chain([&self.asker, &self.inviter]).for_each(ends_well);
        assert!(self.work.event.is_set());
        self.work.event.clear();
        assert!(!self.work.event.wait_timeout(Duration::from_millis(1)));
    }
}

fn start(function: impl Fn(Work) + 'static, work: &Work) -> Process {
    let mut process = Process::new(function, work.clone()).daemonic(true);
    process.start().unwrap();
    process
}

fn start_inviter(work: &Work) -> Process {
    let mut process = Process::new(invite_for_ever, work.clone());
    process.start().unwrap();
    process
}

fn kill(process: &Process) {
    assert_eq!(process.exitcode(), None, "it ended by itself");
    process.kill().unwrap();
    process.join().unwrap();
}

/// Whatever happens, no process stays.
impl Drop for Driver {
    fn drop(&mut self) {
        for process in self.waiters.iter().chain([&self.asker, &self.inviter]) {
            let _ = process.kill();
            let _ = process.join();
        }
    }
}

fn torture(time: Duration) {
    let _deadline = Deadline::seconds(120 + time.as_secs());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("TORTURE_SEED={seed}");
    let mut driver = Driver::new(seed);
    let begun = Instant::now();
    while begun.elapsed() < time {
        driver.one_round();
    }
    driver.end();
    let rounds = driver.work.get(ROUND) - 1;
    println!("{rounds} rounds, {} kills, {} stops", driver.kills, driver.stops);
    assert_eq!(driver.work.get(WRONG), 0, "an asker was told what was not so");
}

#[test]
fn all_that_live_go_on_when_the_event_is_set_and_not_before() {
    torture(Duration::from_millis(1500));
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_all_that_live_go_on_when_the_event_is_set_and_not_before() {
    let seconds = std::env::var("TORTURE_SECONDS");
    torture(Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap())));
}
