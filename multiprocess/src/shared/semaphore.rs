//! [`Semaphore`]: permits that come back when their holder is killed. How: see `permits.rs`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shared::full::Full;
use crate::shared::members;
use crate::shared::permit::Permit;
use crate::shared::permits::{Found, Permits};

/// Most permits of a semaphore: a thread that finds none has looked at each.
const MOST: usize = 1 << 16;

/// Permits for the threads of several processes: at any time as many of them are inside as there
/// are permits. Python: `multiprocessing.BoundedSemaphore`, and, with more
/// [room](Self::with_room) than permits, `multiprocessing.Semaphore`.
///
/// A permit belongs to the process that acquired it, and comes back when it is dropped or when that
/// process ends, by a kill, too: at once for a thread that asks for a permit then, within 100 ms
/// for a thread that waits already. (In Python the permits of a killed process are lost.) A process
/// may hold several permits. Waiting threads don't queue up: one that comes later may be first.
///
/// A clone is the same semaphore. It can be handed to a new process among its arguments.
///
/// ```
/// use multiprocess::shared::Semaphore;
///
/// let springs = Semaphore::new(2)?;
/// let first = springs.acquire()?;
/// let second = springs.acquire()?;
/// assert_ne!(first.number(), second.number());
/// assert!(springs.try_acquire().is_none());
///
/// drop(first);
/// assert_eq!(springs.available(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Semaphore(Arc<Permits>);

impl Semaphore {
    /// Makes a semaphore of so many permits, which never has more. Python:
    /// `BoundedSemaphore(permits)`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for no permits, and for more than 65,536.
    /// Otherwise if the system has no memory or no descriptors for it.
    pub fn new(permits: usize) -> io::Result<Self> {
        if permits == 0 {
            return Err(invalid(
                "a semaphore of 0 permits would let no thread in; one to which permits are added \
                 later is made by Semaphore::with_room(0, room)",
            ));
        }
        Self::with_room(permits, permits)
    }

    /// Makes a semaphore of so many permits to which others can be [added](Self::add) until there
    /// are as many as there is room for. It serves as a counter of things that one process makes
    /// and another [consumes](Permit::consume). Python: `Semaphore(permits)`.
    ///
    /// # Errors
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for no room, for room for more than 65,536
    /// permits, and for more permits than there is room for. Otherwise if the system has no memory
    /// or no descriptors for it.
    pub fn with_room(permits: usize, room: usize) -> io::Result<Self> {
        if room == 0 {
            return Err(invalid("a semaphore without room for a permit would let no thread in"));
        }
        if room > MOST || permits > MOST {
            let wanted = room.max(permits);
            return Err(invalid(format!("a semaphore has {MOST} permits at most, not {wanted}")));
        }
        if permits > room {
            return Err(invalid(format!(
                "a semaphore with room for {room} permits can't begin with {permits}"
            )));
        }
        Ok(Self(Arc::new(Permits::create(permits, room)?)))
    }

    /// Waits for a permit. Python: `acquire()`.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the shared memory is damaged, and no permit
    /// is free.
    pub fn acquire(&self) -> io::Result<Permit<'_>> {
        loop {
            match self.0.wait(None) {
                Some(Found::Permit(slot)) => return Ok(Permit::new(&self.0, slot)),
                Some(Found::Damage) => {
                    let message = "the memory of a semaphore is damaged: no process could hold a \
                                   permit like that";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                None => {}
            }
        }
    }

    /// Acquires a permit if one is free, or a dead process's. Python: `acquire(block=False)`.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit<'_>> {
        self.permit(self.0.look(true))
    }

    /// Waits for a permit, at most for the timeout; returns `None` after that. Python:
    /// `acquire(timeout=…)`.
    ///
    /// Returns `None` at once in the case in which [`acquire`](Self::acquire) has an error.
    #[must_use]
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<Permit<'_>> {
        self.permit(self.0.wait(Some(timeout)))
    }

    fn permit(&self, found: Option<Found>) -> Option<Permit<'_>> {
        match found {
            Some(Found::Permit(slot)) => Some(Permit::new(&self.0, slot)),
            Some(Found::Damage) | None => None,
        }
    }

    /// Returns how many permits are free, or a dead process's: about as many, while other threads
    /// acquire and give back. Python: `get_value()`.
    #[must_use]
    pub fn available(&self) -> usize {
        self.0.available()
    }

    /// Adds so many permits, or none if there is no room for all. Python: `release(permits)`.
    ///
    /// A process that is killed in this may have added some of the permits.
    ///
    /// # Errors
    /// If there is no room for all of them. (Of two processes that add several permits each at the
    /// same time, for which there is no room together, both may be refused.)
    ///
    /// ```
    /// use multiprocess::shared::Semaphore;
    ///
    /// let letters = Semaphore::with_room(1, 3)?;
    /// letters.add(2)?;
    /// let full = letters.add(1).unwrap_err();
    /// assert_eq!((full.permits, full.room), (3, 3));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn add(&self, permits: usize) -> Result<(), Full> {
        if permits == 0 || self.0.add(permits) {
            return Ok(());
        }
        Err(Full { more: permits, permits: self.0.count(), room: self.0.room() })
    }
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Semaphore({:?})", self.0)
    }
}

impl Serialize for Semaphore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        members::serialize(self.0.members(), |dead| self.0.bury(dead), serializer)
    }
}

impl<'de> Deserialize<'de> for Semaphore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        members::deserialize(deserializer).map(|members| Self(Arc::new(Permits::attach(members))))
    }
}

#[cfg(test)]
mod step_by_step;
