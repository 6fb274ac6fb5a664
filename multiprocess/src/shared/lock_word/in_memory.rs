//! A lock of real processes, among the words of a memory's user.

use std::fmt;
use std::sync::atomic::AtomicU64;

use super::*;
use crate::shared::Died;
use crate::shared::members::{Card, Members};
use crate::shared::this_thread::this_thread;
use crate::spin::{Processor, Spin, Waits};

/// Number of words that a lock takes: a cache line.
pub(crate) const LOCK_WORDS: usize = 8;

/// Offset of the record: the card of the last process that died, and whether it panicked.
const CARD: usize = 1;
const PANICKED: usize = CARD + Card::WORDS;

/// Offset of the number of the holding thread: the last word.
const THREAD: usize = PANICKED + 1;

/// The processor of a lock's holder, which no thread notes, because that would take longer than
/// most locks are held: another one.
static ANOTHER: AtomicU64 = AtomicU64::new(u64::MAX);

/// A lock among the words of a memory's user.
pub(crate) type LockWord<'a> = LockOn<At<'a>>;

/// The place of a lock in a memory.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    word: &'a AtomicU32,
    members: &'a Members,
    index: usize,
}

impl<'a> At<'a> {
    #[inline]
    fn words(self) -> &'a [AtomicU64] {
        &self.members.words()[self.index..][..LOCK_WORDS]
    }
}

impl System for At<'_> {
    #[inline]
    fn word(&self) -> &AtomicU32 {
        self.word
    }

    #[inline]
    fn me(&self) -> Member {
        self.members.me()
    }

    fn record(&self, member: Member, panicked: bool) {
        let card = self.members.copy_card(member);
        for (word, value) in self.words()[CARD..].iter().zip(card) {
            word.store(value, Ordering::Relaxed);
        }
        self.words()[PANICKED].store(panicked.into(), Ordering::Relaxed);
    }

    fn sleep(&self, value: u32, nap: &mut Nap, deadline: Option<Instant>) -> bool {
        let left = nap.left(deadline);
        if !left.is_zero() {
            self.members.sleep(self.index, value, left);
        }
        nap.next()
    }

    fn wake(&self, most: u32) {
        self.members.wake(self.index, most);
    }

    fn while_dead<T>(&self, member: Member, work: impl FnOnce() -> T) -> Option<T> {
        self.members.while_dead(member, work)
    }

    #[cfg(test)]
    fn reach(&self, step: Step) {
        crate::crash::reach(step as u32);
    }
}

impl<'a> LockWord<'a> {
    /// Returns the lock in [`LOCK_WORDS`] words from this index on.
    #[inline]
    pub(crate) fn new(members: &'a Members, index: usize) -> Self {
        Self::found(members.half(index), members, index)
    }

    /// Returns the same lock, whose word is known already.
    #[inline]
    pub(crate) fn found(word: &'a AtomicU32, members: &'a Members, index: usize) -> Self {
        Self(At { word, members, index })
    }

    /// Returns the word for the number of the holding thread, which the holder writes, and makes 0
    /// before it unlocks. A dead holder's may stay there.
    #[inline]
    pub(crate) fn thread(self) -> &'a AtomicU64 {
        &self.0.words()[THREAD]
    }

    /// Returns true if the calling thread, whose number has these flags beside it, holds the lock,
    /// by this handle or another. (It doesn't if it forgot the guard, and the handle is gone.)
    #[inline]
    pub(crate) fn is_this_threads(self, flags: u64) -> bool {
        self.thread().load(Ordering::Relaxed) & !flags == this_thread()
            && self.holder().is_some_and(|holder| self.0.members.lives(holder))
    }

    /// Returns true if this process holds the lock by this handle.
    pub(crate) fn is_mine(self) -> bool {
        self.holder() == Some(self.0.members.me())
    }

    /// Waits for the lock; returns the number of deaths to tell, or `None` once the deadline
    /// has passed.
    #[inline]
    pub(crate) fn lock(self, spin: &Spin, deadline: Option<Instant>) -> Option<u32> {
        if self.try_lock_whole() { Some(0) } else { self.lock_slowly(spin, deadline) }
    }

    /// Waits for the lock, which was just found held.
    #[cold]
    pub(crate) fn lock_slowly(self, spin: &Spin, deadline: Option<Instant>) -> Option<u32> {
        let another = Processor(&ANOTHER);
        self.take(0)
            .or_else(|| spin.look(Some(&another), Waits::One, deadline, || self.take(0)))
            .or_else(|| self.sleep_and_lock(deadline))
    }

    /// Returns what is to be told of these deaths. By the holder.
    pub(crate) fn died(self, deaths: u32) -> Died {
        let words = self.0.words();
        let card = Card::read(words[CARD].load(Ordering::Relaxed), &words[CARD + 1..PANICKED]);
        let panicked = words[PANICKED].load(Ordering::Relaxed) != 0;
        Died { pid: card.pid, name: card.name, deaths, panicked }
    }
}

/// Names the holder: `free`, `held by worker-1 (process 12)`.
impl fmt::Debug for LockWord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(holder) = self.holder() else { return f.write_str("free") };
        if holder == self.0.me() {
            return f.write_str("held by this process");
        }
        let Card { pid, name } = self.0.members.card(holder);
        match name {
            Some(name) => write!(f, "held by {name} (process {pid})")?,
            None => f.write_str("held by a process that was just starting")?,
        }
        if self.0.members.lives(holder) { Ok(()) } else { f.write_str(", which is dead") }
    }
}
