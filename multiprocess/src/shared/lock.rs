//! [`Lock`]: one process at a time, and no kill wedges it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::shared::LockError;
use crate::shared::lock_error::sealed::Recover;
use crate::shared::lock_word::{LOCK_WORDS, LockWord};
use crate::shared::members::{self, Members};
use crate::spin::Spin;

/// A lock between processes. Python: `multiprocessing.Lock`.
#[derive(Clone)]
pub struct Lock(Arc<Shared>);

struct Shared {
    members: Members,
    spin: Spin,
}

impl Shared {
    fn word(&self) -> LockWord<'_> {
        LockWord::new(&self.members, 0)
    }
}

impl Lock {
    /// Makes a lock that no process holds. Python: `Lock()`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Members::create(LOCK_WORDS).map(Self::of)
    }

    fn of(members: Members) -> Self {
        Self(Arc::new(Shared { members, spin: Spin::default() }))
    }

    /// Waits for the lock, and holds it as long as the guard lives. Python: `with lock:`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn lock(&self) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        let deaths = self.0.word().lock(&self.0.spin, None);
        self.guard(deaths.unwrap_or_else(|| unreachable!("there is no deadline")))
    }

    /// Takes the lock if no live process holds it. Python: `acquire(block=False)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn try_lock(&self) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        let deaths = self.0.word().try_lock_thoroughly();
        deaths.map(|deaths| self.guard(deaths)).transpose()
    }

    /// Waits for the lock at most for the timeout; `None` if another holds it still. Python:
    /// `acquire(timeout=…)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Option<LockGuard<'_>>, LockError<LockGuard<'_>>> {
        let deadline = Instant::now().checked_add(timeout);
        let deaths = self.0.word().lock(&self.0.spin, deadline);
        deaths.map(|deaths| self.guard(deaths)).transpose()
    }

    /// Returns true if a process holds the lock, dead or alive. Python: `locked()`.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        self.0.word().holder().is_some()
    }

    fn guard(&self, deaths: u32) -> Result<LockGuard<'_>, LockError<LockGuard<'_>>> {
        let guard = LockGuard { shared: &self.0, of_thread: PhantomData };
        if deaths == 0 {
            return Ok(guard);
        }
        let died = self.0.word().died(deaths);
        Err(LockError::new(guard, died))
    }
}

/// A held lock: dropped, it is free.
pub struct LockGuard<'a> {
    shared: &'a Shared,
    of_thread: PhantomData<*const ()>,
}

impl Recover for LockGuard<'_> {
    fn recover(&self) {
        self.shared.word().recover();
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.word().spoil();
        }
        self.shared.word().unlock();
    }
}

impl fmt::Debug for LockGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LockGuard")
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.word().holder() {
            None => f.write_str("Lock(free)"),
            Some(holder) => write!(f, "Lock(held by {:?})", self.0.members.card(holder)),
        }
    }
}

impl Serialize for Lock {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        members::serialize(&self.0.members, |dead| self.0.word().bury(dead), serializer)
    }
}

impl<'de> Deserialize<'de> for Lock {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        members::deserialize(deserializer).map(Self::of)
    }
}
