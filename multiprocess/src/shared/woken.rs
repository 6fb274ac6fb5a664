//! Tests that each change wakes the threads that wait for it: here no sleep ends by itself, so a
//! wake-up that is missing, which otherwise a nap makes up for, is a hang.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use testing::{Deadline, until};

use crate::shared::{Barrier, Broken, Condition, Event, Lock, Seat, Semaphore, Value};

thread_local! {
    static WITHOUT_NAPS: Cell<bool> = const { Cell::new(false) };
}

/// Returns true if no sleep of this thread shall end by itself.
pub(crate) fn sleeps_without_naps() -> bool {
    WITHOUT_NAPS.get()
}

/// Has a thread wait, and another one make the change that ends it; again and again, because now
/// and then the first one sees the change before it sleeps.
fn is_woken<T>(before: impl Fn() -> T, wait: impl Fn() + Sync, change: impl Fn(T)) {
    let _deadline = Deadline::seconds(120);
    for _ in 0..10 {
        let before = before();
        thread::scope(|scope| {
            scope.spawn(|| {
                WITHOUT_NAPS.set(true);
                wait();
            });
            // Most likely it sleeps by then.
            thread::sleep(Duration::from_millis(5));
            change(before);
        });
    }
}

#[test]
fn a_lock_that_is_unlocked_wakes_a_thread() {
    let lock = Lock::new().unwrap();
    is_woken(|| lock.lock().unwrap(), || drop(lock.lock().unwrap()), drop);
}

#[test]
fn a_permit_that_is_given_back_or_added_wakes_a_thread() {
    let semaphore = Semaphore::new(1).unwrap();
    is_woken(|| semaphore.acquire().unwrap(), || drop(semaphore.acquire().unwrap()), drop);
    let things = Semaphore::with_room(0, 2).unwrap();
    let consume = || things.acquire().unwrap().consume();
    is_woken(|| (), consume, |()| things.add(1).unwrap());
    let consume_two = || [(); 2].into_iter().for_each(|()| consume());
    is_woken(|| (), consume_two, |()| things.add(2).unwrap());
}

#[test]
fn an_event_that_is_set_wakes_a_thread() {
    let event = Event::new().unwrap();
    is_woken(|| event.clear(), || event.wait(), |()| event.set());
}

#[test]
fn a_value_that_is_updated_wakes_a_thread() {
    let value = Value::new(0_u64).unwrap();
    let is_one = || assert!(value.wait_until(|number| *number == 1, None).is_some());
    let set = |number| value.update(|value| *value = number);
    is_woken(|| set(0), is_one, |()| set(1));
}

#[test]
fn a_notification_wakes_a_thread() {
    let (condition, waits) = (Condition::new().unwrap(), AtomicU64::new(0));
    for notifies_all in [false, true] {
        let wait = || {
            let mut guard = condition.lock().unwrap();
            waits.store(1, Ordering::SeqCst);
            guard.wait().unwrap();
        };
        let notify = |()| {
            until("it waits", || waits.load(Ordering::SeqCst) == 1);
            let guard = condition.lock().unwrap();
            if notifies_all { guard.notify_all() } else { guard.notify(1) }
        };
        is_woken(|| waits.store(0, Ordering::SeqCst), wait, notify);
    }
}

#[test]
fn of_two_threads_that_wait_one_notification_wakes_one() {
    let _deadline = Deadline::seconds(120);
    for _ in 0..10 {
        let condition = Condition::new().unwrap();
        let (waits, goes_on) = (AtomicU64::new(0), AtomicU64::new(0));
        let wait = || {
            WITHOUT_NAPS.set(true);
            let mut guard = condition.lock().unwrap();
            waits.fetch_add(1, Ordering::SeqCst);
            guard.wait().unwrap();
            goes_on.fetch_add(1, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            scope.spawn(wait);
            scope.spawn(wait);
            until("both wait", || waits.load(Ordering::SeqCst) == 2);
            // Most likely they sleep by then.
            thread::sleep(Duration::from_millis(5));
            for count in [1, 2] {
                condition.lock().unwrap().notify(1);
                until("one goes on", || goes_on.load(Ordering::SeqCst) == count);
            }
        });
    }
}

/// A change at a barrier, by one of its seats.
type Change = fn(&Seat);

#[test]
fn a_round_that_is_over_in_whatever_way_wakes_a_thread() {
    let ways: [(Change, Option<Broken>); 5] = [
        (|seat| assert!(seat.wait().is_ok()), None),
        (|seat| assert!(seat.wait_then(|| ()).is_ok()), None),
        (|seat| seat.abort(), Some(Broken::Aborted)),
        (|seat| seat.reset().unwrap(), Some(Broken::Reset)),
        (|seat| drop(seat.wait_timeout(Duration::ZERO)), Some(Broken::TimedOut)),
    ];
    for (way, broken) in ways {
        // The third one comes only to see that two are not enough.
        let seats = if broken == Some(Broken::TimedOut) { 3 } else { 2 };
        let seats = Barrier::seats(seats).unwrap();
        let wait = || assert_eq!(seats[0].wait().err(), broken);
        let change = |()| {
            until("it waits", || seats[1].waiting() == 1);
            way(&seats[1]);
        };
        is_woken(|| seats[1].reset().unwrap(), wait, change);
    }
    let mut seats = Barrier::seats(2).unwrap();
    let last = Cell::new(seats.pop());
    let dropped = |()| {
        if let Some(seat) = last.take() {
            until("it waits", || seat.waiting() == 1);
        }
    };
    is_woken(|| (), || assert!(matches!(seats[0].wait(), Err(Broken::Ended { .. }))), dropped);
}
