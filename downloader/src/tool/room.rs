//! The waiting room: addresses between the list and the threads that fetch them.
//!
//! ```text
//!   list ──put (waits while the room is full)──▶ room ──next──▶ thread 1 … n
//!                                                  ▲               │
//!                                                  └─ done: again, ┘
//!                                                     after a while
//! ```
//!
//! A thread gets the first address that may be begun now: that need not wait for another attempt,
//! and whose host may be asked by one more thread. So neither a slow host nor a wait holds a thread
//! up. An address that is redirected to another host comes back, too, and waits for its turn there.
//! An image that proves damaged after a thread has done with it returns as well: the room stays
//! open as long as such images may come.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The end of a pause that would last longer.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// An item that waits for a thread.
pub(super) trait Waiting {
    /// Returns the URL's host.
    fn host(&self) -> &str;
    /// Returns the earliest time of the next attempt.
    fn due(&self) -> Option<Instant>;
}

pub(super) struct Room<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
    size: usize,
    most_per_host: usize,
}

struct State<T> {
    waiting: VecDeque<T>,
    hosts: HashMap<String, Host>,
    /// The number of items that are with the threads, or are expected back.
    active: usize,
    list_has_ended: bool,
    is_closed: bool,
}

#[derive(Default)]
struct Host {
    active: usize,
    pause: Option<Pause>,
}

/// A pause that a host has asked for.
#[derive(Clone, Debug)]
pub(super) struct Pause {
    until: Instant,
    /// The reason why its end is not waited for: what is for this host fails with it, unasked.
    refusal: Option<String>,
}

impl Pause {
    pub(super) fn new(length: Duration, refusal: Option<String>) -> Self {
        Self { until: Instant::now() + length.min(FOREVER), refusal }
    }
}

/// An item for a thread.
#[derive(Debug, PartialEq)]
pub(super) struct Turn<T> {
    pub(super) item: T,
    /// The reason why its host must not be asked.
    pub(super) refusal: Option<String>,
}

impl<T: Waiting> Room<T> {
    pub(super) fn new(size: usize, most_per_host: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            hosts: HashMap::new(),
            active: 0,
            list_has_ended: false,
            is_closed: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new(), size, most_per_host }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an address of the list into the room, and waits for a free slot; returns false if the
    /// room is closed.
    pub(super) fn put(&self, item: T) -> bool {
        let mut state = self.lock();
        while state.waiting.len() >= self.size && !state.is_closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.is_closed {
            state.waiting.push_back(item);
            self.changed.notify_all();
        }
        !state.is_closed
    }

    /// Says that no more come from the list.
    pub(super) fn end_list(&self) {
        self.lock().list_has_ended = true;
        self.changed.notify_all();
    }

    /// Waits for an item that may be begun, and returns the first; `None` when none is to come.
    pub(super) fn next(&self) -> Option<Turn<T>> {
        let mut state = self.lock();
        loop {
            if state.is_closed {
                return None;
            }
            let now = Instant::now();
            let mut earliest: Option<Instant> = None;
            let mut found = None;
            for (place, item) in state.waiting.iter().enumerate() {
                let host = state.hosts.get(item.host());
                let pause = host.and_then(|host| host.pause.as_ref());
                let pause = pause.filter(|pause| pause.until > now);
                if let Some(refusal) = pause.and_then(|pause| pause.refusal.as_ref()) {
                    found = Some((place, Some(refusal.clone())));
                    break;
                }
                if host.is_some_and(|host| host.active >= self.most_per_host) {
                    continue;
                }
                let due = item.due().max(pause.map(|pause| pause.until));
                match due.filter(|due| *due > now) {
                    None => {
                        found = Some((place, None));
                        break;
                    }
                    Some(due) => {
                        earliest = Some(earliest.map_or(due, |earliest| earliest.min(due)));
                    }
                }
            }
            let found = found.and_then(|(place, refusal)| {
                state.waiting.remove(place).map(|item| Turn { item, refusal })
            });
            if let Some(turn) = found {
                state.hosts.entry(turn.item.host().to_owned()).or_default().active += 1;
                state.active += 1;
                // The room has a free slot for `put`.
                self.changed.notify_all();
                return Some(turn);
            }
            if state.list_has_ended && state.waiting.is_empty() && state.active == 0 {
                self.changed.notify_all();
                return None;
            }
            state = match earliest {
                Some(due) => {
                    let time = due.saturating_duration_since(now);
                    let woken = self.changed.wait_timeout(state, time);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Frees the slot at this host of an item that a thread has done with. The item may come back,
    /// at the front if it need not wait. The host may have asked for a pause.
    pub(super) fn done(&self, host: &str, pause: Option<Pause>, again: Option<T>) {
        let mut state = self.lock();
        state.active -= 1;
        if let Some(entry) = state.hosts.get_mut(host) {
            entry.active -= 1;
            // The later end counts.
            entry.pause =
                entry.pause.take().into_iter().chain(pause).max_by_key(|pause| pause.until);
            let is_over = entry.pause.as_ref().is_none_or(|pause| pause.until <= Instant::now());
            if entry.active == 0 && is_over {
                state.hosts.remove(host);
            }
        }
        match again {
            Some(item) if item.due().is_none() => state.waiting.push_front(item),
            again => state.waiting.extend(again),
        }
        self.changed.notify_all();
    }

    /// Expects an item back that a thread has; its slot at its host is freed by `done`.
    pub(super) fn expect_back(&self) {
        self.lock().active += 1;
    }

    /// Ends an expectation. The item comes back to the front, or never.
    pub(super) fn back(&self, again: Option<T>) {
        let mut state = self.lock();
        state.active -= 1;
        again.into_iter().for_each(|item| state.waiting.push_front(item));
        self.changed.notify_all();
    }

    /// Closes the room: nothing is begun any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use testing::Deadline;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Item(&'static str, u32, Option<Instant>);

    impl Waiting for Item {
        fn host(&self) -> &str {
            self.0
        }
        fn due(&self) -> Option<Instant> {
            self.2
        }
    }

    fn room(most_per_host: usize, items: &[Item]) -> Room<Item> {
        let room = Room::new(10, most_per_host);
        for item in items {
            assert!(room.put(item.clone()));
        }
        room
    }

    #[test]
    fn a_host_that_has_its_fill_is_left_out_until_one_is_done() {
        let _deadline = Deadline::seconds(60);
        let room = room(1, &[Item("a", 1, None), Item("a", 2, None), Item("b", 3, None)]);
        assert_eq!(room.next().unwrap().item.1, 1);
        assert_eq!(room.next().unwrap().item.1, 3);
        room.done("a", None, None);
        assert_eq!(room.next().unwrap().item.1, 2);
    }

    #[test]
    fn what_is_expected_back_keeps_the_room_open() {
        let _deadline = Deadline::seconds(60);
        let item = Item("a", 1, None);
        let room = room(1, std::slice::from_ref(&item));
        room.end_list();
        for again in [Some(item.clone()), None] {
            assert_eq!(room.next().unwrap().item, item);
            room.expect_back();
            room.done("a", None, None);
            thread::scope(|scope| {
                scope.spawn(|| room.back(again));
            });
        }
        assert_eq!(room.next(), None);
    }

    #[test]
    fn another_attempt_waits_for_its_time_and_lets_others_pass() {
        let _deadline = Deadline::seconds(60);
        let later = Instant::now() + Duration::from_millis(50);
        let room = room(9, &[Item("a", 1, Some(later)), Item("a", 2, None)]);
        assert_eq!(room.next().unwrap().item.1, 2);
        assert_eq!(room.next().unwrap().item.1, 1);
        assert!(Instant::now() >= later);
    }

    #[test]
    fn a_host_that_asks_for_a_pause_gets_it() {
        let _deadline = Deadline::seconds(60);
        let room = room(9, &[Item("a", 1, None), Item("a", 2, None), Item("b", 3, None)]);
        assert_eq!(room.next().unwrap().item.1, 1);
        let pause = Pause::new(Duration::from_millis(50), None);
        let later = pause.until;
        room.done("a", Some(pause), None);
        assert_eq!(room.next().unwrap().item.1, 3);
        assert_eq!(room.next().unwrap().item.1, 2);
        assert!(Instant::now() >= later);
    }

    #[test]
    fn what_is_for_a_host_that_is_not_waited_for_is_refused() {
        let _deadline = Deadline::seconds(60);
        let later = Instant::now() + Duration::from_secs(1000);
        let list = [("a", None), ("b", None), ("a", Some(later)), ("a", None)];
        let room = room(1, &list.map(|(host, due)| Item(host, 1, due)));
        assert_eq!(room.next().unwrap().refusal, None);
        room.done("a", Some(Pause::new(Duration::MAX, Some("no".to_owned()))), None);
        // A shorter one after it changes nothing.
        let turns: Vec<_> = (0..3).map_while(|_| room.next()).collect();
        room.done("a", Some(Pause::new(Duration::ZERO, None)), Some(Item("a", 2, None)));
        let turns = turns.into_iter().chain(room.next());
        let seen: Vec<_> = turns.map(|turn| (turn.item.0, turn.refusal)).collect();
        let no = Some("no".to_owned());
        assert_eq!(seen, [("b", None), ("a", no.clone()), ("a", no.clone()), ("a", no)]);
    }

    #[test]
    fn what_comes_back_for_another_host_waits_for_a_place_there() {
        let _deadline = Deadline::seconds(60);
        let room = room(1, &[Item("a", 1, None), Item("b", 2, None), Item("c", 3, None)]);
        assert_eq!(room.next().unwrap().item.1, 1);
        assert_eq!(room.next().unwrap().item.1, 2);
        room.done("a", None, Some(Item("b", 1, None)));
        assert_eq!(room.next().unwrap().item.1, 3);
        room.done("b", None, None);
        assert_eq!(room.next().unwrap().item.1, 1);
    }

    #[test]
    fn it_ends_only_when_nothing_can_come_back() {
        let _deadline = Deadline::seconds(60);
        let room = room(9, &[Item("a", 1, None)]);
        room.end_list();
        let first = room.next().map(|turn| turn.item);
        thread::scope(|scope| {
            let waiting = scope.spawn(|| room.next());
            room.done("a", None, first);
            assert_eq!(waiting.join().unwrap().unwrap().item, Item("a", 1, None));
        });
        room.done("a", None, None);
        assert_eq!(room.next(), None);
    }

    #[test]
    fn a_full_room_takes_the_next_when_one_has_left() {
        let _deadline = Deadline::seconds(60);
        let room = Room::new(1, 9);
        assert!(room.put(Item("a", 1, None)));
        thread::scope(|scope| {
            let putting = scope.spawn(|| room.put(Item("a", 2, None)));
            assert_eq!(room.next().unwrap().item.1, 1);
            assert!(putting.join().unwrap());
        });
    }

    #[test]
    fn a_closed_room_takes_nothing_and_gives_nothing() {
        let _deadline = Deadline::seconds(60);
        let room = Room::new(1, 9);
        assert!(room.put(Item("a", 1, None)));
        thread::scope(|scope| {
            let putting = scope.spawn(|| room.put(Item("a", 2, None)));
            room.close();
            assert!(!putting.join().unwrap());
        });
        assert_eq!(room.next(), None);
    }

    #[test]
    fn hosts_that_have_been_asked_are_not_remembered() {
        let room = room(9, &[Item("a", 1, None)]);
        room.next();
        room.done("a", None, None);
        assert!(room.lock().hosts.is_empty());
    }
}
