//! The C library's mutexes that processes share, which no safe crate offers: the only `unsafe` of
//! this crate. Other systems than Linux don't have all of them.

use std::io;
#[cfg(target_os = "linux")]
use std::mem::MaybeUninit;

use multiprocess::queue::Words;
use serde::{Deserialize, Serialize};

/// A pthread mutex in memory that processes share. If it is robust, the next owner after one that
/// was killed is told.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct PthreadMutex<const ROBUST: bool>(Words);

#[cfg(target_os = "linux")]
impl<const ROBUST: bool> PthreadMutex<ROBUST> {
    #[expect(unsafe_code, reason = "calls of the C library")]
    pub(crate) fn new() -> io::Result<Self> {
        let words = size_of::<libc::pthread_mutex_t>().div_ceil(size_of::<u64>());
        let mutex = Self(Words::new(words)?);
        let mut attributes = MaybeUninit::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the first call makes the attributes, which live until the last; the mutex fits
        // into the words, is aligned as they are, and no other thread has them yet.
        unsafe {
            check(libc::pthread_mutexattr_init(attributes))?;
            check(libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED))?;
            if ROBUST {
                check(libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST))?;
            }
            check(libc::pthread_mutex_init(mutex.address(), attributes))?;
        }
        Ok(mutex)
    }

    /// Does the work under the lock.
    #[expect(unsafe_code, reason = "calls of the C library")]
    pub(crate) fn with(&self, work: impl FnOnce()) -> io::Result<()> {
        let address = self.address();
        // SAFETY: `new` has made the mutex; it stays where it is as long as any process has it.
        check(unsafe { libc::pthread_mutex_lock(address) })?;
        work();
        // SAFETY: as above, and this thread has locked it.
        check(unsafe { libc::pthread_mutex_unlock(address) })
    }

    fn address(&self) -> *mut libc::pthread_mutex_t {
        self.0.as_ptr().cast_mut().cast()
    }
}

#[cfg(not(target_os = "linux"))]
impl<const ROBUST: bool> PthreadMutex<ROBUST> {
    pub(crate) fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn with(&self, work: impl FnOnce()) -> io::Result<()> {
        work();
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::sync::atomic::Ordering;
    use std::thread;

    use super::*;

    fn check_exclusion<const ROBUST: bool>() {
        let (mutex, number) = (PthreadMutex::<ROBUST>::new().unwrap(), Words::new(1).unwrap());
        let add_one = || {
            let before = number[0].load(Ordering::Relaxed);
            thread::yield_now();
            number[0].store(before + 1, Ordering::Relaxed);
        };
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..1000).for_each(|_| mutex.with(add_one).unwrap()));
            }
        });
        assert_eq!(number[0].load(Ordering::Relaxed), 2000);
    }

    #[test]
    fn a_pthread_mutex_robust_or_not_lets_one_thread_in_at_a_time() {
        let _deadline = testing::Deadline::seconds(60);
        check_exclusion::<true>();
        check_exclusion::<false>();
    }
}
