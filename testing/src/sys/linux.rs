//! What Linux has of its own: `/proc`, process file descriptors, signals to a thread.

use std::fs;
use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, getsid, pidfd_open, pidfd_send_signal};
use rustix::pty::OpenptFlags;

use super::unix::becomes_readable;

/// How a terminal is opened.
pub(super) const OPEN_TERMINAL: OpenptFlags =
    OpenptFlags::RDWR.union(OpenptFlags::NOCTTY).union(OpenptFlags::CLOEXEC);

/// Makes processes whose parents have ended without them children of this process, so that they are
/// seen.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Returns what `ps` says of all threads of this session: which of them hang, and where.
pub(crate) fn threads_of_session() -> io::Result<Vec<u8>> {
    let session = getsid(None)?.as_raw_nonzero().to_string();
    let columns = "ppid,pid,tid,stat,wchan:24,etimes,comm,args";
    Ok(Command::new("ps").args(["-L", "-s", &session, "-o", columns]).output()?.stdout)
}

/// A process, held by a descriptor.
#[derive(Debug)]
pub(crate) struct Other {
    descriptor: OwnedFd,
    pid: u32,
}

impl Other {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let number = Pid::from_raw(pid.cast_signed())?;
        let descriptor = pidfd_open(number, PidfdFlags::empty()).ok()?;
        Some(Self { descriptor, pid })
    }

    pub(crate) fn signal(&self, signal: Signal) -> bool {
        pidfd_send_signal(&self.descriptor, signal).is_ok()
    }

    /// Returns whether no thread of the process runs any more.
    pub(super) fn stands(&self) -> bool {
        matches!(state(self.pid), None | Some('T' | 'X' | 'Z'))
    }

    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        becomes_readable(&self.descriptor, time)
    }
}

/// Makes a pipe of one page whose writers are told "try again" when it is full.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn small_pipe() -> io::Result<Option<(PipeReader, PipeWriter)>> {
    let (reader, writer) = io::pipe()?;
    ioctl_fionbio(&writer, true)?;
    // SAFETY: it takes two numbers and a descriptor, which is open.
    match unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETPIPE_SZ, 1) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(Some((reader, writer))),
    }
}

/// Returns how many bytes a pipe holds.
pub(crate) fn held(pipe: &PipeReader) -> io::Result<u64> {
    Ok(ioctl_fionread(pipe)?)
}

/// Returns how many KiB of a process are in RAM.
#[must_use]
pub fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Returns the state of a process or thread as `ps` shows it: `S` sleeps, `Z` is a zombie; `None`:
/// gone.
#[must_use]
pub fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Sends a signal to one thread of this process.
#[expect(unsafe_code, reason = "no safe crate sends a signal to a thread")]
pub fn signal_thread(thread: i32, signal: Signal) {
    let process = getpid().as_raw_nonzero().get();
    // SAFETY: tgkill takes three numbers and touches no memory.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal.as_raw()) };
    assert_eq!(sent, 0);
}

/// Returns the number of this thread, which no other thread of the machine has.
#[must_use]
pub fn thread_id() -> u64 {
    rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned().into()
}
