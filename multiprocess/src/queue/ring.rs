//! The ring: a bounded MPMC queue in words of shared memory that no death leaves broken.
//!
//! ```text
//!            head (a hint)                     tail (a hint)
//!              ▼                                 ▼
//!   ┌───────┬───────┬───────┬───────┬─────────┬───────┐
//!   │ Empty │ Full  │Reading│ Full  │ Writing │ Empty │   … one slot for each item
//!   │ lap 8 │ lap 7 │lap 7 B│ lap 7 │ lap 7 A │ lap 7 │
//!   └───────┴───────┴───────┴───────┴─────────┴───────┘
//!                       │                │
//!                  consumer B       producer A: a claimed slot names its owner, so any other
//!                  is reading       participant can ask the kernel whether the owner is alive
//!
//!   put      Empty(lap) ──▶ Writing(me) ──▶ Full
//!   get      Full ──▶ Reading(me) ──▶ [Clearing(me) ──▶] Empty(lap + 1)
//!   repair   Writing(dead) ──▶ Empty(lap + 1)     that put never happened
//!            Reading(dead) ──▶ Full               that get never happened: redelivery
//!            Clearing(dead) ──▶ Clearing(repairer) ──▶ Empty(lap + 1)
//! ```
//!
//! An arrow that begins at an unclaimed slot is one compare-exchange, so of several participants
//! that try it, one wins. The other arrows are plain stores: only the owner of the claim takes
//! them, or a repairer after the owner's death. Each slot has a lap, which grows by one with each
//! item: a position in the queue is a lap and a slot.
//!
//! A hint says where to begin searching. It may be behind, because the participant that should have
//! moved it was killed or is slow; any participant that finds it behind moves it on.
//!
//! # Memory ordering
//!
//! Payload words are written and read Relaxed; the slot's state word orders them.
//!
//! - `publish` stores Full with Release; `claim_to_get` exchanges Full for Reading with Acquire:
//!   the consumer sees the whole payload.
//! - `release` stores Empty with Release; `claim_to_put` exchanges Empty for Writing with Acquire:
//!   the consumer's reads of the old payload come before the producer's writes of the new one.
//! - A claim needs no Release, because it publishes nothing. As a read-modify-write it continues
//!   the release sequence of the store that it replaces: a repairer that loads Reading with Acquire
//!   also sees the payload, and hands it on with its own Release store of Full.
//! - The hints publish no payload. The participant that moves one has seen the slot behind it in a
//!   later state; Release there and Acquire at the load let no slot look older than the hint. A
//!   hint that is out of date is only slower: the lap in the slot decides.
//!
//! Nothing here needs `SeqCst`: "store, then look at another word" occurs only between a put or get
//! and a sleeping thread, and the event count has fences for that.

use crate::shared::atomic::{AtomicU64, Ordering};

/// A participant's number, at least 1.
pub(crate) type Owner = u16;

/// The ring, as a view of its words.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    head: &'a AtomicU64,
    tail: &'a AtomicU64,
    slots: &'a [AtomicU64],
    /// Size of a slot, in words.
    stride: usize,
    capacity: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Empty,
    Writing,
    Full,
    Reading,
    Clearing,
}

/// A slot's state, packed into its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub lap: u32,
    pub phase: Phase,
    pub owner: Owner,
    /// True if the message lies outside the slot.
    pub large: bool,
    /// Number of redeliveries of the item so far.
    pub returns: u16,
}

/// Bits of a lap counter. To mistake one lap for another, a participant would have to sleep through
/// half of them between two of its steps. Under loom they are so few that they wrap around.
const LAP_BITS: u32 = if cfg!(loom) { 3 } else { 32 };
const LAPS: u32 = u32::MAX >> (32 - LAP_BITS);

/// Mask of the redelivery counter: twelve bits.
const RETURNS: u16 = 0xfff;

impl State {
    /// Unpacks a state; a page of the book shows it.
    pub(crate) fn of(word: u64) -> Self {
        let phase = match (word >> 16) & 7 {
            0 => Phase::Empty,
            1 => Phase::Writing,
            2 => Phase::Full,
            3 => Phase::Reading,
            // A corrupted word counts as a claim of the owner it names.
            _ => Phase::Clearing,
        };
        Self {
            lap: (word >> 32) as u32 & LAPS,
            phase,
            owner: word as u16,
            large: word >> 19 & 1 == 1,
            returns: (word >> 20) as u16 & RETURNS,
        }
    }

    fn word(self) -> u64 {
        let phase = self.phase as u64;
        u64::from(self.lap) << 32
            | u64::from(self.returns) << 20
            | u64::from(self.large) << 19
            | phase << 16
            | u64::from(self.owner)
    }

    /// Compares the slot's lap with the position's: 0 if equal, 1 if later, -1 if earlier.
    fn against(self, position: Position) -> i32 {
        let ahead = self.lap.wrapping_sub(position.lap) & LAPS;
        if ahead == 0 {
            0
        } else if ahead <= LAPS / 2 {
            1
        } else {
            -1
        }
    }

    /// Returns true while a participant works on the slot.
    fn is_claimed(self) -> bool {
        matches!(self.phase, Phase::Writing | Phase::Reading | Phase::Clearing)
    }
}

/// A position in the queue: a slot in one of its laps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub slot: u32,
    pub lap: u32,
}

impl Position {
    fn is_before(self, other: Self) -> bool {
        match other.lap.wrapping_sub(self.lap) & LAPS {
            0 => self.slot < other.slot,
            ahead => ahead <= LAPS / 2,
        }
    }
}

/// Exclusive right to work on a slot. Dropped, it leaves the slot claimed, as a death does.
#[derive(Debug)]
#[must_use]
pub(crate) struct Claim {
    pub slot: u32,
    state: State,
}

impl Claim {
    pub(crate) fn position(&self) -> Position {
        Position { slot: self.slot, lap: self.state.lap }
    }

    pub(crate) fn is_large(&self) -> bool {
        self.state.large
    }
}

/// Outcome of a repair.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// True if any slot was repaired.
    pub any: bool,
    /// Deliveries that came to nothing: their items will be delivered again.
    pub given_back: Vec<u64>,
}

/// Reasons why no slot could be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// The queue is full (for a put) or empty (for a get).
    FullOrEmpty,
    /// A claimed slot is in the way: if its owner is dead, a repair unblocks it.
    ByClaim,
}

impl<'a> Ring<'a> {
    /// Makes a view of these words: head and tail, each on a cache line of its own, and the slots.
    pub(crate) fn new(hints: [&'a AtomicU64; 2], slots: &'a [AtomicU64], stride: usize) -> Self {
        let capacity = u32::try_from(slots.len() / stride).expect("the capacity was checked");
        Self { head: hints[0], tail: hints[1], slots, stride, capacity }
    }

    /// Claims the slot at the tail for writing.
    pub(crate) fn claim_to_put(&self, me: Owner, large: bool) -> Result<Claim, Blocked> {
        let mut position = self.hinted(self.tail);
        for _ in 0..self.search_limit() {
            let state = self.state(position.slot);
            match state.against(position) {
                0 if state.phase == Phase::Empty => {
                    let claim = State { phase: Phase::Writing, owner: me, large, ..state };
                    if self.exchange(position.slot, state, claim) {
                        self.advance(self.tail, position);
                        return Ok(Claim { slot: position.slot, state: claim });
                    }
                }
                // Another put was here already: the hint is behind.
                0 | 1 => position = self.advance(self.tail, position),
                // The slot still holds its item of the previous lap.
                _ if state.is_claimed() => return Err(Blocked::ByClaim),
                _ => return Err(Blocked::FullOrEmpty),
            }
        }
        Err(Blocked::FullOrEmpty)
    }

    /// Claims the first item that no consumer is reading.
    pub(crate) fn claim_to_get(&self, me: Owner) -> Result<Claim, Blocked> {
        let mut position = self.hinted(self.head);
        let mut blocked = Blocked::FullOrEmpty;
        for _ in 0..self.search_limit() {
            let state = self.state(position.slot);
            match (state.against(position), state.phase) {
                (0, Phase::Full) => {
                    let claim = State { phase: Phase::Reading, owner: me, ..state };
                    if self.exchange(position.slot, state, claim) {
                        return Ok(Claim { slot: position.slot, state: claim });
                    }
                }
                (1, _) if blocked == Blocked::FullOrEmpty => {
                    position = self.advance(self.head, position);
                }
                (1, _) => position = self.after(position),
                // Don't pass a slot that is being written: the items behind it may be later ones
                // of the same producer.
                (0, Phase::Writing) => return Err(Blocked::ByClaim),
                (0, Phase::Reading | Phase::Clearing) => {
                    blocked = Blocked::ByClaim;
                    position = self.after(position);
                }
                // Nothing has been put here yet, nor behind it.
                _ => break,
            }
        }
        Err(blocked)
    }

    /// Returns more steps than any search needs, so that even a corrupted ring ends every search.
    fn search_limit(&self) -> usize {
        (1 << 12) + 4 * self.capacity as usize
    }

    /// Returns the item's sequence number since the queue was made (laps wrap around).
    pub(crate) fn sequence_of(&self, claim: &Claim) -> u64 {
        self.sequence_at(claim.position())
    }

    fn sequence_at(&self, position: Position) -> u64 {
        u64::from(position.lap) * u64::from(self.capacity) + u64::from(position.slot)
    }

    /// Returns this delivery's number, which no other delivery has, not even of the same item.
    pub(crate) fn delivery_of(&self, claim: &Claim) -> u64 {
        self.sequence_of(claim) << RETURNS.count_ones() | u64::from(claim.state.returns)
    }

    /// Returns the sequence number of the item that was delivered.
    pub(crate) const fn delivered(delivery: u64) -> u64 {
        delivery >> RETURNS.count_ones()
    }

    /// Returns the number of an item's first delivery.
    pub(crate) const fn first_delivery(sequence: u64) -> u64 {
        sequence << RETURNS.count_ones()
    }

    /// Returns a slot's payload words; the first is the message's length.
    pub(crate) fn payload(&self, slot: u32) -> &'a [AtomicU64] {
        let start = slot as usize * self.stride;
        &self.slots[start + 1..start + self.stride]
    }

    /// Ends a put: makes the message available to consumers.
    pub(crate) fn publish(&self, claim: Claim) {
        self.store(claim.slot, State { phase: Phase::Full, owner: 0, ..claim.state });
    }

    /// Returns true if the slot at the tail is free, or the hint too far behind to tell.
    pub(crate) fn has_room(&self) -> bool {
        let position = self.hinted(self.tail);
        self.state(position.slot).against(position) >= 0
    }

    /// Returns true if a get would find an item.
    pub(crate) fn has_item(&self) -> bool {
        self.next_item().is_ok()
    }

    /// Returns the sequence number of the next item that could be claimed.
    pub(crate) fn next_item(&self) -> Result<u64, Blocked> {
        let mut position = self.hinted(self.head);
        let mut blocked = Blocked::FullOrEmpty;
        for _ in 0..self.search_limit() {
            let state = self.state(position.slot);
            match (state.against(position), state.phase) {
                (0, Phase::Full) => return Ok(self.sequence_at(position)),
                (1, _) => {}
                (0, Phase::Reading | Phase::Clearing) => blocked = Blocked::ByClaim,
                (0, Phase::Writing) => return Err(Blocked::ByClaim),
                _ => break,
            }
            position = self.after(position);
        }
        Err(blocked)
    }

    /// Returns the position behind every item that this process has put.
    pub(crate) fn end(&self) -> Position {
        self.hinted(self.tail)
    }

    /// Returns true once every item before this position has been got or is being got.
    pub(crate) fn is_got_before(&self, end: Position) -> bool {
        let mut position = self.hinted(self.head);
        for _ in 0..self.search_limit() {
            let state = self.state(position.slot);
            match (state.against(position), state.phase) {
                _ if !position.is_before(end) => break,
                (1, _) | (0, Phase::Reading | Phase::Clearing) => position = self.after(position),
                (0, Phase::Full | Phase::Writing) => return false,
                // Nothing was put here, or the ring is damaged.
                _ => break,
            }
        }
        true
    }

    /// Returns true if the item behind a published one is there already.
    pub(crate) fn is_next_full(&self, position: Position) -> bool {
        let next = self.after(position);
        let state = self.state(next.slot);
        state.phase == Phase::Full && state.lap == next.lap
    }

    /// Returns true if the slot behind a released one is free already.
    pub(crate) fn is_next_free(&self, position: Position) -> bool {
        let lap = position.lap.wrapping_add(1) & LAPS;
        let next = self.after(Position { lap, ..position });
        let state = self.state(next.slot);
        state.phase == Phase::Empty && state.lap == next.lap
    }

    /// Marks the message as read, before its memory is freed: there is no redelivery from here on.
    pub(crate) fn begin_clearing(&self, claim: Claim) -> Claim {
        let state = State { phase: Phase::Clearing, ..claim.state };
        self.store(claim.slot, state);
        Claim { state, ..claim }
    }

    /// Undoes a claim to get: the item is available again.
    pub(crate) fn give_back(&self, claim: Claim) {
        self.publish(claim);
    }

    /// Frees the slot for the next lap.
    pub(crate) fn release(&self, claim: Claim) {
        let lap = claim.state.lap.wrapping_add(1) & LAPS;
        let state = State { lap, phase: Phase::Empty, owner: 0, large: false, returns: 0 };
        self.store(claim.slot, state);
    }

    /// Finishes or undoes what a dead participant began; `clear` frees a large message's memory.
    ///
    /// The caller holds the lock of the dead participant's number: no other participant repairs
    /// after it, or is given its number, at the same time.
    pub(crate) fn repair(&self, dead: Owner, me: Owner, clear: impl Fn(Position)) -> Repaired {
        let mut repaired = Repaired::default();
        for slot in 0..self.capacity {
            let state = self.state(slot);
            if !state.is_claimed() || state.owner != dead {
                continue;
            }
            repaired.any = true;
            if state.phase == Phase::Reading {
                repaired.given_back.push(self.delivery_of(&Claim { slot, state }));
                let returns = (state.returns + 1) & RETURNS;
                self.store(slot, State { phase: Phase::Full, owner: 0, returns, ..state });
                continue;
            }
            let mut claim = Claim { slot, state: State { owner: me, ..state } };
            if state.large {
                claim = self.begin_clearing(claim);
                clear(claim.position());
            }
            self.release(claim);
        }
        repaired
    }

    /// Counts the slots whose item no consumer is reading, and the slots that aren't free.
    pub(crate) fn count(&self) -> (usize, usize) {
        let (mut items, mut taken) = (0, 0);
        for slot in 0..self.capacity {
            let state = self.state(slot);
            items += usize::from(state.phase == Phase::Full);
            taken += usize::from(state.phase != Phase::Empty);
        }
        (items, taken)
    }

    /// Lists the owners of claimed slots, one for each claim.
    pub(crate) fn owners(&self) -> impl Iterator<Item = Owner> {
        let states = (0..self.capacity).map(|slot| self.state(slot));
        states.filter(|state| state.is_claimed()).map(|state| state.owner)
    }

    fn word(&self, slot: u32) -> &'a AtomicU64 {
        &self.slots[slot as usize * self.stride]
    }

    fn state(&self, slot: u32) -> State {
        State::of(self.word(slot).load(Ordering::Acquire))
    }

    fn store(&self, slot: u32, state: State) {
        self.word(slot).store(state.word(), Ordering::Release);
    }

    fn exchange(&self, slot: u32, from: State, to: State) -> bool {
        let (from, to) = (from.word(), to.word());
        self.word(slot).compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Returns the position that a hint points to.
    fn hinted(&self, hint: &AtomicU64) -> Position {
        let word = hint.load(Ordering::Acquire);
        let (slot, lap) = (word as u32, (word >> 32) as u32 & LAPS);
        Position { slot: if slot < self.capacity { slot } else { 0 }, lap }
    }

    /// Moves a hint past a position, unless it has moved already; returns where to search next.
    fn advance(&self, hint: &AtomicU64, past: Position) -> Position {
        let pack = |position: Position| u64::from(position.lap) << 32 | u64::from(position.slot);
        let (from, to) = (pack(past), self.after(past));
        match hint.compare_exchange(from, pack(to), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => to,
            Err(_) => self.hinted(hint),
        }
    }

    fn after(&self, position: Position) -> Position {
        if position.slot + 1 == self.capacity {
            Position { slot: 0, lap: position.lap.wrapping_add(1) & LAPS }
        } else {
            Position { slot: position.slot + 1, ..position }
        }
    }
}

/// The ring over ordinary memory: step by step in the tests, in every interleaving under loom.
#[cfg(test)]
mod tests {
    use super::*;

    /// Size of a slot, in words: state, length, one word of payload.
    const STRIDE: usize = 3;
    const A: Owner = 1;
    const B: Owner = 2;
    const C: Owner = 3;

    struct Words {
        hints: [AtomicU64; 2],
        slots: Vec<AtomicU64>,
        /// Loom fails the test if one is written while another thread may still read it.
        #[cfg(loom)]
        guards: Vec<loom::cell::UnsafeCell<()>>,
    }

    // SAFETY: the guards hold nothing; loom only watches the accesses to them.
    #[cfg(loom)]
    #[expect(unsafe_code, reason = "loom's cells are not Sync, so that it can tell on their users")]
    unsafe impl Sync for Words {}

    impl Words {
        fn new(capacity: usize) -> Self {
            let zero = || AtomicU64::new(0);
            let slots = (0..capacity * STRIDE).map(|_| zero()).collect();
            #[cfg(loom)]
            let guards = (0..capacity).map(|_| loom::cell::UnsafeCell::new(())).collect();
            Self {
                hints: [zero(), zero()],
                slots,
                #[cfg(loom)]
                guards,
            }
        }

        fn ring(&self) -> Ring<'_> {
            Ring::new([&self.hints[0], &self.hints[1]], &self.slots, STRIDE)
        }

        fn put(&self, me: Owner, item: u64) -> Result<(), Blocked> {
            let claim = self.ring().claim_to_put(me, false)?;
            self.write(&claim, item);
            self.ring().publish(claim);
            Ok(())
        }

        fn write(&self, claim: &Claim, item: u64) {
            #[cfg(loom)]
            self.guards[claim.slot as usize].with_mut(|_| ());
            self.ring().payload(claim.slot)[1].store(item, Ordering::Relaxed);
        }

        fn get(&self, me: Owner) -> Result<u64, Blocked> {
            let claim = self.ring().claim_to_get(me)?;
            let item = self.read(&claim);
            self.ring().release(claim);
            Ok(item)
        }

        fn read(&self, claim: &Claim) -> u64 {
            #[cfg(loom)]
            self.guards[claim.slot as usize].with(|_| ());
            self.ring().payload(claim.slot)[1].load(Ordering::Relaxed)
        }

        /// Runs through this many laps, so that the lap counter is about to wrap around.
        #[cfg(loom)]
        fn turn(&self, laps: u64) {
            for item in 0..laps * u64::from(self.ring().capacity) {
                self.put(A, item).unwrap();
                assert_eq!(self.get(A), Ok(item));
            }
        }
    }

    #[cfg(not(loom))]
    mod one_after_the_other {
        use super::*;

        #[test]
        fn it_has_exactly_its_places_and_gives_back_in_order() {
            for capacity in 1..5 {
                let words = Words::new(capacity);
                for round in 0..10 {
                    for item in 0..capacity as u64 {
                        words.put(A, round + item).unwrap();
                    }
                    assert_eq!(words.put(A, 99), Err(Blocked::FullOrEmpty));
                    assert_eq!(words.ring().count(), (capacity, capacity));
                    for item in 0..capacity as u64 {
                        assert_eq!(words.get(B), Ok(round + item));
                    }
                    assert_eq!(words.get(B), Err(Blocked::FullOrEmpty));
                    assert_eq!(words.ring().count(), (0, 0));
                }
            }
        }

        #[test]
        fn a_put_that_died_never_happened_and_keeps_the_next_behind_it_until_repaired() {
            let words = Words::new(2);
            let _died = words.ring().claim_to_put(A, false).unwrap();
            words.put(B, 7).unwrap();
            assert_eq!(words.get(C), Err(Blocked::ByClaim));
            assert!(words.ring().repair(A, C, |_| ()).any);
            assert_eq!(words.get(C), Ok(7));
            assert_eq!(words.ring().count(), (0, 0));
            assert_eq!(words.ring().repair(A, C, |_| ()), Repaired::default());
        }

        #[test]
        fn a_get_that_died_never_happened() {
            let words = Words::new(2);
            words.put(A, 1).unwrap();
            words.put(A, 2).unwrap();
            let died = words.ring().claim_to_get(B).unwrap();
            assert_eq!(words.get(C), Ok(2), "the item behind it needn't wait");
            assert_eq!(words.get(C), Err(Blocked::ByClaim));
            let repaired = words.ring().repair(B, C, |_| ());
            assert_eq!(repaired.given_back, [words.ring().delivery_of(&died)]);
            let again = words.ring().claim_to_get(B).unwrap();
            assert_ne!(words.ring().delivery_of(&again), words.ring().delivery_of(&died));
            words.ring().give_back(again);
            assert_eq!(words.get(C), Ok(1));
        }

        #[test]
        fn all_before_a_place_has_been_got_once_nothing_there_waits_or_is_being_put() {
            let words = Words::new(3);
            let is_got_before = |end| words.ring().is_got_before(end);
            for _ in 0..5 {
                words.put(A, 1).unwrap();
                let slow = words.ring().claim_to_put(A, false).unwrap();
                let end = words.ring().end();
                words.put(B, 3).unwrap();
                let first = words.ring().claim_to_get(C).unwrap();
                assert!(!is_got_before(end), "the second is being put");
                words.write(&slow, 2);
                words.ring().publish(slow);
                assert!(!is_got_before(end), "and now it is there");
                assert_eq!(words.get(C), Ok(2));
                assert!(is_got_before(end), "one that is just being got counts as got");
                words.ring().release(first);
                assert_eq!(words.get(C), Ok(3));
                assert!(is_got_before(end), "also when it is long past");
            }
        }

        #[test]
        fn an_item_that_was_being_cleared_is_cleared_and_not_delivered_again() {
            let words = Words::new(1);
            let claim = words.ring().claim_to_put(A, true).unwrap();
            words.ring().publish(claim);
            let claim = words.ring().claim_to_get(B).unwrap();
            let _died = words.ring().begin_clearing(claim);
            assert_eq!(words.put(A, 1), Err(Blocked::ByClaim));
            let cleared = std::cell::Cell::new(0);
            words.ring().repair(B, C, |_| cleared.set(cleared.get() + 1));
            assert_eq!(cleared.get(), 1);
            words.put(A, 5).unwrap();
            assert_eq!(words.get(B), Ok(5));
        }

        #[test]
        fn any_words_at_all_end_every_search() {
            let mut random = testing::Random(7);
            // Many searches go to their limit, which is slow under Miri.
            let rounds = if cfg!(miri) { 10 } else { 200 };
            for _ in 0..rounds {
                let words = Words::new(3);
                for word in words.slots.iter().chain(&words.hints) {
                    word.store(random.next(), Ordering::Relaxed);
                }
                for _ in 0..5 {
                    let _ = words.put(A, 1);
                    let _ = words.get(B);
                    for owner in words.ring().owners().collect::<Vec<_>>() {
                        words.ring().repair(owner, C, |_| ());
                    }
                    let _ = words.ring().count();
                }
            }
        }
    }

    /// `RUSTFLAGS="--cfg loom" cargo test --release -p multiprocess --lib`
    #[cfg(loom)]
    mod in_every_order {
        use loom::sync::Arc;
        use loom::sync::atomic::AtomicBool;
        use loom::thread;

        use super::*;

        /// Retries until the attempt succeeds; repairs after A once A is known to be dead.
        fn until<T>(
            words: &Words,
            me: Owner,
            dead: &AtomicBool,
            mut attempt: impl FnMut() -> Result<T, Blocked>,
        ) -> T {
            loop {
                match attempt() {
                    Ok(done) => return done,
                    Err(Blocked::ByClaim) if dead.load(Ordering::Acquire) => {
                        words.ring().repair(A, me, |_| ());
                    }
                    Err(_) => thread::yield_now(),
                }
            }
        }

        fn model(
            capacity: usize,
            laps: u64,
            run: impl Fn(Arc<Words>, Arc<AtomicBool>) + Sync + Send + 'static,
        ) {
            loom::model(move || {
                let words = Arc::new(Words::new(capacity));
                words.turn(laps);
                run(words, Arc::new(AtomicBool::new(false)));
            });
        }

        #[test]
        fn one_producers_items_come_once_and_in_order() {
            for (capacity, laps) in [(1, 0), (1, 7), (2, 7)] {
                model(capacity, laps, |words, dead| {
                    let producer = {
                        let (words, dead) = (words.clone(), dead.clone());
                        thread::spawn(move || {
                            for item in [11, 12] {
                                until(&words, A, &dead, || words.put(A, item));
                            }
                        })
                    };
                    assert_eq!(until(&words, B, &dead, || words.get(B)), 11);
                    assert_eq!(until(&words, B, &dead, || words.get(B)), 12);
                    producer.join().unwrap();
                    assert_eq!(words.ring().count(), (0, 0));
                });
            }
        }

        #[test]
        fn two_consumers_never_get_the_same_item() {
            model(2, 7, |words, dead| {
                words.put(A, 11).unwrap();
                words.put(A, 12).unwrap();
                let other = {
                    let (words, dead) = (words.clone(), dead.clone());
                    thread::spawn(move || until(&words, B, &dead, || words.get(B)))
                };
                let mine = until(&words, C, &dead, || words.get(C));
                let mut both = [mine, other.join().unwrap()];
                both.sort_unstable();
                assert_eq!(both, [11, 12]);
            });
        }

        #[test]
        fn a_producer_that_stops_for_ever_stops_nobody() {
            for laps in [0, 7] {
                model(2, laps, |words, dead| {
                    let dying = {
                        let (words, dead) = (words.clone(), dead.clone());
                        thread::spawn(move || {
                            let claim =
                                until(&words, A, &dead, || words.ring().claim_to_put(A, false));
                            words.write(&claim, 66);
                            drop(claim);
                            dead.store(true, Ordering::Release);
                        })
                    };
                    until(&words, B, &dead, || words.put(B, 11));
                    assert_eq!(until(&words, B, &dead, || words.get(B)), 11);
                    dying.join().unwrap();
                    words.ring().repair(A, B, |_| ());
                    assert_eq!(words.ring().count(), (0, 0));
                });
            }
        }

        #[test]
        fn a_consumer_that_stops_for_ever_gives_its_item_back() {
            for laps in [0, 7] {
                model(1, laps, |words, dead| {
                    words.put(B, 11).unwrap();
                    let dying = {
                        let (words, dead) = (words.clone(), dead.clone());
                        thread::spawn(move || {
                            drop(words.ring().claim_to_get(A));
                            dead.store(true, Ordering::Release);
                        })
                    };
                    assert_eq!(until(&words, C, &dead, || words.get(C)), 11);
                    // The dying thread may have come too late to claim anything.
                    dying.join().unwrap();
                    words.ring().repair(A, C, |_| ());
                    assert_eq!(words.ring().count(), (0, 0));
                    until(&words, B, &dead, || words.put(B, 12));
                    assert_eq!(until(&words, C, &dead, || words.get(C)), 12);
                });
            }
        }

        #[test]
        fn a_consumer_that_stops_for_ever_while_clearing_keeps_the_slot_from_nobody() {
            model(1, 7, |words, dead| {
                let claim = words.ring().claim_to_put(B, true).unwrap();
                words.ring().publish(claim);
                let dying = {
                    let (words, dead) = (words.clone(), dead.clone());
                    thread::spawn(move || {
                        let claim = words.ring().claim_to_get(A).unwrap();
                        drop(words.ring().begin_clearing(claim));
                        dead.store(true, Ordering::Release);
                    })
                };
                until(&words, B, &dead, || words.put(B, 12));
                assert_eq!(until(&words, C, &dead, || words.get(C)), 12);
                dying.join().unwrap();
                assert_eq!(words.ring().count(), (0, 0));
            });
        }
    }
}
