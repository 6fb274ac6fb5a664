//! macOS: a shared-memory object for the words, a temporary file for a queue's windows, and a byte
//! in one file of locks for each member.
//!
//! ```text
//!   member ──┬── shared-memory object: words          no name any more
//!            ├── temporary file: a queue's windows    no name any more
//!            └── opening of $TMPDIR/multiprocess-<uid>.locks: lock on byte base + number
//! ```
//!
//! Only a file with a name can be opened once more, and a lock belongs to an opening: so all
//! memories of a user have their numbers in one file, which is empty, and is never removed. Each
//! takes a random base, so that its bytes are no other memory's.

use std::ffi::OsStr;
use std::fs::{File, FileTimes};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, SystemTime};

use crate::process::handover;
use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;
use rustix::shm;
use serde::{Deserialize, Serialize};

use super::unix::Numbers;
use super::wake_each;

/// A shared-memory object that has no name any more.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Block(#[serde(with = "handover")] OwnedFd);

impl Block {
    pub(super) fn new(bytes: u64) -> io::Result<Self> {
        // 31 characters at most.
        let name = format!("/queue-{:016x}", getrandom::u64()?);
        let flags = shm::OFlags::CREATE | shm::OFlags::EXCL | shm::OFlags::RDWR;
        let object = shm::open(&name, flags, Mode::RUSR | Mode::WUSR)?;
        shm::unlink(&name)?;
        rustix::fs::ftruncate(&object, bytes)?;
        Ok(Self(object))
    }

    /// Returns true if no process can make the object shorter: its size can be set only once.
    pub(super) fn has_fixed_size(&self) -> io::Result<bool> {
        Ok(true)
    }
}

impl AsFd for Block {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A file for a queue's windows.
#[derive(Debug, Serialize, Deserialize)]
struct Windows(#[serde(with = "handover")] File);

/// A member's opening: words and windows are the same for all, the opening of the locks is its own.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    words: Block,
    windows: Option<Windows>,
    #[serde(with = "handover")]
    locks: File,
    /// Offset of number 0 in the file of locks.
    base: i64,
}

impl Opening {
    /// Creates an object for the mapped part; windows take memory as they are written.
    pub(super) fn new(mapped: u64, size: u64) -> io::Result<Self> {
        let name = format!("multiprocess-{}.locks", geteuid().as_raw());
        Ok(Self {
            words: Block::new(mapped)?,
            windows: if size > mapped { Some(Windows(tempfile::tempfile()?)) } else { None },
            locks: open_locks(&std::env::temp_dir().join(name))?,
            // 46 random bits, and 16 for the numbers.
            base: (getrandom::u64()? >> 18 << 16).cast_signed(),
        })
    }

    /// Opens the file of locks once more; fails if the path leads to another file by now.
    pub(super) fn reopen(&self) -> io::Result<Self> {
        let path = rustix::fs::getpath(&self.locks)?;
        let path = Path::new(OsStr::from_bytes(path.as_bytes()));
        let locks = open_locks(path)?;
        let (old, new) = (self.locks.metadata()?, locks.metadata()?);
        if (old.dev(), old.ino()) != (new.dev(), new.ino()) {
            let message = format!("{} was removed while it was needed", path.display());
            return Err(io::Error::other(message));
        }
        let words = Block(self.words.0.try_clone()?);
        let copy = |Windows(file): &Windows| file.try_clone().map(Windows);
        let windows = self.windows.as_ref().map(copy).transpose()?;
        Ok(Self { words, windows, locks, base: self.base })
    }

    /// Fails: a queue is more than a file here.
    pub(super) fn of_file(_file: OwnedFd) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn numbers(&self) -> Numbers<'_> {
        Numbers { file: self.locks.as_fd(), first: self.base }
    }

    pub(super) fn words(&self) -> &Block {
        &self.words
    }

    pub(super) fn windows(&self) -> io::Result<&File> {
        let Windows(file) = self.windows.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        Ok(file)
    }
}

/// Opens the user's file of locks, or creates it.
fn open_locks(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).open(path)?;
    if file.metadata()?.uid() != geteuid().as_raw() {
        let message = format!("{} belongs to another user", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // The system removes files from the temporary folder that were not touched for days.
    let now = SystemTime::now();
    let _ = file.set_times(FileTimes::new().set_accessed(now).set_modified(now));
    Ok(file)
}

/// Does nothing: the system has no such call, and pages memory out when there is too little.
pub(super) fn reserve(_block: &Block, _offset: u64, _length: u64) -> io::Result<()> {
    Ok(())
}

#[expect(unsafe_code, reason = "rustix doesn't have it")]
pub(super) fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    // The call takes only whole blocks, and none behind the end of the file.
    let there = file.metadata()?.len().saturating_sub(offset).min(length) & !0xfff;
    if there == 0 {
        return Ok(());
    }
    let number = |value: u64| i64::try_from(value).map_err(io::Error::other);
    let (fp_offset, fp_length) = (number(offset)?, number(there)?);
    let hole = libc::fpunchhole_t { fp_flags: 0, reserved: 0, fp_offset, fp_length };
    // SAFETY: the descriptor is open, and the struct lives until the call returns.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PUNCHHOLE, &raw const hole) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Returns the end of the file: on APFS, `SEEK_HOLE` has found holes where there was data that had
/// not reached the disk yet, and an item would be taken for damaged.
pub(super) fn hole_after(file: &File, offset: u64) -> io::Result<u64> {
    Ok(file.metadata()?.len().max(offset))
}

const SIZE: usize = size_of::<AtomicU32>();

#[expect(unsafe_code, reason = "rustix doesn't have it")]
pub(super) fn sleep(word: &AtomicU32, value: u32, timeout: Duration) {
    // A timeout of 0 would be an error, and a very long one would wrap.
    let timeout = timeout.clamp(Duration::from_nanos(1), Duration::from_secs(3600));
    let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
    let (shared, clock) = (libc::OS_SYNC_WAIT_ON_ADDRESS_SHARED, libc::OS_CLOCK_MACH_ABSOLUTE_TIME);
    let (address, value) = (word.as_ptr().cast(), value.into());
    // SAFETY: the word exists until the call returns.
    // However the sleep ends, also by a signal, the caller looks again.
    unsafe {
        libc::os_sync_wait_on_address_with_timeout(address, value, SIZE, shared, clock, nanoseconds)
    };
}

#[expect(unsafe_code, reason = "rustix doesn't have it")]
pub(super) fn wake(word: &AtomicU32, most: u32) -> usize {
    let (address, shared) = (word.as_ptr().cast(), libc::OS_SYNC_WAKE_BY_ADDRESS_SHARED);
    // SAFETY: the word exists until the call returns. The call fails if no thread sleeps there.
    wake_each(most, || unsafe { libc::os_sync_wake_by_address_any(address, SIZE, shared) } == 0)
}
