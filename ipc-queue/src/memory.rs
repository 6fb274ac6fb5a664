//! The memory of a queue: one sparse file, mapped by all who use it.
//!
//! ```text
//!   ┌────────────┬───────┬───────┬──────────┬─────────┬─────┬─────────────────┬────────────────────────┐
//!   │ what it is │ hints │ bells │ accounts │ slots   │  …  │ a few windows   │ a window for each slot │
//!   │            │       │       │          │         │     │ that are shared │                        │
//!   └────────────┴───────┴───────┴──────────┴─────────┴─────┴─────────────────┴────────────────────────┘
//!   └──────────── mapped: words ──────────────────────┘     └──────── written, read, punched ──────────┘
//!
//!   locks, one byte each:  ▢ ■ ■ ▢ ■ ▢ …   byte n is locked: participant n lives
//! ```
//!
//! The file is given its whole size at once, but only what is written takes memory. A message that
//! doesn't fit into its slot lies in a window. Each slot has one of its own, so there is always one;
//! but first it tries to get one of those that slots take turns with, because these keep their memory,
//! and memory that is new for each message costs more than the message.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ring::{Owner, Ring};
use crate::sys::{self, Mapping};

/// Participants have the numbers below this; nobody has 0.
pub(crate) const PARTICIPANTS: Owner = 4096;

/// Words of a slot: its state, the length, and 240 bytes of payload.
const STRIDE: usize = 32;

/// The longest message that lies in its slot, in bytes.
pub(crate) const INLINE: usize = (STRIDE - 2) * 8;

/// A message above this, in bytes, gives its own window's memory back when it has been received; with
/// many slots the limit is lower, so that all windows together keep at most [`KEPT`].
const KEPT_EACH: u64 = 64 << 10;
const KEPT: u64 = 16 << 20;

/// How many windows are shared, and how many bytes each keeps: a message of a mebibyte and what is
/// around it.
const SHARED: usize = LINE;
const KEPT_SHARED: u64 = 5 << 18;

/// The largest window, in bytes.
const WINDOW: u64 = 1 << 32;

/// The most slots.
pub(crate) const MOST: u32 = 1 << 20;

const MAGIC: u64 = 0x7175_6575_6520_3031;

/// Words of a cache line: what two processes write often doesn't share one.
const LINE: usize = 8;

/// Where things lie, in words.
mod at {
    use super::{LINE, PARTICIPANTS};
    pub(super) const MAGIC: usize = 0;
    pub(super) const CAPACITY: usize = 1;
    pub(super) const WINDOW: usize = 2;
    pub(super) const KIND: usize = 3;
    pub(super) const HEAD: usize = LINE;
    pub(super) const TAIL: usize = 2 * LINE;
    pub(super) const BELLS: usize = 3 * LINE;
    pub(super) const LOST: usize = 6 * LINE;
    pub(super) const HIGHEST: usize = 7 * LINE;
    pub(super) const SHARED: usize = 8 * LINE;
    pub(super) const ACCOUNTS: usize = 9 * LINE;
    pub(super) const SLOTS: usize = ACCOUNTS + LINE * PARTICIPANTS as usize;
}

/// What a participant has of its own, for others to see.
pub(crate) struct Account<'a> {
    /// Items it has got and not reported done.
    pub(crate) held: &'a AtomicU64,
    /// Items it has accepted that have found no slot yet.
    pub(crate) waiting: &'a AtomicU64,
    /// Not 0 if it won't get anything any more, and only waits until others have made room.
    pub(crate) leaving: &'a AtomicU64,
}

impl Account<'_> {
    pub(crate) fn waiting(&self) -> usize {
        usize::try_from(self.waiting.load(Ordering::Acquire)).unwrap_or(0)
    }

    /// All that depends on this participant.
    pub(crate) fn total(&self) -> u64 {
        self.held.load(Ordering::Acquire).wrapping_add(self.waiting.load(Ordering::Acquire))
    }
}

/// What kind of queue it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A put never waits for a free slot.
    Unbounded,
    /// It does.
    Bounded,
    /// It does, and only the maker puts and repairs.
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
    file: File,
    capacity: u32,
    window: u64,
    kind: Kind,
}

/// The size of the file for so many slots, and of a window in it.
fn sizes(capacity: u32) -> io::Result<(u64, u64)> {
    let base = base(capacity);
    let limit = sys::file_size_limit().min(1 << 62);
    let windows = u64::from(capacity) + SHARED as u64;
    let window = (limit.saturating_sub(base) / windows).min(WINDOW) & !0xfff;
    if window == 0 {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!(
                "the limit of file sizes ({limit} bytes, ulimit -f) is too low for {capacity} places"
            ),
        ));
    }
    Ok((base + windows * window, window))
}

/// Where the windows begin, in bytes.
fn base(capacity: u32) -> u64 {
    ((words(capacity) * 8) as u64 + 0xfff) & !0xfff
}

fn words(capacity: u32) -> usize {
    at::SLOTS + capacity as usize * STRIDE
}

/// A new queue's file.
pub(crate) fn create(capacity: u32, kind: Kind) -> io::Result<OwnedFd> {
    let (size, window) = sizes(capacity)?;
    let file = sys::create(size)?;
    let mapping = Mapping::new(file.as_fd(), at::HEAD)?;
    let fields = [MAGIC, u64::from(capacity), window, kind as u64];
    for (word, field) in mapping.words().iter().zip(fields) {
        word.store(field, Ordering::Release);
    }
    Ok(file)
}

impl Memory {
    /// Maps a queue's file, after a look at whether it is one.
    pub(crate) fn open(file: OwnedFd) -> io::Result<Self> {
        let no_queue =
            |what| io::Error::new(io::ErrorKind::InvalidData, format!("this is no queue: {what}"));
        let header = Mapping::new(file.as_fd(), at::HEAD)?;
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
        let mapping = Mapping::new(file.as_fd(), words(capacity))?;
        Ok(Self { mapping, file: file.into(), capacity, window, kind })
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

    pub(crate) fn bell(&self, which: usize) -> &AtomicU64 {
        &self.mapping.words()[at::BELLS + which * LINE]
    }

    /// Items that died with those who held them.
    pub(crate) fn lost(&self) -> &AtomicU64 {
        &self.mapping.words()[at::LOST]
    }

    /// What this participant has of its own; nothing if there can be no such participant.
    pub(crate) fn account(&self, owner: Owner) -> Option<Account<'_>> {
        let index = at::ACCOUNTS + usize::from(owner) * LINE;
        let words = self.mapping.words();
        (owner < PARTICIPANTS).then(|| Account {
            held: &words[index],
            waiting: &words[index + 1],
            leaving: &words[index + 2],
        })
    }

    /// The highest number that a participant ever had.
    pub(crate) fn highest(&self) -> Owner {
        let highest = self.mapping.words()[at::HIGHEST].load(Ordering::Acquire);
        Owner::try_from(highest).unwrap_or(Owner::MAX).min(PARTICIPANTS - 1)
    }

    pub(crate) fn raise_highest(&self, number: Owner) {
        self.mapping.words()[at::HIGHEST].fetch_max(number.into(), Ordering::AcqRel);
    }

    /// Puts a large message into a window. The slot is claimed for that, in this lap.
    pub(crate) fn write(&self, (slot, lap): (u32, u32), message: &[u8]) -> io::Result<()> {
        let _ = self.shared(slot).compare_exchange(
            0,
            tenant(slot, lap),
            Ordering::AcqRel,
            Ordering::Relaxed,
        );
        self.file.write_all_at(message, self.offset(slot, lap))
    }

    /// The message in the slot's window.
    pub(crate) fn read(&self, (slot, lap): (u32, u32), message: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(message, self.offset(slot, lap))
    }

    /// Whether so many bytes have been written into the slot's window: a length that was damaged
    /// must not make us reserve memory for what isn't there.
    pub(crate) fn holds(&self, (slot, lap): (u32, u32), length: u64) -> bool {
        let start = self.offset(slot, lap);
        let end = sys::hole_after(self.file.as_fd(), start).unwrap_or(start);
        length <= self.window && end - start >= length
    }

    /// The longest message that this process may put, in bytes.
    pub(crate) fn longest(&self) -> u64 {
        // The limit may have been lowered since the queue was made.
        let end = self.own(self.capacity - 1) + self.window;
        let within = self.window.saturating_sub(end.saturating_sub(sys::file_size_limit()));
        within.max(INLINE as u64)
    }

    /// Whether the slot's window must be cleared when its message, of this length, has been received.
    pub(crate) fn is_cleared(&self, (slot, lap): (u32, u32), length: u64) -> bool {
        self.is_tenant(slot, lap) || length > KEPT_EACH.min(KEPT / u64::from(self.capacity))
    }

    /// Gives up the slot's window, and the memory of a message of this length if it isn't kept.
    pub(crate) fn clear(&self, (slot, lap): (u32, u32), length: u64) {
        if self.is_tenant(slot, lap) {
            if length > KEPT_SHARED {
                self.punch(self.offset(slot, lap));
            }
            self.shared(slot).store(0, Ordering::Release);
        } else {
            self.punch(self.own(slot));
        }
    }

    fn punch(&self, window: u64) {
        // Failing, it only stays: the next message there overwrites it.
        let _ = sys::punch(self.file.as_fd(), window, self.window);
    }

    /// Who is in the window that the slot may share.
    fn shared(&self, slot: u32) -> &AtomicU64 {
        &self.mapping.words()[at::SHARED + slot as usize % SHARED]
    }

    fn is_tenant(&self, slot: u32, lap: u32) -> bool {
        self.shared(slot).load(Ordering::Acquire) == tenant(slot, lap)
    }

    /// Where the window is in which the slot's message lies.
    fn offset(&self, slot: u32, lap: u32) -> u64 {
        if self.is_tenant(slot, lap) {
            return base(self.capacity) + u64::from(slot) % SHARED as u64 * self.window;
        }
        self.own(slot)
    }

    /// Where the slot's own window is.
    fn own(&self, slot: u32) -> u64 {
        base(self.capacity) + (u64::from(slot) + SHARED as u64) * self.window
    }
}

/// How a slot's message is called that is in a shared window; never 0, which is nobody.
fn tenant(slot: u32, lap: u32) -> u64 {
    u64::from(lap) << 32 | u64::from(slot) << 1 | 1
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}
