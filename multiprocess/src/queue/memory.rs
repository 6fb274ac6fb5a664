//! The memory of a queue: one sparse file, mapped by every participant. Where the system has no
//! such file in memory, the mapped part and the windows are two objects, and the numbers a third.
//!
//! ```text
//!   ┌────────┬───────┬────────┬─────────┬───────┬──────────┬───────┬───────┬─────────────┬───────┐
//!   │ header │ hints │ event  │ tenants │ marks │ accounts │ slots │ areas │ windows:    │ spill │
//!   │        │       │ counts │         │       │          │       │       │ one a slot  │       │
//!   └────────┴───────┴────────┴─────────┴───────┴──────────┴───────┴───────┴─────────────┴───────┘
//!   └─────────────────────────── mapped: words ────────────────────────────┘└ not mapped ────────┘
//!
//!   numbers, each taken or not:  ▢ ■ ■ ▢ ■ ▢ …   number n is taken: participant n is alive
//! ```
//!
//! The file has its whole size at once, but only what is written takes memory. A message that
//! doesn't fit into its slot lies in the slot's own area, or in one of some larger areas, each of
//! which several slots share by turns. Areas keep their memory. If no area that is large enough is
//! free, the message lies in its slot's window, whose memory is new for each message: that costs
//! more than the message itself, but a window is always available. Behind the windows of an
//! unbounded queue lies what processes have left behind (`spill.rs`).
//!
//! New memory for each message costs more than to copy it: hence areas, which are mapped and kept.
//! The slots' own have 17 MiB together; shared are 32 of 128 KiB and 8 of 1.25 MiB, so a queue
//! keeps less than 32 MiB. A shared area's tenant is a slot in a lap, not a process: the
//! participant that ends or repairs what was begun with the slot frees the area, too.
//!
//! # Memory ordering
//!
//! Message bytes, in a slot or in an area, are Relaxed words; the ring's slot state orders them.
//!
//! - Tenants: `clear` frees a shared area with Release, after the consumer's reads; `take_area`
//!   takes it with Acquire, so the next message is written after them. A consumer knows its area
//!   through the slot: the tenant's name was stored before the slot became Full.
//! - Accounts and the slots together tell [`join`](super::raw) that an item is in no stage of its
//!   way. An item is counted in its next stage before it leaves the one before: a producer stores
//!   Full (Release) and then counts it as waiting no more; a consumer counts it as held (AcqRel)
//!   and then frees the slot (Release). `join` loads in the order of the way, with Acquire: if it
//!   misses an item in one stage, it sees it in the next.
//! - The header is written before any other participant has the file.

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::ring::{Owner, Position, Ring};
use crate::queue::spill::{self, Spill};
use crate::sys::queue::{self as sys, Mapping, Opening, Participation};

/// Exclusive upper bound of the participants' numbers, which begin at 1.
pub(crate) const PARTICIPANTS: Owner = 4096;

/// Size of a slot, in words: state, length, and 240 bytes of payload.
const STRIDE: usize = 32;

/// Longest message that lies in its slot, in bytes.
pub(crate) const INLINE: usize = (STRIDE - 2) * 8;

/// Largest size of the area that each slot has of its own, in bytes.
const OWN_MOST: usize = 5 << 18;

/// Size of all slots' own areas together, in bytes, at most: with many slots each area is smaller.
const OWN: usize = 17 << 20;

/// Kinds of shared areas, from small to large: their count, and the size of each in bytes. The
/// large ones hold more than a round number, because a message of a round size has some bytes
/// around it.
const AREAS: [(usize, usize); 2] = [(32, 128 << 10), (8, 5 << 18)];

/// Number of looks for a free area before a window is used: with the pauses in between about 20 µs,
/// half of what the window costs. Each get may free an area.
const LOOKS: u32 = 12;

/// Pause between two looks, in spin-loop hints.
const PAUSE: u32 = 64;

/// Returns the number of areas before those of a kind, and the number of words in them.
const fn before(kind: usize) -> (usize, usize) {
    let (mut areas, mut words, mut earlier) = (0, 0, 0);
    while earlier < kind {
        let (count, bytes) = AREAS[earlier];
        (areas, words) = (areas + count, words + count * bytes / WORD);
        earlier += 1;
    }
    (areas, words)
}

const WORD: usize = size_of::<AtomicU64>();

/// Size of the largest window, in bytes.
const WINDOW: u64 = 1 << 32;

/// Largest number of slots.
pub(crate) const MOST: u32 = 1 << 20;

const MAGIC: u64 = 0x7175_6575_6520_3031;

/// Size of a cache line, in words: words that different processes write often don't share one.
const LINE: usize = 8;

/// Offsets of the parts, in words.
mod at {
    use super::{AREAS, LINE, PARTICIPANTS, before};
    pub(super) const MAGIC: usize = 0;
    pub(super) const CAPACITY: usize = 1;
    pub(super) const WINDOW: usize = 2;
    pub(super) const KIND: usize = 3;
    pub(super) const HAS_AREAS: usize = 4;
    pub(super) const SPILL: usize = 5;
    pub(super) const HEAD: usize = LINE;
    pub(super) const TAIL: usize = 2 * LINE;
    pub(super) const EVENT_COUNTS: usize = 3 * LINE;
    pub(super) const LOST: usize = 6 * LINE;
    pub(super) const HIGHEST: usize = 7 * LINE;
    pub(super) const GIVEN: usize = HIGHEST + 1;
    pub(super) const SPILL_HEAD: usize = HIGHEST + 2;
    pub(super) const SPILL_TAIL: usize = HIGHEST + 3;
    pub(super) const HAND: usize = HIGHEST + 4;
    pub(super) const TENANTS: usize = 8 * LINE;
    pub(super) const MARKS: usize = TENANTS + before(AREAS.len()).0;
    pub(super) const ACCOUNTS: usize = MARKS + (PARTICIPANTS as usize).div_ceil(64);
    pub(super) const SLOTS: usize = ACCOUNTS + LINE * PARTICIPANTS as usize;
}

/// A participant's own counters, which the others read.
pub(crate) struct Account<'a> {
    /// Number of items it has got and not reported done.
    pub(crate) held: &'a AtomicU64,
    /// Number of items it has accepted that have found no slot yet.
    pub(crate) waiting: &'a AtomicU64,
    /// Flag: not 0 once it gets no more items, and only waits until others have made room.
    pub(crate) leaving: &'a AtomicU64,
}

impl Account<'_> {
    pub(crate) fn waiting(&self) -> usize {
        usize::try_from(self.waiting.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// Returns the number of items that are lost if this participant dies.
    pub(crate) fn total(&self) -> u64 {
        self.held.load(Ordering::Acquire).wrapping_add(self.waiting.load(Ordering::Acquire))
    }
}

/// Kinds of queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A put never waits for a free slot.
    Unbounded,
    /// A put waits for a free slot.
    Bounded,
    /// A bounded work queue: only its maker puts and repairs.
    Work,
}

impl Kind {
    fn of(word: u64) -> Self {
        match word {
            0 => Self::Unbounded,
            2 => Self::Work,
            _ => Self::Bounded,
        }
    }
}

/// A queue's memory, opened by one participant.
#[derive(Debug)]
pub(crate) struct Memory {
    mapping: Mapping,
    opening: Opening,
    capacity: u32,
    window: u64,
    kind: Kind,
    has_areas: bool,
    spill: u64,
}

/// Sizes of the parts of a queue's file, in bytes.
#[derive(Clone, Copy)]
struct Layout {
    has_areas: bool,
    window: u64,
    spill: u64,
    size: u64,
}

impl Layout {
    /// Lays out a file for this many slots, within the limit of file sizes.
    fn new(capacity: u32, kind: Kind) -> io::Result<Self> {
        let limit = sys::file_size_limit().min(1 << 62);
        // The other half is for the spill.
        let limit_of_windows = if kind == Kind::Unbounded { limit / 2 } else { limit };
        let windows = |has_areas| {
            let base = base(capacity, has_areas);
            (limit_of_windows.saturating_sub(base) / u64::from(capacity)).min(WINDOW) & !0xfff
        };
        let has_areas = windows(true) > 0;
        let window = windows(has_areas);
        if window == 0 {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!(
                    "the limit of file sizes ({limit} bytes, ulimit -f) is too low for \
                     {capacity} places"
                ),
            ));
        }
        let end = base(capacity, has_areas) + u64::from(capacity) * window;
        let spill = if kind == Kind::Unbounded { spill::MOST.min(limit - end) } else { 0 };
        Ok(Self { has_areas, window, spill, size: end + spill })
    }
}

/// Returns the offset of the windows, in bytes.
fn base(capacity: u32, has_areas: bool) -> u64 {
    let areas = capacity as usize * own_area(capacity) / WORD + before(AREAS.len()).1;
    let words = start_of_areas(capacity) + if has_areas { areas } else { 0 };
    (words * WORD) as u64
}

/// Returns the size of a slot's own area in bytes: whole pages.
fn own_area(capacity: u32) -> usize {
    (OWN / capacity as usize).min(OWN_MOST) & !0xfff
}

/// Returns the offset of the areas, in words: they begin on a new page.
fn start_of_areas(capacity: u32) -> usize {
    words(capacity).next_multiple_of(4096 / WORD)
}

/// Returns the number of words before the areas.
fn words(capacity: u32) -> usize {
    at::SLOTS + capacity as usize * STRIDE
}

/// Creates a new queue's memory.
pub(crate) fn create(capacity: u32, kind: Kind) -> io::Result<Opening> {
    let Layout { has_areas, window, spill, size } = Layout::new(capacity, kind)?;
    let opening = Opening::create(base(capacity, has_areas), size)?;
    let mapping = opening.map(at::HEAD)?;
    let fields = [MAGIC, u64::from(capacity), window, kind as u64, has_areas.into(), spill];
    for (word, field) in mapping.words().iter().zip(fields) {
        word.store(field, Ordering::Release);
    }
    Ok(opening)
}

impl Memory {
    /// Checks that the file is a queue's, and maps it.
    pub(crate) fn open(opening: Opening) -> io::Result<Self> {
        let no_queue =
            |what| io::Error::new(io::ErrorKind::InvalidData, format!("this is no queue: {what}"));
        let header = opening.map(at::HEAD)?;
        let field = |index: usize| header.words()[index].load(Ordering::Acquire);
        if field(at::MAGIC) != MAGIC {
            return Err(no_queue("its first word is another"));
        }
        let capacity = u32::try_from(field(at::CAPACITY)).unwrap_or(0);
        if !(1..=MOST).contains(&capacity) {
            return Err(no_queue("it has an impossible number of places"));
        }
        let window = field(at::WINDOW);
        if window > WINDOW {
            return Err(no_queue("its windows are too large"));
        }
        let kind = Kind::of(field(at::KIND));
        let has_areas = field(at::HAS_AREAS) != 0;
        let spill = field(at::SPILL);
        if spill > spill::MOST {
            return Err(no_queue("there would be too much behind its windows"));
        }
        let words = base(capacity, has_areas) as usize / WORD;
        let mapping = opening.map(words)?;
        Ok(Self { mapping, opening, capacity, window, kind, has_areas, spill })
    }

    pub(crate) fn opening(&self) -> &Opening {
        &self.opening
    }

    pub(crate) fn ring(&self) -> Ring<'_> {
        let words = self.mapping.words();
        let slots = &words[at::SLOTS..][..self.capacity as usize * STRIDE];
        Ring::new([&words[at::HEAD], &words[at::TAIL]], slots, STRIDE)
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn event_count(&self, index: usize) -> &AtomicU64 {
        &self.mapping.words()[at::EVENT_COUNTS + index * LINE]
    }

    /// Returns the items that processes have left behind.
    pub(crate) fn spill(&self) -> Spill<'_> {
        let words = self.mapping.words();
        Spill {
            head: &words[at::SPILL_HEAD],
            tail: &words[at::SPILL_TAIL],
            opening: &self.opening,
            lock: PARTICIPANTS,
            start: self.window(self.capacity),
            size: self.spill,
        }
    }

    /// Returns true if processes have left any items behind.
    pub(crate) fn has_spilled(&self) -> bool {
        self.kind == Kind::Unbounded && !self.spill().is_empty()
    }

    /// Returns the number of items that died with the participants that held them.
    pub(crate) fn lost(&self) -> &AtomicU64 {
        &self.mapping.words()[at::LOST]
    }

    /// Returns this participant's account; `None` if the number is impossible.
    pub(crate) fn account(&self, owner: Owner) -> Option<Account<'_>> {
        let index = at::ACCOUNTS + usize::from(owner) * LINE;
        let words = self.mapping.words();
        (owner < PARTICIPANTS).then(|| Account {
            held: &words[index],
            waiting: &words[index + 1],
            leaving: &words[index + 2],
        })
    }

    /// Returns the highest number that a participant ever had.
    pub(crate) fn highest(&self) -> Owner {
        let highest = self.mapping.words()[at::HIGHEST].load(Ordering::Acquire);
        Owner::try_from(highest).unwrap_or(Owner::MAX).min(PARTICIPANTS - 1)
    }

    /// Records that a participant was given this number.
    pub(crate) fn count_number(&self, number: Owner) {
        self.mapping.words()[at::HIGHEST].fetch_max(number.into(), Ordering::AcqRel);
        self.mapping.words()[at::GIVEN].fetch_add(1, Ordering::AcqRel);
    }

    /// Marks a number as given; returns false if it is marked already.
    ///
    /// Marks are hints, each a bit: only the system knows which numbers are taken.
    pub(crate) fn mark(&self, number: Owner) -> bool {
        let (word, bit) = self.mark_of(number);
        let is_marked = |word: u64| word & bit != 0;
        !is_marked(word.load(Ordering::Relaxed))
            && !is_marked(word.fetch_or(bit, Ordering::Relaxed))
    }

    /// Removes the mark of a number.
    pub(crate) fn unmark(&self, number: Owner) {
        let (word, bit) = self.mark_of(number);
        word.fetch_and(!bit, Ordering::Relaxed);
    }

    fn mark_of(&self, number: Owner) -> (&AtomicU64, u64) {
        (&self.mapping.words()[at::MARKS + usize::from(number) / 64], 1 << (number % 64))
    }

    /// Returns the number after the last one returned, from 1 to the highest and round again.
    pub(crate) fn next_number(&self) -> Owner {
        let (hand, highest) = (&self.mapping.words()[at::HAND], u64::from(self.highest()));
        let after = |last| if last < highest { last + 1 } else { 1 };
        let moved = hand.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |l| Some(after(l)));
        after(moved.unwrap_or_default()) as Owner
    }

    /// Returns how many numbers were ever given, repetitions included.
    pub(crate) fn numbers_given(&self) -> u64 {
        self.mapping.words()[at::GIVEN].load(Ordering::Acquire)
    }

    /// Writes a large message into an area, or into the window of the slot, which the caller has
    /// claimed. Fails as `FileTooLarge` if only the window is left, and the limit of file sizes
    /// forbids to write there.
    pub(crate) fn write(&self, position: Position, message: &[u8]) -> io::Result<()> {
        if let Some(area) = self.own_area(position, message.len() as u64) {
            sys::store(area, message);
            return Ok(());
        }
        let looks = if message.len() <= AREAS[AREAS.len() - 1].1 { LOOKS } else { 1 };
        for look in 0..looks {
            if let Some(kind) = self.take_area(position, message.len()) {
                sys::store(self.area(kind, position), message);
                return Ok(());
            }
            if look + 1 < looks {
                (0..PAUSE).for_each(|_| spin_loop());
            }
        }
        // The system would kill a process that writes beyond the limit.
        if message.len() as u64 > self.longest() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.opening.write_all_at(message, self.window(position.slot))
    }

    /// Takes the smallest free shared area that holds this many bytes; returns its kind.
    fn take_area(&self, position: Position, length: usize) -> Option<usize> {
        let take = |kind: &usize| {
            let (name, free) = (name_of(position), 0);
            let tenant = self.tenant(*kind, position);
            tenant.compare_exchange(free, name, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let kinds = if self.has_areas { 0..AREAS.len() } else { 0..0 };
        kinds.filter(|kind| AREAS[*kind].1 >= length).find(take)
    }

    /// Returns the slot's own area, if a message of this length fits into it.
    fn own_area(&self, position: Position, length: u64) -> Option<&[AtomicU64]> {
        let bytes = own_area(self.capacity);
        let start = start_of_areas(self.capacity) + position.slot as usize * bytes / WORD;
        let fits = self.has_areas && length <= bytes as u64;
        fits.then(|| &self.mapping.words()[start..][..bytes / WORD])
    }

    /// Reads a message of this length from its area, or from the slot's window, to the front of the
    /// buffer.
    pub(crate) fn read(
        &self,
        position: Position,
        message: &mut Vec<u8>,
        length: usize,
    ) -> io::Result<()> {
        let own = self.own_area(position, length as u64);
        let area = own.or_else(|| Some(self.area(self.area_of(position)?, position)));
        if let (None, true) = (area, length > message.capacity()) {
            // Clearing that much memory first would cost as much as reading it.
            *message = Vec::new();
            message.try_reserve_exact(length).map_err(io::Error::other)?;
            return self.opening.fill_at(message, self.window(position.slot));
        }
        let more = length.saturating_sub(message.len());
        message.try_reserve(more).map_err(io::Error::other)?;
        // Only the new part is cleared; the old one is overwritten anyway.
        message.resize(message.len() + more, 0);
        match area {
            Some(area) => sys::load(area, &mut message[..length]),
            None => {
                self.opening.read_exact_at(&mut message[..length], self.window(position.slot))?;
            }
        }
        Ok(())
    }

    /// Returns true if this many bytes have been written for the slot: a damaged length must not
    /// reserve memory for bytes that aren't there.
    pub(crate) fn holds(&self, position: Position, length: u64) -> bool {
        if self.own_area(position, length).is_some() {
            return true;
        }
        if let Some(kind) = self.area_of(position) {
            return length <= AREAS[kind].1 as u64;
        }
        let start = self.window(position.slot);
        let end = self.opening.hole_after(start).unwrap_or(start);
        length <= self.window && end - start >= length
    }

    /// Returns the longest message that can lie in mapped memory, in bytes.
    pub(crate) fn longest_mapped(&self) -> usize {
        if self.has_areas { AREAS[AREAS.len() - 1].1 } else { INLINE }
    }

    /// Returns the longest message that this process may put anywhere, in bytes: asks the system.
    pub(crate) fn longest(&self) -> u64 {
        // The limit may have been lowered since the queue was made.
        let end = self.window(self.capacity - 1) + self.window;
        let within = self.window.saturating_sub(end.saturating_sub(sys::file_size_limit()));
        within.max(INLINE as u64)
    }

    /// Frees the memory of the slot's message, also of a partly written one (length `None`).
    pub(crate) fn clear(&self, position: Position, length: Option<u64>) {
        if let Some(kind) = self.area_of(position) {
            self.tenant(kind, position).store(0, Ordering::Release);
        } else if length.is_none_or(|length| self.own_area(position, length).is_none()) {
            // After a failure the memory only stays, until the next message overwrites it.
            let _ = self.opening.punch(self.window(position.slot), self.window);
        }
    }

    /// Returns the kind of shared area in which the slot's message lies, if it lies in one.
    fn area_of(&self, position: Position) -> Option<usize> {
        let name = name_of(position);
        let is_there = |kind: &usize| self.tenant(*kind, position).load(Ordering::Acquire) == name;
        (0..AREAS.len()).find(|kind| self.has_areas && is_there(kind))
    }

    /// Returns the word that names the tenant of the slot's candidate area of this kind.
    fn tenant(&self, kind: usize, position: Position) -> &AtomicU64 {
        let number = before(kind).0 + position.slot as usize % AREAS[kind].0;
        &self.mapping.words()[at::TENANTS + number]
    }

    /// Returns the slot's candidate area of this kind.
    fn area(&self, kind: usize, position: Position) -> &[AtomicU64] {
        let (count, bytes) = AREAS[kind];
        let number = position.slot as usize % count;
        let shared =
            start_of_areas(self.capacity) + self.capacity as usize * own_area(self.capacity) / WORD;
        let start = shared + before(kind).1 + number * bytes / WORD;
        &self.mapping.words()[start..][..bytes / WORD]
    }

    /// Returns the offset of the slot's window, in bytes.
    fn window(&self, slot: u32) -> u64 {
        base(self.capacity, self.has_areas) + u64::from(slot) * self.window
    }
}

/// Returns the name of a slot's message as the tenant of an area; never 0, which means free.
fn name_of(position: Position) -> u64 {
    u64::from(position.lap) << 32 | u64::from(position.slot) << 1 | 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_lie_behind_each_other_and_before_the_windows() {
        for capacity in [1, 7, 1024, 5000] {
            let memory = Memory::open(create(capacity, Kind::Bounded).unwrap()).unwrap();
            let bytes_of = |kind: usize, slot: u32| {
                let area = memory.area(kind, Position { slot, lap: 0 });
                let start = area.as_ptr() as usize - memory.mapping.words().as_ptr() as usize;
                (start as u64, (start + area.len() * WORD) as u64)
            };
            let mut end = (words(capacity) * WORD) as u64;
            for slot in 0..capacity.min(3) {
                let Some(area) = memory.own_area(Position { slot, lap: 0 }, 300) else { continue };
                let start = area.as_ptr() as usize - memory.mapping.words().as_ptr() as usize;
                assert!(start as u64 >= end, "they don't overlap");
                end = (start + area.len() * WORD) as u64;
            }
            let all = (0..AREAS.len()).flat_map(|kind| {
                (0..AREAS[kind].0.min(capacity as usize)).map(move |slot| (kind, slot as u32))
            });
            for (start, next) in all.map(|(kind, slot)| bytes_of(kind, slot)) {
                assert!(start >= end, "they don't overlap");
                end = next;
            }
            assert!(memory.window(0) >= end);
        }
    }
}
