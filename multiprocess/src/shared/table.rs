//! [`Table`]: a barrier as one of its seats sees it, of which none goes on before all are there.
//!
//! ```text
//!   seat 0 ── arrives ── sleeps ─────────────────┐        words: round │ event count
//!   seat 1 ───────────── arrives ── sleeps ──────┤
//!   seat 2 ───────────────────────── comes last: leads, acts ── round + 1, wakes ── all go on
//! ```
//!
//! A count of those that wait, as Python's barrier has it, can't tell which processes are missing,
//! nor that one of them is dead. So each process has a seat, which is a member of the memory with a
//! number of its own, and the kernel knows whether it lives. A seat goes to one process, and a seat
//! that is empty breaks the barrier for all others.
//!
//! # What a death leaves
//!
//! All changes are single steps of one word: see `round.rs`.
//!
//! A seat dies
//!
//! - B1: before it arrives, or while it waits. Its number is free: the last to come looks at all
//!   seats before it passes, the others look after each nap, and they are told [`Broken::Ended`].
//! - B2: as the last to come, before it has changed the round: the same.
//! - B3: as the last to come, after it has changed the round, and before it wakes the others. They
//!   look within 100 ms, and have passed, even if the next round is broken by then.
//! - B4: as the leader, in its action: as B1.
//! - B5: after it has broken or reset the round, and before it wakes the others. They look within
//!   100 ms, and see that.
//!
//! B6: a process dies that starts another one with a seat. The seat is the child's if that has got
//! all its arguments, otherwise it is free, and so B1: see `child.rs`.
//!
//! # Which seats a waiting thread looks at
//!
//! Each look at a seat is a system call, and with *n* seats *n* threads would make *n* calls each.
//! So threads that wait share the seats: each looks at one part of them after each nap, and a
//! counter in the memory says at which, so that as many looks as there are parts see all. A part
//! has 16 seats at least, and there are no more parts than threads that wait, so it doesn't matter
//! if some of them are dead or stopped.
//!
//! # Memory ordering
//!
//! What a process writes before it arrives is visible to all after they have passed: arrivals are
//! AcqRel and change one word, so the last acquires what all others have written, and releases it
//! with the change of the round, which the waiting threads acquire. With an action it is the second
//! change, which the leader makes after it.
//!
//! Between a look at the round and the sleep nothing is missed: see the event count
//! (`event_count.rs`), where the change of the round is the "work".

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::shared::members::{Card, Member, Members};
use crate::shared::round::{Cause, Phase, Round};
use crate::shared::waiters::{AtWord, Waiters};
use crate::shared::{Broken, Passed};
use crate::spin::{Spin, Waits};

#[cfg(test)]
mod damaged;
#[cfg(test)]
mod step_by_step;

/// Offsets of the parts, in words: a cache line each.
const ROUND: usize = 0;
const EVENT_COUNT: usize = 8;
const HAND: usize = EVENT_COUNT + 1;

/// Number of words that a barrier takes.
pub(crate) const TABLE_WORDS: usize = HAND + 1;

/// Fewest seats that a waiting thread looks at after a nap.
const PART: usize = 16;

/// A barrier as one of its seats sees it.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) members: &'a Members,
    /// Number of seats, from 1.
    pub(crate) seats: usize,
    /// What this process remembers of its waits.
    pub(crate) spin: &'a Spin,
}

/// What a seat has done to the round.
struct Arrived {
    /// State of the round then.
    round: Round,
    is_last: bool,
}

/// A step after which a process may die: see the list above.
#[cfg_attr(test, derive(serde::Serialize, serde::Deserialize))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Coming = 200,
    Arrived,
    LastToCome,
    Acting,
    Acted,
    Passed,
    Broken,
    Reset,
}

/// Dies in a test that has chosen this step.
fn reach(_step: Step) {
    #[cfg(test)]
    crate::crash::reach(_step as u32);
}

impl Table<'_> {
    fn word(&self) -> &AtomicU64 {
        &self.members.words()[ROUND]
    }

    fn now(&self) -> Round {
        Round(self.word().load(Ordering::Acquire))
    }

    /// Changes the state, if it is still this one; returns what it is otherwise.
    fn change(&self, from: Round, to: Round) -> Result<(), Round> {
        let changed =
            self.word().compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire);
        changed.map(drop).map_err(Round)
    }

    fn waiters(&self) -> Waiters<'_, AtWord<'_>> {
        self.members.waiters(EVENT_COUNT, self.spin)
    }

    /// Waits until all seats are there; the last to come runs the action.
    pub(crate) fn pass(
        &self,
        deadline: Option<Instant>,
        action: Option<&mut dyn FnMut()>,
    ) -> Result<Passed, Broken> {
        let arrived = self.arrive(action.is_some())?;
        match action {
            _ if !arrived.is_last => self.wait(arrived.round, deadline),
            Some(action) => self.act(arrived.round, action),
            None => Ok(self.lead()),
        }
    }

    /// Counts this seat as arrived; the last one begins the next round, or to act.
    fn arrive(&self, acts: bool) -> Result<Arrived, Broken> {
        let mut round = self.now();
        loop {
            if round.phase() != Phase::Gathering {
                return Err(self.broken(round));
            }
            let is_last = round.arrived() + 1 >= self.seats;
            // A seat may have died while it waited.
            if is_last && let Some(dead) = self.empty_seat(0, 1) {
                self.break_from(round, Cause::Ended, dead);
                round = self.now();
                continue;
            }
            let next = match (is_last, acts) {
                (false, _) => round.with_one_more(),
                (true, true) => round.acting(self.members.me()),
                (true, false) => round.passed(),
            };
            reach(if is_last { Step::LastToCome } else { Step::Coming });
            match self.change(round, next) {
                Ok(()) => return Ok(Arrived { round: next, is_last }),
                Err(now) => round = now,
            }
        }
    }

    /// Waits until the round is over in which this seat has arrived.
    fn wait(&self, mine: Round, deadline: Option<Instant>) -> Result<Passed, Broken> {
        reach(Step::Arrived);
        let naps = Cell::new(0);
        let look = |is_thorough: bool| {
            let now = self.now();
            let over = self.outcome(mine, now);
            if over.is_some() || !is_thorough {
                return over;
            }
            // Not before the first nap: most waits end before they have cost a look at the seats.
            let nap = naps.replace(naps.get() + 1);
            let parts = now.arrived().min(self.seats / PART).max(1);
            let dead = if nap == 0 { None } else { self.empty_seat(self.next_part(), parts) };
            self.break_from(now, Cause::Ended, dead?);
            self.outcome(mine, self.now())
        };
        let over = self.waiters().wait(deadline, Waits::One, look, || false);
        over.unwrap_or_else(|| self.give_up(mine))
    }

    /// Breaks the round because the time is over, unless it is over, too.
    fn give_up(&self, mine: Round) -> Result<Passed, Broken> {
        loop {
            let now = self.now();
            if let Some(over) = self.outcome(mine, now) {
                return over;
            }
            self.break_from(now, Cause::TimedOut, self.members.me());
        }
    }

    /// Returns how the wait of a seat ends that arrived in `mine`; `None` if it doesn't yet.
    fn outcome(&self, mine: Round, now: Round) -> Option<Result<Passed, Broken>> {
        // In this order: the next round may be broken by now.
        if !now.is_same_round(mine) {
            Some(Ok(Passed { is_leader: false }))
        } else if !now.is_same_attempt(mine) {
            Some(Err(Broken::Reset))
        } else if let Phase::Broken(_) = now.phase() {
            Some(Err(self.broken(now)))
        } else {
            None
        }
    }

    /// Runs the leader's action, and begins the next round.
    fn act(&self, acting: Round, action: &mut dyn FnMut()) -> Result<Passed, Broken> {
        /// Breaks the round if the action panics.
        struct Unwinding<'a>(&'a Table<'a>, Round);
        impl Drop for Unwinding<'_> {
            fn drop(&mut self) {
                let Self(table, acting) = *self;
                table.break_from(acting, Cause::Panicked, table.members.me());
            }
        }
        reach(Step::Acting);
        let unwinding = Unwinding(self, acting);
        action();
        std::mem::forget(unwinding);
        reach(Step::Acted);
        match self.change(acting, acting.passed()) {
            Ok(()) => Ok(self.lead()),
            Err(now) => self.outcome(acting, now).unwrap_or(Err(Broken::Damaged)),
        }
    }

    /// Wakes all others, which go on.
    fn lead(&self) -> Passed {
        reach(Step::Passed);
        self.waiters().notify_all();
        Passed { is_leader: true }
    }

    /// Breaks the round, if this is still its state.
    fn break_from(&self, round: Round, cause: Cause, seat: Member) {
        if self.change(round, round.broken(cause, seat)).is_ok() {
            reach(Step::Broken);
            self.waiters().notify_all();
        }
    }

    /// Breaks the round, unless it is broken already.
    pub(crate) fn break_by(&self, cause: Cause) {
        loop {
            let now = self.now();
            if let Phase::Broken(_) = now.phase() {
                return;
            }
            self.break_from(now, cause, self.members.me());
        }
    }

    /// Makes the round whole and empty, if no seat is empty.
    pub(crate) fn reset(&self) -> Result<(), Broken> {
        loop {
            let now = self.now();
            if let Some(dead) = self.empty_seat(0, 1) {
                self.break_from(now, Cause::Ended, dead);
                return Err(self.of_seat(Cause::Ended, dead));
            }
            if now.phase() == Phase::Gathering && now.arrived() == 0 {
                return Ok(());
            }
            if self.change(now, now.reset()).is_ok() {
                reach(Step::Reset);
                self.waiters().notify_all();
                return Ok(());
            }
        }
    }

    /// Returns the number of seats that wait.
    pub(crate) fn waiting(&self) -> usize {
        let now = self.now();
        if let Some(dead) = self.empty_seat(0, 1) {
            self.break_from(now, Cause::Ended, dead);
        }
        let now = self.now();
        if let Phase::Broken(_) = now.phase() { 0 } else { now.arrived() }
    }

    /// Returns the number of this look, of all threads that wait.
    fn next_part(&self) -> usize {
        // A hint: whatever it is, a part is looked at.
        self.members.words()[HAND].fetch_add(1, Ordering::Relaxed) as usize
    }

    /// Returns an empty seat, of every so many from the first; `None` if all of these are taken.
    fn empty_seat(&self, first: usize, parts: usize) -> Option<Member> {
        let part = (first % parts..self.seats).step_by(parts).map(|seat| seat as Member + 1);
        part.into_iter().find(|seat| !self.members.lives(*seat))
    }

    /// Returns why the round is broken.
    fn broken(&self, round: Round) -> Broken {
        match round.phase() {
            Phase::Broken(cause) => self.of_seat(cause, round.seat()),
            // All seats have arrived, and this one hasn't.
            Phase::Acting | Phase::Gathering => Broken::Damaged,
        }
    }

    fn of_seat(&self, cause: Cause, member: Member) -> Broken {
        let seat = usize::from(member.saturating_sub(1));
        let Card { pid, name } = self.members.card(member);
        match cause {
            Cause::Ended => Broken::Ended { seat, pid, name },
            Cause::Panicked => Broken::Panicked { seat, pid, name },
            Cause::Aborted => Broken::Aborted,
            Cause::TimedOut => Broken::TimedOut,
            Cause::Damaged => Broken::Damaged,
        }
    }
}

/// Says how many seats wait, or why none does.
impl fmt::Debug for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.now();
        match now.phase() {
            Phase::Broken(_) => write!(f, "{}", self.broken(now)),
            _ => write!(f, "{} waiting", now.arrived()),
        }
    }
}
