//! Real processes that die after each step of the lock, and what the others see: the table of
//! `lock_word.rs`, row by row.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use testing::{Deadline, LONG, until};

use super::*;
use crate::crash;
use crate::shared::Died;
use crate::shared::members::{self, Members};
use crate::spin::Spin;
use crate::{Process, tasks};

crate::test_entry!();
tasks![inherit, invite, lock_and_unlock, lock_slowly, report, report_later, unlock_with_a_sleeper];

/// Words behind the lock: a process has begun, may go on, is ready to die; deaths it was told, and
/// one more.
const BEGUN: usize = LOCK_WORDS;
const GO: usize = LOCK_WORDS + 1;
const READY: usize = LOCK_WORDS + 2;
const TOLD: usize = LOCK_WORDS + 3;

/// A lock, and words for the test, as an argument of a process.
#[derive(Clone)]
struct Shared(Arc<Members>);

impl Shared {
    fn new() -> Self {
        Self(Arc::new(Members::create(LOCK_WORDS + 4).unwrap()))
    }

    fn lock(&self) -> LockWord<'_> {
        LockWord::new(&self.0, 0)
    }

    fn set(&self, index: usize, value: u64) {
        self.0.words()[index].store(value, Ordering::SeqCst);
    }

    fn get(&self, index: usize) -> u64 {
        self.0.words()[index].load(Ordering::SeqCst)
    }

    fn wait_for(&self, index: usize) {
        until("the other process says so", || self.get(index) != 0);
    }

    fn wait_for_sleeper(&self) {
        let word = || self.0.half(0).load(Ordering::SeqCst);
        until("another process sleeps", || word() & SLEEPERS != 0);
    }

    /// Waits for the lock; returns the number of deaths that are told.
    fn locked(&self) -> u32 {
        let deaths = self.lock().lock(&Spin::new(), Some(Instant::now() + LONG));
        deaths.expect("no death keeps the lock for ever")
    }

    /// Takes the lock, recovers and unlocks; returns what is told of the deaths.
    fn told(&self) -> Option<Died> {
        let deaths = self.locked();
        let died = (deaths > 0).then(|| self.lock().died(deaths));
        self.lock().recover();
        self.lock().unlock();
        died
    }

    fn bury(&self, dead: Member) {
        self.lock().bury(dead);
    }
}

impl Serialize for Shared {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        members::serialize(&self.0, |dead| self.bury(dead), serializer)
    }
}

impl<'de> Deserialize<'de> for Shared {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Arc::new(members::deserialize(LOCK_WORDS + 4, deserializer)?)))
    }
}

/// Starts a process.
fn start<A, R>(function: impl Fn(A) -> R + 'static, arguments: A) -> Process
where
    A: Serialize + Send + 'static,
{
    let mut process = Process::new(function, arguments);
    process.start().unwrap();
    process
}

/// Waits until the process has killed itself.
fn died(process: &Process, step: Step) {
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-9), "{step:?}: it came to the step");
}

/// Checks what is told of so many deaths, the last of which was that of this process.
fn assert_told(died: Option<&Died>, deaths: u32, last: &Process, step: Step) {
    assert_eq!(died.map_or(0, |died| died.deaths), deaths, "{step:?}");
    if let Some(died) = died {
        assert_eq!(Some(died.pid), last.pid(), "{step:?}");
        assert_eq!(died.name.as_deref(), Some(last.name()), "{step:?}");
        assert!(!died.panicked, "{step:?}");
    }
}

/// Runs in the child.
fn lock_and_unlock((shared, step): (Shared, Step)) {
    crash::at(step as u32);
    assert_eq!(shared.locked(), 0);
    shared.lock().unlock_whole();
}

/// L1, L2, L11, L13
#[test]
fn a_process_that_dies_alone_is_told_of_if_it_has_the_lock() {
    let _deadline = Deadline::seconds(120);
    for (step, deaths) in [(Step::Begun, 0), (Step::Taken, 1), (Step::Leaving, 1), (Step::Left, 0)]
    {
        let shared = Shared::new();
        let child = start(lock_and_unlock, (shared.clone(), step));
        died(&child, step);
        assert_eq!(shared.lock().holder().is_some(), deaths > 0, "{step:?}");
        assert_told(shared.told().as_ref(), deaths, &child, step);
        assert_eq!(shared.told(), None, "nothing more is told");
    }
}

/// Runs in the child: waits for the lock, and dies after the step, but not before it may.
fn lock_slowly((shared, step): (Shared, Step)) {
    let arms = shared.clone();
    thread::spawn(move || {
        arms.wait_for(GO);
        crash::at(step as u32);
        arms.set(READY, 1);
    });
    shared.set(BEGUN, 1);
    shared.locked();
    shared.lock().unlock();
}

/// Runs in the child: waits for the lock, and reports what it was told.
fn report(shared: Shared) {
    shared.set(BEGUN, 1);
    let deaths = shared.locked();
    shared.set(TOLD, u64::from(deaths) + 1);
    shared.lock().recover();
    shared.lock().unlock();
}

/// Starts a process that reports what it is told, and waits until it waits for the lock.
fn start_reporter(shared: &Shared) -> Process {
    shared.set(BEGUN, 0);
    let reporter = start(report, shared.clone());
    shared.wait_for(BEGUN);
    reporter
}

/// Waits for the report, and returns the number of deaths in it.
fn reported(shared: &Shared, reporter: &Process) -> u64 {
    reporter.join().unwrap();
    assert_eq!(reporter.exitcode(), Some(0));
    shared.get(TOLD) - 1
}

/// L3, L4, L5, L6
#[test]
fn a_process_that_dies_while_it_waits_or_when_it_has_waited_stops_no_other() {
    let _deadline = Deadline::seconds(120);
    for (step, deaths) in
        [(Step::Refused, 0), (Step::Announced, 0), (Step::Woken, 0), (Step::TakenLate, 1)]
    {
        let shared = Shared::new();
        assert_eq!(shared.locked(), 0);
        let child = start(lock_slowly, (shared.clone(), step));
        shared.wait_for(BEGUN);
        shared.wait_for_sleeper();
        let reporter = start_reporter(&shared);
        shared.set(GO, 1);
        shared.wait_for(READY);
        if matches!(step, Step::Refused | Step::Announced) {
            died(&child, step);
        }
        shared.lock().unlock_whole();
        died(&child, step);
        // Most often the child is first, but the other may be.
        let told = reported(&shared, &reporter) + told_now(&shared);
        assert_eq!(told, deaths, "{step:?}");
    }
}

/// Takes the lock, recovers and unlocks; returns the number of deaths that were told.
fn told_now(shared: &Shared) -> u64 {
    shared.told().map_or(0, |died| died.deaths.into())
}

/// Runs in the child: unlocks when another process sleeps, and dies after the step.
fn unlock_with_a_sleeper((shared, step): (Shared, Step)) {
    assert_eq!(shared.locked(), 0);
    shared.set(READY, 1);
    shared.wait_for_sleeper();
    crash::at(step as u32);
    shared.lock().unlock_whole();
}

/// L11, L12, L13
#[test]
fn a_process_that_dies_while_it_unlocks_leaves_no_other_asleep() {
    let _deadline = Deadline::seconds(120);
    for (step, deaths) in [(Step::Leaving, 1), (Step::Unlocked, 0), (Step::Left, 0)] {
        let shared = Shared::new();
        let child = start(unlock_with_a_sleeper, (shared.clone(), step));
        shared.wait_for(READY);
        let reporter = start_reporter(&shared);
        died(&child, step);
        assert_eq!(reported(&shared, &reporter), deaths, "{step:?}");
    }
}

/// Runs in the child: takes the lock from a dead process, and dies after the step.
fn inherit((shared, step): (Shared, Step)) {
    shared.set(BEGUN, 1);
    shared.wait_for(GO);
    crash::at(step as u32);
    shared.told();
}

/// L7, L8, L9, L10, L11, L12, L14
#[test]
fn an_heir_that_dies_is_told_of_too_and_the_first_death_as_long_as_it_has_not_recovered() {
    let _deadline = Deadline::seconds(120);
    for (step, deaths) in [
        (Step::NumberLocked, 1),
        (Step::Inherited, 2),
        (Step::Recorded, 2),
        (Step::Told, 2),
        (Step::Recovered, 1),
        (Step::Leaving, 1),
        (Step::Unlocked, 0),
    ] {
        let shared = Shared::new();
        // It is there before the first dies, so it gets another number.
        let heir = start(inherit, (shared.clone(), step));
        let first = start(lock_and_unlock, (shared.clone(), Step::Taken));
        shared.wait_for(BEGUN);
        died(&first, Step::Taken);
        shared.set(GO, 1);
        died(&heir, step);
        let last = if step == Step::NumberLocked { &first } else { &heir };
        assert_told(shared.told().as_ref(), deaths, last, step);
        assert_eq!(shared.told(), None, "{step:?}");
    }
}

/// Runs in the child: invites another, and dies after the step.
fn invite((shared, step): (Shared, Step)) {
    shared.set(BEGUN, 1);
    shared.wait_for(GO);
    crash::at(step as u32);
    start(report, shared);
}

/// Runs in the child.
fn report_later(shared: Shared) {
    shared.wait_for(GO);
    report(shared);
}

/// L15, L16
#[test]
fn a_dead_holders_number_is_given_away_and_its_death_is_told() {
    let _deadline = Deadline::seconds(120);
    for step in [Some(Step::NumberTaken), Some(Step::Buried), None] {
        let shared = Shared::new();
        let inviter = step.map(|step| start(invite, (shared.clone(), step)));
        let first = start(lock_and_unlock, (shared.clone(), Step::Taken));
        died(&first, Step::Taken);
        let number = shared.lock().holder().unwrap();
        // Another test that just starts a process may have a copy of its opening for a moment.
        until("its number is free", || !shared.0.lives(number));
        if let (Some(inviter), Some(step)) = (inviter, step) {
            shared.wait_for(BEGUN);
            shared.set(GO, 1);
            died(&inviter, step);
            let is_freed = shared.lock().holder().is_none();
            assert_eq!(is_freed, step == Step::Buried);
            assert_told(shared.told().as_ref(), 1, &first, step);
        } else {
            let second = start(report_later, shared.clone());
            assert_eq!(shared.lock().holder(), None, "the number is another's now");
            shared.set(GO, 1);
            assert_eq!(reported(&shared, &second), 1);
        }
        assert_eq!(shared.told(), None);
    }
}
