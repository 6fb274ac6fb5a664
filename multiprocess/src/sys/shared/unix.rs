//! What Linux and macOS share: mapped files, and locks that belong to an opening of a file.

use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::ends::OwnedEnd;
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::{Resource, getrlimit};

use super::system::{self, Block, Opening};
use super::{Participation, SharedMemory};

/// Returns the size of the largest file that this process may write, in bytes.
pub(crate) fn file_size_limit() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Registers a function to be called when the process exits: by [`std::process::exit`], or after
/// `main` has returned or panicked. Other threads are still running then.
#[expect(unsafe_code, reason = "the C library calls it")]
pub(crate) fn at_exit(run: extern "C" fn(), _end_of_main: fn()) {
    // SAFETY: the function exists as long as the program; an `extern "C"` function doesn't unwind.
    let _ = unsafe { libc::atexit(run) };
}

/// Locks in a function that [`at_exit`] has called, where a thread that holds the lock goes on.
pub(crate) fn lock_at_exit<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    Some(mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

/// An opening's numbers: number n is byte `first + n` of this file.
pub(super) struct Numbers<'a> {
    pub(super) file: BorrowedFd<'a>,
    pub(super) first: i64,
}

impl Numbers<'_> {
    /// Locks the byte of this number for this opening of the file; returns false if another has it.
    /// The kernel unlocks it when the last descriptor of the opening is closed: at the latest when
    /// its process dies or execs.
    fn lock(&self, number: u16) -> io::Result<bool> {
        match self.control(libc::F_OFD_SETLK, libc::F_WRLCK as libc::c_int, number, 1) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Unlocks the byte of this number.
    fn unlock(&self, number: u16) -> io::Result<()> {
        self.control(libc::F_OFD_SETLK, libc::F_UNLCK as libc::c_int, number, 1).map(drop)
    }

    /// Returns true if another opening has locked the byte of any of these numbers.
    fn is_any_locked(&self, numbers: Range<u16>) -> io::Result<bool> {
        let (get, write) = (libc::F_OFD_GETLK, libc::F_WRLCK as libc::c_int);
        let found = self.control(get, write, numbers.start, numbers.end - numbers.start)?;
        Ok(found != libc::F_UNLCK as libc::c_int)
    }

    #[expect(unsafe_code, reason = "locks of an opening are known to fcntl alone")]
    fn control(
        &self,
        command: libc::c_int,
        kind: libc::c_int,
        first: u16,
        count: u16,
    ) -> io::Result<libc::c_int> {
        // SAFETY: all zeros is a value of this C struct.
        let mut request: libc::flock = unsafe { std::mem::zeroed() };
        request.l_type = kind as libc::c_short;
        request.l_whence = libc::SEEK_SET as libc::c_short;
        request.l_start = self.first + i64::from(first);
        request.l_len = count.into();
        // SAFETY: the descriptor is open, and the struct lives until the call returns.
        let done = unsafe { libc::fcntl(self.file.as_raw_fd(), command, &raw mut request) };
        if done == -1 {
            return Err(io::Error::last_os_error());
        }
        Ok(libc::c_int::from(request.l_type))
    }
}

impl Participation for Opening {
    fn create(mapped: u64, size: u64) -> io::Result<Self> {
        Self::new(mapped, size)
    }

    fn of_file(file: OwnedEnd) -> io::Result<Self> {
        Opening::of_file(file)
    }

    fn become_number(&mut self, number: u16) -> io::Result<bool> {
        self.numbers().lock(number)
    }

    fn invite(&self, numbers: impl Iterator<Item = u16>) -> io::Result<Option<(Self, u16)>> {
        let mut opening = self.reopen()?;
        for number in numbers {
            if opening.become_number(number)? {
                return Ok(Some((opening, number)));
            }
        }
        Ok(None)
    }

    fn while_locked<T>(&self, number: u16, work: impl FnOnce() -> T) -> io::Result<Option<T>> {
        if !self.numbers().lock(number)? {
            return Ok(None);
        }
        /// Unlocks the number even if the work panics.
        struct Unlocked<'a>(Numbers<'a>, u16);
        impl Drop for Unlocked<'_> {
            fn drop(&mut self) {
                let _ = self.0.unlock(self.1);
            }
        }
        let _unlocked = Unlocked(self.numbers(), number);
        Ok(Some(work()))
    }

    fn is_any_taken(&self, numbers: Range<u16>, _highest: u16) -> io::Result<bool> {
        // One call for all numbers: exact, whatever other processes do meanwhile.
        self.numbers().is_any_locked(numbers)
    }

    fn block(&self) -> &Block {
        self.words()
    }

    fn map(&self, words: usize) -> io::Result<Mapping> {
        self.words().map(words)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.windows()?.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.windows()?.read_exact_at(bytes, offset)
    }

    fn fill_at(&self, bytes: &mut Vec<u8>, mut offset: u64) -> io::Result<()> {
        while bytes.len() < bytes.capacity() {
            match rustix::io::pread(self.windows()?, spare_capacity(bytes), offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => offset += read as u64,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn punch(&self, offset: u64, length: u64) -> io::Result<()> {
        system::punch(self.windows()?, offset, length)
    }

    fn hole_after(&self, offset: u64) -> io::Result<u64> {
        system::hole_after(self.windows()?, offset)
    }

    fn sleep(&self, _event_count: usize, word: &AtomicU32, value: u32, timeout: Duration) -> bool {
        system::sleep(word, value, timeout);
        // The system counts wake-ups: each is for one thread that slept.
        false
    }

    fn wake(&self, _event_count: usize, word: &AtomicU32, most: u32) -> usize {
        system::wake(word, most)
    }
}

impl SharedMemory for Block {
    fn create(bytes: u64) -> io::Result<Self> {
        Self::new(bytes)
    }

    fn reserve(&self, offset: u64, length: u64) -> io::Result<()> {
        system::reserve(self, offset, length)
    }

    fn map(&self, words: usize) -> io::Result<Mapping> {
        Mapping::new(self, words)
    }

    fn sleep(&self, _index: usize, word: &AtomicU32, value: u32, timeout: Duration) {
        system::sleep(word, value, timeout);
    }

    fn wake(&self, _index: usize, word: &AtomicU32, most: u32) -> usize {
        system::wake(word, most)
    }
}

/// The beginning of a block, as words that all its processes share.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: the memory is only ever read and written through atomics.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Send for Mapping {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps this many words of a block that is at least as long and can't shrink.
    #[expect(unsafe_code, reason = "the kernel returns an address")]
    fn new(block: &Block, words: usize) -> io::Result<Self> {
        // A size that wraps would be a mapping shorter than its words.
        let size = words.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let there = if block.has_fixed_size()? { rustix::fs::fstat(block)?.st_size } else { 0 };
        if there.cast_unsigned() < size as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no shared memory"));
        }
        let anywhere = std::ptr::null_mut();
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps no other memory.
        let start = unsafe { mmap(anywhere, size, access, MapFlags::SHARED, block, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, words })
    }

    /// Returns the words.
    #[inline]
    #[expect(unsafe_code, reason = "an address becomes a slice")]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: this many words are mapped, page-aligned, for as long as the mapping lives; the
        // block can't shrink, so they are always there; all processes that share them use atomics.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "the counterpart of mapping")]
    fn drop(&mut self) {
        // SAFETY: the memory was mapped with this size, and every borrow of its words has ended.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.words * size_of::<AtomicU64>()) };
    }
}
