//! A condition between processes does what Python's `Condition` does, and where that hangs, what is
//! promised instead.
//!
//! COND-09 is kept by types: see the examples of `ConditionGuard` that don't compile.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::queue::Words;
use multiprocess::shared::{Condition, ConditionGuard, LockError};
use multiprocess::{Process, tasks};
use serde::{Deserialize, Serialize};
use testing::{Deadline, LONG, Other, SHORT, ended, ends_well, kill, kill_child, start, until};

multiprocess::test_entry!();
tasks![die_holding, hold_until_killed, notify_three_times, notify_when_one_waits];
tasks![wait_for_ever, wait_for_a_while, wait_in_two_threads, wait_when_told];

/// A timeout that passes in a test.
const TENTH: Duration = Duration::from_millis(100);

/// A condition, and how many threads have come to wait and gone on.
#[derive(Clone, Serialize, Deserialize)]
struct Scene {
    condition: Condition,
    words: Words,
}

/// Words of a scene: threads that have begun to wait, that were notified, whose time was over.
const BEGUN: usize = 0;
const NOTIFIED: usize = 1;
const TIMED_OUT: usize = 2;

impl Scene {
    fn new() -> Self {
        Self { condition: Condition::new().unwrap(), words: Words::new(4).unwrap() }
    }

    fn get(&self, word: usize) -> u64 {
        self.words[word].load(Ordering::SeqCst)
    }

    fn count(&self, word: usize) {
        self.words[word].fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until so many threads have begun to wait; returns the guard.
    fn lock_when_waiting(&self, threads: u64) -> ConditionGuard<'_> {
        until("all wait", || self.get(BEGUN) == threads);
        // They have counted themselves under the lock, which they give up by waiting.
        self.condition.lock().unwrap()
    }

    /// Waits until so many have been notified, and a moment longer.
    fn exactly_notified(&self, threads: u64) {
        until("so many are notified", || self.get(NOTIFIED) >= threads);
        thread::sleep(SHORT);
        assert_eq!(self.get(NOTIFIED), threads);
    }

    /// Waits once, and counts how that ends.
    fn wait(&self, timeout: Option<Duration>) {
        let mut guard = self.condition.lock().unwrap();
        self.count(BEGUN);
        let is_notified = match timeout {
            None => guard.wait().map(|()| true),
            Some(timeout) => guard.wait_timeout(timeout),
        };
        self.count(if is_notified.unwrap() { NOTIFIED } else { TIMED_OUT });
    }
}

/// Runs in the child.
fn wait_for_ever(scene: Scene) {
    scene.wait(None);
}

/// Runs in the child.
fn wait_for_a_while((scene, timeout): (Scene, Duration)) {
    scene.wait(Some(timeout));
}

/// Starts so many processes and threads that wait, in turn; runs the body; joins them.
fn with_waiting(scene: &Scene, each: usize, timeout: Option<Duration>, body: impl FnOnce()) {
    thread::scope(|scope| {
        for _ in 0..each {
            scope.spawn(|| scene.wait(timeout));
        }
        let processes: Vec<_> = (0..each)
            .map(|_| match timeout {
                None => start(wait_for_ever, scene.clone()),
                Some(timeout) => start(wait_for_a_while, (scene.clone(), timeout)),
            })
            .collect();
        body();
        processes.iter().for_each(ends_well);
    });
}

/// COND-01
#[test]
fn no_thread_is_woken_of_itself_and_each_notification_wakes_one() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    with_waiting(&scene, 1, None, || {
        drop(scene.lock_when_waiting(2));
        scene.exactly_notified(0);
        scene.condition.lock().unwrap().notify(1);
        scene.exactly_notified(1);
        scene.condition.lock().unwrap().notify(1);
        scene.exactly_notified(2);
    });
}

/// COND-02
#[test]
fn after_their_timeout_all_go_on_and_the_lock_is_free() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    with_waiting(&scene, 3, Some(TENTH), || ());
    assert_eq!((scene.get(NOTIFIED), scene.get(TIMED_OUT)), (0, 6));
    assert!(scene.condition.try_lock().unwrap().is_some());
}

/// COND-03
#[test]
fn notify_all_wakes_all() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    with_waiting(&scene, 3, None, || scene.lock_when_waiting(6).notify_all());
    assert_eq!(scene.get(NOTIFIED), 6);
}

#[test]
fn notify_wakes_as_many_as_it_says_also_among_threads_of_one_process() {
    let _deadline = Deadline::seconds(120);
    for notify in [&[4_usize, 2][..], &[1, 1, 4], &[0, 3, 3]] {
        let scene = Scene::new();
        with_waiting(&scene, 3, None, || {
            drop(scene.lock_when_waiting(6));
            let mut notified = 0;
            for many in notify {
                scene.condition.lock().unwrap().notify(*many);
                notified += *many as u64;
                scene.exactly_notified(notified);
            }
        });
        // Two notifications of one guard are two.
        let scene = Scene::new();
        with_waiting(&scene, 2, None, || {
            let guard = scene.lock_when_waiting(4);
            guard.notify(1);
            guard.notify(2);
            drop(guard);
            scene.exactly_notified(3);
            scene.condition.lock().unwrap().notify(100);
        });
    }
}

/// COND-05
#[test]
fn a_wait_that_times_out_is_false_and_has_the_lock_again() {
    let _deadline = Deadline::seconds(60);
    let condition = Condition::new().unwrap();
    let mut guard = condition.lock().unwrap();
    let begun = Instant::now();
    assert!(!guard.wait_timeout(TENTH).unwrap());
    assert!(begun.elapsed() >= TENTH);
    assert!(condition.try_lock().unwrap().is_none(), "the guard has it");
    drop(guard);
    assert!(condition.lock_timeout(Duration::ZERO).unwrap().is_some());
}

/// Runs in the child.
fn notify_three_times(scene: Scene) {
    for _ in 0..3 {
        scene.condition.lock().unwrap().notify(1);
        thread::sleep(Duration::from_millis(5));
    }
}

/// COND-07
#[test]
fn a_wait_for_what_never_comes_ends_with_its_time_however_often_it_is_notified() {
    let _deadline = Deadline::seconds(60);
    let scene = Scene::new();
    let (mut guard, begun) = (scene.condition.lock().unwrap(), Instant::now());
    let child = start(notify_three_times, scene.clone());
    assert!(!guard.wait_until(|| false, TENTH).unwrap());
    assert!(begun.elapsed() >= TENTH);
    drop(guard);
    ends_well(&child);
}

#[test]
fn a_wait_for_what_is_there_or_comes_is_true_and_looks_under_the_lock() {
    let _deadline = Deadline::seconds(60);
    let scene = Scene::new();
    let mut guard = scene.condition.lock().unwrap();
    assert!(guard.wait_until(|| true, Duration::ZERO).unwrap());
    drop(guard);
    thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let mut guard = scene.condition.lock().unwrap();
            let is_met = || {
                assert!(scene.condition.try_lock().unwrap().is_none());
                scene.count(BEGUN);
                scene.get(3) == 3
            };
            assert!(guard.wait_until(is_met, None).unwrap());
        });
        for number in 1..=3 {
            let guard = scene.lock_when_waiting(number);
            scene.count(3);
            guard.notify_all();
        }
        waiter.join().unwrap();
    });
    assert_eq!(scene.get(BEGUN), 4, "at first, and after each notification");
}

/// Runs in the child.
fn notify_when_one_waits(scene: Scene) {
    scene.lock_when_waiting(1).notify(1);
}

/// COND-08
#[test]
fn a_wait_without_time_is_false_and_one_with_enough_is_true_when_a_child_notifies() {
    let _deadline = Deadline::seconds(60);
    let scene = Scene::new();
    assert!(!scene.condition.lock().unwrap().wait_timeout(Duration::ZERO).unwrap());
    let child = start(notify_when_one_waits, scene.clone());
    scene.wait(Some(Duration::from_secs(600)));
    assert_eq!(scene.get(NOTIFIED), 1);
    ends_well(&child);
}

/// COND-08
#[cfg(unix)]
#[test]
fn a_signal_s_handler_runs_and_the_wait_goes_on() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::SIGUSR1;
    use testing::{Signal, signal_self};

    let _deadline = Deadline::seconds(60);
    let handled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGUSR1, Arc::clone(&handled)).unwrap();
    let scene = Scene::new();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| scene.wait(None));
        drop(scene.lock_when_waiting(1));
        for _ in 0..20 {
            signal_self(Signal::USR1);
            thread::yield_now();
        }
        until("the handler runs", || handled.load(Ordering::SeqCst));
        scene.exactly_notified(0);
        scene.condition.lock().unwrap().notify(1);
        waiter.join().unwrap();
    });
}

/// COND-B01, COND-B02
#[test]
fn to_notify_a_killed_waiter_does_not_wait_and_costs_the_next_waiter_nothing() {
    let _deadline = Deadline::seconds(120);
    for notifies_all in [false, true] {
        let scene = Scene::new();
        let notify = |guard: ConditionGuard<'_>| {
            if notifies_all { guard.notify_all() } else { guard.notify(1) }
        };
        let victim = start(wait_for_ever, scene.clone());
        drop(scene.lock_when_waiting(1));
        kill_child(&victim);
        notify(scene.condition.lock().unwrap());
        let child = start(wait_for_ever, scene.clone());
        drop(scene.lock_when_waiting(2));
        scene.exactly_notified(0);
        notify(scene.condition.lock().unwrap());
        ends_well(&child);
        scene.exactly_notified(1);
    }
}

/// COND-B03
#[test]
fn one_of_three_waiters_is_killed_and_the_two_others_go_on() {
    let _deadline = Deadline::seconds(120);
    for victim in 0..3 {
        let scene = Scene::new();
        let mut children: Vec<_> = (0..3)
            .map(|number| {
                let child = start(wait_for_ever, scene.clone());
                drop(scene.lock_when_waiting(number + 1));
                child
            })
            .collect();
        kill_child(&children.remove(victim));
        scene.condition.lock().unwrap().notify_all();
        children.iter().for_each(ends_well);
        assert_eq!(scene.get(NOTIFIED), 2);
    }
}

/// COND-B05
#[test]
fn a_stopped_waiter_keeps_neither_the_notifier_nor_the_others() {
    let _deadline = Deadline::seconds(120);
    for is_killed in [false, true] {
        let scene = Scene::new();
        let stopped = start(wait_for_ever, scene.clone());
        drop(scene.lock_when_waiting(1));
        let other = Other::of(stopped.pid().unwrap()).unwrap();
        assert!(other.stop());
        let child = start(wait_for_ever, scene.clone());
        // The stopped process sleeps first, so the system wakes it and not the child.
        scene.lock_when_waiting(2).notify(1);
        ends_well(&child);
        assert_eq!(scene.get(NOTIFIED), 1);
        if is_killed {
            kill_child(&stopped);
        } else {
            assert!(other.go_on());
            scene.exactly_notified(1);
            scene.condition.lock().unwrap().notify(1);
            ends_well(&stopped);
        }
    }
}

/// COND-B05
#[test]
fn a_waiter_that_is_killed_after_it_was_notified_leaves_that_to_another() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    let victim = start(wait_for_ever, scene.clone());
    drop(scene.lock_when_waiting(1));
    let other = Other::of(victim.pid().unwrap()).unwrap();
    assert!(other.stop());
    let child = start(wait_for_ever, scene.clone());
    let guard = scene.lock_when_waiting(2);
    guard.notify(1);
    kill_child(&victim);
    drop(guard);
    ends_well(&child);
}

#[test]
fn a_thread_that_notifies_and_then_waits_does_not_take_its_own_notification() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    with_waiting(&scene, 1, None, || {
        let mut guard = scene.lock_when_waiting(2);
        guard.notify(1);
        assert!(!guard.wait_timeout(TENTH).unwrap());
        guard.notify(1);
        guard.notify(1);
        assert!(!guard.wait_timeout(Duration::ZERO).unwrap());
    });
    assert_eq!(scene.get(NOTIFIED), 2);
}

#[test]
fn a_thread_that_comes_late_does_not_take_the_notification_of_one_that_waited() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    let first = start(wait_for_ever, scene.clone());
    drop(scene.lock_when_waiting(1));
    let other = Other::of(first.pid().unwrap()).unwrap();
    assert!(other.stop());
    let mut guard = scene.condition.lock().unwrap();
    guard.notify(1);
    // Both in the same process and in another one.
    assert!(!guard.wait_timeout(TENTH).unwrap());
    drop(guard);
    assert_eq!(ended(Process::new(wait_for_a_while, (scene.clone(), TENTH))), Some(0));
    assert_eq!((scene.get(NOTIFIED), scene.get(TIMED_OUT)), (0, 1));
    assert!(other.go_on());
    ends_well(&first);
    assert_eq!(scene.get(NOTIFIED), 1);
}

/// Runs in the child.
fn hold_until_killed(scene: Scene) {
    let _guard = scene.condition.lock().unwrap();
    scene.count(BEGUN);
    thread::sleep(LONG);
}

/// LOCK-B01
#[test]
fn the_death_of_a_holder_is_told_to_the_next_and_to_one_that_waited() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    let mut guard = scene.condition.lock().unwrap();
    let holder = start(hold_until_killed, scene.clone());
    let pid = holder.pid().unwrap();
    let killer = thread::spawn({
        let scene = scene.clone();
        move || {
            until("the child holds the lock", || scene.get(BEGUN) == 1);
            kill(pid);
        }
    });
    // Ends with its time, and after the kill.
    let died = loop {
        match guard.wait_timeout(SHORT) {
            Ok(is_notified) => assert!(!is_notified),
            Err(died) => break died,
        }
    };
    killer.join().unwrap();
    holder.join().unwrap();
    assert_eq!((died.pid, died.deaths, died.panicked), (pid, 1, false));
    assert!(condition_is_held(&scene.condition), "the lock is held all the same");
    drop(guard);
    let mut error = scene.condition.lock().unwrap_err();
    assert_eq!(error.died().pid, pid);
    error.get_mut().notify_all();
    drop(error);
    let guard = scene.condition.lock().unwrap_or_else(LockError::recover);
    drop(guard);
    drop(scene.condition.lock().unwrap());
}

/// Runs in the child.
fn wait_when_told(scene: Scene) {
    until("it is told", || scene.get(3) != 0);
    scene.wait(None);
}

/// LOCK-B01
#[test]
fn a_killed_holder_s_number_is_given_away_and_its_death_is_told() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    let holder = start(hold_until_killed, scene.clone());
    until("the child holds the lock", || scene.get(BEGUN) == 1);
    kill_child(&holder);
    // The new process may have the number of the dead one.
    let child = start(wait_when_told, scene.clone());
    let error = scene.condition.lock_timeout(LONG).unwrap_err();
    assert_eq!(Some(error.died().pid), holder.pid());
    drop(error.recover());
    scene.count(3);
    scene.lock_when_waiting(2).notify(1);
    ends_well(&child);
}

fn condition_is_held(condition: &Condition) -> bool {
    matches!(condition.try_lock(), Ok(None))
}

/// Runs in the child.
fn die_holding(condition: Condition) {
    std::mem::forget(condition.lock().unwrap());
}

#[test]
fn a_guard_that_was_told_by_its_wait_can_recover() {
    let _deadline = Deadline::seconds(120);
    let condition = Condition::new().unwrap();
    let mut child = Process::new(die_holding, condition.clone());
    child.start().unwrap();
    ends_well(&child);
    let mut error = condition.lock().unwrap_err();
    let guard = error.get_mut();
    assert!(guard.wait_timeout(Duration::ZERO).is_err(), "not recovered");
    guard.recover();
    assert!(!guard.wait_timeout(Duration::ZERO).unwrap());
    drop(error);
    drop(condition.lock().unwrap());
}

#[test]
fn a_panic_with_the_lock_in_hand_is_told_as_a_death() {
    let condition = Condition::new().unwrap();
    let panics = condition.clone();
    let panics = thread::spawn(move || {
        let _guard = panics.lock().unwrap();
        panic!("this panic is wanted");
    });
    assert!(panics.join().is_err());
    let error = condition.lock().unwrap_err();
    assert!(error.died().panicked);
    assert_eq!(error.died().pid, std::process::id());
    drop(error.recover());
    drop(condition.lock().unwrap());
}

/// Runs in the child. Two threads of it wait, of which one is notified.
fn wait_in_two_threads(scene: Scene) {
    thread::scope(|scope| {
        scope.spawn(|| scene.wait(None));
        scope.spawn(|| scene.wait(None));
    });
}

#[test]
fn threads_of_a_killed_process_are_not_counted_and_those_of_others_are() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    let victim = start(wait_in_two_threads, scene.clone());
    drop(scene.lock_when_waiting(2));
    let others = start(wait_in_two_threads, scene.clone());
    drop(scene.lock_when_waiting(4));
    kill_child(&victim);
    scene.condition.lock().unwrap().notify(1);
    scene.exactly_notified(1);
    scene.condition.lock().unwrap().notify(1);
    ends_well(&others);
}

#[test]
fn a_thread_that_would_wait_for_its_own_lock_panics_and_gets_none_by_the_other_ways() {
    let condition = Condition::new().unwrap();
    let guard = condition.lock().unwrap();
    assert!(condition.try_lock().unwrap().is_none());
    assert!(condition.lock_timeout(Duration::ZERO).unwrap().is_none());
    let again = std::panic::catch_unwind(|| drop(condition.lock()));
    let message = again.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("would wait for itself"), "{message}");
    drop(guard);
    // Caught before the guard was dropped, it is no panic with the lock in hand.
    drop(condition.lock().unwrap());
}

#[test]
fn the_debug_form_says_who_has_the_lock_and_how_many_wait() {
    let _deadline = Deadline::seconds(120);
    let scene = Scene::new();
    with_waiting(&scene, 1, None, || {
        let guard = scene.lock_when_waiting(2);
        let text = format!("{:?}", scene.condition);
        assert_eq!(text, "Condition(held by this thread; 2 waiting)");
        guard.notify_all();
    });
}
