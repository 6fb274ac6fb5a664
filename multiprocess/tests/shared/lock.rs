//! What Python promises of `Lock` and `RLock`, and what it doesn't: no death keeps a lock.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Barrier, OnceLock};
use std::time::{Duration, Instant};
use std::{mem, process, thread};

use multiprocess::process::frame;
use multiprocess::shared::{Died, Lock, LockError, ReentrantLock, Words};
use multiprocess::{Gate, Pool, Process, Queue, Waiting, tasks};
use serde::{Deserialize, Serialize};
use testing::{
    Deadline, LONG, Other, Report, SHORT, ends_well, kill_child, reports, start, whole_text,
};

multiprocess::test_entry!();
tasks![
    add,
    add_shared,
    end_with,
    exit_with,
    hold,
    hold_and_print,
    lock_and_panic,
    lock_and_say,
    lock_in_turn,
    share,
    try_lock_and_say,
    wait_and_say
];

/// A lock of either kind, for what is the same for both.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Any {
    Lock(Lock),
    Reentrant(ReentrantLock),
}

fn both() -> [Any; 2] {
    [Any::Lock(Lock::new().unwrap()), Any::Reentrant(ReentrantLock::new().unwrap())]
}

/// How a wait for a lock ended.
#[derive(Debug, PartialEq)]
enum Got {
    Locked,
    Told(Died),
    Nothing,
}

impl Got {
    fn of<G>(tried: Result<Option<G>, LockError<G>>) -> Self {
        match tried {
            Ok(Some(_guard)) => Self::Locked,
            Ok(None) => Self::Nothing,
            Err(error) => Self::Told(error.died().clone()),
        }
    }
}

impl Any {
    /// Takes the lock and unlocks; leaves deaths to be told to the next.
    fn lock_timeout(&self, timeout: Duration) -> Got {
        match self {
            Self::Lock(lock) => Got::of(lock.lock_timeout(timeout)),
            Self::Reentrant(lock) => Got::of(lock.lock_timeout(timeout)),
        }
    }

    fn try_lock(&self) -> Got {
        match self {
            Self::Lock(lock) => Got::of(lock.try_lock()),
            Self::Reentrant(lock) => Got::of(lock.try_lock()),
        }
    }

    /// Runs the work with the lock held; recovers from deaths.
    fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Lock(lock) => {
                let _guard = lock.lock().unwrap_or_else(LockError::recover);
                work()
            }
            Self::Reentrant(lock) => {
                let _guard = lock.lock().unwrap_or_else(LockError::recover);
                work()
            }
        }
    }

    fn is_locked(&self) -> bool {
        match self {
            Self::Lock(lock) => lock.is_locked(),
            Self::Reentrant(lock) => lock.is_locked(),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Lock(lock) => format!("{lock:?}"),
            Self::Reentrant(lock) => format!("{lock:?}"),
        }
    }
}

/// Runs in the child: holds the lock until the gate opens, or for ever.
fn hold((lock, report, gate): (Any, Report, Waiting)) {
    lock.hold(|| {
        report.say("it is held");
        gate.wait();
    });
}

/// Starts a child that holds the lock, until the gate opens.
fn holder(lock: &Any) -> (Process, Gate) {
    let ((mut said, report), (gate, waiting)) = (reports(), Gate::new().unwrap());
    let child = start(hold, (lock.clone(), report, waiting));
    assert_eq!(said.next::<String>(), "it is held");
    (child, gate)
}

/// Waits for the lock, and checks that one death is told: that of this process.
fn assert_told_of(lock: &Any, dead: &Process, deaths: u32) {
    let Got::Told(died) = lock.lock_timeout(LONG) else { panic!("no death was told") };
    assert_eq!(Some(died.pid), dead.pid());
    assert_eq!(died.name.as_deref(), Some(dead.name()));
    assert_eq!((died.deaths, died.panicked), (deaths, false));
}

/// LOCK-01
#[test]
fn a_held_lock_is_refused_to_others_and_a_free_one_given() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        assert_eq!(lock.try_lock(), Got::Locked);
        let (child, gate) = holder(&lock);
        assert!(lock.is_locked());
        assert_eq!(lock.try_lock(), Got::Nothing);
        gate.open();
        assert_eq!(lock.lock_timeout(LONG), Got::Locked);
        ends_well(&child);
        assert!(!lock.is_locked());
        lock.hold(|| {
            let of_a_thread = thread::scope(|scope| scope.spawn(|| lock.try_lock()).join());
            assert_eq!(of_a_thread.unwrap(), Got::Nothing);
        });
        assert_eq!(lock.try_lock(), Got::Locked);
    }
}

/// LOCK-01
#[test]
fn a_lock_that_its_own_thread_takes_again_panics_or_is_refused() {
    let _deadline = Deadline::seconds(120);
    let lock = Lock::new().unwrap();
    let guard = lock.lock().unwrap();
    let clone = lock.clone();
    let panic = catch_unwind(AssertUnwindSafe(|| drop(clone.lock()))).unwrap_err();
    let text = panic.downcast_ref::<&str>().unwrap();
    assert!(text.contains("this thread holds the lock already"), "{text}");
    assert!(text.contains("ReentrantLock"), "{text}");
    assert!(lock.try_lock().unwrap().is_none());
    let begun = Instant::now();
    assert!(lock.lock_timeout(SHORT).unwrap().is_none());
    assert!(begun.elapsed() >= SHORT);
    let for_ever = || drop(lock.lock_timeout(Duration::MAX));
    assert!(catch_unwind(AssertUnwindSafe(for_ever)).is_err());
    // Another thread waits for its turn.
    thread::scope(|scope| {
        let other = scope.spawn(|| lock.lock().map(drop).is_ok());
        assert!(lock.is_locked());
        drop(guard);
        assert!(other.join().unwrap());
    });
    assert!(!lock.is_locked());
}

/// LOCK-02, LOCK-05, LOCK-07
#[test]
fn a_reentrant_lock_taken_three_times_is_free_after_three_drops() {
    let lock = ReentrantLock::new().unwrap();
    assert_eq!(format!("{lock:?}"), "ReentrantLock(free)");
    let first = lock.lock().unwrap();
    assert_eq!(format!("{lock:?}"), "ReentrantLock(held by this thread)");
    let second = lock.try_lock().unwrap().unwrap();
    let third = lock.lock_timeout(Duration::ZERO).unwrap().unwrap();
    assert_eq!(format!("{lock:?}"), "ReentrantLock(held by this thread, 3 times)");
    // In any order.
    for (guard, left) in [(first, "this thread, 2 times"), (third, "this thread")] {
        drop(guard);
        assert_eq!(format!("{lock:?}"), format!("ReentrantLock(held by {left})"));
        assert!(lock.is_locked());
    }
    drop(second);
    assert!(!lock.is_locked());
    assert_eq!(format!("{lock:?}"), "ReentrantLock(free)");
}

/// LOCK-03
#[test]
fn a_lock_is_held_to_the_end_of_a_scope() {
    for lock in both() {
        lock.hold(|| assert!(lock.is_locked()));
        assert!(!lock.is_locked());
    }
}

/// Runs in the child: holds the lock, and says how it looks here.
fn hold_and_print((lock, report, gate): (Any, Report, Waiting)) {
    lock.hold(|| {
        report.say(lock.text());
        gate.wait();
    });
}

/// LOCK-06, LOCK-07
#[test]
fn the_text_of_a_lock_names_the_holder_also_another_process_and_a_dead_one() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let name = lock.text();
        let (name, free) = name.split_once('(').unwrap();
        assert_eq!(free, "free)");
        lock.hold(|| {
            assert_eq!(lock.text(), format!("{name}(held by this thread)"));
            let of_a_thread = thread::scope(|scope| scope.spawn(|| lock.text()).join());
            assert_eq!(
                of_a_thread.unwrap(),
                format!("{name}(held by another thread of this process)")
            );
        });
        let ((mut said, report), (_gate, waiting)) = (reports(), Gate::new().unwrap());
        let child = Process::new(hold_and_print, (lock.clone(), report, waiting));
        let mut child = child.named("weaver");
        child.start().unwrap();
        assert_eq!(said.next::<String>(), format!("{name}(held by this thread)"));
        let by = format!("held by weaver (process {})", child.pid().unwrap());
        assert_eq!(lock.text(), format!("{name}({by})"));
        kill_child(&child);
        testing::until("the lock is seen as a dead process's", || {
            lock.text() == format!("{name}({by}, which is dead)")
        });
        lock.hold(|| ());
        assert_eq!(lock.text(), format!("{name}(free)"));
    }
}

/// LOCK-09
#[test]
fn a_wait_for_a_held_lock_ends_after_its_time() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (child, gate) = holder(&lock);
        for timeout in [0, 1, 30, 99, 200].map(Duration::from_millis) {
            let begun = Instant::now();
            assert_eq!(lock.lock_timeout(timeout), Got::Nothing);
            assert!(begun.elapsed() >= timeout);
        }
        gate.open();
        assert_eq!(lock.lock_timeout(Duration::MAX), Got::Locked);
        ends_well(&child);
    }
}

/// LOCK-B01, LOCK-B02
#[test]
fn a_killed_holder_is_told_of_to_each_next_until_one_recovers() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (child, _gate) = holder(&lock);
        kill_child(&child);
        assert_told_of(&lock, &child, 1);
        assert_told_of(&lock, &child, 1);
        let (second, _gate) = holder(&lock);
        kill_child(&second);
        assert_told_of(&lock, &second, 1);
        lock.hold(|| ());
        assert_eq!(lock.lock_timeout(LONG), Got::Locked);
    }
}

/// LOCK-B01, LOCK-B02
#[test]
fn a_thread_that_sleeps_when_the_holder_is_killed_goes_on_and_is_told() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (child, _gate) = holder(&lock);
        thread::scope(|scope| {
            let waiting = [(); 2].map(|()| scope.spawn(|| lock.lock_timeout(LONG)));
            assert_eq!(lock.lock_timeout(SHORT), Got::Nothing);
            kill_child(&child);
            for waiting in waiting {
                let got = waiting.join().unwrap();
                assert!(matches!(got, Got::Told(died) if Some(died.pid) == child.pid()));
            }
        });
    }
}

/// Runs in the child: returns with the lock in hand.
fn end_with(lock: Any) {
    match &lock {
        Any::Lock(lock) => mem::forget(lock.lock()),
        Any::Reentrant(lock) => mem::forget(lock.lock()),
    }
    assert!(lock.is_locked());
}

/// Runs in the child: exits with the lock in hand.
fn exit_with(lock: Any) {
    lock.hold(|| process::exit(0));
}

/// LOCK-B03
#[test]
fn a_process_that_ends_in_the_ordinary_way_with_the_lock_is_told_of_too() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let returned = start(end_with, lock.clone());
        ends_well(&returned);
        assert_told_of(&lock, &returned, 1);
        lock.hold(|| ());
        let exited = start(exit_with, lock.clone());
        ends_well(&exited);
        assert_told_of(&lock, &exited, 1);
    }
}

/// LOCK-B06
#[test]
fn a_stopped_holder_keeps_the_lock_and_goes_on_with_it() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (child, gate) = holder(&lock);
        let other = Other::of(child.pid().unwrap()).unwrap();
        assert!(other.stop());
        assert_eq!(lock.lock_timeout(Duration::from_millis(300)), Got::Nothing);
        assert_eq!(lock.try_lock(), Got::Nothing);
        gate.open();
        assert!(other.go_on());
        assert_eq!(lock.lock_timeout(LONG), Got::Locked);
        ends_well(&child);
    }
}

/// LOCK-B07
#[test]
fn a_lock_goes_only_into_the_arguments_of_a_new_process() {
    for lock in both() {
        let error = frame::encode(&lock, &mut Vec::new()).unwrap_err();
        let text = whole_text(&error);
        assert!(text.contains("a lock or other shared memory"), "{text}");
        assert!(text.contains("can't be sent in a message"), "{text}");
        let queue = Queue::bounded(1).unwrap();
        let refused = whole_text(&queue.put(lock).unwrap_err());
        assert!(refused.contains("can't be sent in a message"), "{refused}");
    }
}

/// LOCK-B09
#[test]
fn a_reentrant_lock_of_another_thread_is_held_by_another() {
    let _deadline = Deadline::seconds(120);
    let lock = ReentrantLock::new().unwrap();
    let _guards = [lock.lock().unwrap(), lock.lock().unwrap()];
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let begun = Instant::now();
            assert!(lock.lock_timeout(Duration::from_millis(200)).unwrap().is_none());
            assert!(begun.elapsed() >= Duration::from_millis(200));
            assert!(lock.try_lock().unwrap().is_none());
            format!("{lock:?}")
        });
        let text = other.join().unwrap();
        assert_eq!(text, "ReentrantLock(held by another thread of this process, 2 times)");
    });
}

/// Runs in the child: panics with the lock in hand.
fn lock_and_panic((lock, report): (Any, Report)) {
    let caught = catch_unwind(AssertUnwindSafe(|| lock.hold(|| panic!("with the lock in hand"))));
    assert!(caught.is_err());
    report.say(lock.is_locked());
}

#[test]
fn a_panic_with_the_lock_in_hand_is_told_to_the_next_as_one() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (mut said, report) = reports();
        let child = start(lock_and_panic, (lock.clone(), report));
        assert!(!said.next::<bool>(), "it is free after the panic");
        ends_well(&child);
        for _ in 0..2 {
            let Got::Told(died) = lock.lock_timeout(LONG) else { panic!("nothing was told") };
            assert_eq!(Some(died.pid), child.pid());
            assert_eq!((died.deaths, died.panicked), (1, true));
            let text = format!("{} (process {}) panicked", child.name(), died.pid);
            assert!(died.to_string().starts_with(&text), "{died}");
        }
        lock.hold(|| ());
        assert_eq!(lock.try_lock(), Got::Locked);
    }
}

#[test]
fn a_lock_taken_and_given_back_while_a_panic_unwinds_is_whole() {
    struct Locks<'a>(&'a Any);
    impl Drop for Locks<'_> {
        fn drop(&mut self) {
            self.0.hold(|| ());
        }
    }
    for lock in both() {
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let _locks = Locks(&lock);
            panic!("with the lock free");
        }));
        assert!(caught.is_err());
        assert_eq!(lock.try_lock(), Got::Locked);
    }
}

#[test]
fn a_panic_under_an_inner_guard_is_told_to_its_own_thread_once() {
    let lock = ReentrantLock::new().unwrap();
    let outer = lock.lock().unwrap();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _inner = lock.lock().unwrap();
        let _innermost = lock.lock().unwrap();
        panic!("under two guards");
    }));
    assert!(caught.is_err());
    let told = lock.lock().unwrap_err();
    assert_eq!((told.died().deaths, told.died().panicked), (1, true));
    assert_eq!(told.died().pid, process::id());
    drop(told);
    drop(outer);
    let told = lock.lock().unwrap_err();
    assert_eq!(told.died().deaths, 1);
    let guard = told.recover();
    // Within the recovered guard there is nothing to tell, nor after it.
    assert!(lock.lock().is_ok());
    drop(guard);
    assert!(lock.lock().is_ok());
}

#[test]
fn deaths_are_told_within_a_guard_until_it_recovers() {
    let _deadline = Deadline::seconds(120);
    let lock = ReentrantLock::new().unwrap();
    let (child, _gate) = holder(&Any::Reentrant(lock.clone()));
    kill_child(&child);
    let outer = lock.lock().unwrap_err();
    assert_eq!(lock.try_lock().unwrap_err().died(), outer.died());
    assert_eq!(lock.lock_timeout(SHORT).unwrap_err().died(), outer.died());
    let inner = lock.lock().unwrap_err().recover();
    assert!(lock.lock().is_ok());
    drop((inner, outer));
    assert!(lock.lock().is_ok());
}

/// Runs in the child: adds to the first word, not atomically, with the lock.
fn add((lock, words): (Any, Words)) {
    for _ in 0..1000 {
        lock.hold(|| {
            let sum = words[0].load(Ordering::Relaxed);
            words[0].store(sum + 1, Ordering::Relaxed);
        });
    }
}

#[test]
fn processes_and_threads_that_add_under_the_lock_lose_nothing() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let words = Words::new(1).unwrap();
        let children = [(); 3].map(|()| start(add, (lock.clone(), words.clone())));
        let threads = [(); 2].map(|()| {
            let argument = (lock.clone(), words.clone());
            thread::spawn(|| add(argument))
        });
        children.iter().for_each(ends_well);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(words[0].load(Ordering::Relaxed), 5000);
    }
}

/// What the workers of a pool share.
static SHARED: OnceLock<(Any, Words)> = OnceLock::new();

/// Runs in each worker first.
fn share(shared: (Any, Words)) {
    assert!(SHARED.set(shared).is_ok());
}

/// Runs in a worker.
fn add_shared(times: u64) {
    let (lock, words) = SHARED.get().unwrap();
    for _ in 0..times {
        lock.hold(|| {
            let sum = words[0].load(Ordering::Relaxed);
            words[0].store(sum + 1, Ordering::Relaxed);
        });
    }
}

#[test]
fn the_workers_of_a_pool_get_a_lock_by_their_initializer() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let words = Words::new(1).unwrap();
        let shared = (lock.clone(), words.clone());
        let pool = Pool::builder().processes(3).initializer(share, shared).build().unwrap();
        pool.map(add_shared, [500; 10]).unwrap();
        assert_eq!(words[0].load(Ordering::Relaxed), 5000);
        assert!(!lock.is_locked());
    }
}

/// Runs in the child: asks for the lock without waiting, and says what it got.
fn try_lock_and_say((lock, report): (Any, Report)) {
    let Got::Told(died) = lock.try_lock() else { return report.say("nothing") };
    report.say(died.to_string());
}

#[test]
fn also_the_form_that_does_not_wait_takes_a_dead_holders_lock() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (mut said, report) = reports();
        let (child, _gate) = holder(&lock);
        kill_child(&child);
        // Where other tests start processes, these hold copies of the dead one's opening a while.
        testing::until("it is free", || matches!(lock.try_lock(), Got::Told(_)));
        let asks = start(try_lock_and_say, (lock.clone(), report));
        let expected =
            format!("{} (process {}) died holding the lock", child.name(), child.pid().unwrap());
        assert_eq!(said.next::<String>(), expected);
        ends_well(&asks);
    }
}

/// Runs in the child: waits for the lock, and says what it is told.
fn lock_and_say((lock, report): (Any, Report)) {
    let Got::Told(died) = lock.lock_timeout(LONG) else { return report.say("nothing") };
    report.say(died.to_string());
}

#[test]
fn a_process_that_is_started_after_the_holders_death_and_has_its_number_is_told() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (child, _gate) = holder(&lock);
        kill_child(&child);
        let (mut said, report) = reports();
        let next = start(lock_and_say, (lock.clone(), report));
        let expected =
            format!("{} (process {}) died holding the lock", child.name(), child.pid().unwrap());
        assert_eq!(said.next::<String>(), expected);
        ends_well(&next);
    }
}

/// Runs in the child: waits for the lock, and says that it waits, and that it has it.
fn wait_and_say((lock, report): (Any, Report)) {
    report.say("waits");
    lock.hold(|| report.say("has it"));
}

#[test]
fn a_killed_waiter_takes_nothing_with_it() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let (child, gate) = holder(&lock);
        let (mut said, report) = reports();
        let waiters = [(); 3].map(|()| start(wait_and_say, (lock.clone(), report.another())));
        waiters.iter().for_each(|_| assert_eq!(said.next::<String>(), "waits"));
        kill_child(&waiters[0]);
        gate.open();
        ends_well(&child);
        waiters[1..].iter().for_each(|_| assert_eq!(said.next::<String>(), "has it"));
        waiters[1..].iter().for_each(ends_well);
        assert_eq!(lock.lock_timeout(LONG), Got::Locked);
    }
}

/// Runs in the child: takes the lock as often as it should, each time with another thread.
fn lock_in_turn((lock, words): (Any, Words)) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..200 {
                    lock.hold(|| {
                        words[0].store(words[0].load(Ordering::Relaxed) + 1, Ordering::Relaxed);
                    });
                }
            });
        }
    });
}

#[test]
fn two_threads_in_each_of_two_processes_have_it_one_at_a_time() {
    let _deadline = Deadline::seconds(120);
    for lock in both() {
        let words = Words::new(1).unwrap();
        let children = [(); 2].map(|()| start(lock_in_turn, (lock.clone(), words.clone())));
        children.iter().for_each(ends_well);
        assert_eq!(words[0].load(Ordering::Relaxed), 800);
    }
}
