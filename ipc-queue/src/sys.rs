//! What only the operating system can do, and the only unsafe code of this crate: memory that
//! processes share, and locks that the kernel gives up for the dead.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::process::{Resource, getrlimit};
use rustix::thread::futex;

/// A file in memory, sparse, whose size never changes.
pub(crate) fn create(size: u64) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("queue", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&file, size)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// The largest file this process may write, in bytes.
pub(crate) fn file_size_limit() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// The same file, opened once more: locks belong to an opening.
pub(crate) fn reopen(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

/// Takes memory away again that lies in the file from there on, for so long.
pub(crate) fn punch(file: BorrowedFd<'_>, offset: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, offset, length)?)
}

/// Where, from there on, the first memory is that nobody has written.
pub(crate) fn hole_after(file: BorrowedFd<'_>, offset: u64) -> io::Result<u64> {
    Ok(rustix::fs::seek(file, SeekFrom::Hole(offset))?)
}

/// Locks a byte of the file for this opening of it; false if another has it. The kernel unlocks it
/// when the last descriptor of the opening goes: at the latest when its process dies or execs.
pub(crate) fn lock(file: BorrowedFd<'_>, byte: u64) -> io::Result<bool> {
    match set_lock(file, libc::F_OFD_SETLK, libc::F_WRLCK, byte, 1) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}

/// Unlocks the byte.
pub(crate) fn unlock(file: BorrowedFd<'_>, byte: u64) -> io::Result<()> {
    set_lock(file, libc::F_OFD_SETLK, libc::F_UNLCK, byte, 1).map(drop)
}

/// Whether another opening has locked any of these bytes.
pub(crate) fn is_locked(file: BorrowedFd<'_>, bytes: std::ops::Range<u64>) -> io::Result<bool> {
    let length = bytes.end - bytes.start;
    let found = set_lock(file, libc::F_OFD_GETLK, libc::F_WRLCK, bytes.start, length)?;
    Ok(found != libc::F_UNLCK)
}

#[expect(unsafe_code, reason = "locks of an opening are known to fcntl alone")]
fn set_lock(
    file: BorrowedFd<'_>,
    command: libc::c_int,
    kind: libc::c_int,
    byte: u64,
    length: u64,
) -> io::Result<libc::c_int> {
    let number = |value: u64| i64::try_from(value).map_err(io::Error::other);
    // SAFETY: all zeros is a value of this C struct.
    let mut request: libc::flock = unsafe { std::mem::zeroed() };
    request.l_type = kind as libc::c_short;
    request.l_whence = libc::SEEK_SET as libc::c_short;
    request.l_start = number(byte)?;
    request.l_len = number(length)?;
    // SAFETY: the descriptor is open, and the struct lives until the call returns.
    let done = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut request) };
    if done == -1 { Err(io::Error::last_os_error()) } else { Ok(libc::c_int::from(request.l_type)) }
}

/// The beginning of a file as words that all its processes share.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<AtomicU64>,
    words: usize,
}

// SAFETY: it is only ever read and written through atomics.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Send for Mapping {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer says nothing about threads")]
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps so many words of a file that is at least as long and can't shrink.
    #[expect(unsafe_code, reason = "the kernel returns an address")]
    pub(crate) fn new(file: BorrowedFd<'_>, words: usize) -> io::Result<Self> {
        // A size that wraps would be a mapping shorter than its words.
        let size = words.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::OutOfMemory)?;
        let sealed = rustix::fs::fcntl_get_seals(file)?.contains(SealFlags::SHRINK);
        if !sealed || rustix::fs::fstat(file)?.st_size.cast_unsigned() < size as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is not a queue's memory"));
        }
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory of ours.
        let start = unsafe { mmap(std::ptr::null_mut(), size, access, MapFlags::SHARED, file, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, words })
    }

    /// The words.
    #[expect(unsafe_code, reason = "an address becomes a slice")]
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: so many words are mapped, page-aligned, for as long as the mapping lives; the file
        // can't shrink, so they are always there; all who share them use atomics.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.words) }
    }
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "the counterpart of mapping")]
    fn drop(&mut self) {
        // SAFETY: it was mapped with this size, and every borrow of its words has ended.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.words * size_of::<AtomicU64>()) };
    }
}

/// The lower half of a shared word, as a futex. Who reads or writes the half doesn't use the whole.
#[expect(unsafe_code, reason = "two sizes of atomics share a word")]
pub(crate) fn half(word: &AtomicU64) -> &AtomicU32 {
    let place = usize::from(cfg!(target_endian = "big"));
    // SAFETY: it lies inside the word and is aligned, and both are atomics.
    unsafe { &*std::ptr::from_ref(word).cast::<AtomicU32>().add(place) }
}

/// Sleeps until woken, or for so long, unless the word has another value by now.
pub(crate) fn sleep(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = timeout.try_into().ok();
    // Whatever ends it, also a signal, the caller looks again.
    let _ = futex::wait(word, futex::Flags::empty(), value, timeout.as_ref());
}

/// Wakes so many sleepers; returns how many there were.
pub(crate) fn wake(word: &AtomicU32, most: u32) -> usize {
    futex::wake(word, futex::Flags::empty(), most).unwrap_or(0)
}
