//! The URL frontier: URLs between the list and the threads that fetch them.
//!
//! ```text
//!   list ──put (waits while it is full)──▶ frontier ──next──▶ thread 1 … n
//!                                             ▲                  │
//!                                             └─ release: again, ┘
//!                                                after a while
//! ```
//!
//! A thread gets the first URL that may be attempted now: that need not wait for another attempt,
//! and whose host may be asked by one more thread. So neither a slow host nor a wait holds a thread
//! up. A URL that is redirected to another host comes back, too, and waits for a slot there. The
//! frontier stays open as long as one may come back: until all have been released.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::download::Download;
use super::message::Message;

/// The end of a pause that would last longer.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

pub(super) struct Frontier {
    state: Mutex<State>,
    changed: Condvar,
    /// The most URLs that wait.
    capacity: usize,
    /// True when nothing is to be begun any more; [`close`](Frontier::close) then wakes all.
    pub(super) is_closed: Arc<AtomicBool>,
}

struct State {
    waiting: VecDeque<Download>,
    hosts: HashMap<String, Host>,
    /// The most threads that ask a host at once.
    per_host: usize,
    /// The number of downloads that have not been released.
    active: usize,
    list_has_ended: bool,
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
    refusal: Option<Message>,
}

impl Pause {
    pub(super) fn new(length: Duration, refusal: Option<Message>) -> Self {
        Self { until: Instant::now() + length.min(FOREVER), refusal }
    }
}

impl State {
    /// Takes the first download that may be attempted now, or that is refused; if there is none,
    /// returns when there may be one.
    fn take_first(&mut self) -> Result<Download, Option<Instant>> {
        let now = Instant::now();
        let mut earliest = None;
        for index in 0..self.waiting.len() {
            let waiting = &self.waiting[index];
            let host = self.hosts.get(waiting.host());
            let pause = host.and_then(|host| host.pause.as_ref());
            let pause = pause.filter(|pause| pause.until > now);
            let refusal = pause.and_then(|pause| pause.refusal.clone());
            if refusal.is_none() {
                if host.is_some_and(|host| host.active >= self.per_host) {
                    continue;
                }
                let due = waiting.due.max(pause.map(|pause| pause.until));
                if let Some(due) = due.filter(|due| *due > now) {
                    earliest = Some(earliest.map_or(due, |earliest: Instant| earliest.min(due)));
                    continue;
                }
            }
            let mut first = self.waiting.remove(index).expect("the index is in range");
            first.refusal = refusal;
            self.hosts.entry(first.host().to_owned()).or_default().active += 1;
            self.active += 1;
            return Ok(first);
        }
        Err(earliest)
    }
}

impl Frontier {
    pub(super) fn new(capacity: usize, per_host: usize) -> Self {
        let state = State {
            waiting: VecDeque::new(),
            hosts: HashMap::new(),
            per_host,
            active: 0,
            list_has_ended: false,
        };
        let (state, changed, is_closed) = (Mutex::new(state), Condvar::new(), Arc::default());
        Self { state, changed, capacity, is_closed }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a URL of the list into the frontier, and waits for a free slot; returns false if the
    /// frontier is closed.
    pub(super) fn put(&self, download: Download) -> bool {
        let is_full = |state: &mut State| state.waiting.len() >= self.capacity && !self.is_closed();
        let state = self.changed.wait_while(self.lock(), is_full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if self.is_closed() {
            return false;
        }
        state.waiting.push_back(download);
        self.changed.notify_all();
        true
    }

    /// Says that no more come from the list.
    pub(super) fn end_list(&self) {
        self.lock().list_has_ended = true;
        self.changed.notify_all();
    }

    /// Waits for a download that may be attempted, and returns the first; `None` when none is to
    /// come. [`release`](Self::release) frees its slot at its host.
    pub(super) fn next(&self) -> Option<Download> {
        let mut state = self.lock();
        loop {
            if self.is_closed() {
                return None;
            }
            let earliest = match state.take_first() {
                Ok(first) => {
                    // There is a free slot for `put`.
                    self.changed.notify_all();
                    return Some(first);
                }
                Err(earliest) => earliest,
            };
            if state.list_has_ended && state.waiting.is_empty() && state.active == 0 {
                self.changed.notify_all();
                return None;
            }
            state = match earliest {
                Some(due) => {
                    let time = due.saturating_duration_since(Instant::now());
                    let woken = self.changed.wait_timeout(state, time);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Frees the slot at this host of a download that a thread has done with. The download may come
    /// back, at the front if it need not wait. The host may have asked for a pause.
    pub(super) fn release(&self, host: &str, pause: Option<Pause>, again: Option<Download>) {
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
            Some(download) if download.due.is_none() => state.waiting.push_front(download),
            again => state.waiting.extend(again),
        }
        self.changed.notify_all();
    }

    /// Closes the frontier: nothing is begun any more.
    pub(super) fn close(&self) {
        let _state = self.lock();
        self.is_closed.store(true, Ordering::SeqCst);
        self.changed.notify_all();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use testing::Deadline;
    use url::Url;

    use super::*;
    use crate::tool::message::message;

    /// Makes a download from a host; the number tells it from others.
    fn download(host: &str, number: u64, due: Option<Instant>) -> Download {
        let url = Url::parse(&format!("http://{host}/{number}")).unwrap();
        let mut download = Download::new(number, url);
        download.due = due;
        download
    }

    fn first_of(host: &str) -> Download {
        download(host, 1, None)
    }

    /// Makes a frontier with a download from each host, which are numbered from 1.
    fn frontier(per_host: usize, hosts: &[(&str, Option<Instant>)]) -> Frontier {
        let frontier = Frontier::new(10, per_host);
        for (number, (host, due)) in (1..).zip(hosts) {
            assert!(frontier.put(download(host, number, *due)));
        }
        frontier
    }

    /// Returns the number of the next download.
    fn next(frontier: &Frontier) -> Option<u64> {
        frontier.next().map(|next| next.url.path()[1..].parse().unwrap())
    }

    #[test]
    fn a_host_that_has_its_fill_is_left_out_until_one_is_done() {
        let _deadline = Deadline::seconds(60);
        let frontier = frontier(1, &[("a", None), ("a", None), ("b", None)]);
        assert_eq!([next(&frontier), next(&frontier)], [Some(1), Some(3)]);
        frontier.release("a", None, None);
        assert_eq!(next(&frontier), Some(2));
    }

    const LONG: Duration = Duration::from_secs(1000);
    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn another_attempt_waits_for_its_time_and_lets_others_pass() {
        let _deadline = Deadline::seconds(60);
        let waiting = frontier(9, &[("a", Some(Instant::now() + LONG)), ("a", None)]);
        assert_eq!(next(&waiting), Some(2));
        let later = Instant::now() + SHORT;
        assert_eq!(next(&frontier(9, &[("a", Some(later))])), Some(1));
        assert!(Instant::now() >= later);
    }

    #[test]
    fn a_host_that_asks_for_a_pause_gets_it() {
        let _deadline = Deadline::seconds(60);
        for (length, second) in [(LONG, "b"), (SHORT, "a")] {
            let frontier = frontier(9, &[("a", None), ("a", None), (second, None)]);
            assert_eq!(next(&frontier), Some(1));
            let pause = Pause::new(length, None);
            let later = pause.until;
            frontier.release("a", Some(pause), None);
            assert_eq!(next(&frontier), Some(if second == "b" { 3 } else { 2 }));
            assert_eq!(Instant::now() >= later, second == "a");
        }
    }

    #[test]
    fn what_is_for_a_host_that_is_not_waited_for_is_refused() {
        let _deadline = Deadline::seconds(60);
        let later = Instant::now() + LONG;
        let frontier = frontier(1, &[("a", None), ("b", None), ("a", Some(later)), ("a", None)]);
        assert_eq!(frontier.next().unwrap().refusal, None);
        frontier.release("a", Some(Pause::new(Duration::MAX, Some(message!("stored")))), None);
        // A shorter one after it changes nothing.
        let first: Vec<_> = (0..3).map_while(|_| frontier.next()).collect();
        frontier.release("a", Some(Pause::new(Duration::ZERO, None)), Some(first_of("a")));
        let all = first.into_iter().chain(frontier.next());
        let seen: Vec<_> = all.map(|next| (next.host().to_owned(), next.refusal)).collect();
        let refused = ("a".to_owned(), Some(message!("stored")));
        assert_eq!(seen, [("b".to_owned(), None), refused.clone(), refused.clone(), refused]);
    }

    #[test]
    fn what_comes_back_for_another_host_waits_for_a_slot_there() {
        let _deadline = Deadline::seconds(60);
        let frontier = frontier(1, &[("a", None), ("b", None), ("c", None)]);
        assert_eq!([next(&frontier), next(&frontier)], [Some(1), Some(2)]);
        frontier.release("a", None, Some(first_of("b")));
        assert_eq!(next(&frontier), Some(3));
        frontier.release("b", None, None);
        assert_eq!(next(&frontier), Some(1));
    }

    #[test]
    fn it_ends_only_when_nothing_can_come_back() {
        let _deadline = Deadline::seconds(60);
        let frontier = frontier(9, &[("a", None)]);
        frontier.end_list();
        let first = frontier.next();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| next(&frontier));
            frontier.release("a", None, first);
            assert_eq!(waiting.join().unwrap(), Some(1));
        });
        frontier.release("a", None, None);
        assert_eq!(next(&frontier), None);
    }

    #[test]
    fn a_full_frontier_takes_the_next_when_one_has_left() {
        let _deadline = Deadline::seconds(60);
        let frontier = Frontier::new(1, 9);
        assert!(frontier.put(first_of("a")));
        thread::scope(|scope| {
            let putting = scope.spawn(|| frontier.put(download("a", 2, None)));
            assert_eq!(next(&frontier), Some(1));
            assert!(putting.join().unwrap());
        });
    }

    #[test]
    fn a_closed_frontier_takes_nothing_and_gives_nothing() {
        let _deadline = Deadline::seconds(60);
        let frontier = Frontier::new(1, 9);
        assert!(frontier.put(first_of("a")));
        thread::scope(|scope| {
            let putting = scope.spawn(|| frontier.put(first_of("a")));
            frontier.close();
            assert!(!putting.join().unwrap());
        });
        assert_eq!(next(&frontier), None);
    }

    #[test]
    fn hosts_that_have_been_asked_are_not_remembered() {
        let frontier = frontier(9, &[("a", None)]);
        frontier.next();
        frontier.release("a", None, None);
        assert!(frontier.lock().hosts.is_empty());
    }
}
