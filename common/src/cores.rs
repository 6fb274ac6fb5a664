//! The cores of this machine: which ones a process may use, binding it to one, and when it computed
//! on one.

use std::io;
use std::time::Duration;

use crate::sys;
use crate::time::{clock, cpu_time};
use crate::timeline::Interval;

/// Returns the numbers of the cores that the calling thread may run on, from 0. Python:
/// `os.sched_getaffinity(0)`.
///
/// On Windows those of the process, in its group of at most 64; on macOS all.
///
/// ```
/// let cores = common::cores::usable()?;
/// assert!(!cores.is_empty());
/// # if cfg!(target_os = "macos") { return Ok(()); }
/// common::cores::bind_to(&cores[..1])?;
/// assert_eq!(common::cores::usable()?, cores[..1]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When the system refuses to tell.
pub fn usable() -> io::Result<Vec<usize>> {
    sys::usable_cores()
}

/// Binds the calling thread, and the threads and processes it will start, to these cores. Python:
/// `os.sched_setaffinity(0, cores)`.
///
/// On Windows the whole process is bound, with the threads that it has already.
///
/// ```
/// let last = common::cores::usable()?.pop().expect("there is one");
/// # if cfg!(target_os = "macos") { return Ok(()); }
/// common::cores::bind_to(&[last])?;
/// assert_eq!(common::cores::usable()?, [last]);
/// assert!(common::cores::bind_to(&[]).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When none of them is usable. [`Unsupported`](io::ErrorKind::Unsupported) on macOS, which can't
/// bind to cores.
pub fn bind_to(cores: &[usize]) -> io::Result<()> {
    sys::bind_to(cores)
}

/// Returns true if this system can bind a process to a core.
#[must_use]
pub fn can_bind() -> bool {
    usable().and_then(|all| bind_to(&all)).is_ok()
}

/// The longest time between two looks at the clock in which a process was on its core all the time.
const PAUSE: Duration = Duration::from_millis(1);

/// Computes for so much CPU time; returns when the calling process was on a core.
///
/// ```
/// # use std::time::Duration;
/// let intervals = common::cores::compute(Duration::from_millis(2));
/// let on_a_core: Duration = intervals.iter().map(|(begin, end)| *end - *begin).sum();
/// assert!(on_a_core > Duration::ZERO);
/// ```
#[must_use]
pub fn compute(time: Duration) -> Vec<Interval> {
    // The clock is read outside of both looks at the CPU time: that can't have gone further.
    let (now, begun) = (clock(), cpu_time());
    let mut intervals = vec![(now, now)];
    loop {
        let is_done = cpu_time() - begun >= time;
        let now = clock();
        match intervals.last_mut() {
            Some((_, end)) if now - *end < PAUSE => *end = now,
            _ => intervals.push((now, now)),
        }
        if is_done {
            return intervals;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// macOS binds nothing.
    #[cfg(not(target_os = "macos"))]
    #[test]
    fn a_thread_bound_to_one_core_may_use_that_one() {
        let bound = std::thread::spawn(|| {
            let last = *usable().unwrap().last().unwrap();
            bind_to(&[last]).unwrap();
            (usable().unwrap(), last)
        });
        let (usable, last) = bound.join().unwrap();
        assert_eq!(usable, [last]);
    }

    #[cfg(target_os = "macos")]
    #[test]
    fn a_thread_is_not_bound_and_the_error_says_so() {
        let error = bind_to(&usable().unwrap()[..1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused() {
        assert_eq!(bind_to(&[]).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        assert!(bind_to(&[1 << 20]).is_err());
    }
}
