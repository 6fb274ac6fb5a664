//! The slots of a semaphore: a word for each permit that there is, or may be.
//!
//! ```text
//!   word:  changes (48 bits) | state (16 bits)
//!
//!              reserve            publish         take
//!   absent ───────────▶ reserved ─────────▶ free ──────────▶ held
//!     ▲  ▲                 │                 ▲                │ │
//!     │  └─────────────────┘                 └────────────────┘ │
//!     │   no room for all, or adder died      given back, or    │
//!     │                                       holder died       │
//!     └─────────────────────────────────────────────────────────┘
//!                              consumed
//! ```
//!
//! A held slot has its holder's number in it, a reserved one its adder's. Each arrow is one store
//! or one compare-exchange of that one word, so a permit is never between a count and an owner: a
//! death leaves it free or with the number of the dead process, and that number tells other
//! processes which permits come back.
//!
//! Only these change a word: for a free or an absent slot, any process, by compare-exchange; for a
//! slot with a number, a thread of the process of that number, which has the slot's permit in its
//! hands; if that process is dead, the process that has locked its number.
//!
//! **No permit is free** can't be seen by looking at one slot after the other: a permit may be
//! given back in front of the look while another one is taken behind it. But the upper bits count
//! a slot's changes. If two looks in a row have seen the same words, then there was no change
//! between them, and none of the permits was free at that moment.
//!
//! # Memory ordering
//!
//! - Looks are Acquire loads, and every change is a Release. So a thread that takes a permit sees
//!   all that was done while its holders before had it, or before it was added. The exchange that
//!   takes it need not be an Acquire: no word comes a second time, so it finds the word that the
//!   look has seen, or fails.
//! - What a dead holder did is seen by the process that buries it, because the kernel frees a
//!   number after the last store of its process; and from there by the next holder.
//! - That taking a permit is a Release, too, is for the looks of others: a look which sees a slot
//!   taken sees in its second round all slots that were free before. Otherwise a process that gives
//!   one permit back and takes another could be seen with both in both rounds.

use crate::shared::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use crate::shared::members::{MEMBERS, Member};

#[cfg(loom)]
type Member = u16;
#[cfg(loom)]
const MEMBERS: Member = 4096;

/// State of a slot whose permit no process has. A state below [`ABSENT`] but this one is the
/// holder's number.
const FREE: u64 = 0;
/// State of a slot without a permit.
const ABSENT: u64 = MEMBERS as u64;
/// State of a slot to which a permit is about to be added, with the adder's number.
const RESERVED: u64 = 2 * MEMBERS as u64;

/// The bits of a word that hold the state.
const STATE: u64 = 0xffff;

/// The most pairs of looks for a moment without a change. While other processes take and give back
/// all the time, a look at many slots may never find one.
const LOOKS: usize = 64;

/// Returns the word of a slot that changes from this word to the state.
const fn changed(word: u64, state: u64) -> u64 {
    (word | STATE).wrapping_add(1) | state
}

/// Returns the number in a word: the holder's or the adder's; 0 if there is none.
fn member(word: u64) -> Member {
    match word & STATE {
        number @ 1..ABSENT => number as Member,
        state if state > RESERVED && state < RESERVED + ABSENT => (state - RESERVED) as Member,
        _ => 0,
    }
}

/// A step after which a process may die.
#[cfg_attr(test, derive(Debug, serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// A free slot is found.
    Found = 400,
    /// It is taken.
    Taken,
    /// A permit is about to be given back, or consumed.
    Leaving,
    /// It is given back or consumed, and no thread was woken.
    Left,
    /// A dead process's number is locked.
    NumberLocked,
    /// One of its slots is free, or absent.
    Buried,
    /// A slot is reserved.
    Reserved,
    /// A reserved slot is free.
    Added,
}

/// Marks a step. In tests a process may die here.
fn reach(_step: Step) {
    #[cfg(all(test, not(loom)))]
    crate::shared::crash::reach(_step as u32);
}

/// The slots of a semaphore, used by the process of one number.
#[derive(Clone, Copy)]
pub(crate) struct Slots<'a> {
    words: &'a [AtomicU64],
    me: Member,
}

impl<'a> Slots<'a> {
    pub(crate) const fn new(words: &'a [AtomicU64], me: Member) -> Self {
        Self { words, me }
    }

    /// Leaves so many permits in new slots, which are all free and not shared yet.
    pub(crate) fn begin_with(self, permits: usize) {
        self.words[permits..].iter().for_each(|word| word.store(ABSENT, Ordering::Relaxed));
    }

    /// Lists the slots from this one on, all of them.
    fn starting_at(self, first: usize) -> impl Iterator<Item = (usize, u64)> {
        let last = self.words.len();
        let first = first.min(last);
        let word = move |slot: usize| (slot, self.words[slot].load(Ordering::Acquire));
        (first..last).chain(0..first).map(word)
    }

    /// Counts the slots in this state.
    fn count(self, state: u64) -> usize {
        self.starting_at(0).filter(|(_, word)| word & STATE == state).count()
    }

    /// Changes a slot from this word to the state; returns false if it has another word by now.
    fn change(self, slot: usize, word: u64, state: u64) -> bool {
        let new = changed(word, state);
        let changed =
            self.words[slot].compare_exchange(word, new, Ordering::Release, Ordering::Relaxed);
        changed.is_ok()
    }

    /// Changes a slot that has this process's number to the state.
    fn put(self, slot: usize, state: u64) {
        let word = &self.words[slot];
        word.store(changed(word.load(Ordering::Relaxed), state), Ordering::Release);
    }

    /// Changes the slot of a permit of this process to the state.
    fn leave(self, slot: usize, state: u64) {
        reach(Step::Leaving);
        self.put(slot, state);
        reach(Step::Left);
    }

    /// Takes a permit, the first that is free from this slot on, and returns its slot. Otherwise
    /// returns the sum of all words seen, which no change of a slot leaves as it was.
    pub(crate) fn take(self, first: usize) -> Result<usize, u64> {
        let mut sum = 0_u64;
        for (slot, word) in self.starting_at(first) {
            if word & STATE == FREE {
                reach(Step::Found);
                if self.change(slot, word, self.me.into()) {
                    reach(Step::Taken);
                    return Ok(slot);
                }
            }
            sum = sum.wrapping_add(word);
        }
        Err(sum)
    }

    /// Takes a permit; returns `None` only if at some moment of this call none was free (or if
    /// there was no moment without changes during a great many looks).
    pub(crate) fn take_any(self, first: usize) -> Option<usize> {
        let mut before = None;
        for _ in 0..LOOKS {
            match self.take(first) {
                Ok(slot) => return Some(slot),
                Err(sum) if before == Some(sum) => break,
                Err(sum) => before = Some(sum),
            }
        }
        None
    }

    /// Gives back a permit of this process.
    pub(crate) fn give_back(self, slot: usize) {
        self.leave(slot, FREE);
    }

    /// Consumes a permit of this process: its slot is room for another one.
    pub(crate) fn consume(self, slot: usize) {
        self.leave(slot, ABSENT);
    }

    /// Adds so many permits, in the first slots that have none from this one on, and returns the
    /// last of these slots. Adds none and returns `None` if there are too few.
    ///
    /// If this process dies here, none, some or all of the permits are there.
    pub(crate) fn add(self, permits: usize, first: usize) -> Option<usize> {
        let absent = || self.starting_at(first).filter(|(_, word)| word & STATE == ABSENT);
        // Not to be in the way of an addition of fewer permits.
        if absent().take(permits).count() < permits {
            return None;
        }
        let reserved = RESERVED | u64::from(self.me);
        let mut slots = Vec::with_capacity(permits);
        for (slot, word) in absent() {
            if self.change(slot, word, reserved) {
                reach(Step::Reserved);
                slots.push(slot);
            }
            if slots.len() == permits {
                break;
            }
        }
        let are_enough = slots.len() == permits;
        for slot in &slots {
            self.put(*slot, if are_enough { FREE } else { ABSENT });
            reach(Step::Added);
        }
        slots.pop().filter(|_| are_enough)
    }

    /// Counts the free permits.
    pub(crate) fn free(self) -> usize {
        self.count(FREE)
    }

    /// Returns true if more than one permit is free.
    pub(crate) fn has_several_free(self) -> bool {
        self.starting_at(0).filter(|(_, word)| word & STATE == FREE).nth(1).is_some()
    }

    /// Counts the permits of this member.
    pub(crate) fn held_by(self, member: Member) -> usize {
        self.count(member.into())
    }

    /// Counts the permits, held and reserved ones among them.
    pub(crate) fn taken_up(self) -> usize {
        self.room() - self.count(ABSENT)
    }

    /// Counts the permits that there is room for.
    pub(crate) fn room(self) -> usize {
        self.words.len()
    }

    /// Lists the other processes that have permits or reserved slots, each once.
    pub(crate) fn others(self) -> Vec<Member> {
        let members = self.starting_at(0).map(|(_, word)| member(word));
        let mut others: Vec<Member> =
            members.filter(|member| *member != 0 && *member != self.me).collect();
        others.sort_unstable();
        others.dedup();
        others
    }

    /// Gives back the permits of a dead process, and frees what it had reserved; returns true if
    /// there was anything. The caller has locked its number.
    pub(crate) fn bury(self, dead: Member) -> bool {
        reach(Step::NumberLocked);
        let mut is_any_buried = false;
        for (slot, word) in self.starting_at(0).filter(|(_, word)| member(*word) == dead) {
            let was_held = word & STATE == u64::from(dead);
            is_any_buried |= self.change(slot, word, if was_held { FREE } else { ABSENT });
            reach(Step::Buried);
        }
        is_any_buried
    }

    /// Returns true if a slot has a state that there is not: the memory is damaged.
    pub(crate) fn are_damaged(self) -> bool {
        let is_state = |word: u64| matches!(word & STATE, FREE | ABSENT) || member(word) != 0;
        !self.starting_at(0).all(|(_, word)| is_state(word))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const A: Member = 1;
    const B: Member = 2;

    fn words(permits: usize, room: usize) -> Vec<AtomicU64> {
        let words: Vec<_> = (0..room).map(|_| AtomicU64::new(0)).collect();
        Slots::new(&words, A).begin_with(permits);
        words
    }

    #[test]
    fn each_permit_is_taken_once_and_looked_for_from_where_the_caller_says() {
        let words = words(3, 3);
        let (a, b) = (Slots::new(&words, A), Slots::new(&words, B));
        assert_eq!((a.take(2), b.take(2), a.take_any(1)), (Ok(2), Ok(0), Some(1)));
        assert!(b.take(0).is_err() && b.take_any(9).is_none());
        assert_eq!((a.free(), a.held_by(A), a.held_by(B), a.taken_up()), (0, 2, 1, 3));
        a.give_back(1);
        assert_eq!((b.free(), b.take(0)), (1, Ok(1)));
    }

    #[test]
    fn each_change_changes_the_sum_of_what_a_look_has_seen() {
        let words = words(1, 2);
        let (a, b) = (Slots::new(&words, A), Slots::new(&words, B));
        let mut sums = Vec::new();
        for _ in 0..3 {
            a.take(0).unwrap();
            sums.push(b.take(0).unwrap_err());
            a.give_back(0);
        }
        a.take(0).unwrap();
        a.consume(0);
        sums.push(b.take(0).unwrap_err());
        assert!(sums.is_sorted_by(|first, second| first < second), "{sums:?}");
    }

    #[test]
    fn the_dead_give_back_what_they_hold_and_what_they_were_adding_is_not_there() {
        let words = words(3, 6);
        let (a, b) = (Slots::new(&words, A), Slots::new(&words, B));
        (a.take(0).unwrap(), b.take(0).unwrap(), b.take(0).unwrap());
        // Half an addition.
        assert!((3..5).all(|slot| b.change(
            slot,
            words[slot].load(Ordering::Relaxed),
            RESERVED | 2
        )));
        assert_eq!((a.others(), a.taken_up(), a.add(2, 0)), (vec![B], 5, None));
        assert!(a.bury(B) && !a.bury(B));
        assert_eq!((a.free(), a.held_by(A), a.taken_up()), (2, 1, 3));
        assert_eq!(a.add(3, 5), Some(4), "from the last one on, and round");
        assert_eq!((a.free(), a.taken_up(), a.others()), (5, 6, vec![]));
    }

    #[test]
    fn permits_are_added_all_or_none_and_a_consumed_one_is_room() {
        let words = words(0, 3);
        let a = Slots::new(&words, A);
        assert_eq!((a.add(4, 0), a.free()), (None, 0));
        assert_eq!((a.add(2, 0), a.add(2, 0), a.add(usize::MAX, 0)), (Some(1), None, None));
        assert_eq!((a.free(), a.take(0)), (2, Ok(0)));
        a.consume(0);
        assert_eq!((a.free(), a.taken_up(), a.add(2, 0)), (1, 1, Some(2)));
        assert_eq!(a.free(), 3);
    }

    #[test]
    fn a_state_that_can_not_be_is_damage_and_no_permit() {
        let words = words(1, 1);
        let a = Slots::new(&words, A);
        for state in 0..=STATE {
            words[0].store(changed(u64::MAX, state), Ordering::Relaxed);
            let is_state = state <= ABSENT || (RESERVED + 1..RESERVED + ABSENT).contains(&state);
            assert_eq!(a.are_damaged(), !is_state, "{state}");
            assert_eq!(a.take(0).is_ok(), state == FREE, "{state}");
        }
    }
}

/// The slots in every interleaving, alone and with the event count.
#[cfg(all(test, loom))]
mod in_every_order {
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;
    use loom::thread;

    use super::*;
    use crate::shared::atomic::AtomicU32;
    use crate::shared::event_count::in_every_order::System;

    struct Semaphore {
        slots: Vec<AtomicU64>,
        event_count: AtomicU32,
        system: System,
        /// One for each slot, accessed by its holder: loom fails the test if two are.
        guards: Vec<UnsafeCell<()>>,
    }

    // SAFETY: the guards hold nothing; loom only watches the accesses to them.
    #[expect(unsafe_code, reason = "loom's cells are not Sync, so that it can tell on their users")]
    unsafe impl Sync for Semaphore {}

    impl Semaphore {
        fn slots(&self, me: Member) -> Slots<'_> {
            Slots::new(&self.slots, me)
        }

        fn use_permit(&self, slot: usize) {
            self.guards[slot].with_mut(|_| ());
        }

        fn wait(&self, me: Member) -> usize {
            let look = |thorough| {
                let slots = self.slots(me);
                if thorough { slots.take_any(0) } else { slots.take(0).ok() }
            };
            let event_count = self.system.event_count(&self.event_count);
            event_count.sleep(None, look, || self.slots(me).free() > 0).unwrap()
        }

        fn notify(&self, me: Member) {
            let event_count = self.system.event_count(&self.event_count);
            event_count.notify(|| self.slots(me).has_several_free());
        }

        fn give_back(&self, me: Member, slot: usize) {
            self.slots(me).give_back(slot);
            self.notify(me);
        }

        fn wait_and_give_back(&self, me: Member) {
            let slot = self.wait(me);
            self.use_permit(slot);
            self.give_back(me, slot);
        }
    }

    fn model(permits: usize, room: usize, run: impl Fn(Arc<Semaphore>) + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        // With three, the tests find no more and take a minute.
        model.preemption_bound = Some(2);
        model.check(move || {
            let semaphore = Semaphore {
                slots: (0..room).map(|_| AtomicU64::new(0)).collect(),
                event_count: AtomicU32::new(0),
                system: System::new(true),
                guards: (0..room).map(|_| UnsafeCell::new(())).collect(),
            };
            semaphore.slots(1).begin_with(permits);
            run(Arc::new(semaphore));
        });
    }

    fn spawn(
        semaphore: &Arc<Semaphore>,
        run: impl FnOnce(&Semaphore) + Send + 'static,
    ) -> thread::JoinHandle<()> {
        let semaphore = Arc::clone(semaphore);
        thread::spawn(move || run(&semaphore))
    }

    #[test]
    fn a_permit_is_in_one_hand_at_a_time_and_all_that_wait_get_it() {
        model(1, 1, |semaphore| {
            let others = [2, 3].map(|me| spawn(&semaphore, move |it| it.wait_and_give_back(me)));
            semaphore.wait_and_give_back(1);
            others.into_iter().for_each(|other| other.join().unwrap());
            assert_eq!(semaphore.slots(1).free(), 1);
        });
    }

    #[test]
    fn a_permit_is_found_although_another_moves_about() {
        model(2, 2, |semaphore| {
            // One of two permits, at any time.
            let other = spawn(&semaphore, |semaphore| {
                for first in [0, 1, 0] {
                    let slot = semaphore.slots(2).take(first).unwrap();
                    semaphore.use_permit(slot);
                    semaphore.slots(2).give_back(slot);
                }
            });
            let slot = semaphore.slots(1).take_any(0).expect("one is free all the time");
            semaphore.use_permit(slot);
            other.join().unwrap();
        });
    }

    #[test]
    fn the_permits_of_a_dead_process_come_back_once_each() {
        model(2, 2, |semaphore| {
            let dead = [0, 1].map(|first| semaphore.slots(9).take(first).unwrap());
            dead.into_iter().for_each(|slot| semaphore.use_permit(slot));
            let other = spawn(&semaphore, |semaphore| semaphore.wait_and_give_back(2));
            // One at a time may bury: it has locked the number.
            assert!(semaphore.slots(1).bury(9));
            semaphore.system.event_count(&semaphore.event_count).notify_all();
            semaphore.wait_and_give_back(1);
            other.join().unwrap();
            assert_eq!(semaphore.slots(1).free(), 2);
        });
    }

    #[test]
    fn an_added_permit_is_got_and_consumed_with_what_was_done_before() {
        model(0, 2, |semaphore| {
            let consumers = [2, 3].map(|me| {
                spawn(&semaphore, move |semaphore| {
                    let slot = semaphore.wait(me);
                    semaphore.use_permit(slot);
                    semaphore.slots(me).consume(slot);
                })
            });
            semaphore.guards.iter().for_each(|guard| guard.with_mut(|_| ()));
            assert!(semaphore.slots(1).add(2, 0).is_some());
            semaphore.system.event_count(&semaphore.event_count).notify_all();
            consumers.into_iter().for_each(|consumer| consumer.join().unwrap());
            assert_eq!(semaphore.slots(1).taken_up(), 0);
        });
    }
}
