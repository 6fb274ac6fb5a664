//! Real processes that die after each step of a wait and of a notification, and what the others
//! see: the list in `wakeups.rs`.

use std::sync::atomic::Ordering;
use std::thread;

use serde::{Deserialize, Serialize};
use testing::{Deadline, Other, SHORT, until};

use super::*;
use crate::crash;
use crate::queue::Words;
use crate::shared::Condition;
use crate::{Process, tasks};

crate::test_entry!();
tasks![die_notifying, die_waiting, wait_again_and_again];

/// Words: processes that wait, by place; waits of survivors that ended; deaths told.
const WAITS: usize = 0;
const ENDED: usize = 3;
const TOLD: usize = 4;

#[derive(Clone, Serialize, Deserialize)]
struct Scene {
    condition: Condition,
    words: Words,
}

impl Scene {
    fn new() -> Self {
        Self { condition: Condition::new().unwrap(), words: Words::new(8).unwrap() }
    }

    fn get(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::SeqCst)
    }

    fn set(&self, word: usize, value: u64) {
        self.words[word].store(value, Ordering::SeqCst);
    }

    /// Locks, recovers, and counts a death of which it is told.
    fn lock(&self) -> ConditionGuard<'_> {
        self.condition.lock().unwrap_or_else(|told| {
            self.words[TOLD].fetch_add(told.died().deaths.into(), Ordering::SeqCst);
            told.recover()
        })
    }

    /// Locks when the process at this place waits.
    fn lock_when_waits(&self, place: usize) -> ConditionGuard<'_> {
        let deadline = Instant::now() + testing::LONG;
        loop {
            let guard = self.lock();
            if self.get(WAITS + place) == 1 {
                return guard;
            }
            drop(guard);
            assert!(Instant::now() < deadline, "it comes to wait");
            thread::yield_now();
        }
    }
}

/// A process of the test, which doesn't stay whatever happens.
struct Child(Process);

impl Child {
    fn start<A: Serialize + Send + 'static>(f: impl Fn(A) + 'static, arguments: A) -> Self {
        let mut process = Process::new(f, arguments).daemonic(true);
        process.start().unwrap();
        Self(process)
    }

    fn died(&self, step: Step) {
        self.0.join().unwrap();
        assert_eq!(self.0.exitcode(), Some(-9), "{step:?}: it came to the step");
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.join();
    }
}

/// Runs in the child: the survivor.
fn wait_again_and_again((scene, place): (Scene, usize)) {
    let mut guard = scene.lock();
    loop {
        scene.set(WAITS + place, 1);
        if let Err(died) = guard.wait() {
            scene.words[TOLD].fetch_add(died.deaths.into(), Ordering::SeqCst);
            guard.recover();
        }
        scene.set(WAITS + place, 0);
        scene.words[ENDED].fetch_add(1, Ordering::SeqCst);
    }
}

/// Runs in the child: waits, and dies after the step.
fn die_waiting((scene, step): (Scene, Step)) {
    let mut guard = scene.lock();
    scene.set(WAITS, 1);
    crash::at(step as u32);
    let _ = guard.wait();
}

/// C1
#[test]
fn a_waiter_that_dies_as_it_opens_a_generation_takes_nothing_along() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    let survivor = Child::start(wait_again_and_again, (scene.clone(), 1));
    drop(scene.lock_when_waits(1));
    // So its notification is still there when the victim begins to wait.
    let stopped = Other::of(survivor.0.pid().unwrap()).unwrap();
    assert!(stopped.stop());
    scene.lock().notify(1);
    let victim = Child::start(die_waiting, (scene.clone(), Step::NewGeneration));
    victim.died(Step::NewGeneration);
    assert!(stopped.go_on());
    until("the survivor has its notification", || scene.get(ENDED) == 1);
    scene.lock_when_waits(1).notify(1);
    until("and the next one", || scene.get(ENDED) == 2);
    thread::sleep(SHORT);
    assert_eq!(scene.get(ENDED), 2);
    drop(scene.lock());
    assert_eq!(scene.get(TOLD), 1);
}

/// C2, C3, C4, C5
#[test]
fn a_waiter_that_dies_at_any_step_takes_no_notification_along_that_it_had_not_taken() {
    let _deadline = Deadline::seconds(120);
    for (step, deaths) in
        [(Step::Begun, 1), (Step::Woken, 0), (Step::NoLongerWaiting, 1), (Step::Taken, 1)]
    {
        let scene = Scene::new();
        let victim = Child::start(die_waiting, (scene.clone(), step));
        until("it waits, or has died", || scene.get(WAITS) == 1);
        let _survivor = Child::start(wait_again_and_again, (scene.clone(), 1));
        let mut given = 0;
        if step == Step::Begun {
            victim.died(step);
        }
        // Most often the victim is notified first, but the survivor may be.
        while victim.0.is_alive() {
            let guard = scene.lock_when_waits(1);
            guard.notify(1);
            given += 1;
            drop(guard);
            let goes_on = || scene.get(ENDED) >= given || !victim.0.is_alive();
            until("one of both goes on", goes_on);
        }
        victim.died(step);
        let taken = u64::from(step == Step::Taken);
        until("the survivor has what is left", || scene.get(ENDED) >= given - taken);
        scene.lock_when_waits(1).notify(1);
        until("and what it alone can have", || scene.get(ENDED) > given - taken);
        thread::sleep(SHORT);
        assert_eq!(scene.get(ENDED), given - taken + 1, "{step:?}");
        drop(scene.lock());
        assert_eq!(scene.get(TOLD), deaths, "{step:?}");
    }
}

/// Runs in the child: notifies, and dies after the step.
fn die_notifying((scene, step, most): (Scene, Step, usize)) {
    let guard = scene.lock();
    crash::at(step as u32);
    guard.notify(most);
    drop(guard);
}

/// C6, C7, C8, C9
#[test]
fn a_notifier_that_dies_at_any_step_has_notified_as_many_as_it_had_counted() {
    let _deadline = Deadline::seconds(120);
    for (step, most, woken) in [
        (Step::GroupRaised, 1, 0),
        (Step::Given, 1, 1),
        (Step::Notified, 1, 1),
        (Step::GivenTwice, 2, 2),
        (Step::Given, 2, 2),
        (Step::Notified, 2, 2),
    ] {
        let scene = Scene::new();
        let survivors =
            [1, 2].map(|place| Child::start(wait_again_and_again, (scene.clone(), place)));
        [1, 2].into_iter().for_each(|place| drop(scene.lock_when_waits(place)));
        Child::start(die_notifying, (scene.clone(), step, most)).died(step);
        let ended = |count| {
            until("so many go on", || scene.get(ENDED) >= count);
            thread::sleep(SHORT);
            assert_eq!(scene.get(ENDED), count, "{step:?}");
        };
        ended(woken);
        [1, 2].into_iter().for_each(|place| drop(scene.lock_when_waits(place)));
        assert_eq!(scene.get(TOLD), 1, "{step:?}");
        scene.lock().notify(1);
        ended(woken + 1);
        drop(survivors);
    }
}
