//! [`Barrier`]: seats of which none goes on before all are there. How: see `table.rs`.

use std::io;
use std::time::Duration;

use crate::shared::Seat;
use crate::shared::members::{MEMBERS, Members};
use crate::shared::table::TABLE_WORDS;

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
        let first = Members::create(TABLE_WORDS)?;
        let mut all = Vec::with_capacity(seats);
        for expected in 2..=seats {
            let (opening, number) = first.invite(|_| ())?;
            if usize::from(number) != expected {
                return Err(io::Error::other("the number of a new seat is taken already"));
            }
            all.push(Members::attach(opening, number, first.all_words().len())?);
        }
        all.insert(0, first);
        Ok(all.into_iter().map(|members| Seat::of(members, seats, timeout)).collect())
    }
}
