//! [`LockError`]: the lock is taken, but a process died holding it.

use std::fmt;

use crate::shared::Died;

/// A lock that was taken, with what is to be told: a process died holding it, so what it guards may
/// be half changed. The guard is inside.
///
/// Each next holder is told, until one says by [`recover`](Self::recover) that all is whole. To
/// drop the error unlocks, and leaves the next holder to be told.
///
/// ```
/// use std::thread;
///
/// use multiprocess::shared::Lock;
///
/// let lock = Lock::new()?;
/// // A panic with the lock in hand is told in the same way as the death of a process.
/// thread::scope(|scope| {
///     let thread = scope.spawn(|| {
///         let _guard = lock.lock();
///         panic!("in the middle of its work");
///     });
///     assert!(thread.join().is_err());
/// });
/// let error = lock.lock().expect_err("the panic is told");
/// assert!(error.died().panicked);
/// println!("{error}: I look at everything it may have left half done");
/// let guard = error.recover();
/// drop(guard);
/// assert!(lock.lock().is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct LockError<G> {
    guard: G,
    // Boxed, because a `Result` with a small error is as cheap as the guard alone.
    died: Box<Died>,
}

/// A guard of a lock, which can say that what the lock guards is whole. Only the guards of this
/// module are.
pub trait Recover: sealed::Recover {}

pub(crate) mod sealed {
    pub trait Recover {
        /// Forgets the deaths: what the lock guards is whole.
        fn recover(&self);

        /// Names what the dead process held.
        fn guarded(&self) -> String {
            "the lock".to_owned()
        }
    }
}

impl<G: sealed::Recover> Recover for G {}

impl<G> LockError<G> {
    pub(crate) fn new(guard: G, died: Died) -> Self {
        Self { guard, died: Box::new(died) }
    }

    /// Returns which process died, and how many have.
    pub fn died(&self) -> &Died {
        &self.died
    }

    /// Returns the guard, to look at what it guards and to repair that.
    pub fn get_mut(&mut self) -> &mut G {
        &mut self.guard
    }
}

impl<G: Recover> LockError<G> {
    /// Says that what the lock guards is whole: no later holder is told of these deaths.
    pub fn recover(self) -> G {
        self.guard.recover();
        self.guard
    }
}

impl<G> fmt::Debug for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockError").field(&self.died).finish()
    }
}

impl<G: Recover> fmt::Display for LockError<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.died.write(f, &self.guard.guarded())
    }
}

impl<G: Recover> std::error::Error for LockError<G> {}
