//! The number of the attempt of the running task.

use std::sync::atomic::{AtomicU32, Ordering};

/// The attempt of the task that this process is running. A process of a pool runs one at a time,
/// and threads of the task see it, too.
static ATTEMPT: AtomicU32 = AtomicU32::new(1);

/// Returns which attempt at the running task this is: 1 for the first, and more only with
/// [`retries`](crate::ClusterBuilder::retries), after the machines of the attempts before were
/// lost. Outside of a cluster's tasks it is 1.
///
/// A lost machine may still be running its attempt: see there. (Dask and Ray don't tell a task.)
#[must_use]
pub fn attempt() -> u32 {
    ATTEMPT.load(Ordering::Relaxed)
}

/// Sets the attempt of the task that begins in this process now.
pub(crate) fn begin(attempt: u32) {
    ATTEMPT.store(attempt, Ordering::Relaxed);
}
