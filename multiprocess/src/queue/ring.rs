//! The ring: a bounded queue in words of shared memory that nobody can leave broken.
//!
//! ```text
//!            head (a hint)                     tail (a hint)
//!              ▼                                 ▼
//!   ┌───────┬───────┬───────┬───────┬─────────┬───────┐
//!   │ Empty │ Full  │Reading│ Full  │ Writing │ Empty │   … one slot for each item
//!   │ lap 8 │ lap 7 │lap 7 B│ lap 7 │ lap 7 A │ lap 7 │
//!   └───────┴───────┴───────┴───────┴─────────┴───────┘
//!                       │                │
//!                  consumer B       producer A: a slot says who works on it, so whoever finds
//!                  is reading       it so can ask the kernel whether that one still lives
//!
//!   put      Empty(lap) ──▶ Writing(me) ──▶ Full
//!   get      Full ──▶ Reading(me) ──▶ [Clearing(me) ──▶] Empty(lap + 1)
//!   repair   Writing(dead) ──▶ Empty(lap + 1)     that put never happened
//!            Reading(dead) ──▶ Full               that get never happened
//!            Clearing(dead) ──▶ Clearing(repairer) ──▶ Empty(lap + 1)
//! ```
//!
//! Every arrow that begins at a slot nobody works on is one compare-exchange, so of two who try one
//! wins, and at no instant is a slot taken without saying by whom. The other arrows are plain
//! stores: only the one who works on a slot, or who repairs it after that one's death, may take
//! them. Each slot has a lap, which grows by one with each item: a position in the queue is a lap
//! and a slot.
//!
//! A hint says where to begin looking. It may be behind, when whoever should have moved it was
//! killed or is slow; so whoever finds it behind moves it on.

use crate::queue::atomic::{AtomicU64, Ordering};

/// A participant's number; nobody has 0.
pub(crate) type Owner = u16;

/// The ring over its words: first the hints, then the slots.
#[derive(Clone, Copy)]
pub(crate) struct Ring<'a> {
    head: &'a AtomicU64,
    tail: &'a AtomicU64,
    slots: &'a [AtomicU64],
    /// Words of a slot.
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

/// What a slot's first word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub lap: u32,
    pub phase: Phase,
    pub owner: Owner,
    /// Whether the message lies outside of the slot.
    pub large: bool,
    /// How often the item has been given back.
    pub returns: u16,
}

/// How many laps are told apart. A participant would have to sleep through half of them, between
/// two of its steps, to take one for another. Under loom so few that they come round.
const LAP_BITS: u32 = if cfg!(loom) { 3 } else { 32 };
const LAPS: u32 = u32::MAX >> (32 - LAP_BITS);

/// How many returns of an item are told apart: twelve bits of them.
const RETURNS: u16 = 0xfff;

impl State {
    fn of(word: u64) -> Self {
        let phase = match (word >> 16) & 7 {
            0 => Phase::Empty,
            1 => Phase::Writing,
            2 => Phase::Full,
            3 => Phase::Reading,
            // A corrupted word counts as a claim of whoever it names.
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

    /// Is its lap the position's (0), a later (1) or an earlier one (-1)?
    fn against(self, position: Place) -> i32 {
        let ahead = self.lap.wrapping_sub(position.lap) & LAPS;
        if ahead == 0 {
            0
        } else if ahead <= LAPS / 2 {
            1
        } else {
            -1
        }
    }

    /// Whether somebody works on the slot.
    fn is_claimed(self) -> bool {
        matches!(self.phase, Phase::Writing | Phase::Reading | Phase::Clearing)
    }
}

/// A place in the queue: which slot, in which lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub slot: u32,
    pub lap: u32,
}

impl Place {
    fn is_before(self, other: Self) -> bool {
        match other.lap.wrapping_sub(self.lap) & LAPS {
            0 => self.slot < other.slot,
            ahead => ahead <= LAPS / 2,
        }
    }
}

/// A slot that its holder works on. To drop it is to leave it so: what a death does.
#[derive(Debug)]
#[must_use]
pub(crate) struct Claim {
    pub slot: u32,
    state: State,
}

impl Claim {
    pub(crate) fn place(&self) -> Place {
        Place { slot: self.slot, lap: self.state.lap }
    }

    pub(crate) fn is_large(&self) -> bool {
        self.state.large
    }
}

/// What a repair has done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Repaired {
    /// Whether there was anything to do.
    pub any: bool,
    /// Which deliveries came to nothing: their items will be delivered again.
    pub given_back: Vec<u64>,
}

/// Why nothing can be put or got just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blocked {
    /// The queue is full, or empty.
    Really,
    /// Only because somebody works on a slot: if that one is dead, it isn't so.
    Perhaps,
}

impl<'a> Ring<'a> {
    /// The ring in these words: head, tail (each on a cache line of its own), then the slots.
    pub(crate) fn new(hints: [&'a AtomicU64; 2], slots: &'a [AtomicU64], stride: usize) -> Self {
        let capacity = u32::try_from(slots.len() / stride).expect("the capacity was checked");
        Self { head: hints[0], tail: hints[1], slots, stride, capacity }
    }

    /// Claims the slot at the tail, to write into it.
    pub(crate) fn claim_to_put(&self, me: Owner, large: bool) -> Result<Claim, Blocked> {
        let mut position = self.position(self.tail);
        for _ in 0..self.patience() {
            let state = self.state(position.slot);
            match state.against(position) {
                0 if state.phase == Phase::Empty => {
                    let claim = State { phase: Phase::Writing, owner: me, large, ..state };
                    if self.exchange(position.slot, state, claim) {
                        self.advance(self.tail, position);
                        return Ok(Claim { slot: position.slot, state: claim });
                    }
                }
                // Somebody has been here: the hint is old.
                0 | 1 => position = self.advance(self.tail, position),
                // The slot still has its item of the lap before.
                _ if state.is_claimed() => return Err(Blocked::Perhaps),
                _ => return Err(Blocked::Really),
            }
        }
        Err(Blocked::Really)
    }

    /// Claims the first item that nobody is reading.
    pub(crate) fn claim_to_get(&self, me: Owner) -> Result<Claim, Blocked> {
        let mut position = self.position(self.head);
        let mut blocked = Blocked::Really;
        for _ in 0..self.patience() {
            let state = self.state(position.slot);
            match (state.against(position), state.phase) {
                (0, Phase::Full) => {
                    let claim = State { phase: Phase::Reading, owner: me, ..state };
                    if self.exchange(position.slot, state, claim) {
                        return Ok(Claim { slot: position.slot, state: claim });
                    }
                }
                (1, _) if blocked == Blocked::Really => {
                    position = self.advance(self.head, position);
                }
                (1, _) => position = self.after(position),
                // Not past one that is being written: what lies behind may be its writer's later
                // ones.
                (0, Phase::Writing) => return Err(Blocked::Perhaps),
                (0, Phase::Reading | Phase::Clearing) => {
                    blocked = Blocked::Perhaps;
                    position = self.after(position);
                }
                // Nothing was put here yet, so nothing behind it either.
                _ => break,
            }
        }
        Err(blocked)
    }

    /// More steps than any search needs, so that a corrupted ring keeps nobody for ever.
    fn patience(&self) -> usize {
        (1 << 12) + 4 * self.capacity as usize
    }

    /// Which item it is, counted from the queue's beginning (modulo the laps).
    pub(crate) fn position_of(&self, claim: &Claim) -> u64 {
        u64::from(claim.state.lap) * u64::from(self.capacity) + u64::from(claim.slot)
    }

    /// Which delivery of an item it is: a number that no other has, also not of the same item.
    pub(crate) fn delivery_of(&self, claim: &Claim) -> u64 {
        self.position_of(claim) << RETURNS.count_ones() | u64::from(claim.state.returns)
    }

    /// The other direction: the position of the item that was delivered.
    pub(crate) const fn delivered(delivery: u64) -> u64 {
        delivery >> RETURNS.count_ones()
    }

    /// The number of the first delivery of the item in this position.
    pub(crate) const fn first_delivery(position: u64) -> u64 {
        position << RETURNS.count_ones()
    }

    /// The words of a slot's payload; the first of them is the message's length.
    pub(crate) fn payload(&self, slot: u32) -> &'a [AtomicU64] {
        let start = slot as usize * self.stride;
        &self.slots[start + 1..start + self.stride]
    }

    /// Put: the message is there for others.
    pub(crate) fn publish(&self, claim: Claim) {
        self.store(claim.slot, State { phase: Phase::Full, owner: 0, ..claim.state });
    }

    /// Whether the slot at the tail is free, or the hint too old to tell.
    pub(crate) fn has_room(&self) -> bool {
        let position = self.position(self.tail);
        self.state(position.slot).against(position) >= 0
    }

    /// Whether there is an item that a get would find.
    pub(crate) fn has_item(&self) -> bool {
        let mut position = self.position(self.head);
        for _ in 0..self.patience() {
            let state = self.state(position.slot);
            match (state.against(position), state.phase) {
                (0, Phase::Full) => return true,
                (1, _) | (0, Phase::Reading | Phase::Clearing) => position = self.after(position),
                _ => break,
            }
        }
        false
    }

    /// The place behind all that this process has put.
    pub(crate) fn end(&self) -> Place {
        self.position(self.tail)
    }

    /// Whether all items before this place have been got, or are just being got.
    pub(crate) fn is_got_before(&self, end: Place) -> bool {
        let mut position = self.position(self.head);
        for _ in 0..self.patience() {
            let state = self.state(position.slot);
            match (state.against(position), state.phase) {
                _ if !position.is_before(end) => break,
                (1, _) | (0, Phase::Reading | Phase::Clearing) => position = self.after(position),
                (0, Phase::Full | Phase::Writing) => return false,
                // Nothing was put here, unless the ring is damaged.
                _ => break,
            }
        }
        true
    }

    /// After a publication: whether the next item is there already.
    pub(crate) fn is_next_full(&self, place: Place) -> bool {
        let next = self.after(place);
        let state = self.state(next.slot);
        state.phase == Phase::Full && state.lap == next.lap
    }

    /// After a release: whether the next place is free already.
    pub(crate) fn is_next_free(&self, place: Place) -> bool {
        let next = self.after(Place { lap: place.lap.wrapping_add(1) & LAPS, ..place });
        let state = self.state(next.slot);
        state.phase == Phase::Empty && state.lap == next.lap
    }

    /// Get, between reading and taking pages away: from here on it is never delivered again.
    pub(crate) fn begin_clearing(&self, claim: Claim) -> Claim {
        let state = State { phase: Phase::Clearing, ..claim.state };
        self.store(claim.slot, state);
        Claim { state, ..claim }
    }

    /// Get, when it can't be done: as if it had never begun.
    pub(crate) fn give_back(&self, claim: Claim) {
        self.publish(claim);
    }

    /// The slot is free for the next lap.
    pub(crate) fn release(&self, claim: Claim) {
        let lap = claim.state.lap.wrapping_add(1) & LAPS;
        let state = State { lap, phase: Phase::Empty, owner: 0, large: false, returns: 0 };
        self.store(claim.slot, state);
    }

    /// Ends what a dead participant began. Only one may do this for it at a time, and nobody may
    /// take its number meanwhile. `clear` gives up the memory of a large message.
    pub(crate) fn repair(&self, dead: Owner, me: Owner, clear: impl Fn(Place)) -> Repaired {
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
                clear(claim.place());
            }
            self.release(claim);
        }
        repaired
    }

    /// How many slots hold an item that nobody is reading, and how many aren't free.
    pub(crate) fn count(&self) -> (usize, usize) {
        let (mut items, mut taken) = (0, 0);
        for slot in 0..self.capacity {
            let state = self.state(slot);
            items += usize::from(state.phase == Phase::Full);
            taken += usize::from(state.phase != Phase::Empty);
        }
        (items, taken)
    }

    /// Who works on a slot, each as often as it does.
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

    /// Where a hint points.
    fn position(&self, hint: &AtomicU64) -> Place {
        let word = hint.load(Ordering::Acquire);
        let (slot, lap) = (word as u32, (word >> 32) as u32 & LAPS);
        Place { slot: if slot < self.capacity { slot } else { 0 }, lap }
    }

    /// Pushes a hint past a position, unless it has moved already; returns where to look next.
    fn advance(&self, hint: &AtomicU64, past: Place) -> Place {
        let pack = |position: Place| u64::from(position.lap) << 32 | u64::from(position.slot);
        let (from, to) = (pack(past), self.after(past));
        match hint.compare_exchange(from, pack(to), Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => to,
            Err(_) => self.position(hint),
        }
    }

    fn after(&self, position: Place) -> Place {
        if position.slot + 1 == self.capacity {
            Place { slot: 0, lap: position.lap.wrapping_add(1) & LAPS }
        } else {
            Place { slot: position.slot + 1, ..position }
        }
    }
}

/// The ring over ordinary memory: one after the other by the tests, in every order by loom.
#[cfg(test)]
mod tests {
    use super::*;

    /// Words of a slot: its state, the length, one word of payload.
    const STRIDE: usize = 3;
    const A: Owner = 1;
    const B: Owner = 2;
    const C: Owner = 3;

    struct Words {
        hints: [AtomicU64; 2],
        slots: Vec<AtomicU64>,
        /// Loom complains if one of them is written while another looks at it, or may still.
        #[cfg(loom)]
        guards: Vec<loom::cell::UnsafeCell<()>>,
    }

    // SAFETY: what the guards hold is never looked at; only loom watches who could.
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

        /// So many laps, so that the next ones come round.
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
                    assert_eq!(words.put(A, 99), Err(Blocked::Really));
                    assert_eq!(words.ring().count(), (capacity, capacity));
                    for item in 0..capacity as u64 {
                        assert_eq!(words.get(B), Ok(round + item));
                    }
                    assert_eq!(words.get(B), Err(Blocked::Really));
                    assert_eq!(words.ring().count(), (0, 0));
                }
            }
        }

        #[test]
        fn a_put_that_died_never_happened_and_keeps_the_next_behind_it_until_repaired() {
            let words = Words::new(2);
            let _died = words.ring().claim_to_put(A, false).unwrap();
            words.put(B, 7).unwrap();
            assert_eq!(words.get(C), Err(Blocked::Perhaps));
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
            assert_eq!(words.get(C), Err(Blocked::Perhaps));
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
            assert_eq!(words.put(A, 1), Err(Blocked::Perhaps));
            let cleared = std::cell::Cell::new(0);
            words.ring().repair(B, C, |_| cleared.set(cleared.get() + 1));
            assert_eq!(cleared.get(), 1);
            words.put(A, 5).unwrap();
            assert_eq!(words.get(B), Ok(5));
        }

        #[test]
        fn any_words_at_all_end_every_search() {
            let mut random = common::testing::Random(7);
            // Many a search takes all its patience, and Miri takes its time.
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

        /// Tries until it can be done; repairs after A once A is known to be dead.
        fn until<T>(
            words: &Words,
            me: Owner,
            dead: &AtomicBool,
            mut attempt: impl FnMut() -> Result<T, Blocked>,
        ) -> T {
            loop {
                match attempt() {
                    Ok(done) => return done,
                    Err(Blocked::Perhaps) if dead.load(Ordering::Acquire) => {
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
                    // The dying one may have come too late for anything.
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
