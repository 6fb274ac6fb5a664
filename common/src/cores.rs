//! The cores of this machine: which ones a process may use, and binding it to one.

use std::io;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The numbers of the cores that the calling thread may run on, from 0. Python:
/// `os.sched_getaffinity(0)`.
///
/// ```
/// let cores = common::cores::usable()?;
/// common::cores::bind_to(&cores[..1])?;
/// assert_eq!(common::cores::usable()?, cores[..1]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When the system refuses to tell.
pub fn usable() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(None)?;
    Ok((0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect())
}

/// Binds the calling thread, and the threads and processes it will start, to these cores. Python:
/// `os.sched_setaffinity(0, cores)`.
///
/// ```
/// let last = common::cores::usable()?.pop().expect("there is one");
/// common::cores::bind_to(&[last])?;
/// assert_eq!(common::cores::usable()?, [last]);
/// assert!(common::cores::bind_to(&[]).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// When none of them is usable.
pub fn bind_to(cores: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for core in cores.iter().filter(|core| **core < CpuSet::MAX_CPU) {
        set.set(*core);
    }
    Ok(sched_setaffinity(None, &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_core_that_does_not_exist_is_refused() {
        assert!(bind_to(&[]).is_err() && bind_to(&[CpuSet::MAX_CPU]).is_err());
    }
}
