//! Listeners at abstract addresses: names that belong to no file, and go with their listener.
//!
//! A user of the same machine can connect to every such address, so the kernel is asked whose
//! process is at the other end: it noted that when the client connected, or when the listener
//! began to listen. The user's number in the name only keeps two users' names apart.
//!
//! Until a client of another user is accepted, and refused, it has a place among those that wait.
//!
//! A listener that receives descriptors as datagrams would do without connections that wait to be
//! accepted. But then only ten clients could wait (`net.unix.max_dgram_qlen`), among them those of
//! other users.

use std::io::{self, ErrorKind};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::geteuid;

use super::{in_use, no_listener};
use crate::process::frame::Error;

/// Flags for sending: a peer that has ended is an error, not a signal.
pub(super) const SEND: SendFlags = SendFlags::NOSIGNAL;

/// Flags for receiving: programs that this one execs don't inherit received descriptors.
pub(super) const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;

/// A listening socket.
#[derive(Debug)]
pub(super) struct Bound(UnixListener);

impl Bound {
    /// Listens. As many clients as the system allows (`net.core.somaxconn`, 4,096) may wait.
    pub(super) fn new(address: &str) -> io::Result<Self> {
        let bound = UnixListener::bind_addr(&name(address)?);
        Ok(Self(bound.map_err(|error| match error.kind() {
            ErrorKind::AddrInUse => in_use(address),
            _ => error,
        })?))
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.0
    }
}

/// Connects; waits while more clients than the system allows wait to be accepted.
pub(super) fn connect(address: &str) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect_addr(&name(address)?) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                return Err(no_listener(address));
            }
            connected => return connected,
        }
    }
}

fn name(address: &str) -> io::Result<SocketAddr> {
    let user = geteuid().as_raw();
    SocketAddr::from_abstract_name(format!("multiprocess/{user}/{address}"))
}

/// Returns true if the process at the other end was this process's user's when it connected, or
/// began to listen.
pub(super) fn is_of_this_user(socket: BorrowedFd<'_>) -> bool {
    socket_peercred(socket).is_ok_and(|peer| peer.uid == geteuid())
}

/// Prepares a connected socket: nothing to do.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn prepare(_socket: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Returns true if a message was refused that another attempt may send: never, sending waits.
pub(super) fn is_full(_error: Errno) -> bool {
    false
}

/// Sends these descriptors, which the kernel holds open until they are received.
pub(super) fn send_answered(
    _socket: BorrowedFd<'_>,
    ends: &[BorrowedFd<'_>],
    send: impl FnOnce(&[BorrowedFd<'_>]) -> Result<(), Error>,
) -> Result<(), Error> {
    send(ends)
}

/// Reports received descriptors: nothing to do, see [`send_answered`].
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn answer(_ends: &mut Vec<OwnedFd>) -> io::Result<()> {
    Ok(())
}
