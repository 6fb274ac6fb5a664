//! What Linux and macOS have in common: a stream socket, over which descriptors travel with the
//! first bytes of a message.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, Shutdown, recv, recvmsg, sendmsg, shutdown,
};

use super::{another_user, system};
use crate::deadline::{deadline, time_left};
use crate::manager::Client;
use crate::process::frame::{self, Error};
use crate::sys::process::wait;

/// Largest number of descriptors in one call (Linux: `SCM_MAX_FD`).
const MOST: usize = 253;

/// The place where the clients of one address arrive.
#[derive(Debug)]
pub(crate) struct Door(system::Bound);

impl Door {
    /// Begins to listen at this address.
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let bound = system::Bound::new(address)?;
        // Between a wait and its accept another thread may take the client.
        bound.listener().set_nonblocking(true)?;
        Ok(Self(bound))
    }

    /// Waits for the next client of this user, at most for the timeout, then `None`. A client that
    /// is gone and has sent nothing is passed over.
    pub(crate) fn accept(&self, timeout: Option<Duration>) -> io::Result<Option<Socket>> {
        let listener = self.0.listener();
        let deadline = deadline(timeout);
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let socket = Socket(stream.into());
                    if system::is_of_this_user(socket.as_fd()) && !socket.is_over() {
                        system::prepare(socket.as_fd())?;
                        return Ok(Some(socket));
                    }
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted => {}
                    ErrorKind::WouldBlock => {
                        let left = time_left(deadline);
                        if left.is_some_and(|left| left.is_zero()) {
                            return Ok(None);
                        }
                        wait(&[listener.as_fd()], left)?;
                    }
                    _ => return Err(error),
                },
            }
        }
    }
}

/// An end of a connection.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Connects to the listener at this address, if it is this user's.
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        let socket = Self(system::connect(address)?.into());
        if !system::is_of_this_user(socket.as_fd()) {
            return Err(another_user(address));
        }
        system::prepare(socket.as_fd())?;
        Ok(socket)
    }

    /// Ends the connection for both sides, also for copies of this end.
    pub(crate) fn close(&mut self) {
        let _ = shutdown(&self.0, Shutdown::Both);
    }

    /// Returns true if the other end is closed and nothing is left to receive.
    fn is_over(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        match retry_on_intr(|| recv(&self.0, &mut [0], flags)) {
            Ok((_, bytes)) => bytes == 0,
            Err(error) => error != Errno::AGAIN,
        }
    }

    /// Sends a message with copies of these descriptors. On macOS, returns when the other side has
    /// received it, if there are any.
    pub(crate) fn send(&mut self, body: &[u8], ends: &[BorrowedFd<'_>]) -> Result<(), Error> {
        if ends.is_empty() {
            return frame::write(&mut Outgoing { socket: self, ends }, body);
        }
        system::send_answered(self.as_fd(), ends, |ends| {
            frame::write(&mut Outgoing { socket: self, ends }, body)
        })
    }

    /// Receives a message's body, of at most this many bytes, in place of the buffer's content;
    /// returns the descriptors that came along.
    pub(crate) fn receive(
        &mut self,
        limit: u64,
        body: &mut Vec<u8>,
    ) -> Result<Vec<OwnedFd>, Error> {
        let mut incoming = Incoming { socket: self, ends: Vec::new() };
        frame::read(&mut incoming, limit, body)?;
        if !incoming.ends.is_empty() {
            system::answer(&mut incoming.ends)?;
        }
        Ok(incoming.ends)
    }
}

/// Borrows the end, which is ready when there is something to receive.
impl<S, R> AsFd for Client<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<OwnedFd> for Socket {
    fn from(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }
}

/// A message on its way out.
struct Outgoing<'a> {
    socket: &'a Socket,
    /// Descriptors that have not been sent.
    ends: &'a [BorrowedFd<'a>],
}

impl Write for Outgoing<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(buffer)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let (now, later) = self.ends.split_at(self.ends.len().min(MOST));
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !now.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(now));
        }
        // While descriptors are left for later calls, a call sends a single byte with as many as it
        // takes. The frame has enough bytes: among others, the number of each descriptor.
        let first = parts.first().map_or(&[][..], |part| &part[..part.len().min(1)]);
        let alone = [IoSlice::new(first)];
        let parts = if later.is_empty() { parts } else { &alone };
        let sent = loop {
            match sendmsg(&self.socket.0, parts, &mut control, system::SEND) {
                Err(error) if error == Errno::INTR || system::is_full(error) => {}
                sent => break sent?,
            }
        };
        self.ends = later;
        Ok(sent)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A message on its way in.
struct Incoming<'a> {
    socket: &'a Socket,
    /// Descriptors that came with the bytes read so far.
    ends: Vec<OwnedFd>,
}

impl Read for Incoming<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Room for as many as can come: the kernel closes those that find none.
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(buffer)];
        let got = recvmsg(&self.socket.0, &mut parts, &mut control, system::RECEIVE)?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                self.ends.extend(some);
            }
        }
        Ok(got.bytes)
    }
}
