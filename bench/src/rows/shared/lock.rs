//! Locks, whichever crate's.

use std::sync::{Arc, Mutex};

use multiprocess::Failure;
use multiprocess::shared::Lock;

use crate::sys::PthreadMutex;

/// A lock.
pub(super) trait Mutual: Clone + Send + Sized {
    fn new() -> Result<Self, Failure>;
    /// Does the work under the lock.
    fn with(&self, work: impl FnOnce()) -> Result<(), Failure>;
}

impl Mutual for Lock {
    fn new() -> Result<Self, Failure> {
        Ok(Self::new()?)
    }

    fn with(&self, work: impl FnOnce()) -> Result<(), Failure> {
        let _guard = self.lock()?;
        work();
        Ok(())
    }
}

impl<const ROBUST: bool> Mutual for PthreadMutex<ROBUST> {
    fn new() -> Result<Self, Failure> {
        Ok(Self::new()?)
    }

    fn with(&self, work: impl FnOnce()) -> Result<(), Failure> {
        Ok(self.with(work)?)
    }
}

impl Mutual for Arc<Mutex<()>> {
    fn new() -> Result<Self, Failure> {
        Ok(Self::default())
    }

    fn with(&self, work: impl FnOnce()) -> Result<(), Failure> {
        let _guard = self.lock()?;
        work();
        Ok(())
    }
}
