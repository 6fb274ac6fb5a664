//! What macOS does in its own way.
//!
//! A descriptor that its sender closes too early may arrive dead: so each message of descriptors
//! is answered.

use std::env;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::kqueue::{Event, EventFilter, EventFlags, ProcessEvents, kevent, kqueue};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{RecvFlags, SendFlags, recv, send, sockopt};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::{End, refused};

/// The open descriptors of this process, each a file named by its number.
pub(super) const DESCRIPTORS: &str = "/dev/fd";

/// Returns the number of open descriptors, where the system tells it without a list of them.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn descriptor_count() -> io::Result<Option<u64>> {
    Ok(None)
}

/// Flags for sending: [`prepare`] makes a peer that has ended an error, not a signal.
pub(super) const SEND: SendFlags = SendFlags::empty();

/// Flags for receiving: none, see [`close_on_exec`].
pub(super) const RECEIVE: RecvFlags = RecvFlags::empty();

/// Size of the line's buffer, in bytes: longer arguments make `start` wait for the child to read.
const BUFFER: usize = 1 << 18;

/// Returns the running program's path. After a rebuild it leads to another program, which shows if
/// its list of functions differs, too.
pub(super) fn this_program() -> io::Result<PathBuf> {
    env::current_exe()
}

/// Explains why this program could not be started again.
pub(super) fn not_started(program: &Path, error: io::Error) -> io::Error {
    refused(&program.display().to_string())(error)
}

/// Prepares an end of a new control line. The options are the socket's, so the child has them, too.
pub(super) fn prepare(line: BorrowedFd<'_>) -> io::Result<()> {
    sockopt::set_socket_nosigpipe(line, true)?;
    sockopt::set_socket_send_buffer_size(line, BUFFER)?;
    Ok(sockopt::set_socket_recv_buffer_size(line, BUFFER)?)
}

/// Waits until the other side has received the descriptors sent last, or its process has ended.
///
/// A descriptor that its sender closes while it is on its way may arrive dead on this system, and
/// a message with descriptors is refused while too much is unread. CPython answers each message
/// for the first reason.
pub(super) fn wait_until_received(line: BorrowedFd<'_>, child: BorrowedFd<'_>) -> io::Result<()> {
    // The line alone may not show the child's end: descriptors get their close-on-exec flag a
    // moment after they are made here, and a program that another thread started in that moment has
    // them, too.
    if !super::wait(&[line, child], None)?.contains(&0) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    match rustix::io::retry_on_intr(|| recv(line, &mut [0], RecvFlags::empty()))? {
        (_, 0) => Err(io::ErrorKind::BrokenPipe.into()),
        _ => Ok(()),
    }
}

/// Reports received descriptors, for [`wait_until_received`].
pub(super) fn say_received(line: BorrowedFd<'_>) {
    // A parent that has ended in the meantime needs no answer.
    let _ = rustix::io::retry_on_intr(|| send(line, b"r", SEND));
}

/// Sets a received descriptor's close-on-exec flag.
pub(super) fn close_on_exec(descriptor: BorrowedFd<'_>) -> io::Result<()> {
    Ok(fcntl_setfd(descriptor, FdFlags::CLOEXEC)?)
}

/// A child's process id, and its sentinel: a kqueue with one event.
///
/// The id means this child until it is collected: no [`send`](Self::send) may come after that.
#[derive(Debug)]
pub(super) struct Handle {
    pid: Pid,
    sentinel: OwnedFd,
}

impl Handle {
    /// Begins to watch a child of this process.
    #[expect(unsafe_code, reason = "an event may name any descriptor, of which this one has none")]
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        let refused = |error: Errno| refused("kqueue is refused")(error.into());
        let queue = kqueue().map_err(refused)?;
        fcntl_setfd(&queue, FdFlags::CLOEXEC).map_err(refused)?;
        let filter = EventFilter::Proc { pid, flags: ProcessEvents::EXIT };
        let event = Event::new(filter, EventFlags::ADD, std::ptr::null_mut());
        let mut no_events: Vec<Event> = Vec::new();
        // SAFETY: the event names a process, no descriptor.
        let sentinel = match unsafe { kevent(&queue, &[event], &mut no_events, None) } {
            Ok(_) => queue,
            // The child has ended already. A pipe without a writer is always ready, too.
            Err(Errno::SRCH) => io::pipe()?.0.into(),
            Err(error) => return Err(refused(error)),
        };
        Ok(Self { pid, sentinel })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Collects the child if it has ended.
    pub(super) fn collect(&self) -> io::Result<Option<End>> {
        Ok(Some(match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(None) => return Ok(None),
            Ok(Some((_, status))) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => End::Code(code),
                (None, Some(signal)) => End::Code(-signal),
                (None, None) => End::Unknown,
            },
            Err(Errno::CHILD) => End::Unknown,
            Err(error) => return Err(error.into()),
        }))
    }

    pub(super) fn send(&self, signal: Signal) -> Result<(), Errno> {
        kill_process(self.pid, signal)
    }
}

/// Borrows the sentinel.
impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.sentinel.as_fd()
    }
}

/// Does nothing: process lists show the program's first argument here, which has the name already.
pub(super) fn name_process(_name: &str) {}
