//! The calls of a participant on the queue's memory, made of the functions of `ring.rs` in the
//! order in which the library's `raw.rs` and `participant.rs` call them.
//!
//! What isn't the ring is here as small as it can be: a window for each large message, which
//! `memory.rs` has in several sizes, and the numbers of the participants, which in `members.rs` are
//! locks of the kernel.

use crate::queue::ring::{Blocked, Owner, Ring, State};
use crate::shared::atomic::{AtomicU64, Operation, Ordering, begin_step};

/// Number of slots.
pub(crate) const SLOTS: usize = 6;

/// Number of words of the longest message that lies in its slot.
pub(crate) const INLINE: usize = 2;

/// Size of a slot, in words: state, length, and the payload.
const STRIDE: usize = INLINE + 2;

/// Size of a window, in words.
pub(crate) const WINDOW: usize = 4;

/// Exclusive upper bound of the participants' numbers, as in the library.
const MEMBERS: usize = 4096;

/// The queue's memory.
pub(crate) struct Memory {
    hints: [AtomicU64; 2],
    slots: Vec<AtomicU64>,
    windows: Vec<AtomicU64>,
    /// The kernel's lock of each number: the participant that has it, or 0.
    numbers: Vec<AtomicU64>,
}

/// What a word of the memory is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Head,
    Tail,
    State(usize),
    Length(usize),
    Payload { slot: usize, index: usize },
    Window { slot: usize, index: usize },
    Number(Owner),
}

/// A call of a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Put(Vec<u64>),
    Get,
    Repair,
}

/// What a call returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    Put,
    Got(Vec<u64>),
    Blocked(Blocked),
    /// True if any slot was repaired.
    Repaired(bool),
}

/// Names of the steps of the calls.
pub(crate) mod step {
    pub(crate) const CLAIM: &str = "claim";
    pub(crate) const WRITE: &str = "write";
    pub(crate) const PUBLISH: &str = "publish";
    pub(crate) const READ: &str = "read";
    pub(crate) const MARK: &str = "mark";
    pub(crate) const CLEAR: &str = "clear";
    pub(crate) const RELEASE: &str = "release";
    pub(crate) const LOCK: &str = "lock";
    pub(crate) const REPAIR: &str = "repair";
    pub(crate) const UNLOCK: &str = "unlock";
}

impl Memory {
    pub(crate) fn new() -> Self {
        let zeros = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self {
            hints: [AtomicU64::new(0), AtomicU64::new(0)],
            slots: zeros(SLOTS * STRIDE),
            windows: zeros(SLOTS * WINDOW),
            numbers: zeros(MEMBERS),
        }
    }

    /// Makes a call as this participant.
    pub(crate) fn make(&self, call: &Call, me: Owner) -> Returned {
        let made = match call {
            Call::Put(message) => self.put(me, message).map(|()| Returned::Put),
            Call::Get => self.get(me).map(Returned::Got),
            Call::Repair => Ok(Returned::Repaired(self.repair(me))),
        };
        made.unwrap_or_else(Returned::Blocked)
    }

    /// Puts a message, as `Participant::put` in `raw.rs` does.
    fn put(&self, me: Owner, message: &[u64]) -> Result<(), Blocked> {
        begin_step(step::CLAIM);
        let claim = self.ring().claim_to_put(me, message.len() > INLINE)?;
        begin_step(step::WRITE);
        let payload = self.ring().payload(claim.slot);
        payload[0].store(message.len() as u64 * 8, Ordering::Relaxed);
        let place = if claim.is_large() { self.window(claim.slot) } else { &payload[1..] };
        for (word, value) in place.iter().zip(message) {
            word.store(*value, Ordering::Relaxed);
        }
        begin_step(step::PUBLISH);
        self.ring().publish(claim);
        Ok(())
    }

    /// Gets a message, as `Participant::get` in `raw.rs` does.
    fn get(&self, me: Owner) -> Result<Vec<u64>, Blocked> {
        begin_step(step::CLAIM);
        let claim = self.ring().claim_to_get(me)?;
        begin_step(step::READ);
        let payload = self.ring().payload(claim.slot);
        let length = payload[0].load(Ordering::Relaxed) / 8;
        let place = if claim.is_large() { self.window(claim.slot) } else { &payload[1..] };
        let words = place.iter().take(length as usize);
        let message = words.map(|word| word.load(Ordering::Relaxed)).collect();
        if claim.is_large() {
            begin_step(step::MARK);
            let claim = self.ring().begin_clearing(claim);
            begin_step(step::CLEAR);
            self.clear(claim.slot);
            begin_step(step::RELEASE);
            self.ring().release(claim);
        } else {
            begin_step(step::RELEASE);
            self.ring().release(claim);
        }
        Ok(message)
    }

    /// Repairs what dead participants left, as `Participant::repair` in `participant.rs` does.
    fn repair(&self, me: Owner) -> bool {
        begin_step(step::LOCK);
        let mut owners: Vec<Owner> = self.ring().owners().filter(|owner| *owner != me).collect();
        owners.sort_unstable();
        owners.dedup();
        owners.into_iter().filter(|owner| self.repair_after(*owner, me)).count() > 0
    }

    /// Repairs what a dead participant left; does nothing if it is alive, or another participant
    /// repairs after it: then the number is taken.
    fn repair_after(&self, dead: Owner, me: Owner) -> bool {
        begin_step(step::LOCK);
        let number = &self.numbers[usize::from(dead)];
        if number.compare_exchange(0, me.into(), Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        begin_step(step::REPAIR);
        let repaired = self.ring().repair(dead, me, |position| {
            begin_step(step::CLEAR);
            self.clear(position.slot);
            begin_step(step::REPAIR);
        });
        begin_step(step::UNLOCK);
        number.store(0, Ordering::Release);
        repaired.any
    }

    /// Frees the window of a slot.
    fn clear(&self, slot: u32) {
        for word in self.window(slot) {
            word.store(0, Ordering::Relaxed);
        }
    }

    /// Gives a number to a new participant, which is alive from here on.
    pub(crate) fn invite(&self, number: Owner) {
        self.numbers[usize::from(number)].store(number.into(), Ordering::Release);
    }

    /// Does what the kernel does at the death of a participant: frees the numbers that it has.
    pub(crate) fn free_numbers_of(&self, dead: Owner) {
        for number in self.numbers.iter().filter(|number| peek(number) == u64::from(dead)) {
            number.store(0, Ordering::Release);
        }
    }

    pub(crate) fn ring(&self) -> Ring<'_> {
        Ring::new([&self.hints[0], &self.hints[1]], &self.slots, STRIDE)
    }

    fn window(&self, slot: u32) -> &[AtomicU64] {
        &self.windows[slot as usize * WINDOW..][..WINDOW]
    }

    pub(crate) fn state(&self, slot: usize) -> State {
        State::of(peek(&self.slots[slot * STRIDE]))
    }

    /// Returns a slot's length and payload, and its window.
    pub(crate) fn contents(&self, slot: usize) -> ([u64; STRIDE - 1], [u64; WINDOW]) {
        let payload = &self.slots[slot * STRIDE + 1..];
        let window = &self.windows[slot * WINDOW..];
        (std::array::from_fn(|at| peek(&payload[at])), std::array::from_fn(|at| peek(&window[at])))
    }

    /// Returns the lap and the slot that a hint points to.
    pub(crate) fn hint(&self, word: Word) -> (u32, usize) {
        place(peek(&self.hints[usize::from(word == Word::Tail)]))
    }

    /// Returns the participant that has this number, or 0.
    pub(crate) fn holder(&self, number: Owner) -> Owner {
        peek(&self.numbers[usize::from(number)]) as Owner
    }

    /// Tells what the word of an operation is there for.
    pub(crate) fn word_of(&self, operation: &Operation) -> Word {
        let index =
            |words: &[AtomicU64]| words.iter().position(|word| word.address() == operation.word);
        if let Some(hint) = index(&self.hints) {
            return if hint == 0 { Word::Head } else { Word::Tail };
        }
        if let Some(at) = index(&self.slots) {
            let slot = at / STRIDE;
            return match at % STRIDE {
                0 => Word::State(slot),
                1 => Word::Length(slot),
                index => Word::Payload { slot, index: index - 2 },
            };
        }
        if let Some(at) = index(&self.windows) {
            return Word::Window { slot: at / WINDOW, index: at % WINDOW };
        }
        Word::Number(index(&self.numbers).expect("there are no other words") as Owner)
    }
}

/// Returns the lap and the slot of a hint's word.
pub(crate) fn place(hint: u64) -> (u32, usize) {
    ((hint >> 32) as u32, hint as u32 as usize)
}

fn peek(word: &AtomicU64) -> u64 {
    word.load(Ordering::Acquire)
}
