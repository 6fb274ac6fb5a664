//! What a process leaves behind: the items of an unbounded queue that had found no slot when the
//! process ended. They lie in the queue's file, behind each other, where its end can't harm them.
//!
//! ```text
//!   ring    ■ ■ ■ ■ ■ ■ ■ ■ ◀── end: all that the process had put into slots lies before
//!
//!   file    ┄┄┄┄┄┄┄┄┄┬────────────────┬─────────────────────┬┄┄┄┄┄┄┄
//!            got     │ length, end, … │ length, end, …      │   never written
//!                    ▲                ▲                     ▲
//!                   head: the next to be got               tail: where the next is left
//! ```
//!
//! An item is due when all before its `end` have been got: so one producer's items keep their
//! order, and producers that go on don't keep those of the dead waiting.
//!
//! Head and tail only grow. To leave items is to write them and then to move the tail, under a lock
//! that the kernel takes back from the dead: until the tail has moved, nothing was left. To get one
//! is to read it and then to move the head by one compare-exchange, so one getter has it; the store
//! of the tail pairs with the load before the read.
//!
//! Python's producer waits at its end until its items have found room. Then a parent that joins it
//! before it gets anything waits for ever; so here they are left.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::ring::Place;
use crate::sys::queue::{self as sys, Opening, Participation};

/// The most bytes that can be left in a queue's life: its file is sparse, and what was got is given
/// back.
pub(crate) const MOST: u64 = (UNIT << UNIT_BITS) - UNIT;

/// Items begin at multiples of so many bytes; so long is what stands before each.
const UNIT: u64 = 16;
const UNIT_BITS: u32 = 38;

/// Bytes that are written at once, or given back.
const STEP: u64 = 1 << 20;

/// The place behind all items, and how many there were, modulo 2²⁶.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Mark {
    units: u64,
    items: u64,
}

impl Mark {
    const ITEMS: u64 = u64::MAX >> UNIT_BITS;

    fn of(word: u64) -> Self {
        Self { units: word & (u64::MAX >> (64 - UNIT_BITS)), items: word >> UNIT_BITS }
    }

    fn word(self) -> u64 {
        self.items << UNIT_BITS | self.units
    }

    /// Behind so many more bytes, and so many more items.
    fn after(self, bytes: u64, items: u64) -> Self {
        let units = self.units + bytes.div_ceil(UNIT);
        Self { units, items: self.items.wrapping_add(items) & Self::ITEMS }
    }

    fn items_until(self, tail: Self) -> u64 {
        tail.items.wrapping_sub(self.items) & Self::ITEMS
    }
}

/// The part of a queue's file where items are left.
pub(crate) struct Spill<'a> {
    pub(crate) head: &'a AtomicU64,
    pub(crate) tail: &'a AtomicU64,
    pub(crate) opening: &'a Opening,
    /// The number whose lock the participant holds that leaves items.
    pub(crate) lock: u16,
    /// Where it begins, in bytes.
    pub(crate) start: u64,
    /// Size in bytes.
    pub(crate) size: u64,
}

/// The next item, read but not taken yet.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) message: Vec<u8>,
    from: Mark,
    to: Mark,
}

impl Spill<'_> {
    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == self.tail.load(Ordering::Acquire)
    }

    /// Number of items.
    pub(crate) fn count(&self) -> usize {
        let [head, tail] =
            [self.head, self.tail].map(|word| Mark::of(word.load(Ordering::Acquire)));
        head.items_until(tail) as usize
    }

    /// Leaves some of these items, from the first on; returns how many, or nothing if another
    /// participant is just leaving its own.
    pub(crate) fn leave<'m>(
        &self,
        items: impl Iterator<Item = &'m [u8]>,
        end: Place,
    ) -> io::Result<Option<usize>> {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for item in items {
            bytes.extend_from_slice(&(item.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&end.lap.to_le_bytes());
            bytes.extend_from_slice(&end.slot.to_le_bytes());
            bytes.extend_from_slice(item);
            bytes.resize(bytes.len().next_multiple_of(UNIT as usize), 0);
            count += 1;
            if bytes.len() as u64 >= STEP {
                break;
            }
        }
        let left = self.opening.while_locked(self.lock, || {
            let tail = Mark::of(self.tail.load(Ordering::Acquire));
            let after = tail.after(bytes.len() as u64, count);
            // The limit may have been lowered since the queue was made.
            let room = self.size.min(sys::file_size_limit().saturating_sub(self.start));
            let most = Mark::ITEMS as usize - count as usize;
            if after.units * UNIT > room || self.count() > most {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.opening.write_all_at(&bytes, self.start + tail.units * UNIT)?;
            self.tail.store(after.word(), Ordering::Release);
            Ok(count as usize)
        })?;
        left.transpose()
    }

    /// Reads the next item, if there is one that is due.
    pub(crate) fn read(&self, is_due: impl Fn(Place) -> bool) -> io::Result<Option<Next>> {
        loop {
            let from = Mark::of(self.head.load(Ordering::Acquire));
            let tail = Mark::of(self.tail.load(Ordering::Acquire));
            if from == tail {
                return Ok(None);
            }
            let read = self.read_at(from, tail, &is_due);
            // Else another has taken it, and given its memory back, while we read.
            if Mark::of(self.head.load(Ordering::Acquire)) == from {
                return read;
            }
        }
    }

    fn read_at(
        &self,
        from: Mark,
        tail: Mark,
        is_due: impl Fn(Place) -> bool,
    ) -> io::Result<Option<Next>> {
        let start = self.start + from.units * UNIT;
        let mut header = [0; UNIT as usize];
        self.opening.read_exact_at(&mut header, start)?;
        let ([length, end], []) = header.as_chunks() else { unreachable!("they are 16 bytes") };
        let (length, end) = (u64::from_le_bytes(*length), u64::from_le_bytes(*end));
        if !is_due(Place { lap: end as u32, slot: (end >> 32) as u32 }) {
            return Ok(None);
        }
        let start = start + UNIT;
        let space = tail.units.saturating_sub(from.units + 1) * UNIT;
        // A length that was damaged must not make us reserve memory for what isn't there.
        let is_there =
            length <= space && (length < STEP || self.opening.hole_after(start)? - start >= length);
        if !is_there {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut message = Vec::new();
        message.try_reserve_exact(length as usize).map_err(io::Error::other)?;
        self.opening.fill_at(&mut message, start)?;
        message.truncate(length as usize);
        Ok(Some(Next { message, from, to: from.after(UNIT + length, 1) }))
    }

    /// Takes what was read; false if another has.
    pub(crate) fn take(&self, next: &Next) -> bool {
        let (from, to) = (next.from.word(), next.to.word());
        if self.head.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        // In whole steps, and only what lies before the head, where nothing is ever left again.
        let [from, to] = [next.from, next.to].map(|mark| mark.units * UNIT / STEP * STEP);
        if from < to {
            // Failing, it only stays.
            let _ = self.opening.punch(self.start + from, to - from);
        }
        true
    }

    /// Gives up all that there is, because it makes no sense.
    pub(crate) fn give_up(&self) {
        self.head.store(self.tail.load(Ordering::Acquire), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 4 << 20;

    fn end(slot: u32) -> Place {
        Place { lap: 5, slot }
    }

    /// Does the work with a spill of so many bytes that begins somewhere.
    fn with_spill(work: impl FnOnce(Spill<'_>, &[AtomicU64; 2])) {
        let opening = Opening::create(1 << 16, 1 << 40).unwrap();
        let marks = [AtomicU64::new(0), AtomicU64::new(0)];
        let [head, tail] = &marks;
        work(Spill { head, tail, opening: &opening, lock: 9, start: 1 << 20, size: SIZE }, &marks);
    }

    fn get(spill: &Spill<'_>) -> Option<Vec<u8>> {
        let next = spill.read(|_| true).unwrap()?;
        assert!(spill.take(&next) && !spill.take(&next), "once");
        Some(next.message)
    }

    #[test]
    fn items_of_any_length_come_back_in_order_when_they_are_due() {
        with_spill(|spill, _| {
            let items: Vec<Vec<u8>> = (0..100).map(|n| vec![n as u8; n * n]).collect();
            let mut left = 0;
            while left < items.len() {
                let rest = items[left..].iter().map(Vec::as_slice);
                left += spill.leave(rest, end(7)).unwrap().unwrap();
                assert_eq!(spill.count(), left);
            }
            assert!(spill.read(|place| place != end(7)).unwrap().is_none(), "not due");
            for item in &items {
                assert!(get(&spill).unwrap() == *item);
            }
            assert!(spill.is_empty() && get(&spill).is_none());
        });
    }

    #[test]
    fn what_does_not_fit_any_more_is_refused_and_harms_nothing() {
        with_spill(|spill, _| {
            let half = vec![7; SIZE as usize / 2];
            assert_eq!(spill.leave([&half[..]].into_iter(), end(1)).unwrap(), Some(1));
            for _ in 0..2 {
                let refused = spill.leave([&half[..]].into_iter(), end(1)).unwrap_err();
                assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
            }
            assert!(get(&spill).unwrap() == half);
            assert!(spill.is_empty());
        });
    }

    #[test]
    fn one_participant_leaves_its_items_at_a_time() {
        with_spill(|spill, _| {
            let (other, _) = spill.opening.invite(3..4).unwrap().unwrap();
            let left =
                other.while_locked(spill.lock, || spill.leave([&b"1"[..]].into_iter(), end(1)));
            assert_eq!(left.unwrap().unwrap().unwrap(), None);
            assert_eq!(spill.leave([&b"1"[..]].into_iter(), end(1)).unwrap(), Some(1));
        });
    }

    #[test]
    fn damaged_words_make_errors_and_take_no_memory() {
        let mut random = common::testing::Random(5);
        for round in 0..200 {
            with_spill(|spill, marks| {
                spill.leave([&b"one"[..], b"two"].into_iter(), end(1)).unwrap();
                let mut garbage = [0; 16];
                garbage[..8].copy_from_slice(&random.next().to_le_bytes());
                if round % 2 == 0 {
                    spill.opening.write_all_at(&garbage, spill.start).unwrap();
                } else {
                    marks[(round / 2) % 2].store(random.next(), Ordering::Relaxed);
                }
                if spill.read(|_| true).is_err() {
                    spill.give_up();
                    assert!(spill.is_empty());
                }
            });
        }
    }
}
