//! Waiting for whichever of several things happens first, with a deadline.

use std::io;
use std::time::Duration;

use crate::process::ends::{AsEnd, BorrowedEnd};
use crate::sys::process as sys;

/// Waits until at least one of the ends is ready; returns the indexes of all ready ends, none after
/// the timeout (`None` and [`Duration::MAX`]: no limit). Python: `multiprocessing.connection.wait`.
///
/// An end is ready if it has something to receive, or has reached its end of file, or is the
/// sentinel of a process that has ended. Nothing is received by waiting. An empty list returns at
/// once.
///
/// Any value with a descriptor is an end: receivers, connections, sentinels, sockets (on Windows
/// any value with a handle, so no sockets). Ends of several types become one by [`AsEnd`]:
/// `wait(&[a.as_end(), b.as_end()], None)`.
///
/// On Windows pipes are polled about once a millisecond. Polling an end waits while another thread
/// or process reads from a copy of it.
///
/// ```
/// use std::io::Write;
/// use std::time::Duration;
///
/// use multiprocess::wait;
///
/// let (a, _to_a) = std::io::pipe()?;
/// let (b, mut to_b) = std::io::pipe()?;
/// assert_eq!(wait(&[&a, &b], Duration::from_millis(1))?, [0; 0]);
/// to_b.write_all(b"x")?;
/// assert_eq!(wait(&[&a, &b], None)?, [1]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When the system refuses, for example because there are more ends than descriptors may be open.
pub fn wait<E: AsEnd>(ends: &[E], timeout: impl Into<Option<Duration>>) -> io::Result<Vec<usize>> {
    if ends.is_empty() {
        return Ok(Vec::new());
    }
    let ends: Vec<BorrowedEnd<'_>> = ends.iter().map(AsEnd::as_end).collect();
    sys::wait(&ends, timeout.into())
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};
    use std::time::Instant;

    use testing::Deadline;

    use super::*;

    /// CONN-11
    #[test]
    fn only_what_is_ready_is_named_and_stays_ready() {
        let _deadline = Deadline::seconds(60);
        let (a, mut to_a) = pipe().unwrap();
        let (b, to_b) = pipe().unwrap();
        let now = Duration::ZERO;
        assert_eq!(wait(&[&a, &b], now).unwrap(), [0; 0]);
        to_a.write_all(b"x").unwrap();
        assert_eq!(wait(&[&a, &b], None).unwrap(), [0]);
        assert_eq!(wait(&[&b, &a], now).unwrap(), [1]);
        drop(to_b);
        assert_eq!(wait(&[&a, &b], Duration::MAX).unwrap(), [0, 1], "end of file counts");
    }

    #[test]
    fn it_returns_after_the_timeout_and_not_before() {
        let _deadline = Deadline::seconds(60);
        let (a, _to_a) = pipe().unwrap();
        let start = Instant::now();
        assert_eq!(wait(&[&a], Duration::from_millis(50)).unwrap(), [0; 0]);
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert_eq!(wait::<std::fs::File>(&[], None).unwrap(), [0; 0]);
    }
}
