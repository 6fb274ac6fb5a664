//! What macOS has of its own: kernel queues that tell of a process's end.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::process::Command;
use std::time::Duration;

use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::OpenptFlags;

use super::unix::becomes_readable;

/// How a terminal is opened.
pub(super) const OPEN_TERMINAL: OpenptFlags = OpenptFlags::RDWR.union(OpenptFlags::NOCTTY);

/// Does nothing: only Linux gives orphans to a process of one's choice.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// Returns what `ps` says of all threads: which of them hang.
pub(crate) fn threads_of_session() -> io::Result<Vec<u8>> {
    Ok(Command::new("ps").args(["-A", "-M"]).output()?.stdout)
}

/// A process, and a kernel queue that has something to read as soon as it has ended.
#[derive(Debug)]
pub(crate) struct Other {
    pid: Pid,
    end: OwnedFd,
}

impl Other {
    #[expect(unsafe_code, reason = "some filters name a descriptor, which has to be open")]
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let pid = Pid::from_raw(pid.cast_signed())?;
        let end = kqueue().ok()?;
        fcntl_setfd(&end, FdFlags::CLOEXEC).ok()?;
        let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
        let event = Event::new(filter, EventFlags::ADD, std::ptr::null_mut());
        // SAFETY: this filter names a process.
        unsafe { kevent(&end, &[event], &mut [] as &mut [Event], None) }.ok()?;
        Some(Self { pid, end })
    }

    pub(crate) fn signal(&self, signal: Signal) -> bool {
        // Its number is its own as long as it has not ended.
        !self.ends_within(Duration::ZERO) && kill_process(self.pid, signal).is_ok()
    }

    /// Returns true a moment later: the system doesn't tell whether a thread of the process runs.
    pub(super) fn stands(&self) -> bool {
        std::thread::sleep(Duration::from_millis(10));
        true
    }

    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        becomes_readable(&self.end, time)
    }
}

/// Makes a pipe of one page whose writers are told "try again" when it is full: there is none here.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(crate) fn small_pipe() -> io::Result<Option<(PipeReader, PipeWriter)>> {
    Ok(None)
}

/// Returns how many bytes a pipe holds.
pub(crate) fn held(_pipe: &PipeReader) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns how many KiB of a process are in RAM.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let told = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output().unwrap();
    String::from_utf8(told.stdout).unwrap().trim().parse().unwrap()
}

/// Returns the number of this thread, which no other thread of the machine has.
#[must_use]
#[expect(unsafe_code, reason = "no safe crate tells it")]
pub fn thread_id() -> u64 {
    let mut number = 0;
    // SAFETY: it only writes the number of the calling thread.
    assert_eq!(unsafe { libc::pthread_threadid_np(0, &raw mut number) }, 0);
    number
}
