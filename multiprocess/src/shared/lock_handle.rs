//! A process's part in a lock: its threads share it, and it knows which of them holds the lock.
//!
//! ```text
//!   thread 1 ──┐
//!   thread 2 ──┼── handle: holding thread, depth ──▶ word: deaths │ sleepers │ holding process
//!   thread 3 ──┘   (memory of this process)          (memory of all processes)
//! ```
//!
//! A thread writes its own name after it has taken the lock, and 0 before it unlocks. So a thread
//! that finds its own name there holds the lock, and for all other threads the name is a hint. All
//! accesses are Relaxed for that reason: those of one thread have their order, and those of two
//! have the lock between them.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shared::Died;
use crate::shared::lock_word::{LOCK_WORDS, LockWord};
use crate::shared::members::{self, Members};
use crate::spin::Spin;
use crate::sys::shared::Found;

/// Flags beside a thread's name, which is a multiple of 8.
const TOLD: usize = 1;
const PANICKING: usize = 2;
const SPOILED: usize = 4;
const FLAGS: usize = TOLD | PANICKING | SPOILED;

/// Returns a name of the calling thread that no other living one has: an address of its own.
#[inline]
fn this_thread() -> usize {
    thread_local! {
        static HERE: Cell<u64> = const { Cell::new(0) };
    }
    HERE.with(|here| ptr::from_ref(here).addr())
}

/// A process's part in a lock. Clones are the same part.
#[derive(Clone)]
pub(crate) struct LockHandle(Found<Shared>);

struct Shared {
    members: Members,
    /// Name of the holding thread with flags, or 0: [`TOLD`] if there are deaths that it has not
    /// recovered from, [`PANICKING`] if it was when it took the lock, [`SPOILED`] if a panic is
    /// counted.
    thread: AtomicUsize,
    /// Number of guards more than one that the holding thread has.
    depth: AtomicU32,
    spin: Spin,
}

impl LockHandle {
    pub(crate) fn new() -> io::Result<Self> {
        Members::create(LOCK_WORDS).map(Self::of)
    }

    /// Makes the handle of a lock in the first words of a memory.
    pub(crate) fn of(members: Members) -> Self {
        let (thread, depth) = (AtomicUsize::new(0), AtomicU32::new(0));
        let shared = Shared { members, thread, depth, spin: Spin::default() };
        Self(Found::new(shared, |shared| shared.members.half(0)))
    }

    pub(crate) fn members(&self) -> &Members {
        &self.0.members
    }

    #[inline]
    fn word(&self) -> LockWord<'_> {
        LockWord::found(self.0.word(), &self.0.members, 0)
    }

    /// Returns true if the calling thread holds the lock.
    #[inline]
    pub(crate) fn is_mine(&self) -> bool {
        self.0.thread.load(Ordering::Relaxed) & !FLAGS == this_thread()
    }

    /// Takes the lock if it is free and there is nothing to tell; returns true if it is taken.
    #[inline]
    pub(crate) fn try_lock_whole(&self) -> bool {
        let is_taken = self.word().try_lock_whole();
        if is_taken {
            self.note(0);
        }
        is_taken
    }

    /// Takes the lock if it is free, or its holder dead; returns the number of deaths to tell.
    #[cold]
    pub(crate) fn try_lock_thoroughly(&self) -> Option<u32> {
        self.word().try_lock_thoroughly().inspect(|deaths| self.note(*deaths))
    }

    /// Waits for the lock; returns the number of deaths to tell, or `None` once the deadline has
    /// passed.
    #[cold]
    pub(crate) fn lock_slowly(&self, deadline: Option<Instant>) -> Option<u32> {
        let deaths = self.word().lock_slowly(&self.0.spin, deadline);
        deaths.inspect(|deaths| self.note(*deaths))
    }

    /// Notes that the calling thread holds the lock.
    #[inline]
    fn note(&self, deaths: u32) {
        let mut thread = this_thread();
        if deaths > 0 {
            thread |= TOLD;
        }
        if thread::panicking() {
            thread |= PANICKING;
        }
        self.0.thread.store(thread, Ordering::Relaxed);
    }

    /// Counts one more guard of the holding thread; returns the number of deaths to tell.
    pub(crate) fn enter_again(&self) -> u32 {
        let depth = self.0.depth.load(Ordering::Relaxed).checked_add(1);
        let depth = depth.expect("there is no memory for so many guards");
        self.0.depth.store(depth, Ordering::Relaxed);
        self.word().deaths()
    }

    /// Ends the only guard of the holding thread.
    #[inline]
    pub(crate) fn leave(&self) {
        if thread::panicking() {
            self.spoil();
        }
        self.unlock();
    }

    /// Ends one guard of the holding thread, and unlocks with the last one.
    #[inline]
    pub(crate) fn leave_once(&self) {
        if thread::panicking() {
            self.spoil();
        }
        let depth = self.0.depth.load(Ordering::Relaxed);
        if depth > 0 {
            self.0.depth.store(depth - 1, Ordering::Relaxed);
        } else {
            self.unlock();
        }
    }

    /// Unlocks, by the thread that holds the lock.
    #[inline]
    pub(crate) fn unlock(&self) {
        let thread = self.0.thread.load(Ordering::Relaxed);
        self.0.thread.store(0, Ordering::Relaxed);
        if thread & TOLD == 0 { self.word().unlock_whole() } else { self.unlock_slowly() }
    }

    #[cold]
    fn unlock_slowly(&self) {
        self.word().unlock();
    }

    /// Counts a panic, once, unless the thread was panicking already when it took the lock.
    #[cold]
    fn spoil(&self) {
        let thread = self.0.thread.load(Ordering::Relaxed);
        if thread & (PANICKING | SPOILED) == 0 {
            self.word().spoil();
            self.0.thread.store(thread | SPOILED | TOLD, Ordering::Relaxed);
        }
    }

    /// Says that what the lock guards is whole. By the thread that holds it.
    pub(crate) fn recover(&self) {
        self.word().recover();
        let thread = self.0.thread.load(Ordering::Relaxed);
        self.0.thread.store(thread & !(TOLD | SPOILED), Ordering::Relaxed);
    }

    pub(crate) fn died(&self, deaths: u32) -> Died {
        self.word().died(deaths)
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.word().holder().is_some()
    }
}

/// Names the holder, and how often it holds the lock if that is more than once.
impl fmt::Debug for LockHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.word().holder() != Some(self.0.members.me()) {
            return write!(f, "{:?}", self.word());
        }
        f.write_str(if self.is_mine() {
            "held by this thread"
        } else {
            "held by another thread of this process"
        })?;
        match self.0.depth.load(Ordering::Relaxed) {
            0 => Ok(()),
            depth => write!(f, ", {} times", u64::from(depth) + 1),
        }
    }
}

impl Serialize for LockHandle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        members::serialize(&self.0.members, |dead| self.word().bury(dead), serializer)
    }
}

impl<'de> Deserialize<'de> for LockHandle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        members::deserialize(deserializer).map(Self::of)
    }
}
