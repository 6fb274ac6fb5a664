//! What Linux does in its own way.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use super::{End, refused};

/// The open descriptors of this process, each a file named by its number.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";

/// Returns how many descriptors are open, where the system tells so without a list of them: the
/// folder's size, before Linux 6.2 zero.
pub(super) fn descriptor_count() -> io::Result<Option<u64>> {
    Ok(Some(fs::metadata(DESCRIPTORS)?.len()))
}

/// A peer that has ended is an error, not a signal.
pub(super) const SEND: SendFlags = SendFlags::NOSIGNAL;

/// Programs that this one execs don't get what it receives.
pub(super) const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;

/// The running program itself. A name would lead to another file after a rebuild.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn this_program() -> io::Result<PathBuf> {
    Ok(PathBuf::from("/proc/self/exe"))
}

/// Prepares both ends of a new control line: nothing to do.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn prepare(_line: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Waits until the other side has received the descriptors sent last. They live on in the socket
/// here, so there is nothing to wait for.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn wait_until_received(_line: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// The other direction of [`wait_until_received`].
pub(super) fn say_received(_line: BorrowedFd<'_>) {}

/// Sets what [`RECEIVE`] has set already.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn close_on_exec(_descriptor: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// A child's number, and its *pidfd*: a descriptor that becomes ready when the process has ended,
/// whoever else waits for it, and that never comes to mean another process as a number can.
#[derive(Debug)]
pub(super) struct Handle {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Handle {
    /// Begins to watch a child of this process.
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| match error {
            Errno::NOSYS => io::Error::new(
                io::ErrorKind::Unsupported,
                "this kernel lacks pidfd_open: Linux 5.4 or later is needed",
            ),
            Errno::SRCH => error.into(),
            error => refused("pidfd_open")(error.into()),
        })?;
        Ok(Self { pid, pidfd })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Collects the child if it has ended.
    pub(super) fn collect(&self) -> io::Result<Option<End>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        Ok(Some(match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(None) => return Ok(None),
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => End::Code(code),
                (None, Some(signal)) => End::Code(-signal),
                (None, None) => End::Unknown,
            },
            Err(Errno::CHILD) => End::Unknown,
            Err(error) => return Err(error.into()),
        }))
    }

    pub(super) fn send(&self, signal: Signal) -> Result<(), Errno> {
        pidfd_send_signal(&self.pidfd, signal)
    }
}

/// The sentinel.
impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Names the thread, which is what process lists show.
pub(super) fn name_process(name: &str) {
    if let Ok(shown) = CString::new(name) {
        let _ = rustix::thread::set_name(&shown);
    }
}
