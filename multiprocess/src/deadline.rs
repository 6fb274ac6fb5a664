//! Time limits of waits.

use std::time::{Duration, Instant};

/// Returns the end of a timeout that begins now; `None`: no limit, as also for a timeout too long
/// for the clock.
pub(crate) fn deadline(timeout: impl Into<Option<Duration>>) -> Option<Instant> {
    timeout.into().and_then(|timeout| Instant::now().checked_add(timeout))
}

/// Returns the time that is left until the deadline: zero once it has passed.
pub(crate) fn time_left(deadline: Option<Instant>) -> Option<Duration> {
    deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
}

/// Returns true once the deadline has passed.
pub(crate) fn has_passed(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}
