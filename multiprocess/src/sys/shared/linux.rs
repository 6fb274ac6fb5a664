//! Linux: one file in memory holds the words, a queue's windows, and the locks of all members.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use crate::process::handover;
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags, SeekFrom};
use rustix::thread::futex;
use serde::{Deserialize, Serialize};

use super::reserve;
use super::unix::Numbers;

/// A file in memory, sparse, whose size never changes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Block(#[serde(with = "handover")] File);

impl Block {
    pub(super) fn new(bytes: u64) -> io::Result<Self> {
        Self::named("shared", bytes)
    }

    /// Creates a file that is shown by this name in `/proc/PID/fd`.
    fn named(name: &str, bytes: u64) -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create(name, flags)?;
        rustix::fs::ftruncate(&file, bytes)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&file, seals)?;
        Ok(Self(file.into()))
    }

    /// Returns true if no process can make the file shorter.
    pub(super) fn has_fixed_size(&self) -> io::Result<bool> {
        Ok(rustix::fs::fcntl_get_seals(&self.0)?.contains(SealFlags::SHRINK))
    }
}

impl AsFd for Block {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A member's opening of the file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opening(Block);

impl Opening {
    /// Creates a file of this size, whose beginning is mapped.
    pub(super) fn new(mapped: u64, size: u64) -> io::Result<Self> {
        let name = if size > mapped { "queue" } else { "shared" };
        Block::named(name, size).map(Self)
    }

    /// Opens the same file once more, because a lock belongs to an opening.
    pub(super) fn reopen(&self) -> io::Result<Self> {
        let path = format!("/proc/self/fd/{}", self.0.0.as_raw_fd());
        let file = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self(Block(file.into())))
    }

    /// Opens the queue in this file.
    pub(super) fn of_file(file: OwnedFd) -> io::Result<Self> {
        Ok(Self(Block(file.into())))
    }

    pub(super) fn numbers(&self) -> Numbers<'_> {
        Numbers { file: self.0.as_fd(), first: 0 }
    }

    pub(super) fn words(&self) -> &Block {
        &self.0
    }

    pub(super) fn windows(&self) -> io::Result<&File> {
        Ok(&self.0.0)
    }
}

pub(super) fn reserve(block: &Block, offset: u64, length: u64) -> io::Result<()> {
    reserve::take(block, offset, length)
}

pub(super) fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(rustix::fs::fallocate(file, flags, offset, length)?)
}

pub(super) fn hole_after(file: &File, offset: u64) -> io::Result<u64> {
    Ok(rustix::fs::seek(file, SeekFrom::Hole(offset))?)
}

pub(super) fn sleep(word: &AtomicU32, value: u32, timeout: Duration) {
    let timeout = timeout.try_into().ok();
    // However the sleep ends, also by a signal, the caller looks again.
    let _ = futex::wait(word, futex::Flags::empty(), value, timeout.as_ref());
}

pub(super) fn wake(word: &AtomicU32, most: u32) -> usize {
    futex::wake(word, futex::Flags::empty(), most).unwrap_or(0)
}
