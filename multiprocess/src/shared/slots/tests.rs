//! The slots, one step after the other.

use crate::shared::atomic::Ordering;

use super::*;

const A: Member = 1;
const B: Member = 2;

fn words(permits: usize, room: usize) -> Vec<AtomicU64> {
    let words: Vec<_> = (0..room).map(|_| AtomicU64::new(0)).collect();
    Slots::new(&words, A).begin_with(permits);
    words
}

#[test]
fn each_permit_is_taken_once_and_looked_for_from_where_the_caller_says() {
    let words = words(3, 3);
    let (a, b) = (Slots::new(&words, A), Slots::new(&words, B));
    assert_eq!((a.take(2), b.take(2), a.take_any(1)), (Ok(2), Ok(0), Some(1)));
    assert!(b.take(0).is_err() && b.take_any(9).is_none());
    assert_eq!((a.free(), a.held_by(A), a.held_by(B), a.taken_up()), (0, 2, 1, 3));
    a.give_back(1);
    assert_eq!((b.free(), b.take(0)), (1, Ok(1)));
}

#[test]
fn each_change_changes_the_sum_of_what_a_look_has_seen() {
    let words = words(1, 2);
    let (a, b) = (Slots::new(&words, A), Slots::new(&words, B));
    let mut sums = Vec::new();
    for _ in 0..3 {
        a.take(0).unwrap();
        sums.push(b.take(0).unwrap_err());
        a.give_back(0);
    }
    a.take(0).unwrap();
    a.consume(0);
    sums.push(b.take(0).unwrap_err());
    assert!(sums.is_sorted_by(|first, second| first < second), "{sums:?}");
}

#[test]
fn the_dead_give_back_what_they_hold_and_what_they_were_adding_is_not_there() {
    let words = words(3, 6);
    let (a, b) = (Slots::new(&words, A), Slots::new(&words, B));
    assert_eq!((a.take(0), b.take(0), b.take(0)), (Ok(0), Ok(1), Ok(2)));
    // Half an addition.
    assert!((3..5).all(|slot| b.slot(slot).change(b.slot(slot).look(), State::Reserved(B))));
    assert_eq!((a.others(), a.taken_up(), a.add(2, 0)), (vec![B], 5, None));
    assert!(a.bury(B) && !a.bury(B));
    assert_eq!((a.free(), a.held_by(A), a.taken_up()), (2, 1, 3));
    assert_eq!(a.add(3, 5), Some(4), "from the last one on, and round");
    assert_eq!((a.free(), a.taken_up(), a.others()), (5, 6, vec![]));
}

#[test]
fn permits_are_added_all_or_none_and_a_consumed_one_is_room() {
    let words = words(0, 3);
    let a = Slots::new(&words, A);
    assert_eq!((a.add(4, 0), a.free()), (None, 0));
    assert_eq!((a.add(2, 0), a.add(2, 0), a.add(usize::MAX, 0)), (Some(1), None, None));
    assert_eq!((a.free(), a.take(0)), (2, Ok(0)));
    a.consume(0);
    assert_eq!((a.free(), a.taken_up(), a.add(2, 0)), (1, 1, Some(2)));
    assert_eq!(a.free(), 3);
}

#[test]
fn a_state_that_can_not_be_is_damage_and_no_permit() {
    let words = words(1, 2);
    let a = Slots::new(&words, A);
    assert!(!a.are_damaged());
    words[0].store(0xffff, Ordering::Relaxed);
    assert!(a.are_damaged() && a.take_any(0).is_none() && a.others().is_empty());
}
