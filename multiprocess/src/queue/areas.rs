//! Shared areas: mapped memory for messages that are too large for their slots, used again and
//! again.
//!
//! ```text
//!   tenants   │ slot 7, lap 3 │ slot 9, lap 3 │ free │ slot 8, lap 3 │ free │ …
//!   areas     │    128 KiB    │    128 KiB    │      │    128 KiB    │      │ …   then 1.25 MiB
//! ```
//!
//! A producer takes the first free area: what consumers have just read is in a cache, and mapped by
//! both. So the queue touches no more areas than messages were under way at a time. If none is
//! free, but consumers go on, one will soon be, and the producer waits.
//!
//! # What a kill leaves behind
//!
//! A tenant is a position in the queue, not a process: no other message has that name. The tenant's
//! word is the only record of where a message lies. It is looked for, also in a repair, so there is
//! nothing that a kill could leave behind half written. A process dies
//!
//! - before it has taken an area: no word has the name;
//! - between taking it and the end of the put, wherever in the copy: the slot is Writing, and its
//!   repairer finds the name and frees the area;
//! - in a get, before the slot is Clearing: the slot is Full again, and the next consumer finds the
//!   name;
//! - while the slot is Clearing: the area is free, and may have another tenant already, or the
//!   repairer finds the name and frees it. If that dies, too, the slot is Clearing again.
//!
//! Only the participant that has claimed a slot, or repairs it, takes or frees an area under its
//! name, so it has one area at most.
//!
//! # Memory ordering
//!
//! `free` stores with Release, after the consumer's reads; `take` exchanges with Acquire, so the
//! next message is written after them. A tenant's name is stored before its slot becomes Full, and
//! a consumer loads it after it has claimed the slot. `head` is only a sign that consumers go on:
//! Relaxed.

use std::hint::spin_loop;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::yield_now;

use crate::queue::ring::Position;

/// Kinds of areas, from small to large: their count, and the size of each in bytes. The large ones
/// hold more than a round number, because a message of a round size has some bytes around it.
const KINDS: [(usize, usize); 2] = [(32, 128 << 10), (8, 5 << 18)];

/// Number of areas of all kinds.
pub(crate) const COUNT: usize = before(KINDS.len()).0;

/// Number of words in areas of all kinds.
pub(crate) const WORDS: usize = before(KINDS.len()).1;

/// Longest message for which there are areas, in bytes.
pub(crate) const LONGEST: usize = KINDS[KINDS.len() - 1].1;

/// Number of looks for a free area while consumers take nothing, for each 128 KiB of the message:
/// with the pauses in between 2 to 40 µs, depending on the processor: mostly longer than a consumer
/// that is running needs for it.
const LOOKS: usize = 12;

/// Largest number of such times, one after the other: other producers may take what gets free, and
/// a damaged queue could keep a producer here.
const MOVES: usize = 256;

/// Pause between two looks, in spin-loop hints.
const PAUSE: u32 = 64;

/// Returns the number of areas before those of a kind, and the number of words in them.
const fn before(kind: usize) -> (usize, usize) {
    let (mut areas, mut words, mut earlier) = (0, 0, 0);
    while earlier < kind {
        let (count, bytes) = KINDS[earlier];
        (areas, words) = (areas + count, words + count * bytes / size_of::<AtomicU64>());
        earlier += 1;
    }
    (areas, words)
}

/// Returns the words of an area, within those of all areas.
fn words_of(number: usize) -> Range<usize> {
    let is_before = |kind: &usize| before(*kind).0 <= number;
    let kind = (0..KINDS.len()).rfind(is_before).expect("none is before the first kind");
    let (areas, words) = before(kind);
    let each = KINDS[kind].1 / size_of::<AtomicU64>();
    let start = words + (number - areas) * each;
    start..start + each
}

/// A tenant's word while the area is free.
const FREE: u64 = 0;

/// Returns the name of a position as a tenant: an odd number, so not `FREE`.
fn name_of(position: Position) -> u64 {
    u64::from(position.lap) << 32 | u64::from(position.slot) << 1 | 1
}

/// A queue's shared areas, as a view of its words.
#[derive(Clone, Copy)]
pub(crate) struct Areas<'a> {
    /// A word for each area; none in a queue without areas.
    pub(crate) tenants: &'a [AtomicU64],
    /// The words of all areas.
    pub(crate) words: &'a [AtomicU64],
    /// The ring's hint, which moves as consumers take items.
    pub(crate) head: &'a AtomicU64,
}

/// An area in which a message lies.
pub(crate) struct Area<'a> {
    tenant: &'a AtomicU64,
    pub(crate) words: &'a [AtomicU64],
}

impl Area<'_> {
    /// Frees the area; its memory stays.
    pub(crate) fn free(self) {
        self.tenant.store(FREE, Ordering::Release);
    }
}

impl<'a> Areas<'a> {
    /// Takes the first free area that holds this many bytes; waits for one as long as consumers go
    /// on. The caller has claimed the slot, which no consumer passes: so the wait ends.
    ///
    /// `stuck` is where the consumers were when this process last waited in vain. As long as they
    /// are there, it doesn't wait again.
    pub(crate) fn take(
        &self,
        position: Position,
        length: usize,
        stuck: &AtomicU64,
    ) -> Option<Area<'a>> {
        self.take_or_pause(position, length, stuck, |is_last| {
            if is_last {
                // A consumer may be waiting for this core.
                yield_now();
            } else {
                (0..PAUSE).for_each(|_| spin_loop());
            }
        })
    }

    /// As `take`, with this pause between two looks; it is told which is the last one while the
    /// consumers don't go on.
    fn take_or_pause(
        &self,
        position: Position,
        length: usize,
        stuck: &AtomicU64,
        mut pause: impl FnMut(bool),
    ) -> Option<Area<'a>> {
        let kind = KINDS.iter().position(|(_, bytes)| length <= *bytes)?;
        let tenants = self.tenants.get(before(kind).0..).filter(|tenants| !tenants.is_empty())?;
        let take = |tenant: &AtomicU64| {
            let (name, relaxed) = (name_of(position), Ordering::Relaxed);
            // Only an area that looks free is worth the exchange.
            tenant.load(relaxed) == FREE
                && tenant.compare_exchange(FREE, name, Ordering::Acquire, relaxed).is_ok()
        };
        let patience = LOOKS * (length >> 17).max(1);
        let (mut looks, mut head) = (patience + 1, stuck.load(Ordering::Relaxed));
        for _ in 0..MOVES * patience {
            if let Some(number) = tenants.iter().position(take) {
                return Some(self.area(before(kind).0 + number));
            }
            let now = self.head.load(Ordering::Relaxed);
            if now != head {
                (looks, head) = (0, now);
            }
            if looks > patience {
                break;
            }
            pause(looks == patience);
            looks += 1;
        }
        stuck.store(head, Ordering::Relaxed);
        None
    }

    /// Returns the area in which the message of this position lies, if it lies in one.
    pub(crate) fn find(&self, position: Position) -> Option<Area<'a>> {
        let is_there = |tenant: &AtomicU64| tenant.load(Ordering::Acquire) == name_of(position);
        self.tenants.iter().position(is_there).map(|number| self.area(number))
    }

    fn area(&self, number: usize) -> Area<'a> {
        Area { tenant: &self.tenants[number], words: &self.words[words_of(number)] }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use testing::Deadline;

    use super::*;

    /// A head that no consumer was at.
    const NEVER: u64 = u64::MAX;

    const SMALL: usize = 60_000;
    const LARGE: usize = 1 << 20;

    /// Areas in ordinary memory.
    struct Owned {
        tenants: Vec<AtomicU64>,
        words: Vec<AtomicU64>,
        head: AtomicU64,
    }

    impl Owned {
        fn new() -> Self {
            let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
            Self { tenants: zeros(COUNT), words: zeros(WORDS), head: AtomicU64::new(0) }
        }

        fn areas(&self) -> Areas<'_> {
            Areas { tenants: &self.tenants, words: &self.words, head: &self.head }
        }

        /// Returns the index of an area's first word.
        fn start(&self, area: &Area<'_>) -> usize {
            (area.words.as_ptr() as usize - self.words.as_ptr() as usize) / size_of::<AtomicU64>()
        }

        /// Takes an area for the slot, without a wait.
        fn take(&self, slot: u32, length: usize) -> Option<usize> {
            let stuck = AtomicU64::new(self.head.load(Ordering::Relaxed));
            let area = self.areas().take(at(slot), length, &stuck)?;
            assert!(size_of_val(area.words) >= length);
            Some(self.start(&area))
        }

        /// Takes all areas, for slots from 0 on.
        fn fill(&self) {
            (0..COUNT as u32).for_each(|slot| assert!(self.take(slot, SMALL).is_some()));
        }

        fn free(&self, slot: u32) {
            self.areas().find(at(slot)).unwrap().free();
        }
    }

    fn at(slot: u32) -> Position {
        Position { slot, lap: 5 }
    }

    #[test]
    fn areas_lie_behind_each_other() {
        let ends = (0..COUNT).map(words_of).fold(0, |end, words| {
            assert_eq!(words.start, end);
            words.end
        });
        assert_eq!(ends, WORDS);
    }

    #[test]
    fn the_area_that_was_freed_last_is_used_again_if_the_others_are_taken_or_new() {
        let owned = Owned::new();
        let all: Vec<usize> = (0..3).map(|slot| owned.take(slot, SMALL).unwrap()).collect();
        owned.free(1);
        assert_eq!(owned.take(7, SMALL), Some(all[1]));
        let large = owned.take(8, LARGE).unwrap();
        owned.free(8);
        assert_eq!(owned.take(9, LARGE), Some(large));
        assert_eq!(owned.take(10, LONGEST + 1), None);
    }

    #[test]
    fn an_area_is_found_by_the_name_of_its_message_until_it_is_freed() {
        let owned = Owned::new();
        let starts: Vec<_> = (0..COUNT as u32).map(|slot| owned.take(slot, SMALL)).collect();
        for (slot, start) in starts.into_iter().enumerate() {
            let position = at(slot as u32);
            let area = owned.areas().find(position).unwrap();
            assert_eq!(Some(owned.start(&area)), start);
            let later = Position { lap: position.lap + 1, ..position };
            assert!(owned.areas().find(later).is_none(), "another message");
            area.free();
            assert!(owned.areas().find(position).is_none());
        }
    }

    #[test]
    fn a_producer_waits_for_an_area_while_consumers_go_on_and_only_then() {
        let owned = Owned::new();
        owned.fill();
        let stuck = AtomicU64::new(NEVER);
        // Consumers go on slowly; the 50th item that they take frees an area.
        let (mut pauses, mut last) = (0, 0);
        let consume = |is_last| {
            (pauses, last) = (pauses + 1, last + usize::from(is_last));
            if pauses % LOOKS == 0 && owned.head.fetch_add(1, Ordering::Relaxed) == 50 {
                owned.free(20);
            }
        };
        let area = owned.areas().take_or_pause(at(90), SMALL, &stuck, consume);
        assert_eq!(owned.start(&area.unwrap()), words_of(20).start);
        assert_eq!(last, 0, "they were never late");
        // They stop: it waits once.
        for expected in [LOOKS + 1, 0] {
            let (mut pauses, mut last) = (0, 0);
            let count = |is_last| (pauses, last) = (pauses + 1, last + usize::from(is_last));
            assert!(owned.areas().take_or_pause(at(91), SMALL, &stuck, count).is_none());
            assert_eq!((pauses, last), (expected, expected.min(1)));
        }
        // They go on when it lets others run.
        owned.head.fetch_add(1, Ordering::Relaxed);
        let run = |is_last| {
            if is_last {
                owned.head.fetch_add(1, Ordering::Relaxed);
                owned.free(21);
            }
        };
        assert!(owned.areas().take_or_pause(at(92), SMALL, &stuck, run).is_some());
    }

    #[test]
    fn no_wait_is_without_end_whatever_the_head_says() {
        let owned = Owned::new();
        owned.fill();
        let (stuck, mut pauses) = (AtomicU64::new(NEVER), 0);
        let damage = |_| {
            pauses += 1;
            owned.head.fetch_add(1, Ordering::Relaxed);
        };
        assert!(owned.areas().take_or_pause(at(90), LARGE, &stuck, damage).is_none());
        assert!(pauses < 10_000_000);
    }

    #[test]
    fn a_queue_without_areas_has_none_to_wait_for() {
        let head = AtomicU64::new(0);
        let none = Areas { tenants: &[], words: &[], head: &head };
        let stuck = AtomicU64::new(NEVER);
        assert!(none.take_or_pause(at(0), SMALL, &stuck, |_| panic!("a wait")).is_none());
        assert!(none.find(at(0)).is_none());
    }

    #[test]
    fn an_area_has_one_tenant_at_a_time_and_what_it_holds_is_seen_by_the_next() {
        const THREADS: u32 = 3;
        let _deadline = Deadline::seconds(60);
        let owned = Owned::new();
        owned.fill();
        owned.free(9);
        let (busy, all) = (AtomicBool::new(false), Barrier::new(THREADS as usize));
        let take_in_turn = |thread| {
            all.wait();
            for round in 0..60_000 {
                let slot = COUNT as u32 + round * THREADS + thread;
                while owned.take(slot, SMALL).is_none() {
                    spin_loop();
                }
                assert!(!busy.swap(true, Ordering::Relaxed), "two have it");
                let area = owned.areas().find(at(slot)).unwrap();
                let ends = [&area.words[0], &area.words[area.words.len() - 1]];
                let [first, last] = ends.map(|word| word.load(Ordering::Relaxed));
                assert_eq!(first, last, "all that the last tenant has written");
                ends.iter().for_each(|word| word.store(slot.into(), Ordering::Relaxed));
                busy.store(false, Ordering::Relaxed);
                area.free();
            }
        };
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let take_in_turn = &take_in_turn;
                scope.spawn(move || take_in_turn(thread));
            }
        });
    }
}
