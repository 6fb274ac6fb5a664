//! The memory of a queue: one sparse file, mapped by every participant. Where the system has no
//! such file in memory, the mapped part and the windows are two objects, and the numbers a third.
//!
//! ```text
//!   ┌──────────┬────────┬───────┬────────┬─────────┬───────┬───────┬─────────────┬───────┐
//!   │ members, │ header │ hints │ event  │ tenants │ slots │ areas │ windows:    │ spill │
//!   │ accounts │        │       │ counts │         │       │       │ one a slot  │       │
//!   └──────────┴────────┴───────┴────────┴─────────┴───────┴───────┴─────────────┴───────┘
//!   └─────────────────────── mapped: words ────────────────────────┘└ not mapped ────────┘
//!
//!   numbers, each taken or not:  ▢ ■ ■ ▢ ■ ▢ …   number n is taken: participant n is alive
//! ```
//!
//! The file has its whole size at once, but only what is written takes memory. Behind the windows
//! of an unbounded queue lies what processes have left behind (`spill.rs`).
//!
//! A message that doesn't fit into its slot lies in the first of these that there is for it:
//!
//! | | what | its memory |
//! | --- | --- | --- |
//! | 1 | the slot's own area, up to 16 KiB | kept; as many are touched as there are slots |
//! | 2 | a shared area (`areas.rs`), up to 1.25 MiB | kept; as few are touched as are needed |
//! | 3 | the slot's own area, if it is larger | kept |
//! | 4 | the slot's window | new for each message |
//!
//! New memory for a message costs more than to copy it, and so does memory that other messages have
//! driven from the caches. Hence areas, which are mapped and used again; a window is there for what
//! fits nowhere else. The slots' own areas have 17 MiB together, the shared ones 14 MiB: a queue
//! keeps less than 32 MiB, and one without large messages nothing of that.
//!
//! Nothing says where a message lies but its length and the tenants of the shared areas. So a
//! process may die at any step of a put or get: whoever claims or repairs the slot next finds the
//! message, or a part of it, in the same place as the dead process. What a window holds of a put
//! that never ended is freed in the repair; what an own area holds is overwritten.
//!
//! # Memory ordering
//!
//! Message bytes, in a slot or in an area, are Relaxed words; the ring's slot state orders them,
//! and in shared areas the tenants' words do.
//!
//! - Accounts and the slots together tell [`join`](super::raw) that an item is in no stage of its
//!   way. An item is counted in its next stage before it leaves the one before: a producer stores
//!   Full (Release) and then counts it as waiting no more; a consumer counts it as held (AcqRel)
//!   and then frees the slot (Release). `join` loads in the order of the way, with Acquire: if it
//!   misses an item in one stage, it sees it in the next.
//! - The header is written before any other participant has the file.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::queue::areas::{self, Area, Areas};
use crate::queue::ring::{Owner, Position, Ring};
use crate::queue::spill::{self, Spill};
use crate::shared::members::{self, Member, Members};
use crate::sys::shared::{self as sys, Opening, Participation};

/// Size of a slot, in words: state, length, and 240 bytes of payload.
const STRIDE: usize = 32;

/// Longest message that lies in its slot, in bytes.
pub(crate) const INLINE: usize = (STRIDE - 2) * 8;

/// Largest size of the area that each slot has of its own, in bytes.
const OWN_MOST: usize = areas::LONGEST;

/// Longest message that lies in its slot's own area rather than in a shared one, in bytes: there
/// are too few of these for many short messages.
const OWN_FIRST: usize = 16 << 10;

/// Size of all slots' own areas together, in bytes, at most: with many slots each area is smaller.
const OWN: usize = 17 << 20;

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
    use super::{LINE, areas, members};
    pub(super) const MAGIC: usize = members::HEAD;
    pub(super) const CAPACITY: usize = MAGIC + 1;
    pub(super) const WINDOW: usize = MAGIC + 2;
    pub(super) const KIND: usize = MAGIC + 3;
    pub(super) const HAS_AREAS: usize = MAGIC + 4;
    pub(super) const SPILL: usize = MAGIC + 5;
    pub(super) const WATCHED: usize = MAGIC + 6;
    pub(super) const HEAD: usize = MAGIC + LINE;
    pub(super) const TAIL: usize = MAGIC + 2 * LINE;
    pub(super) const EVENT_COUNTS: usize = MAGIC + 3 * LINE;
    pub(super) const LOST: usize = MAGIC + 6 * LINE;
    pub(super) const SPILL_HEAD: usize = MAGIC + 7 * LINE;
    pub(super) const SPILL_TAIL: usize = SPILL_HEAD + 1;
    pub(super) const TENANTS: usize = MAGIC + 8 * LINE;
    pub(super) const SLOTS: usize = TENANTS + areas::COUNT;
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
    members: Members,
    capacity: u32,
    window: u64,
    kind: Kind,
    has_areas: bool,
    spill: u64,
    /// Where the consumers were when this process has waited for a shared area in vain.
    stuck: AtomicU64,
}

/// The memory outside of a slot in which its message lies.
enum Place<'a> {
    Own(&'a [AtomicU64]),
    Shared(Area<'a>),
    Window,
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
    let areas = capacity as usize * own_area(capacity) / WORD + areas::WORDS;
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

impl Memory {
    /// Creates a new queue's memory, with its first member.
    pub(crate) fn create(capacity: u32, kind: Kind) -> io::Result<Self> {
        let Layout { has_areas, window, spill, size } = Layout::new(capacity, kind)?;
        let opening = Opening::create(base(capacity, has_areas), size)?;
        let mapping = opening.map(at::HEAD)?;
        let fields = [MAGIC, u64::from(capacity), window, kind as u64, has_areas.into(), spill];
        for (word, field) in mapping.words()[at::MAGIC..].iter().zip(fields) {
            word.store(field, Ordering::Release);
        }
        drop(mapping);
        Self::map(opening, Members::first)
    }

    /// Checks that the file is a queue's, and maps it: for the member that has this number.
    pub(crate) fn open(opening: Opening, me: Member) -> io::Result<Self> {
        Self::map(opening, |opening, words| Members::attach(opening, me, words))
    }

    /// Reads the header, and makes a member that has this many words mapped.
    fn map(
        opening: Opening,
        member: impl FnOnce(Opening, usize) -> io::Result<Members>,
    ) -> io::Result<Self> {
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
        let members = member(opening, words)?;
        // No head is there.
        let stuck = AtomicU64::new(u64::MAX);
        Ok(Self { members, capacity, window, kind, has_areas, spill, stuck })
    }

    pub(crate) fn members(&self) -> &Members {
        &self.members
    }

    pub(crate) fn opening(&self) -> &Opening {
        self.members.opening()
    }

    fn words(&self) -> &[AtomicU64] {
        self.members.all_words()
    }

    pub(crate) fn ring(&self) -> Ring<'_> {
        let words = self.words();
        let slots = &words[at::SLOTS..][..self.capacity as usize * STRIDE];
        Ring::new([&words[at::HEAD], &words[at::TAIL]], slots, STRIDE)
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the words of an event count: the one to sleep at, and the last notifier's processor.
    pub(crate) fn event_count(&self, index: usize) -> [&AtomicU64; 2] {
        let words = &self.words()[at::EVENT_COUNTS + index * LINE..];
        [&words[0], &words[1]]
    }

    /// Returns true if the queue's maker learns of every participant's end, and wakes the others.
    pub(crate) fn is_watched(&self) -> bool {
        self.words()[at::WATCHED].load(Ordering::Relaxed) != 0
    }

    pub(crate) fn set_watched(&self) {
        self.words()[at::WATCHED].store(1, Ordering::Relaxed);
    }

    /// Returns the items that processes have left behind.
    pub(crate) fn spill(&self) -> Spill<'_> {
        let words = self.words();
        Spill {
            head: &words[at::SPILL_HEAD],
            tail: &words[at::SPILL_TAIL],
            opening: self.opening(),
            lock: members::MEMBERS,
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
        &self.words()[at::LOST]
    }

    /// Returns this participant's account; `None` if the number is impossible.
    pub(crate) fn account(&self, owner: Owner) -> Option<Account<'_>> {
        (owner < members::MEMBERS).then(|| {
            let [held, waiting, leaving] = self.members.own(owner);
            Account { held, waiting, leaving }
        })
    }

    /// Writes a large message into an area, or into the window of the slot, which the caller has
    /// claimed. Fails as `FileTooLarge` if only the window is left, and the limit of file sizes
    /// forbids to write there.
    pub(crate) fn write(&self, position: Position, message: &[u8]) -> io::Result<()> {
        let (length, areas) = (message.len(), self.areas());
        let own = self.own_area(position, length as u64);
        let shared = || Some(areas.take(position, length, &self.stuck)?.words);
        let area = if length <= OWN_FIRST { own.or_else(shared) } else { shared().or(own) };
        if let Some(area) = area {
            sys::store(area, message);
            return Ok(());
        }
        // The system would kill a process that writes beyond the limit.
        if length as u64 > self.longest() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.opening().write_all_at(message, self.window(position.slot))
    }

    /// Returns the slot's own area, if a message of this length fits into it.
    fn own_area(&self, position: Position, length: u64) -> Option<&[AtomicU64]> {
        let bytes = own_area(self.capacity);
        let start = start_of_areas(self.capacity) + position.slot as usize * bytes / WORD;
        let fits = self.has_areas && length <= bytes as u64;
        fits.then(|| &self.words()[start..][..bytes / WORD])
    }

    /// Reads a message of this length from its area, or from the slot's window, to the front of the
    /// buffer.
    pub(crate) fn read(
        &self,
        position: Position,
        message: &mut Vec<u8>,
        length: usize,
    ) -> io::Result<()> {
        let area = match self.place_of(position, length as u64) {
            Place::Own(words) | Place::Shared(Area { words, .. }) => Some(words),
            Place::Window => None,
        };
        if let (None, true) = (area, length > message.capacity()) {
            // Clearing that much memory first would cost as much as reading it.
            *message = Vec::new();
            message.try_reserve_exact(length).map_err(io::Error::other)?;
            return self.opening().fill_at(message, self.window(position.slot));
        }
        let more = length.saturating_sub(message.len());
        message.try_reserve(more).map_err(io::Error::other)?;
        // Only the new part is cleared; the old one is overwritten anyway.
        message.resize(message.len() + more, 0);
        match area {
            Some(area) => sys::load(area, &mut message[..length]),
            None => {
                self.opening().read_exact_at(&mut message[..length], self.window(position.slot))?;
            }
        }
        Ok(())
    }

    /// Returns true if this many bytes have been written for the slot: a damaged length must not
    /// reserve memory for bytes that aren't there.
    pub(crate) fn holds(&self, position: Position, length: u64) -> bool {
        match self.place_of(position, length) {
            Place::Own(_) => true,
            Place::Shared(area) => length <= size_of_val(area.words) as u64,
            Place::Window => {
                let start = self.window(position.slot);
                let end = self.opening().hole_after(start).unwrap_or(start);
                length <= self.window && end - start >= length
            }
        }
    }

    /// Returns the longest message that can lie in mapped memory, in bytes.
    pub(crate) fn longest_mapped(&self) -> usize {
        if self.has_areas { areas::LONGEST } else { INLINE }
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
        match self.place_of(position, length.unwrap_or(u64::MAX)) {
            Place::Own(_) => {}
            Place::Shared(area) => area.free(),
            Place::Window => {
                // After a failure the memory only stays, until the next message overwrites it.
                let _ = self.opening().punch(self.window(position.slot), self.window);
            }
        }
    }

    /// Returns where the slot's message of this length lies. One of an unknown length, which is as
    /// if it fitted into no own area, lies in a shared one if that is the slot's.
    fn place_of(&self, position: Position, length: u64) -> Place<'_> {
        let own = self.own_area(position, length);
        match own {
            Some(words) if length <= OWN_FIRST as u64 => Place::Own(words),
            _ => {
                let shared = self.areas().find(position).map(Place::Shared);
                shared.or(own.map(Place::Own)).unwrap_or(Place::Window)
            }
        }
    }

    /// Returns the shared areas; none, if the queue has no areas.
    fn areas(&self) -> Areas<'_> {
        let words = self.words();
        let [count, size] = if self.has_areas { [areas::COUNT, areas::WORDS] } else { [0, 0] };
        Areas {
            tenants: &words[at::TENANTS..][..count],
            words: &words[words.len() - size..],
            head: &words[at::HEAD],
        }
    }

    /// Returns the offset of the slot's window, in bytes.
    fn window(&self, slot: u32) -> u64 {
        base(self.capacity, self.has_areas) + u64::from(slot) * self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(capacity: u32) -> Memory {
        Memory::create(capacity, Kind::Bounded).unwrap()
    }

    fn at(slot: u32) -> Position {
        Position { slot, lap: 0 }
    }

    /// Returns where these words lie, in bytes from the start of the mapping.
    fn bytes_of(memory: &Memory, words: &[AtomicU64]) -> (u64, u64) {
        let start = (words.as_ptr() as usize - memory.words().as_ptr() as usize) as u64;
        (start, start + size_of_val(words) as u64)
    }

    #[test]
    fn areas_lie_behind_each_other_and_before_the_windows() {
        for capacity in [1, 7, 1024, 5000] {
            let memory = memory(capacity);
            let own = (0..capacity).filter_map(|slot| memory.own_area(at(slot), 300));
            let mut end = (words(capacity) * WORD) as u64;
            for area in own.chain([memory.areas().words]) {
                let (start, next) = bytes_of(&memory, area);
                assert!(start >= end, "they don't overlap");
                end = next;
            }
            assert!(memory.window(0) >= end);
        }
    }

    /// Names the place of the slot's message of this length.
    fn place(memory: &Memory, slot: u32, length: usize) -> &'static str {
        match memory.place_of(at(slot), length as u64) {
            Place::Own(_) => "own",
            Place::Shared(_) => "shared",
            Place::Window => "window",
        }
    }

    fn message(slot: u32, length: usize) -> Vec<u8> {
        (slot..).map(|n| n as u8).take(length).collect()
    }

    fn write(memory: &Memory, slot: u32, length: usize) -> &'static str {
        memory.write(at(slot), &message(slot, length)).unwrap();
        place(memory, slot, length)
    }

    fn assert_holds(memory: &Memory, slot: u32, length: usize) {
        assert!(memory.holds(at(slot), length as u64));
        let mut back = Vec::new();
        memory.read(at(slot), &mut back, length).unwrap();
        assert!(back[..length] == message(slot, length));
    }

    #[test]
    fn a_message_lies_in_the_first_place_that_there_is_for_it_and_comes_back_from_there() {
        for (capacity, length, expected) in [
            (1024, 300, [("own", 50), ("", 0)]),
            (1024, OWN_FIRST, [("own", 50), ("", 0)]),
            (5000, 300, [("shared", 40), ("window", 10)]),
            (1024, OWN_FIRST + 1, [("shared", 40), ("window", 10)]),
            (200, 64 << 10, [("shared", 40), ("own", 10)]),
            (16, 1 << 20, [("shared", 8), ("own", 2)]),
            (32, 1 << 20, [("shared", 8), ("window", 2)]),
            (4, areas::LONGEST + 1, [("window", 4), ("", 0)]),
        ] {
            let (memory, count) = (memory(capacity), (expected[0].1 + expected[1].1) as u32);
            for _ in 0..2 {
                let places: Vec<_> = (0..count).map(|slot| write(&memory, slot, length)).collect();
                let expected = expected.iter().flat_map(|(place, n)| [*place].repeat(*n));
                assert!(expected.eq(places), "{length} bytes, {capacity} slots");
                for slot in 0..count {
                    assert_holds(&memory, slot, length);
                    memory.clear(at(slot), Some(length as u64));
                }
            }
        }
    }

    #[test]
    fn one_message_after_the_other_touches_one_shared_area() {
        let memory = memory(256);
        let places: Vec<_> = (0..256)
            .map(|slot| {
                write(&memory, slot, 64 << 10);
                let Place::Shared(area) = memory.place_of(at(slot), 64 << 10) else { panic!() };
                let place = bytes_of(&memory, area.words);
                memory.clear(at(slot), Some(64 << 10));
                place
            })
            .collect();
        assert!(places.iter().all(|place| *place == places[0]));
    }

    #[test]
    fn a_repair_frees_a_shared_area_at_whatever_step_the_put_or_get_ended() {
        let memory = memory(1);
        let length = 100_000;
        for lap in 0..200 {
            let position = Position { slot: 0, lap };
            // Before it is taken, after that, and after it is freed.
            if lap % 3 > 0 {
                memory.write(position, &message(0, length)).unwrap();
                assert!(memory.areas().find(position).is_some());
            }
            if lap % 3 > 1 {
                memory.clear(position, Some(length as u64));
            }
            // A repairer may die, too, and another repairs again.
            for _ in 0..2 {
                memory.clear(position, None);
                assert!(memory.areas().find(position).is_none());
            }
        }
    }

    #[test]
    fn a_repair_frees_no_area_that_has_another_tenant_by_now() {
        let memory = memory(9);
        memory.write(at(0), &message(0, 100_000)).unwrap();
        memory.clear(at(0), Some(100_000));
        memory.write(at(1), &message(1, 100_000)).unwrap();
        memory.clear(at(0), None);
        assert_holds(&memory, 1, 100_000);
        assert_eq!(place(&memory, 1, 100_000), "shared");
    }
}
