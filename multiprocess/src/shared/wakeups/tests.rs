//! Threads of one process, and a dead member, without any sleep.

use testing::Random;

use super::*;
use crate::shared::members::HEAD;

fn members() -> Members {
    Members::create(WAKEUP_WORDS).unwrap()
}

#[test]
fn a_wake_up_is_for_the_threads_that_waited_when_it_was_given() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    assert_eq!(wakeups.give(5), 0, "none waits");
    let [first, second, third] = [(); 3].map(|()| wakeups.begin());
    assert_eq!(wakeups.give(1), 1);
    let late = wakeups.begin();
    assert!(!wakeups.has_one_for(late) && !wakeups.take(late));
    assert_eq!(wakeups.give(1), 1, "for four threads there are two now");
    assert!(wakeups.take(late), "the second is for it, too");
    assert!(wakeups.has_one_for(first) && wakeups.take(second));
    assert!(!wakeups.take(first) && !wakeups.take(third), "there were two");
    assert_eq!(wakeups.give(2), ALL);
    assert!(wakeups.take(third) && wakeups.take(first));
    assert_eq!((wakeups.count(), wakeups.give(1)), (0, 0));
}

#[test]
fn no_thread_is_counted_twice_by_notifications_that_are_for_more_than_wait() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    let waiting = [(); 3].map(|()| wakeups.begin());
    assert_eq!([wakeups.give(2), wakeups.give(2), wakeups.give(9)], [2, ALL, ALL]);
    assert!(waiting.into_iter().all(|generation| wakeups.take(generation)));
    let late = wakeups.begin();
    assert!(!wakeups.take(late));
}

#[test]
fn a_thread_takes_the_oldest_wake_up_and_leaves_others_to_those_that_came_later() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    // Of each two threads one is notified, more often than there are groups.
    let pairs: Vec<_> = (0..9)
        .map(|number| {
            let pair = [wakeups.begin(), wakeups.begin()];
            assert_eq!(wakeups.give(1), 1, "{number}");
            pair
        })
        .collect();
    assert!(pairs.iter().map(|[one, _]| one).is_sorted_by(|one, next| one < next));
    for [one, _] in &pairs {
        assert!(wakeups.take(*one));
    }
    assert!(!pairs.iter().any(|[_, other]| wakeups.take(*other)));
    assert_eq!(wakeups.count(), 9);
}

#[test]
fn wake_ups_that_only_the_dead_could_have_taken_are_dropped_and_their_threads_not_counted() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    let (opening, number) = members.invite(|_| ()).unwrap();
    let other = Members::attach(opening, number, HEAD + WAKEUP_WORDS).unwrap();
    let dies = Wakeups::new(&other, 0);
    assert_eq!([dies.begin(), dies.begin()], [0, 0]);
    assert_eq!(wakeups.give(1), 1);
    drop(other);
    let waiting = [wakeups.begin(), wakeups.begin()];
    assert_eq!(wakeups.count(), 4);
    assert_eq!(wakeups.give(1), 1);
    assert_eq!(wakeups.count(), 2);
    assert!(wakeups.take(waiting[0]) && !wakeups.take(waiting[1]));
}

#[test]
fn a_wake_up_of_a_dead_thread_is_left_to_one_that_waited_too() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    let (opening, number) = members.invite(|_| ()).unwrap();
    let other = Members::attach(opening, number, HEAD + WAKEUP_WORDS).unwrap();
    Wakeups::new(&other, 0).begin();
    let waiting = wakeups.begin();
    assert_eq!(wakeups.give(1), 1);
    drop(other);
    assert!(wakeups.take(waiting));
    assert_eq!((wakeups.count(), wakeups.give(1), wakeups.count()), (1, 0, 0));
}

#[test]
fn a_number_that_is_given_again_brings_no_waiting_thread_along() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    let (opening, number) = members.invite(|_| ()).unwrap();
    let other = Members::attach(opening, number, HEAD + WAKEUP_WORDS).unwrap();
    Wakeups::new(&other, 0).begin();
    assert_eq!(wakeups.give(1), ALL);
    drop(other);
    let (_opening, again) = members.invite(|_| ()).unwrap();
    assert_eq!((again, wakeups.count()), (number, 0));
    // The wake-up is still there, for no thread: it keeps no other from being notified.
    let waiting = wakeups.begin();
    assert!(!wakeups.take(waiting));
    assert_eq!(wakeups.give(1), ALL);
    assert!(wakeups.take(waiting));
}

#[test]
fn damaged_words_end_no_call_in_a_panic_or_never() {
    let members = members();
    let wakeups = Wakeups::new(&members, 0);
    let mut random = Random(7);
    for round in 0..20_000 {
        let own = members.own(1 + random.below(3) as Member).iter();
        for word in wakeups.words().iter().chain(own) {
            let value = match random.below(5) {
                0 => u64::MAX,
                1 => random.next(),
                2 => random.below(4),
                _ => continue,
            };
            word.store(value, Ordering::Relaxed);
        }
        let generation = wakeups.begin();
        wakeups.give(random.below(4) * u64::from(round % 2 == 0));
        wakeups.has_one_for(generation);
        if !wakeups.take(generation) {
            wakeups.give_up();
        }
        wakeups.give(ALL);
        wakeups.count();
    }
}
