//! The waiting room: addresses between the list and the threads that fetch them.
//!
//! ```text
//!   list ──put (waits while the room is full)──▶ room ──next──▶ thread 1 … n
//!                                                  ▲               │
//!                                                  └─ done: again, ┘
//!                                                     after a while
//! ```
//!
//! A thread gets the first that may be begun now: that need not wait for another attempt, and whose host
//! has not its fill. So neither a slow host nor a wait holds a thread up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What waits for a thread.
pub(super) trait Waiting {
    /// Whom to ask.
    fn host(&self) -> &str;
    /// Not before.
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
    /// How many are with the threads.
    active: usize,
    list_has_ended: bool,
    is_closed: bool,
}

#[derive(Default)]
struct Host {
    active: usize,
    /// It has asked for a pause.
    not_before: Option<Instant>,
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

    /// One more of the list; waits for a place. False if the room is closed.
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

    /// No more come from the list.
    pub(super) fn end_list(&self) {
        self.lock().list_has_ended = true;
        self.changed.notify_all();
    }

    /// The first that may be begun; waits for one. `None` when there is none to come.
    pub(super) fn next(&self) -> Option<T> {
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
                if host.is_some_and(|host| host.active >= self.most_per_host) {
                    continue;
                }
                let due = item.due().max(host.and_then(|host| host.not_before));
                match due.filter(|due| *due > now) {
                    None => {
                        found = Some(place);
                        break;
                    }
                    Some(due) => {
                        earliest = Some(earliest.map_or(due, |earliest| earliest.min(due)));
                    }
                }
            }
            if let Some(item) = found.and_then(|place| state.waiting.remove(place)) {
                state.hosts.entry(item.host().to_owned()).or_default().active += 1;
                state.active += 1;
                // A place is free for `put`.
                self.changed.notify_all();
                return Some(item);
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

    /// A thread has done with what it got from this host: for good, or it comes back. The host may
    /// have asked for a pause.
    pub(super) fn done(&self, host: &str, pause: Option<Instant>, again: Option<T>) {
        let mut state = self.lock();
        state.active -= 1;
        if let Some(entry) = state.hosts.get_mut(host) {
            entry.active -= 1;
            entry.not_before = entry.not_before.max(pause);
            let is_over = entry.not_before.is_none_or(|time| time <= Instant::now());
            if entry.active == 0 && is_over {
                state.hosts.remove(host);
            }
        }
        state.waiting.extend(again);
        self.changed.notify_all();
    }

    /// Nothing is begun any more.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use common::testing::Deadline;

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
        assert_eq!(room.next().unwrap().1, 1);
        assert_eq!(room.next().unwrap().1, 3);
        room.done("a", None, None);
        assert_eq!(room.next().unwrap().1, 2);
    }

    #[test]
    fn another_attempt_waits_for_its_time_and_lets_others_pass() {
        let _deadline = Deadline::seconds(60);
        let later = Instant::now() + Duration::from_millis(50);
        let room = room(9, &[Item("a", 1, Some(later)), Item("a", 2, None)]);
        assert_eq!(room.next().unwrap().1, 2);
        assert_eq!(room.next().unwrap().1, 1);
        assert!(Instant::now() >= later);
    }

    #[test]
    fn a_host_that_asks_for_a_pause_gets_it() {
        let _deadline = Deadline::seconds(60);
        let room = room(9, &[Item("a", 1, None), Item("a", 2, None), Item("b", 3, None)]);
        assert_eq!(room.next().unwrap().1, 1);
        let later = Instant::now() + Duration::from_millis(50);
        room.done("a", Some(later), None);
        assert_eq!(room.next().unwrap().1, 3);
        assert_eq!(room.next().unwrap().1, 2);
        assert!(Instant::now() >= later);
    }

    #[test]
    fn it_ends_only_when_nothing_can_come_back() {
        let _deadline = Deadline::seconds(60);
        let room = room(9, &[Item("a", 1, None)]);
        room.end_list();
        let first = room.next();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| room.next());
            room.done("a", None, first);
            assert_eq!(waiting.join().unwrap(), Some(Item("a", 1, None)));
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
            assert_eq!(room.next().unwrap().1, 1);
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
