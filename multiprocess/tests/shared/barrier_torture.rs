//! Kill torture of a barrier: parties, leaders in their action and starters of parties are killed
//! and stopped at random instants. A round is passed by all or by none, a death is told to all
//! others, and no process hangs.
//!
//! ```text
//!   party    waits, aborts, resets ──▶ how often it came, and passed ─┐
//!   driver   kills one, stops one ───▶ which seat it was ─────────────┴▶ compares
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-barrier-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::any::Any;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{hint, thread};

use multiprocess::queue::Words;
use multiprocess::shared::{Barrier, Broken, Passed, Seat};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, Random, Report, alone, reports, until};

multiprocess::test_entry!();
tasks![host, long_games, long_starts, play, short_games, short_starts, wait_until_broken];

/// Words that all parties share: actions begun and ended; for each seat how often it has come, and
/// has passed; how its game ended, as the number and pid of the empty seat.
const BEGUN: usize = 0;
const ACTED: usize = 1;
const CAME: usize = 16;
const PASSED: usize = 32;
const TOLD: usize = 48;

/// A party at a barrier.
#[derive(Serialize, Deserialize)]
struct Party {
    seat: Seat,
    words: Words,
    seed: u64,
    /// True if the parties also abort, are late, and reset.
    breaks: bool,
}

fn get(words: &Words, word: usize) -> u64 {
    words[word].load(Ordering::SeqCst)
}

fn set(words: &Words, word: usize, number: u64) {
    words[word].store(number, Ordering::SeqCst);
}

/// Returns what a party writes down that was told of an empty seat: never 0.
fn told_of(seat: usize, pid: u32) -> u64 {
    (seat as u64 + 1) << 32 | u64::from(pid)
}

impl Party {
    fn wait(&mut self, random: &mut Random) -> Result<Passed, Broken> {
        let Self { seat, words, .. } = self;
        match random.below(if self.breaks { 8 } else { 6 }) {
            0..3 => seat.wait(),
            3..6 => seat.wait_then(|| {
                words[BEGUN].fetch_add(1, Ordering::SeqCst);
                (0..random.below(2000)).for_each(|_| hint::spin_loop());
                words[ACTED].fetch_add(1, Ordering::SeqCst);
            }),
            6 => seat.wait_timeout(Duration::from_micros(random.below(1000))),
            _ => {
                seat.abort();
                Err(Broken::Aborted)
            }
        }
    }
}

/// Runs in the child: plays until a seat is empty, and keeps its own.
fn play(mut party: Party) {
    let (mut random, me) = (Random(party.seed | 1), party.seat.number());
    let (seats, words) = (get(&party.words, 2) as usize, party.words.clone());
    let mut round = 0;
    loop {
        set(&words, CAME + me, round + 1);
        match party.wait(&mut random) {
            Ok(_) => {
                round += 1;
                set(&words, PASSED + me, round);
                let came = (0..seats).map(|seat| get(&words, CAME + seat));
                assert!(came.clone().all(|came| came >= round), "passed before all had come");
            }
            Err(Broken::Ended { seat, pid, .. }) => {
                set(&words, TOLD + me, told_of(seat, pid));
                thread::sleep(2 * LONG);
            }
            Err(Broken::Aborted | Broken::TimedOut) => {
                // A seat that has reset then finds the others waiting.
                if me == 0 || random.below(16) == 0 {
                    let _ = party.seat.reset();
                }
                thread::yield_now();
            }
            Err(Broken::Reset) => {}
            Err(other) => panic!("{other}"),
        }
        (0..random.below(500)).for_each(|_| hint::spin_loop());
    }
}

/// A process of the test, which doesn't stay whatever happens.
struct Worker(Process);

impl Worker {
    /// Starts a process that ends with this one.
    fn start<A: Serialize + Send + 'static>(
        function: impl Fn(A) + Any,
        arguments: A,
        is_daemon: bool,
    ) -> Self {
        let mut process = Process::new(function, arguments).daemonic(is_daemon);
        process.start().unwrap();
        Self(process)
    }

    fn pid(&self) -> u32 {
        self.0.pid().unwrap()
    }

    fn other(&self) -> Other {
        // It is a child that was not joined, so the number can't mean another.
        Other::of(self.pid()).unwrap()
    }

    fn kill(&self) {
        assert_eq!(self.0.exitcode(), None, "it ended by itself");
        self.0.kill().unwrap();
        self.0.join().unwrap();
        assert_eq!(self.0.exitcode(), Some(-9), "it ended by itself");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.join();
    }
}

fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = std::env::var("TORTURE_SEED").map_or(now, |seed| seed.parse().unwrap());
    println!("TORTURE_SEED={seed}");
    seed
}

fn seconds() -> Duration {
    let seconds = std::env::var("TORTURE_SECONDS");
    Duration::from_secs(seconds.map_or(60, |seconds| seconds.parse().unwrap()))
}

/// Games in which one of several parties is killed, until the others have been told.
fn games(time: Duration) {
    let mut random = Random(seed() | 1);
    let (begun, mut games, mut passed, mut slowest) = (Instant::now(), 0, 0, Duration::ZERO);
    while begun.elapsed() < time {
        let _deadline = Deadline::seconds(60);
        let (rounds, told) = game(&mut random, games % 2 == 1);
        games += 1;
        passed += rounds;
        slowest = slowest.max(told);
    }
    println!("{games} games, {passed} rounds, a death was told to all after {slowest:?} at most");
}

/// Plays one game; returns the number of rounds, and how long it took until all were told.
fn game(random: &mut Random, breaks: bool) -> (u64, Duration) {
    let seats = 2 + random.below(4) as usize;
    let words = Words::new(64).unwrap();
    set(&words, 2, seats as u64);
    let parties = Barrier::seats(seats).unwrap().into_iter().map(|seat| {
        let (words, seed) = (words.clone(), random.next());
        Worker::start(play, Party { seat, words, seed, breaks }, true)
    });
    let parties: Vec<Worker> = parties.collect();
    let victim = random.below(seats as u64) as usize;
    let stopped = random.below(seats as u64) as usize;
    let stops = random.below(3) == 0 && stopped != victim;
    // From before all have come to thousands of rounds later.
    thread::sleep(Duration::from_micros(random.below(5000)));
    if stops {
        assert!(parties[stopped].other().stop());
        thread::sleep(Duration::from_micros(random.below(3000)));
    }
    parties[victim].kill();
    let killed = Instant::now();
    let expected = told_of(victim, parties[victim].pid());
    let living = (0..seats).filter(|seat| *seat != victim);
    let all_told = |except: Option<usize>| {
        let mut others = living.clone().filter(|seat| Some(*seat) != except);
        others.all(|seat| get(&words, TOLD + seat) != 0)
    };
    until("all are told", || {
        parties.iter().zip(0..).for_each(|(party, seat)| {
            assert!(seat == victim || party.0.exitcode().is_none(), "seat {seat} has panicked");
        });
        all_told(stops.then_some(stopped))
    });
    let told = killed.elapsed();
    if stops {
        assert!(parties[stopped].other().go_on());
        until("the stopped one is told, too", || all_told(None));
    }
    let rounds = get(&words, PASSED + living.clone().next().unwrap());
    for seat in living {
        let told = get(&words, TOLD + seat);
        // Killed early, the process has never had its seat.
        let is_nameless = rounds == 0 && told == told_of(victim, 0);
        assert!(told == expected || is_nameless, "seat {seat} was told {told:x}, not {expected:x}");
        assert_eq!(get(&words, PASSED + seat), rounds, "a round was passed by some");
    }
    // It may have had no time to write the last one down.
    let of_victim = get(&words, PASSED + victim);
    assert!(of_victim == rounds || of_victim + 1 == rounds, "{of_victim} of {rounds}");
    let (begun, acted) = (get(&words, BEGUN), get(&words, ACTED));
    assert!(acted == begun || acted + 1 == begun, "two acted at a time");
    assert!(breaks || acted <= rounds + 1, "{acted} actions in {rounds} rounds");
    (rounds, told)
}

/// Runs in the child of a host.
fn wait_until_broken((seat, report): (Seat, Report)) {
    let broken = loop {
        match seat.wait() {
            Ok(_) => {}
            Err(broken) => break broken,
        }
    };
    report.say(matches!(broken, Broken::Ended { .. }));
}

/// Runs in a process that is killed while it starts others at seats, or waits at its own.
fn host((seats, report): (usize, Report)) {
    // Not a daemon, which could start no party.
    multiprocess::end_with_parent().unwrap();
    let mut seats = Barrier::seats(seats).unwrap();
    let mine = seats.pop().unwrap();
    let start = |seat| {
        let mut process = Process::new(wait_until_broken, (seat, report.another()));
        process.start().unwrap();
        process
    };
    let _processes: Vec<Process> = seats.into_iter().map(start).collect();
    loop {
        mine.wait().unwrap();
    }
}

/// Hosts are killed at random instants: all parties that have a seat are told.
fn starts(time: Duration) {
    let mut random = Random(seed() | 1);
    let (begun, mut hosts, mut told) = (Instant::now(), 0, 0);
    while begun.elapsed() < time {
        let _deadline = Deadline::seconds(60);
        let (mut reports, report) = reports();
        let host = Worker::start(host, (5, report), false);
        thread::sleep(Duration::from_micros(random.below(12_000)));
        host.kill();
        hosts += 1;
        while let Some(is_told_of_an_end) = reports.try_next::<bool>() {
            assert!(is_told_of_an_end);
            told += 1;
        }
    }
    println!("{hosts} hosts were killed, and {told} parties told");
}

/// Runs in a process of its own.
fn short_games((): ()) {
    games(Duration::from_millis(1500));
}

/// Runs in a process of its own.
fn long_games((): ()) {
    multiprocess::end_with_parent().unwrap();
    games(seconds());
}

/// Runs in a process of its own.
fn short_starts((): ()) {
    starts(Duration::from_millis(1000));
}

/// Runs in a process of its own.
fn long_starts((): ()) {
    multiprocess::end_with_parent().unwrap();
    starts(seconds());
}

#[test]
fn whichever_party_is_killed_all_others_are_told_and_have_passed_the_same_rounds() {
    alone(short_games);
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_whichever_party_is_killed_all_others_are_told() {
    alone(long_games);
}

#[test]
fn parties_of_a_host_that_is_killed_while_it_starts_them_are_told() {
    alone(short_starts);
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_parties_of_a_host_that_is_killed_are_told() {
    alone(long_starts);
}
