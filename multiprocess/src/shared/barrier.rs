//! [`Barrier`]: seats of which none goes on before all are there.
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
//! | a seat dies | what is left | what the others see |
//! | --- | --- | --- |
//! | B1: before it arrives, or while it waits | a free number | the last to come looks at all seats before it passes, and the others at their next nap: [`Broken::Ended`] |
//! | B2: the last to come, before it changes the round | the same | the same |
//! | B3: the last to come, after it has changed the round | the next round, and sleepers that were not woken | they look within 100 ms, and have passed, even if the next round is broken by then |
//! | B4: the leader, in its action | acting | as while it waits |
//! | B5: a process that breaks or resets, before it wakes | the new state | the sleepers look within 100 ms |
//! | B6: a process that starts another with a seat | the seat is the child's, or free | nothing, or `Ended` |
//!
//! # Which seats a waiting thread looks at
//!
//! Each look at a seat is a system call, and with *n* seats *n* threads would make *n* calls each.
//! So threads that wait share the seats: the first to arrive looks at one part, the second at
//! another, and after each nap at the part of the next. A part has 16 seats at least, and several
//! threads look at it if many wait, so it doesn't matter if some of them are dead or stopped.
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
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::shared::members::{self, Card, MEMBERS, Member, Members};
use crate::shared::round::{Cause, Phase, Round};
use crate::shared::waiters::{AtWord, Waiters};
use crate::shared::{Broken, Passed};
use crate::spin::{Spin, Waits};

#[cfg(test)]
mod step_by_step;

/// Offsets of the parts, in words: a cache line each.
const ROUND: usize = 0;
const EVENT_COUNT: usize = 8;
const WORDS: usize = EVENT_COUNT + 1;

/// Fewest seats that a waiting thread looks at after a nap.
const PART: usize = 16;

/// A point that none of several processes passes before all have come to it. Python:
/// `multiprocessing.Barrier`.
///
/// ```
/// use multiprocess::shared::{Barrier, Seat};
/// use multiprocess::{Failure, Process, tasks};
///
/// tasks![run];
///
/// fn run(mut seat: Seat) -> Result<(), Failure> {
///     // … prepares …
///     if seat.wait()?.is_leader() {
///         println!("all are ready");
///     }
///     Ok(())
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let mut seats = Barrier::seats(3)?;
/// let mut mine = seats.remove(0);
/// let mut others: Vec<_> = seats.into_iter().map(|seat| Process::new(run, seat)).collect();
/// others.iter_mut().try_for_each(Process::start)?;
/// mine.wait()?;
/// # others.iter().try_for_each(Process::join)?;
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub enum Barrier {}

impl Barrier {
    /// Makes the seats of a new barrier, one for each process (or thread) that is to wait at it.
    /// Python: `Barrier(parties)`.
    ///
    /// # Errors
    /// If that is none, or more than 4095, or if the system has no memory or no descriptors for
    /// them: each seat that is in this process takes one.
    pub fn seats(seats: usize) -> io::Result<Vec<Seat>> {
        Self::make(seats, None)
    }

    /// Makes the same, with the longest time that [`Seat::wait`] and [`Seat::wait_then`] take.
    /// Python: `Barrier(parties, timeout=…)`.
    ///
    /// # Errors
    /// As [`seats`](Self::seats).
    pub fn with_timeout(seats: usize, timeout: Duration) -> io::Result<Vec<Seat>> {
        Self::make(seats, Some(timeout))
    }

    fn make(seats: usize, timeout: Option<Duration>) -> io::Result<Vec<Seat>> {
        let most = usize::from(MEMBERS) - 1;
        if !(1..=most).contains(&seats) {
            let message = format!("a barrier has 1 to {most} seats, not {seats}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let first = Members::create(WORDS)?;
        let mut all = Vec::with_capacity(seats);
        for _ in 1..seats {
            let (opening, number) = first.invite(|_| ())?;
            all.push(Members::attach(opening, number, first.all_words().len())?);
        }
        all.insert(0, first);
        Ok(all.into_iter().map(|members| Seat::of(members, seats, timeout)).collect())
    }
}

/// One of the parties of a [`Barrier`]. A seat goes to one process, among its arguments; it can't
/// be copied, and a thread that waits has it for itself.
///
/// A seat that is empty breaks the barrier: if its process ends in whatever way, or drops it, all
/// that wait get [`Broken::Ended`] within 100 ms, with the seat's number and the process. So keep a
/// seat as long as others wait. Once seats are empty the barrier can't be
/// [reset](Self::reset) any more.
#[must_use = "a seat that is dropped breaks the barrier"]
pub struct Seat {
    number: usize,
    seats: usize,
    timeout: Option<Duration>,
    /// `None` once the seat is another process's.
    members: Mutex<Option<Members>>,
    /// What this process remembers of its waits.
    spin: Spin,
}

impl Seat {
    fn of(members: Members, seats: usize, timeout: Option<Duration>) -> Self {
        let number = usize::from(members.me()) - 1;
        let members = Mutex::new(Some(members));
        Self { number, seats, timeout, members, spin: Spin::default() }
    }

    /// Returns the seat's number, from 0.
    #[must_use]
    pub const fn number(&self) -> usize {
        self.number
    }

    /// Waits until all seats are there; the last to come is the leader. Python: `Barrier.wait()`.
    ///
    /// # Errors
    /// [`Broken`], also if the barrier is broken already.
    pub fn wait(&mut self) -> Result<Passed, Broken> {
        self.pass(self.timeout, None)
    }

    /// Waits at most for the timeout, which breaks the barrier for all: then it is
    /// [`Broken::TimedOut`]. Python: `Barrier.wait(timeout)`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&mut self, timeout: Duration) -> Result<Passed, Broken> {
        self.pass(Some(timeout), None)
    }

    /// Waits until all seats are there. If this one is the leader, it runs the action before any
    /// goes on. Give each seat the same action: which of them comes last is chance. Python:
    /// `Barrier(parties, action)`.
    ///
    /// An action that panics, or whose process ends, breaks the barrier, and so does a timeout of
    /// another seat meanwhile.
    ///
    /// # Errors
    /// As [`wait`](Self::wait). The action may have run all the same.
    pub fn wait_then(&mut self, action: impl FnOnce()) -> Result<Passed, Broken> {
        let mut action = Some(action);
        self.pass(self.timeout, Some(&mut || action.take().map_or((), |action| action())))
    }

    fn pass(
        &mut self,
        timeout: Option<Duration>,
        action: Option<&mut dyn FnMut()>,
    ) -> Result<Passed, Broken> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let members = self.members.get_mut().unwrap_or_else(PoisonError::into_inner);
        let members = members.as_ref().ok_or(Broken::HandedOver)?;
        Table { members, seats: self.seats, spin: &self.spin }.pass(deadline, action)
    }

    /// Breaks the barrier for all that wait and that come, until it is [reset](Self::reset).
    /// Python: `Barrier.abort()`.
    pub fn abort(&self) {
        if let Some(members) = &*self.members() {
            self.table(members).break_by(Cause::Aborted);
        }
    }

    /// Makes the barrier whole and empty. Seats that wait get [`Broken::Reset`]. Python:
    /// `Barrier.reset()`.
    ///
    /// # Errors
    /// [`Broken::Ended`] if a seat is empty: then the barrier stays broken.
    pub fn reset(&self) -> Result<(), Broken> {
        let members = self.members();
        self.table(members.as_ref().ok_or(Broken::HandedOver)?).reset()
    }

    /// Returns how many seats wait now; 0 if the barrier is broken, or the seat was handed over.
    /// Python: `Barrier.n_waiting`.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.members().as_ref().map_or(0, |members| self.table(members).waiting())
    }

    fn members(&self) -> MutexGuard<'_, Option<Members>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table<'a>(&'a self, members: &'a Members) -> Table<'a> {
        Table { members, seats: self.seats, spin: &self.spin }
    }
}

/// A barrier as one of its seats sees it.
#[derive(Clone, Copy)]
struct Table<'a> {
    members: &'a Members,
    seats: usize,
    spin: &'a Spin,
}

/// What a seat has done to the round.
struct Arrived {
    /// State of the round then.
    round: Round,
    is_last: bool,
}

/// A step after which a process may die: see the table above.
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Coming = 200,
    Arrived,
    LastToCome,
    Acting,
    Acted,
    Passed,
    Broken,
}

/// Dies in a test that has chosen this step.
fn reach(_step: Step) {
    #[cfg(test)]
    crate::shared::crash::reach(_step as u32);
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

    fn pass(
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
        let (first, naps) = (mine.arrived(), Cell::new(0));
        let look = |is_thorough: bool| {
            let now = self.now();
            let over = self.outcome(mine, now);
            if over.is_some() || !is_thorough {
                return over;
            }
            // Not before the first nap: most waits end before they have cost a look at the seats.
            let nap = naps.replace(naps.get() + 1);
            let parts = now.arrived().min(self.seats / PART).max(1);
            let dead = if nap == 0 { None } else { self.empty_seat(first + nap, parts) };
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
    fn break_by(&self, cause: Cause) {
        loop {
            let now = self.now();
            if let Phase::Broken(_) = now.phase() {
                return;
            }
            self.break_from(now, cause, self.members.me());
        }
    }

    fn reset(&self) -> Result<(), Broken> {
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
                self.waiters().notify_all();
                return Ok(());
            }
        }
    }

    fn waiting(&self) -> usize {
        let now = self.now();
        if let Some(dead) = self.empty_seat(0, 1) {
            self.break_from(now, Cause::Ended, dead);
        }
        let now = self.now();
        if let Phase::Broken(_) = now.phase() { 0 } else { now.arrived() }
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

/// Tells the others at once, which would notice it at their next nap.
impl Drop for Seat {
    fn drop(&mut self) {
        let members = self.members.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(members) = members.take() {
            let table = Table { members: &members, seats: self.seats, spin: &self.spin };
            table.break_by(Cause::Ended);
        }
    }
}

/// Says which seat it is, and how many wait.
impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, seats, .. } = self;
        write!(f, "Seat({number} of {seats}")?;
        match &*self.members() {
            None => f.write_str("; handed over)"),
            Some(members) => match self.table(members).now() {
                now if matches!(now.phase(), Phase::Broken(_)) => {
                    write!(f, "; {})", self.table(members).broken(now))
                }
                now => write!(f, "; {} waiting)", now.arrived()),
            },
        }
    }
}

/// Hands the seat to a new process: it is no longer this one's.
impl Serialize for Seat {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Sent<'a>(Part<'a>, usize, Option<Duration>);
        struct Part<'a>(&'a Members);
        impl Serialize for Part<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                members::hand_over(self.0, serializer)
            }
        }
        let mut members = self.members();
        let Some(part) = &*members else {
            return Err(ser::Error::custom(format!(
                "seat {} of a barrier was handed to a process already: a seat is for one process, \
                 and a pool's initializer, which runs in each worker, can't have one",
                self.number
            )));
        };
        let done = Sent(Part(part), self.seats, self.timeout).serialize(serializer)?;
        // Even if this process kept the seat: the others must see when the new process ends.
        *members = None;
        Ok(done)
    }
}

impl<'de> Deserialize<'de> for Seat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Received(Part, usize, Option<Duration>);
        struct Part(Members);
        impl<'de> Deserialize<'de> for Part {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                members::deserialize(deserializer).map(Self)
            }
        }
        let Received(Part(members), seats, timeout) = Received::deserialize(deserializer)?;
        if seats < usize::from(members.me()) || seats >= usize::from(MEMBERS) {
            return Err(de::Error::custom(format!(
                "a barrier of {seats} seats has none like this"
            )));
        }
        Ok(Self::of(members, seats, timeout))
    }
}
