//! Items left behind: those of an unbounded queue that had found no slot when their process ended.
//! They lie in the queue's file, one behind the other, where the process's end can't harm them.
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
//! An item is due when all items before its `end` have been got: so one producer's items keep their
//! order, and living producers don't delay those of the dead.
//!
//! Python's producer waits at its end until its items have found room. Then a parent that joins it
//! before it gets anything waits forever; so here they are left behind.
//!
//! # Memory ordering
//!
//! Head and tail only grow. Items are written to the file before the tail is stored with Release,
//! under a lock that the kernel frees when its holder dies: until the tail has moved, nothing was
//! left behind. A getter loads the tail with Acquire before it reads, then moves the head by a
//! compare-exchange, so that one getter has the item; a head that has moved in between shows that
//! another took it, and its memory may be gone.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::ring::Position;
use crate::sys::shared::{self as sys, Opening, Participation};

/// Number of bytes that can be left behind in a queue's whole life: its file is sparse, and memory
/// of items that were got is freed.
pub(crate) const MOST: u64 = (UNIT << UNIT_BITS) - UNIT;

/// Alignment of an item, and the size of its header, in bytes.
const UNIT: u64 = 16;
const UNIT_BITS: u32 = 38;

/// Number of bytes that are written, or freed, at once.
const STEP: u64 = 1 << 20;

/// An offset behind some items, and the number of those items modulo 2²⁶.
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

    /// Returns the mark behind this many more bytes and items.
    fn after(self, bytes: u64, items: u64) -> Self {
        let units = self.units + bytes.div_ceil(UNIT);
        Self { units, items: self.items.wrapping_add(items) & Self::ITEMS }
    }

    fn items_until(self, tail: Self) -> u64 {
        tail.items.wrapping_sub(self.items) & Self::ITEMS
    }
}

/// The part of a queue's file where items are left behind.
pub(crate) struct Spill<'a> {
    pub(crate) head: &'a AtomicU64,
    pub(crate) tail: &'a AtomicU64,
    pub(crate) opening: &'a Opening,
    /// Number whose lock a participant holds while it leaves items behind.
    pub(crate) lock: u16,
    /// Offset in the file, in bytes.
    pub(crate) start: u64,
    /// Size in bytes.
    pub(crate) size: u64,
}

/// An item that was read but not taken yet.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) message: Vec<u8>,
    from: Mark,
    to: Mark,
}

impl Spill<'_> {
    /// Returns true if there are no items.
    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Acquire) == self.tail.load(Ordering::Acquire)
    }

    /// Returns the number of items.
    pub(crate) fn count(&self) -> usize {
        let [head, tail] =
            [self.head, self.tail].map(|word| Mark::of(word.load(Ordering::Acquire)));
        head.items_until(tail) as usize
    }

    /// Leaves the first of these items behind; returns how many, or `None` while another
    /// participant is leaving its own.
    pub(crate) fn leave<'m>(
        &self,
        items: impl Iterator<Item = &'m [u8]>,
        end: Position,
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

    /// Reads the next item, if it is due.
    pub(crate) fn read(&self, is_due: impl Fn(Position) -> bool) -> io::Result<Option<Next>> {
        loop {
            let from = Mark::of(self.head.load(Ordering::Acquire));
            let tail = Mark::of(self.tail.load(Ordering::Acquire));
            if from == tail {
                return Ok(None);
            }
            let read = self.read_at(from, tail, &is_due);
            // Otherwise another getter took the item, and may have freed its memory meanwhile.
            if Mark::of(self.head.load(Ordering::Acquire)) == from {
                return read;
            }
        }
    }

    fn read_at(
        &self,
        from: Mark,
        tail: Mark,
        is_due: impl Fn(Position) -> bool,
    ) -> io::Result<Option<Next>> {
        let start = self.start + from.units * UNIT;
        let mut header = [0; UNIT as usize];
        self.opening.read_exact_at(&mut header, start)?;
        let ([length, end], []) = header.as_chunks() else { unreachable!("they are 16 bytes") };
        let (length, end) = (u64::from_le_bytes(*length), u64::from_le_bytes(*end));
        if !is_due(Position { lap: end as u32, slot: (end >> 32) as u32 }) {
            return Ok(None);
        }
        let start = start + UNIT;
        let space = tail.units.saturating_sub(from.units + 1) * UNIT;
        // A damaged length must not reserve memory for bytes that aren't there.
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

    /// Takes the item that was read; returns false if another getter has taken it.
    pub(crate) fn take(&self, next: &Next) -> bool {
        let (from, to) = (next.from.word(), next.to.word());
        if self.head.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return false;
        }
        // Frees whole steps before the head, where nothing is ever written again.
        let [from, to] = [next.from, next.to].map(|mark| mark.units * UNIT / STEP * STEP);
        if from < to {
            // After a failure the memory only stays.
            let _ = self.opening.punch(self.start + from, to - from);
        }
        true
    }

    /// Drops all items, because they are damaged.
    pub(crate) fn give_up(&self) {
        self.head.store(self.tail.load(Ordering::Acquire), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u64 = 4 << 20;

    fn end(slot: u32) -> Position {
        Position { lap: 5, slot }
    }

    /// Runs the work with a spill of [`SIZE`] bytes.
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
            assert!(spill.read(|position| position != end(7)).unwrap().is_none(), "not due");
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
        let mut random = testing::Random(5);
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
