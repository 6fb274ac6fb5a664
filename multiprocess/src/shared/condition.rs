//! [`Condition`]: a lock whose holders wait to be notified by other holders. How: see
//! `condition_handle.rs`.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::deadline::deadline;
use crate::shared::condition_handle::ConditionHandle;
use crate::shared::lock_handle::LockHandle;
use crate::shared::{ConditionGuard, LockError};

/// A lock between processes whose holders can wait until another holder notifies them. Clones, and
/// copies in the arguments of new processes, are the same condition. Python:
/// `multiprocessing.Condition`.
///
/// A thread waits for a notification, not for a state of something: look at the state each time
/// ([`wait_until`](ConditionGuard::wait_until) does). If the state is a value that fits into a
/// [`Value`](crate::shared::Value), its `wait_until` is simpler.
///
/// ```
/// let condition = multiprocess::shared::Condition::new()?;
/// let notifier = condition.clone();
/// let mut guard = condition.lock().expect("no process died");
/// let notifier = std::thread::spawn(move || {
///     // Gets the lock when the other thread waits, so the notification isn't too early.
///     notifier.lock().expect("no process died").notify(1);
/// });
/// guard.wait()?;
/// drop(guard);
/// notifier.join().expect("it doesn't panic");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **What a kill can cost.** If a process is killed while it holds the lock, the next holder is
/// told, as with a [`Lock`](crate::shared::Lock). If it is killed while it waits, that costs
/// nothing. If it had been notified already, another thread that waited then goes on instead,
/// within 100 ms; if there is no such thread, one may later be woken that no notification was for.
#[derive(Clone)]
pub struct Condition(Arc<ConditionHandle>);

impl Condition {
    /// Makes a condition whose lock is free. Python: `Condition()`.
    ///
    /// # Errors
    /// If the system has no memory or no descriptors for it.
    pub fn new() -> io::Result<Self> {
        Ok(Self(Arc::new(ConditionHandle::create()?)))
    }

    /// Waits for the lock, and holds it as long as the guard lives. Python: `with condition:`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    ///
    /// # Panics
    /// If this thread holds the lock already: it would wait for itself.
    pub fn lock(&self) -> Result<ConditionGuard<'_>, LockError<ConditionGuard<'_>>> {
        assert!(
            !self.0.lock.is_this_threads(),
            "this thread holds the condition's lock already, and would wait for itself"
        );
        self.guard(self.0.lock())
    }

    /// Takes the lock if no living process holds it; `None` if one does, or this thread. Python:
    /// `acquire(False)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn try_lock(&self) -> Result<Option<ConditionGuard<'_>>, LockError<ConditionGuard<'_>>> {
        self.0.lock.try_lock_thoroughly().map(|deaths| self.guard(deaths)).transpose()
    }

    /// Waits for the lock at most for the timeout; `None` if another process holds it then, or this
    /// thread. Python: `acquire(timeout=…)`.
    ///
    /// # Errors
    /// [`LockError`], with the guard in it, if a process died holding the lock.
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Option<ConditionGuard<'_>>, LockError<ConditionGuard<'_>>> {
        let deadline = deadline(timeout);
        self.0.lock.lock_slowly(deadline).map(|deaths| self.guard(deaths)).transpose()
    }

    fn guard(&self, deaths: u32) -> Result<ConditionGuard<'_>, LockError<ConditionGuard<'_>>> {
        let guard = ConditionGuard::of(&self.0);
        match self.0.died(deaths) {
            None => Ok(guard),
            Some(died) => Err(LockError::new(guard, died)),
        }
    }
}

/// Names the holder of the lock, and the number of threads that wait.
impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Condition({:?}; {} waiting)", self.0.lock, self.0.wakeups().count())
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.lock.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let lock = LockHandle::deserialize(deserializer)?;
        let handle = ConditionHandle::of(lock).ok_or("this is no condition");
        handle.map(|handle| Self(Arc::new(handle))).map_err(de::Error::custom)
    }
}
