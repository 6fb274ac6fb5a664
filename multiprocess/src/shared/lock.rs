//! [`Lock`]: one process at a time, and no kill wedges it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deadline::deadline;
use crate::shared::LockError;
use crate::shared::lock_error::sealed::Recover;
use crate::shared::lock_handle::LockHandle;

/// A lock between processes, for whatever one at a time may use: a file, a printer. Python:
/// `multiprocessing.Lock`.
///
/// A clone is the same lock, and so is one that a new process gets among its arguments. A process
/// that holds the lock and is killed, or ends in any other way, doesn't stop the others: the next
/// one has the lock within 100 ms, with an error that says which process died.
///
/// ```
/// use multiprocess::shared::Lock;
/// use multiprocess::{Failure, Process, tasks};
///
/// tasks![report];
///
/// /// Prints two lines; no line of another process comes between them.
/// fn report((printer, number): (Lock, u32)) {
///     let _guard = printer.lock().unwrap_or_else(|died| {
///         eprintln!("{died}, and its report may lack a line");
///         died.recover()
///     });
///     println!("the report of {number}:");
///     println!("  all is well");
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Failure> {
/// let printer = Lock::new()?;
/// let mut processes = [1, 2, 3].map(|number| Process::new(report, (printer.clone(), number)));
/// for process in &mut processes {
///     process.start()?;
/// }
/// for process in &processes {
///     process.join()?;
/// }
/// assert!(!printer.is_locked());
/// # Ok(()) }) }
/// ```
///
/// # Deaths
///
/// A death with the lock in hand is told to each next holder, until one says by
/// [`LockError::recover`] that all is whole. A panic while a guard lives is told in the same way.
///
/// A process that is stopped is not dead: it keeps its lock, and the others wait. So does a guard
/// that is [forgotten](std::mem::forget), until its process ends or drops the last clone of this
/// handle: then the death of the process is told, though it lives.
///
/// # Several locks
///
/// Two processes that each hold a lock and wait for the other's wait for ever. Take them in the
/// same order everywhere.
///
/// `Debug` tells whether the lock is free, or which process holds it, and whether that is dead.
#[derive(Clone, Serialize, Deserialize)]
pub struct Lock(LockHandle);

impl Lock {
    /// Makes a lock that no process holds. Python: `Lock()`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        LockHandle::new().map(Self)
    }

    /// Waits for the lock, and holds it as long as the guard lives. Python: `acquire()`, and
    /// `with lock:`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    ///
    /// # Panics
    /// If this thread holds the lock already, by any handle: it would wait for itself.
    #[inline]
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        if self.0.try_lock_whole() { Ok(self.whole()) } else { self.lock_slowly() }
    }

    #[cold]
    fn lock_slowly(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        assert!(
            !self.0.is_this_threads(),
            "this thread holds the lock already, and would wait for itself: a ReentrantLock can be \
             taken again"
        );
        loop {
            if let Some(deaths) = self.0.lock_slowly(None) {
                return self.guard(deaths);
            }
        }
    }

    /// Takes the lock if no live process holds it; `None` if one does, or this thread. Python:
    /// `acquire(block=False)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    #[inline]
    pub fn try_lock(&self) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        if self.0.try_lock_whole() {
            return Ok(Some(self.whole()));
        }
        self.0.try_lock_thoroughly().map(|deaths| self.guard(deaths)).transpose()
    }

    /// Waits for the lock, at most for the timeout; `None` if another process holds it then, or
    /// this thread. Python: `acquire(timeout=…)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    ///
    /// # Panics
    /// If this thread holds the lock already, and would wait for itself longer than there are
    /// instants: for `Duration::MAX`.
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        if self.0.try_lock_whole() {
            return Ok(Some(self.whole()));
        }
        match deadline(timeout) {
            None => self.lock_slowly().map(Some),
            deadline => self.0.lock_slowly(deadline).map(|deaths| self.guard(deaths)).transpose(),
        }
    }

    /// Returns true if a process holds the lock, dead or alive. Python: `locked()`.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    #[inline]
    fn whole(&self) -> LockGuard<'_> {
        LockGuard { lock: &self.0, of_thread: PhantomData }
    }

    fn guard(&self, deaths: u32) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        match deaths {
            0 => Ok(self.whole()),
            deaths => Err(LockError::new(self.whole(), self.0.died(deaths))),
        }
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lock({:?})", self.0)
    }
}

/// A held lock: dropped, it is free. Python: what `with lock:` does at its end.
///
/// It belongs to the thread that has taken it, and can be given back only once:
///
/// ```compile_fail,E0382
/// let lock = multiprocess::shared::Lock::new()?;
/// let guard = lock.lock().unwrap();
/// drop(guard);
/// drop(guard);
/// # // LOCK-01
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// ```compile_fail,E0277
/// let lock = multiprocess::shared::Lock::new()?;
/// let guard = lock.try_lock();
/// std::thread::scope(|scope| scope.spawn(|| drop(guard)).join().is_ok());
/// # // LOCK-B04
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped at once, it unlocks at once"]
pub struct LockGuard<'a> {
    lock: &'a LockHandle,
    of_thread: PhantomData<*const ()>,
}

impl Recover for LockGuard<'_> {
    fn recover(&self) {
        self.lock.recover();
    }
}

impl Drop for LockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.leave();
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LockGuard({:?})", self.lock)
    }
}
