//! [`ReentrantLock`]: a lock that its holder can take again.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::deadline::deadline;
use crate::shared::LockError;
use crate::shared::lock_error::sealed::Recover;
use crate::shared::lock_handle::LockHandle;

/// A [`Lock`](crate::shared::Lock) that the thread which holds it can take again: it is free when
/// the last guard is dropped. Python: `multiprocessing.RLock`.
///
/// ```
/// use multiprocess::shared::{LockError, ReentrantLock};
///
/// let printer = ReentrantLock::new()?;
/// let print_page = |number: u32| {
///     let _guard = printer.lock().unwrap_or_else(LockError::recover);
///     println!("page {number}");
/// };
/// let both = printer.lock().unwrap_or_else(LockError::recover);
/// print_page(1); // No other process prints between the two.
/// print_page(2);
/// assert!(printer.is_locked());
/// drop(both);
/// assert!(!printer.is_locked());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// As long as a death is not [recovered](LockError::recover) from, each lock tells of it, also one
/// within another. As guards of one thread live side by side, they give no access to anything that
/// could be changed twice at a time.
#[derive(Clone, Serialize, Deserialize)]
pub struct ReentrantLock(LockHandle);

/// What a form that may end without the lock returns.
type Tried<'a> = Result<Option<ReentrantLockGuard<'a>>, LockError<ReentrantLockGuard<'a>>>;

impl ReentrantLock {
    /// Makes a lock that no process holds. Python: `RLock()`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        LockHandle::new().map(Self)
    }

    /// Waits for the lock, unless this thread holds it already, and holds it as long as the guard
    /// lives. Python: `acquire()`, and `with lock:`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    ///
    /// # Panics
    /// If this thread holds the lock by another handle, which is no clone of this one: a process
    /// has two of them that gets the lock twice among its arguments. It would wait for itself.
    #[inline]
    pub fn lock(&self) -> Result<ReentrantLockGuard<'_>, LockError<ReentrantLockGuard<'_>>> {
        if self.0.try_lock_whole() { Ok(self.whole()) } else { self.lock_slowly() }
    }

    #[cold]
    fn lock_slowly(&self) -> Result<ReentrantLockGuard<'_>, LockError<ReentrantLockGuard<'_>>> {
        if self.0.is_mine() {
            return self.guard(self.0.enter_again());
        }
        assert!(
            !self.0.is_this_threads(),
            "this thread holds the lock already by another handle of it, and would wait for itself"
        );
        loop {
            if let Some(deaths) = self.0.lock_slowly(None) {
                return self.guard(deaths);
            }
        }
    }

    /// Takes the lock if no other thread holds it, in this process or another that is alive.
    /// Python: `acquire(block=False)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    #[inline]
    pub fn try_lock(&self) -> Tried<'_> {
        if self.0.try_lock_whole() {
            return Ok(Some(self.whole()));
        }
        let deaths = if self.0.is_mine() {
            Some(self.0.enter_again())
        } else {
            self.0.try_lock_thoroughly()
        };
        deaths.map(|deaths| self.guard(deaths)).transpose()
    }

    /// Waits for the lock, at most for the timeout; `None` if another thread holds it then. Python:
    /// `acquire(timeout=…)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn lock_timeout(&self, timeout: Duration) -> Tried<'_> {
        if self.0.try_lock_whole() {
            return Ok(Some(self.whole()));
        }
        let deaths = if self.0.is_mine() {
            Some(self.0.enter_again())
        } else {
            self.0.lock_slowly(deadline(timeout))
        };
        deaths.map(|deaths| self.guard(deaths)).transpose()
    }

    /// Returns true if a process holds the lock, dead or alive. Python: `locked()`.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    #[inline]
    fn whole(&self) -> ReentrantLockGuard<'_> {
        ReentrantLockGuard { lock: &self.0, of_thread: PhantomData }
    }

    fn guard(
        &self,
        deaths: u32,
    ) -> Result<ReentrantLockGuard<'_>, LockError<ReentrantLockGuard<'_>>> {
        match deaths {
            0 => Ok(self.whole()),
            deaths => Err(LockError::new(self.whole(), self.0.died(deaths))),
        }
    }
}

/// Tells whether the lock is free, or which process or thread holds it, and how often.
impl fmt::Debug for ReentrantLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReentrantLock({:?})", self.0)
    }
}

/// A held [`ReentrantLock`]: when the thread's last guard is dropped, the lock is free.
///
/// Like the guard of a [`Lock`](crate::shared::Lock) it belongs to its thread, and can be given
/// back only once:
///
/// ```compile_fail,E0382
/// let lock = multiprocess::shared::ReentrantLock::new()?;
/// let guard = lock.lock().unwrap();
/// drop(guard);
/// drop(guard);
/// # // LOCK-02
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped at once, it unlocks at once"]
pub struct ReentrantLockGuard<'a> {
    lock: &'a LockHandle,
    of_thread: PhantomData<*const ()>,
}

impl Recover for ReentrantLockGuard<'_> {
    fn recover(&self) {
        self.lock.recover();
    }
}

impl Drop for ReentrantLockGuard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.lock.leave_once();
    }
}

impl fmt::Debug for ReentrantLockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReentrantLockGuard({:?})", self.lock)
    }
}
