//! [`Seat`]: one party's part in a barrier, which is a single process's at any time.
//!
//! ```text
//!   Process::new(f, seat)   start: serialised, and gone here ──▶ f(seat)
//! ```
//!
//! What is serialised is the seat's own opening of the memory, and not a new one, as with a lock:
//! its number is the seat's. This process closes its copy in the same step. If it kept the copy,
//! as a pool keeps the arguments of its initializer, the number would stay taken when the other
//! process dies, and no seat would be told.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

use crate::deadline::deadline;
use crate::shared::members::{self, MEMBERS, Members};
use crate::shared::round::Cause;
use crate::shared::table::{TABLE_WORDS, Table};
use crate::shared::{Broken, Passed};
use crate::spin::Spin;

/// A place at a [`Barrier`](super::Barrier), for one of its parties: a process, which gets it among
/// its arguments, or a thread. Python: a process's part in its `Barrier`.
///
/// ```
/// use multiprocess::shared::{Barrier, Broken};
///
/// let mut seats = Barrier::seats(2)?;
/// let (mine, other) = (seats.remove(0), seats.remove(0));
/// let thread = std::thread::spawn(move || {
///     let passed = other.wait();
///     (other, passed)
/// });
/// let passed = mine.wait()?;
/// let (other, of_other) = thread.join().expect("it doesn't panic");
/// assert_ne!(passed.is_leader(), of_other?.is_leader());
///
/// drop(other);
/// let broken = mine.wait().expect_err("the other seat is empty");
/// assert!(matches!(broken, Broken::Ended { seat: 1, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **A seat that is empty breaks the barrier**: if its process ends in whatever way, or drops it,
/// all that wait get [`Broken::Ended`] within 100 ms, with the seat's number and the process, and
/// the barrier can't be [reset](Self::reset) any more. So keep a seat as long as others wait. (A
/// process that is stopped has not ended.)
///
/// There is no second one like it:
///
/// ```compile_fail,E0599
/// # let seat = multiprocess::shared::Barrier::seats(1)?.remove(0);
/// let again = seat.clone();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// When a process is started with it, or the start fails after the arguments were serialised, this
/// process has it no more, and a second start is refused. So a pool's initializer can't have one,
/// unless the pool has a single worker that never needs to be replaced.
#[must_use = "a seat that is dropped breaks the barrier"]
pub struct Seat {
    number: usize,
    seats: usize,
    timeout: Option<Duration>,
    /// `None` once the seat is another process's.
    members: Mutex<Option<Arc<Members>>>,
    /// Held while a thread waits, or the seat is handed over: a seat is one party.
    turn: Mutex<()>,
    /// What this process remembers of its waits.
    spin: Spin,
}

impl Seat {
    pub(crate) fn of(members: Members, seats: usize, timeout: Option<Duration>) -> Self {
        let number = usize::from(members.me()) - 1;
        let members = Mutex::new(Some(Arc::new(members)));
        Self { number, seats, timeout, members, turn: Mutex::default(), spin: Spin::default() }
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
    ///
    /// # Panics
    /// If another thread waits with this seat, or this one does and is in its action: a seat is one
    /// party.
    pub fn wait(&self) -> Result<Passed, Broken> {
        self.pass(self.timeout, None)
    }

    /// Waits at most for the timeout, which breaks the barrier for all: then it is
    /// [`Broken::TimedOut`]. Python: `Barrier.wait(timeout)`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(&self, timeout: Duration) -> Result<Passed, Broken> {
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
    pub fn wait_then(&self, action: impl FnOnce()) -> Result<Passed, Broken> {
        let mut action = Some(action);
        self.pass(self.timeout, Some(&mut || action.take().map_or((), |action| action())))
    }

    fn pass(
        &self,
        timeout: Option<Duration>,
        action: Option<&mut dyn FnMut()>,
    ) -> Result<Passed, Broken> {
        let deadline = deadline(timeout);
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                panic!("seat {} waits already, and a seat is one party", self.number)
            }
        };
        let members = self.members().ok_or(Broken::HandedOver)?;
        self.table(&members).pass(deadline, action)
    }

    /// Breaks the barrier for all that wait and that come, until it is [reset](Self::reset).
    /// Python: `Barrier.abort()`.
    pub fn abort(&self) {
        if let Some(members) = self.members() {
            self.table(&members).break_by(Cause::Aborted);
        }
    }

    /// Makes the barrier whole and empty. Seats that wait get [`Broken::Reset`]. Python:
    /// `Barrier.reset()`.
    ///
    /// # Errors
    /// [`Broken::Ended`] if a seat is empty: then the barrier stays broken.
    pub fn reset(&self) -> Result<(), Broken> {
        let members = self.members().ok_or(Broken::HandedOver)?;
        self.table(&members).reset()
    }

    /// Returns how many seats wait now; 0 if the barrier is broken, or the seat was handed over.
    /// Python: `Barrier.n_waiting`.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.members().map_or(0, |members| self.table(&members).waiting())
    }

    fn members(&self) -> Option<Arc<Members>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn table<'a>(&'a self, members: &'a Members) -> Table<'a> {
        Table { members, seats: self.seats, spin: &self.spin }
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
        match self.members() {
            None => f.write_str("; handed over)"),
            Some(members) => write!(f, "; {:?})", self.table(&members)),
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
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(part) = self.members() else {
            return Err(ser::Error::custom(format!(
                "seat {} of a barrier was handed to a process already: a seat is for one process, \
                 and a pool's initializer, which runs in each worker, can't have one",
                self.number
            )));
        };
        let done = Sent(Part(&part), self.seats, self.timeout).serialize(serializer)?;
        // Even if this process kept the seat: the others must see when the new process ends.
        *self.members.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
                members::deserialize(TABLE_WORDS, deserializer).map(Self)
            }
        }
        let Received(Part(members), seats, timeout) = Received::deserialize(deserializer)?;
        let numbers = usize::from(members.me())..usize::from(MEMBERS);
        if !numbers.contains(&seats) || members.words().len() < TABLE_WORDS {
            return Err(de::Error::custom("this is no seat of a barrier"));
        }
        Ok(Self::of(members, seats, timeout))
    }
}
