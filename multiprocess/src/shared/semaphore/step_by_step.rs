//! Real processes that die after each step, and what the others see: the table of `permits.rs`, row
//! by row.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use testing::{Deadline, LONG, until};

use super::*;
use crate::crash;
use crate::shared::Words;
use crate::shared::slots::Step;
use crate::{Process, tasks};

crate::test_entry!();
tasks![
    acquire_and_give_back,
    acquire_late,
    acquire_one_more,
    acquire_when_told,
    add_two,
    consume_one,
    give_back_to_a_sleeper,
    invite,
    return_at_once
];

/// Words for the test: another process may go on; it is ready.
const GO: usize = 0;
const READY: usize = 1;

/// A semaphore, words for the test, and the step after which the process dies.
type Doomed = (Semaphore, Words, Step);

fn set(words: &Words, index: usize) {
    words[index].store(1, Ordering::SeqCst);
}

fn wait_for(words: &Words, index: usize) {
    until("the other process says so", || words[index].load(Ordering::SeqCst) != 0);
}

fn wait_for_sleeper(semaphore: &Semaphore) {
    let event_count = || semaphore.0.members().half(0).load(Ordering::SeqCst);
    until("another thread sleeps", || event_count() % 2 == 1);
}

/// Starts a process that is to die after the step.
fn doomed(
    function: impl Fn(Doomed) + 'static,
    semaphore: &Semaphore,
    step: Step,
) -> (Process, Words) {
    let words = Words::new(2).unwrap();
    let mut process = Process::new(function, (semaphore.clone(), words.clone(), step));
    process.start().unwrap();
    (process, words)
}

/// Waits until the process has killed itself.
fn died(process: &Process, step: Step) {
    process.join().unwrap();
    assert_eq!(process.exitcode(), Some(-9), "{step:?}: it came to the step");
}

/// Starts a process, and waits until it has killed itself after the step.
fn dies(function: impl Fn(Doomed) + 'static, semaphore: &Semaphore, step: Step) -> Process {
    let (process, _) = doomed(function, semaphore, step);
    died(&process, step);
    process
}

/// Checks how many permits are free before any is given back for the dead, and how many there are.
fn assert_left(semaphore: &Semaphore, free: usize, of: usize, step: Step) {
    let (text, expected) = (format!("{semaphore:?}"), format!("Semaphore({free} of {of} "));
    assert!(text.starts_with(&expected), "{step:?}: {text}");
}

/// Checks that exactly so many permits can be acquired: each once.
fn assert_has(semaphore: &Semaphore, permits: usize, step: Step) {
    // Another test that just starts a process may have a copy of a dead one's opening for a moment.
    until("all permits come back", || semaphore.available() == permits);
    let all: Vec<_> = (0..permits).map(|_| semaphore.try_acquire().unwrap()).collect();
    assert!(semaphore.try_acquire().is_none(), "{step:?}");
    drop(all);
    assert_eq!(semaphore.available(), permits, "{step:?}");
}

/// Runs in the child.
fn acquire_and_give_back((semaphore, _, step): Doomed) {
    crash::at(step as u32);
    drop(semaphore.acquire());
}

#[test]
fn the_permit_of_a_process_that_dies_alone_comes_back_if_it_has_one() {
    let _deadline = Deadline::seconds(120);
    for (step, free) in [(Step::Found, 2), (Step::Taken, 1), (Step::Leaving, 1), (Step::Left, 2)] {
        let semaphore = Semaphore::new(2).unwrap();
        dies(acquire_and_give_back, &semaphore, step);
        assert_left(&semaphore, free, 2, step);
        assert_has(&semaphore, 2, step);
    }
}

/// Runs in the child: gives back when another thread sleeps.
fn give_back_to_a_sleeper((semaphore, words, step): Doomed) {
    let permit = semaphore.acquire().unwrap();
    set(&words, READY);
    wait_for_sleeper(&semaphore);
    crash::at(step as u32);
    drop(permit);
}

#[test]
fn a_process_that_dies_while_it_gives_back_leaves_no_other_asleep() {
    let _deadline = Deadline::seconds(120);
    for (step, free) in [(Step::Leaving, 0), (Step::Left, 1)] {
        let semaphore = Semaphore::new(1).unwrap();
        let (child, words) = doomed(give_back_to_a_sleeper, &semaphore, step);
        wait_for(&words, READY);
        let permit = semaphore.acquire_timeout(LONG).expect("no death keeps it for ever");
        died(&child, step);
        drop(permit);
        assert_left(&semaphore, 1, 1, step);
        // And as the table says, without a sleeper.
        let (child, words) = doomed(give_back_to_a_sleeper, &semaphore, step);
        wait_for(&words, READY);
        semaphore.0.members().half(0).fetch_or(1, Ordering::SeqCst);
        died(&child, step);
        assert_left(&semaphore, free, 1, step);
        assert_has(&semaphore, 1, step);
    }
}

/// Runs in the child: waits for a permit, which it finds when it has slept.
fn acquire_late((semaphore, words, step): Doomed) {
    crash::at(step as u32);
    set(&words, READY);
    drop(semaphore.acquire());
}

#[test]
fn a_sleeper_that_dies_when_it_is_woken_leaves_no_other_asleep() {
    let _deadline = Deadline::seconds(120);
    for step in [Step::Found, Step::Taken] {
        let semaphore = Semaphore::new(1).unwrap();
        let permit = semaphore.acquire().unwrap();
        let (child, words) = doomed(acquire_late, &semaphore, step);
        wait_for(&words, READY);
        wait_for_sleeper(&semaphore);
        thread::scope(|scope| {
            // Either of the two may be first.
            let other = scope.spawn(|| semaphore.acquire_timeout(LONG).is_some());
            drop(permit);
            assert!(other.join().unwrap(), "{step:?}");
        });
        died(&child, step);
        assert_has(&semaphore, 1, step);
    }
}

/// Runs in the child: dies with two permits.
fn acquire_one_more((semaphore, _, step): Doomed) {
    let _permit = semaphore.acquire().unwrap();
    crash::at(step as u32);
    drop(semaphore.acquire());
}

/// Runs in the child: acquires a permit once it may, for which it has to look thoroughly.
fn acquire_when_told((semaphore, words, step): Doomed) {
    set(&words, READY);
    wait_for(&words, GO);
    crash::at(step as u32);
    drop(semaphore.acquire());
}

#[test]
fn a_process_that_dies_while_it_gives_back_the_permits_of_a_dead_one_loses_none() {
    let _deadline = Deadline::seconds(120);
    for (step, free) in [(Step::NumberLocked, 0), (Step::Buried, 1), (Step::Taken, 1)] {
        let semaphore = Semaphore::new(2).unwrap();
        // It is there before the first dies, so it gets another number.
        let (burier, words) = doomed(acquire_when_told, &semaphore, step);
        wait_for(&words, READY);
        dies(acquire_one_more, &semaphore, Step::Taken);
        assert_left(&semaphore, 0, 2, step);
        set(&words, GO);
        died(&burier, step);
        assert_left(&semaphore, free, 2, step);
        assert_has(&semaphore, 2, step);
    }
}

/// Runs in the child: hands the semaphore over.
fn invite((semaphore, words, step): Doomed) {
    set(&words, READY);
    wait_for(&words, GO);
    crash::at(step as u32);
    Process::new(return_at_once, semaphore).start().unwrap();
}

/// Runs in the child's child.
fn return_at_once(_: Semaphore) {}

#[test]
fn a_process_that_dies_while_it_hands_the_semaphore_over_loses_no_permit_of_the_dead() {
    let _deadline = Deadline::seconds(120);
    for (step, free) in [(Step::NumberLocked, 1), (Step::Buried, 2)] {
        let semaphore = Semaphore::new(2).unwrap();
        let (inviter, words) = doomed(invite, &semaphore, step);
        wait_for(&words, READY);
        dies(acquire_and_give_back, &semaphore, Step::Taken);
        // Its number is the third. (See above why it may not be free yet.)
        until("its number is free", || !semaphore.0.members().lives(3));
        set(&words, GO);
        died(&inviter, step);
        assert_left(&semaphore, free, 2, step);
        assert_has(&semaphore, 2, step);
    }
}

#[test]
fn a_number_is_given_away_without_the_permits_of_the_dead_process_that_had_it() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(1).unwrap();
    dies(acquire_and_give_back, &semaphore, Step::Taken);
    until("its number is free", || !semaphore.0.members().lives(2));
    let (other, words) = doomed(acquire_when_told, &semaphore, Step::Taken);
    assert_left(&semaphore, 1, 1, Step::Taken);
    wait_for(&words, READY);
    assert_has(&semaphore, 1, Step::Taken);
    set(&words, GO);
    died(&other, Step::Taken);
    assert_has(&semaphore, 1, Step::Taken);
}

/// Runs in the child.
fn add_two((semaphore, _, step): Doomed) {
    crash::at(step as u32);
    semaphore.add(2).unwrap();
}

#[test]
fn a_process_that_dies_while_it_adds_leaves_some_of_the_permits_and_room_for_the_others() {
    let _deadline = Deadline::seconds(120);
    for (step, free, of) in [(Step::Reserved, 1, 2), (Step::Added, 2, 3)] {
        let semaphore = Semaphore::with_room(1, 3).unwrap();
        dies(add_two, &semaphore, step);
        assert_left(&semaphore, free, of, step);
        until("all that was reserved is room", || semaphore.add(3 - free).is_ok());
        assert!(semaphore.add(1).is_err(), "{step:?}");
        assert_has(&semaphore, 3, step);
    }
}

/// Runs in the child.
fn consume_one((semaphore, _, step): Doomed) {
    let permit = semaphore.acquire().unwrap();
    crash::at(step as u32);
    permit.consume();
}

#[test]
fn a_permit_is_consumed_in_the_step_that_makes_it_room_for_another() {
    let _deadline = Deadline::seconds(120);
    for (step, permits, left) in [(Step::Leaving, 2, 2), (Step::Left, 1, 1)] {
        let semaphore = Semaphore::with_room(2, 2).unwrap();
        dies(consume_one, &semaphore, step);
        assert_left(&semaphore, 1, left, step);
        assert_has(&semaphore, permits, step);
        assert_eq!(semaphore.add(1).is_ok(), step as u32 == Step::Left as u32);
    }
}

#[test]
fn a_holder_that_can_not_be_is_an_error_of_acquire_and_nothing_hangs() {
    let _deadline = Deadline::seconds(120);
    let semaphore = Semaphore::new(2).unwrap();
    let first = &semaphore.0.members().words()[8];
    first.store(0x1fff, Ordering::SeqCst);
    // The other permit is still good.
    let permit = semaphore.acquire().unwrap();
    assert_eq!(permit.number(), 1);
    let error = semaphore.acquire().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().contains("damaged"), "{error}");
    assert!(semaphore.try_acquire().is_none());
    assert!(semaphore.acquire_timeout(Duration::MAX).is_none());
    assert_eq!(semaphore.available(), 0);
    assert_eq!(semaphore.add(1).unwrap_err().permits, 2);
    assert!(format!("{semaphore:?}").starts_with("Semaphore(0 of 2 permits free"));
    drop(permit);
    assert_eq!(semaphore.available(), 1);
    // A holder that may be, but isn't: its permit comes back.
    first.store(77, Ordering::SeqCst);
    assert_has(&semaphore, 2, Step::Taken);
}
