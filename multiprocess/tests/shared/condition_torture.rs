//! Kill torture of a condition: waiters, notifiers and starters of others are killed and stopped at
//! random instants. No thread that was notified is forgotten, no thread is woken of itself, and no
//! process hangs.
//!
//! ```text
//!   worker   wait, wait_timeout, notify, notify_all ──▶ counts under the lock ─┐
//!   driver   notify, kill, stop, start ───────────────▶ what it gave ──────────┴─▶ compares
//! ```
//!
//! The long version: `TORTURE_SECONDS=60 cargo test --test shared-condition-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::any::Any;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{hint, thread};

use multiprocess::queue::Words;
use multiprocess::shared::{Condition, ConditionGuard};
use multiprocess::{Process, parent_process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, Random, SHORT, alone, start, until};

multiprocess::test_entry!();
tasks![long_races, long_storm, short_races, short_storm, start_others];
tasks![wait_for_ever_at, wait_once, work];

/// Number of workers of a storm.
const WORKERS: usize = 5;

/// Words that all processes share: what the lock guards, twice; notifications; threads that were
/// notified; places at which workers tell that they wait.
const FIRST: usize = 0;
const SECOND: usize = 1;
const GIVEN: usize = 2;
const WOKEN: usize = 3;
const CALM: usize = 4;
const STARTED: usize = 5;
const WAITS: usize = 8;

/// A condition, and the words.
#[derive(Clone, Serialize, Deserialize)]
struct Scene {
    condition: Condition,
    words: Words,
}

impl Scene {
    fn new() -> Self {
        Self { condition: Condition::new().unwrap(), words: Words::new(64).unwrap() }
    }

    fn get(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::SeqCst)
    }

    /// Not in one step: only a holder of the lock does that.
    fn add(&self, word: usize, number: u64) {
        self.words[word].store(self.get(word) + number, Ordering::SeqCst);
    }

    fn set(&self, word: usize, number: u64) {
        self.words[word].store(number, Ordering::SeqCst);
    }

    /// Locks; repairs after a death. Panics if that takes long.
    fn lock(&self) -> ConditionGuard<'_> {
        self.lock_within(LONG).expect("the lock is to be had")
    }

    /// Locks, if the holder isn't stopped.
    fn lock_within(&self, time: Duration) -> Option<ConditionGuard<'_>> {
        match self.condition.lock_timeout(time) {
            Ok(guard) => {
                let is_whole = || self.get(FIRST) == self.get(SECOND);
                assert!(guard.is_none() || is_whole(), "no death was told");
                guard
            }
            Err(told) => {
                let guard = told.recover();
                self.repair();
                Some(guard)
            }
        }
    }

    fn repair(&self) {
        let (first, second) = (self.get(FIRST), self.get(SECOND));
        assert!(first == second || first == second + 1, "{first}, {second}: two were inside");
        self.set(SECOND, first);
    }

    /// Changes what the lock guards; a process that dies in between leaves it half changed.
    fn change(&self, random: &mut Random) {
        self.add(FIRST, 1);
        (0..random.below(200)).for_each(|_| hint::spin_loop());
        self.add(SECOND, 1);
    }

    /// Waits; returns true if notified. `place` tells that this thread waits.
    fn wait(&self, guard: &mut ConditionGuard<'_>, timeout: Option<Duration>, place: usize) {
        self.set(WAITS + place, 1);
        let ended = match timeout {
            None => guard.wait().map(|()| true),
            Some(timeout) => guard.wait_timeout(timeout),
        };
        // After a death it may have been notified, or not: then the counts say nothing.
        match ended {
            Ok(true) => self.add(WOKEN, 1),
            Ok(false) => {}
            Err(_) => {
                guard.recover();
                self.repair();
            }
        }
        self.set(WAITS + place, 0);
        assert_eq!(self.get(FIRST), self.get(SECOND));
    }

    /// Notifies, and counts that. Under the lock.
    fn notify(&self, guard: &ConditionGuard<'_>, most: usize) {
        self.add(GIVEN, most as u64);
        guard.notify(most);
    }

    /// Notifies all workers, and a process that another has started.
    fn notify_all(&self, guard: &ConditionGuard<'_>) {
        self.add(GIVEN, WORKERS as u64 + 1);
        guard.notify_all();
    }
}

/// Runs in a worker, until it is killed.
fn work((scene, place, seed): (Scene, usize, u64)) {
    let mut random = Random(seed | 1);
    loop {
        let mut guard = scene.lock();
        scene.change(&mut random);
        let is_calm = scene.get(CALM) != 0;
        match random.below(8) {
            _ if is_calm => scene.wait(&mut guard, None, place),
            0..3 => scene.wait(&mut guard, None, place),
            3..5 => {
                let timeout = Duration::from_micros(random.below(3000));
                scene.wait(&mut guard, Some(timeout), place);
            }
            5..7 => scene.notify(&guard, random.below(3) as usize),
            _ => scene.notify_all(&guard),
        }
        scene.change(&mut random);
        drop(guard);
        (0..random.below(3000)).for_each(|_| hint::spin_loop());
    }
}

/// Runs in a process that is killed while it starts others.
fn start_others((scene, seed): (Scene, u64)) {
    let mut random = Random(seed | 1);
    while parent_process().is_some_and(|parent| parent.is_alive()) {
        let place = 32 + random.below(8) as usize;
        let mut process = Process::new(wait_once, (scene.clone(), place)).daemonic(true);
        process.start().unwrap();
        scene.words[STARTED].fetch_add(1, Ordering::SeqCst);
        if random.below(2) == 0 {
            process.kill().unwrap();
        } else {
            scene.lock().notify(1);
        }
        process.join().unwrap();
    }
}

/// Runs in the child of a starter: waits at most for a moment.
fn wait_once((scene, place): (Scene, usize)) {
    scene.wait(&mut scene.lock(), Some(Duration::from_millis(1)), place);
}

/// A process of the test, which doesn't stay whatever happens.
struct Worker {
    process: Process,
    stopped_until: Option<Instant>,
}

impl Worker {
    fn of(process: Process) -> Self {
        Self { process, stopped_until: None }
    }

    /// Starts a process that ends with this one.
    fn start<A: Serialize + Send + 'static, R: 'static>(
        function: impl Fn(A) -> R + Any,
        arguments: A,
    ) -> Self {
        let mut process = Process::new(function, arguments).daemonic(true);
        process.start().unwrap();
        Self::of(process)
    }

    fn other(&self) -> Other {
        // It is a child that was not joined, so the number can't mean another.
        Other::of(self.process.pid().unwrap()).unwrap()
    }

    fn go_on(&mut self) {
        if self.stopped_until.take().is_some() {
            assert!(self.other().go_on());
        }
    }

    fn kill(&self) {
        assert_eq!(self.process.exitcode(), None, "it ended by itself");
        self.process.kill().unwrap();
        self.process.join().unwrap();
        assert_eq!(self.process.exitcode(), Some(-9), "it ended by itself");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.join();
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

/// All kinds of processes at once; from time to time all is calm, and the counts must be exact.
fn storm(time: Duration) {
    let mut random = Random(seed() | 1);
    let scene = Scene::new();
    let mut next = random.next();
    let mut new = |place| {
        next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Worker::start(work, (scene.clone(), place, next))
    };
    let mut workers: Vec<Worker> = (0..WORKERS).map(&mut new).collect();
    let mut starter = Worker::of(start(start_others, (scene.clone(), random.next())));
    let (begun, mut kills, mut stops, mut calms) = (Instant::now(), 0, 0, 0);
    let mut calm_at = begun + time / 4;
    while begun.elapsed() < time || calms == 0 {
        let _deadline = Deadline::seconds(60);
        thread::sleep(Duration::from_micros(random.below(3000)));
        for worker in &mut workers {
            if worker.stopped_until.is_some_and(|until| until <= Instant::now()) {
                worker.go_on();
            }
        }
        let place = random.below(WORKERS as u64) as usize;
        match random.below(8) {
            0..4 => {
                workers[place].kill();
                scene.set(WAITS + place, 0);
                workers[place] = new(place);
                kills += 1;
            }
            4 if workers[place].stopped_until.is_none() => {
                assert!(workers[place].other().stop());
                let until = Instant::now() + Duration::from_micros(random.below(8000));
                workers[place].stopped_until = Some(until);
                stops += 1;
            }
            5 => {
                starter.kill();
                starter = Worker::of(start(start_others, (scene.clone(), random.next())));
                kills += 1;
            }
            _ => {
                if let Some(guard) = scene.lock_within(Duration::from_millis(1)) {
                    scene.notify(&guard, 1);
                }
            }
        }
        if calm_at <= Instant::now() {
            workers.iter_mut().for_each(Worker::go_on);
            starter.kill();
            calm(&scene, &mut random);
            starter = Worker::of(start(start_others, (scene.clone(), random.next())));
            calms += 1;
            calm_at = Instant::now() + (time / 4).min(Duration::from_secs(1));
        }
    }
    let (given, woken) = (scene.get(GIVEN), scene.get(WOKEN));
    println!(
        "{kills} kills, {stops} stops, {} started by others, {woken} woken, {given} given, \
         {calms} times calm",
        scene.get(STARTED),
    );
    assert!(woken <= given + kills, "more were woken than were notified");
}

/// Has all workers wait, and notifies some: so many go on, and no more.
fn calm(scene: &Scene, random: &mut Random) {
    scene.set(CALM, 1);
    let all_wait = || (0..WORKERS).all(|place| scene.get(WAITS + place) == 1);
    // Those that wait with a timeout come back by themselves, and then wait without.
    let settle = || {
        let long = Instant::now() + LONG;
        loop {
            let guard = scene.lock();
            if all_wait() {
                return guard;
            }
            drop(guard);
            assert!(Instant::now() < long, "all workers come to wait");
            thread::sleep(Duration::from_millis(1));
        }
    };
    // No wake-up of a dead process is left after that, and no timeout.
    for _ in 0..2 {
        let guard = settle();
        let woken = scene.get(WOKEN);
        scene.notify_all(&guard);
        drop(guard);
        until("all are woken", || scene.get(WOKEN) >= woken + WORKERS as u64);
    }
    for _ in 0..3 {
        let guard = settle();
        let (woken, most) = (scene.get(WOKEN), random.below(WORKERS as u64 + 1));
        scene.notify(&guard, most as usize);
        drop(guard);
        until("so many are woken", || scene.get(WOKEN) >= woken + most);
        drop(settle());
        if random.below(4) == 0 {
            thread::sleep(SHORT);
        }
        assert_eq!(scene.get(WOKEN), woken + most, "no more are woken");
    }
    scene.set(CALM, 0);
    scene.notify_all(&scene.lock());
}

/// Again and again: two processes wait, one notification is given, and the process that the system
/// wakes is killed just then. Then it had gone on, or the other does.
fn races(time: Duration) {
    let mut random = Random(seed() | 1);
    let begun = Instant::now();
    let (mut rounds, mut left, mut slowest) = (0, 0, Duration::ZERO);
    while begun.elapsed() < time {
        let _deadline = Deadline::seconds(60);
        let scene = Scene::new();
        let next = |place: usize| {
            let worker = Worker::start(wait_for_ever_at, (scene.clone(), place));
            until("it waits", || scene.get(WAITS + place) == 1);
            drop(scene.lock());
            worker
        };
        let (victim, _survivor) = (next(0), next(1));
        let guard = scene.lock();
        guard.notify(1);
        drop(guard);
        (0..random.below(30_000)).for_each(|_| hint::spin_loop());
        victim.kill();
        let killed = Instant::now();
        // If a death is told, the victim had the lock, so it had been woken: it had taken the
        // notification, or was just about to.
        let is_told = scene.condition.lock().is_err();
        if scene.get(WAITS) == 1 && !is_told {
            until("the other goes on", || scene.get(WAITS + 1) == 0);
            slowest = slowest.max(killed.elapsed());
            left += 1;
        } else if !is_told && random.below(8) == 0 {
            thread::sleep(SHORT);
            assert_eq!(scene.get(WAITS + 1), 1, "two were woken by one notification");
        }
        rounds += 1;
    }
    println!("{rounds} rounds; {left} left to the other, after {slowest:?} at most");
}

/// Runs in the child.
fn wait_for_ever_at((scene, place): (Scene, usize)) {
    let mut guard = scene.condition.lock().unwrap();
    scene.set(WAITS + place, 1);
    let _ = guard.wait();
    scene.set(WAITS + place, 0);
    drop(guard);
    // To be there to be killed.
    thread::sleep(LONG);
}

/// Runs in a process of its own.
fn short_storm((): ()) {
    storm(Duration::from_millis(1300));
}

/// Runs in a process of its own.
fn long_storm((): ()) {
    multiprocess::end_with_parent().unwrap();
    storm(seconds());
}

/// Runs in a process of its own.
fn short_races((): ()) {
    races(Duration::from_millis(1000));
}

/// Runs in a process of its own.
fn long_races((): ()) {
    multiprocess::end_with_parent().unwrap();
    races(seconds());
}

#[test]
fn whichever_process_is_killed_or_stopped_all_go_on_and_counts_are_exact_in_between() {
    alone(short_storm);
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_whichever_process_is_killed_or_stopped_all_go_on() {
    alone(long_storm);
}

#[test]
fn of_two_waiters_the_one_that_is_woken_is_killed_and_the_other_goes_on() {
    alone(short_races);
}

#[test]
#[ignore = "long: thousands of kills"]
fn long_of_two_waiters_the_one_that_is_woken_is_killed() {
    alone(long_races);
}
