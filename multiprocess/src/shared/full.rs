//! [`Full`]: a semaphore has no room for the permits that were to be added.

use std::fmt;

/// An error of [`Semaphore::add`](crate::shared::Semaphore::add): there is no room for all the
/// permits, so none was added. Python: the `ValueError` of `BoundedSemaphore.release`, and the
/// `OverflowError` of `Semaphore.release`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Full {
    /// Number of permits that were to be added.
    pub more: usize,
    /// Number of permits that there are, acquired ones among them.
    pub permits: usize,
    /// Number of permits that there is room for.
    pub room: usize,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { more, permits, room } = self;
        write!(
            f,
            "the semaphore has {permits} of at most {room} permits: there is no room for {more} \
             more"
        )
    }
}

impl std::error::Error for Full {}
