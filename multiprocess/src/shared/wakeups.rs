//! The wake-ups of a condition: how many threads wait, and which of them may go on.
//!
//! ```text
//!   words:  generation │ group 1: generation, count │ group 2 │ group 3 │ group 4
//!   own words of each member: how many of its threads wait │ generation of the first of them
//!
//!   begin      waiting + 1                    the thread remembers the generation
//!   give(n)    count + n                      at most one for each thread that has none coming
//!   take       waiting − 1, then count − 1    from the oldest group not older than the thread
//!   give up    waiting − 1                    the thread's time is over
//! ```
//!
//! A thread takes only wake-ups that were given while it waited. With a single count, a thread that
//! notifies another and then waits would take the wake-up back, and a thread that comes late one
//! that another was woken for. So a thread that begins to wait while there are wake-ups opens a new
//! generation, and each group of wake-ups is for the threads of its own generation and of older
//! ones.
//!
//! A wake-up isn't any one thread's: the first of those that it is for takes it. So a thread that
//! is killed or stopped after it was woken, and before it has taken its wake-up, leaves it to
//! another.
//!
//! # What a death leaves
//!
//! All changes are made under the condition's lock, each by a single store. A process dies
//!
//! - C1: after the new generation. Nothing: generations need not follow one another.
//! - C2: after `waiting + 1`, or while it waits. A dead member's count is left: `give` counts the
//!   living alone, and clears it. So does an invitation.
//! - C3: after it was woken. The wake-up is left: another thread that it is for takes it at its
//!   next look, within 100 ms.
//! - C4: after `waiting − 1`: the same. It had the lock, so the next holder is told.
//! - C5: after `count − 1`. It had gone on, with the lock: the next holder is told.
//! - C6: after it has raised a group's generation. The group's wake-ups are for younger threads,
//!   too: as many threads go on.
//! - C7: after `count + n`, before it wakes a thread: they see the wake-ups at their next look.
//! - C8: giving to all, before it empties the other groups. Some wake-ups are there twice: a later
//!   thread may be woken in vain.
//! - C9: after it has woken threads, before it unlocks: one gets the lock from the dead holder.
//!
//! Wake-ups for which no thread is left that could take them, because all were killed, must not be
//! counted as coming to a thread. `give` drops a group if all threads that wait are younger. Those
//! that it can't know of make it give too much, never too little: if it seems to be for as many
//! threads as there are, it gives to all that wait, and empties the other groups. So after a kill a
//! thread may be woken that no notification was for, and none that was notified is forgotten.
//!
//! # Memory ordering
//!
//! All accesses are Relaxed: the condition's lock orders them.
//! [`has_one_for`](Wakeups::has_one_for) is called without the lock, and is a hint: the thread
//! locks and looks again. The fences of the event count (see `event_count.rs`) see to it that a
//! thread about to sleep either finds the wake-up or is notified.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::shared::members::{Member, Members};

#[cfg(test)]
mod tests;

/// Number of words: those of the groups are a cache line.
pub(crate) const WAKEUP_WORDS: usize = 2 * LINE;

const LINE: usize = 8;

/// A count of wake-ups that is never reached: to wake all threads.
pub(crate) const ALL: u64 = u64::MAX;

/// The wake-ups of a condition, in the words of a memory from this index on.
#[derive(Clone, Copy)]
pub(crate) struct Wakeups<'a> {
    members: &'a Members,
    index: usize,
}

/// Wake-ups that were given while the same threads waited.
#[derive(Clone, Copy)]
struct Group<'a> {
    generation: &'a AtomicU64,
    count: &'a AtomicU64,
}

impl Group<'_> {
    fn generation(self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }

    fn count(self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn is_for(self, generation: u64) -> bool {
        self.count() > 0 && self.generation() >= generation
    }
}

/// A step after which a process may die: see the list above.
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Begun = 100,
    Woken,
    NoLongerWaiting,
    Taken,
    GroupRaised,
    Given,
    GivenTwice,
    Notified,
    NewGeneration,
}

/// Dies in a test that has chosen this step.
pub(crate) fn reach(_step: Step) {
    #[cfg(test)]
    crate::crash::reach(_step as u32);
}

impl<'a> Wakeups<'a> {
    pub(crate) fn new(members: &'a Members, index: usize) -> Self {
        Self { members, index }
    }

    fn words(self) -> &'a [AtomicU64] {
        &self.members.words()[self.index..][..WAKEUP_WORDS]
    }

    /// Generation of a thread that begins to wait while there are no wake-ups.
    fn generation(self) -> &'a AtomicU64 {
        &self.words()[0]
    }

    fn groups(self) -> impl Iterator<Item = Group<'a>> {
        let pairs = self.words()[LINE..].as_chunks().0;
        pairs.iter().map(|[generation, count]| Group { generation, count })
    }

    /// Number of a member's threads that wait.
    fn waiting_of(self, member: Member) -> &'a AtomicU64 {
        &self.members.own(member)[0]
    }

    /// Generation such that no thread of a member that waits is older.
    fn oldest_of(self, member: Member) -> &'a AtomicU64 {
        &self.members.own(member)[1]
    }

    /// Number of the threads of this process that wait.
    fn waiting_here(self) -> &'a AtomicU64 {
        self.waiting_of(self.members.me())
    }

    /// Counts the calling thread as waiting; returns its generation. Under the lock.
    pub(crate) fn begin(self) -> u64 {
        let mut generation = self.generation().load(Ordering::Relaxed);
        // Later generations can't be: the word may be damaged.
        if self.groups().any(|group| group.is_for(generation)) {
            generation = generation.wrapping_add(1);
            self.generation().store(generation, Ordering::Relaxed);
            reach(Step::NewGeneration);
        }
        let waiting = self.waiting_here().load(Ordering::Relaxed);
        if waiting == 0 {
            self.oldest_of(self.members.me()).store(generation, Ordering::Relaxed);
        }
        self.waiting_here().store(waiting.saturating_add(1), Ordering::Relaxed);
        reach(Step::Begun);
        generation
    }

    /// Counts the calling thread as waiting no more. Under the lock.
    pub(crate) fn give_up(self) {
        let waiting = self.waiting_here().load(Ordering::Relaxed);
        self.waiting_here().store(waiting.saturating_sub(1), Ordering::Relaxed);
    }

    /// Takes a wake-up for a thread of this generation, which then waits no more; returns false if
    /// there is none. Under the lock.
    pub(crate) fn take(self, generation: u64) -> bool {
        let fitting = self.groups().filter(|group| group.is_for(generation));
        let Some(oldest) = fitting.min_by_key(|group| group.generation()) else { return false };
        // In this order: a thread that dies in between leaves the wake-up to another.
        self.give_up();
        reach(Step::NoLongerWaiting);
        oldest.count.store(oldest.count().saturating_sub(1), Ordering::Relaxed);
        reach(Step::Taken);
        true
    }

    /// Returns true if there seems to be a wake-up for a thread of this generation.
    pub(crate) fn has_one_for(self, generation: u64) -> bool {
        self.groups().any(|group| group.is_for(generation))
    }

    /// Gives as many wake-ups as there are threads that have none coming, and `most` at most.
    /// Returns how many threads are to be notified, [`ALL`] if every one. Under the lock.
    pub(crate) fn give(self, most: u64) -> u64 {
        let (waiting, oldest) = self.living();
        for group in self.groups().filter(|group| group.generation() < oldest) {
            group.count.store(0, Ordering::Relaxed);
        }
        if waiting == 0 || most == 0 {
            return 0;
        }
        let given = self.groups().map(Group::count).fold(0, u64::saturating_add);
        let group = self.group_to_give();
        // For older threads, too, but not for those that come later.
        group.generation.store(self.generation().load(Ordering::Relaxed), Ordering::Relaxed);
        reach(Step::GroupRaised);
        if most < waiting.saturating_sub(given) {
            group.count.store(group.count().saturating_add(most), Ordering::Relaxed);
            reach(Step::Given);
            return most;
        }
        group.count.store(waiting, Ordering::Relaxed);
        reach(Step::GivenTwice);
        let others = self.groups().filter(|other| !std::ptr::eq(other.count, group.count));
        others.for_each(|other| other.count.store(0, Ordering::Relaxed));
        reach(Step::Given);
        ALL
    }

    /// Returns the group for wake-ups that are given now: that of this generation, or an empty one.
    /// If there is neither, the youngest: then threads that came after its wake-ups were given may
    /// take them, and leave theirs to older threads.
    fn group_to_give(self) -> Group<'a> {
        let generation = self.generation().load(Ordering::Relaxed);
        let groups = || self.groups();
        groups()
            .find(|group| group.is_for(generation))
            .or_else(|| groups().find(|group| group.count() == 0))
            .or_else(|| groups().max_by_key(|group| group.generation()))
            .unwrap_or_else(|| unreachable!("there are four groups"))
    }

    /// Counts the threads of living processes that wait; returns a generation, too, such that none
    /// of them is older. Forgets those of dead processes. Under the lock, without which no process
    /// that is given a dead one's number can begin to wait.
    fn living(self) -> (u64, u64) {
        let (mut all, mut oldest) = (0_u64, u64::MAX);
        for member in 1..=self.members.highest() {
            let waiting = self.waiting_of(member).load(Ordering::Relaxed);
            if waiting > 0 && self.members.lives(member) {
                all = all.saturating_add(waiting);
                oldest = oldest.min(self.oldest_of(member).load(Ordering::Relaxed));
            } else if waiting > 0 {
                self.waiting_of(member).store(0, Ordering::Relaxed);
            }
        }
        (all, oldest)
    }

    /// Returns the number of threads that wait, those of dead processes included.
    pub(crate) fn count(self) -> u64 {
        let of = |member| self.waiting_of(member).load(Ordering::Relaxed);
        (1..=self.members.highest()).map(of).fold(0, u64::saturating_add)
    }
}
