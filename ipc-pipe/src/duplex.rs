//! Both directions: a [`Connection`] is a sender and a receiver.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{Error, Receiver, Sender, one_way};

/// Two connected ends: each sends what the other receives. Python: `Pipe()`.
///
/// ```
/// let (mut parent, mut child) = ipc_pipe::pipe::<u32, String>()?;
/// parent.send(&7)?;
/// let number = child.recv()?;
/// child.send(&format!("got {number}"))?;
/// assert_eq!(parent.recv()?, "got 7");
/// # Ok::<(), ipc_pipe::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when the limit of open files is reached.
#[expect(clippy::type_complexity, reason = "two ends, each the mirror of the other")]
pub fn pipe<S, R>() -> Result<(Connection<S, R>, Connection<R, S>), Error> {
    let (there, sender) = one_way()?;
    let (receiver, back) = one_way()?;
    Ok((Connection { sender, receiver }, Connection { sender: back, receiver: there }))
}

/// One end of a pipe of both directions: sends `S`, receives `R`. Python:
/// `multiprocessing.connection.Connection`.
///
/// It can be handed to a new process among its arguments, and nowhere else: over another
/// connection it is [`Error::Encode`].
///
/// Two ends that both send more than a pipe holds before either receives wait for each other for
/// ever, as in Python. [`split`](Self::split), and a thread for each direction, can do it.
///
/// Dropping an end closes it; nothing can be sent on it after that, nor can it be closed again:
///
/// ```compile_fail,E0382
/// # // CONN-B02
/// let (mut a, _b) = ipc_pipe::pipe::<u32, u32>()?;
/// drop(a);
/// a.send(&1)?;
/// # Ok::<(), ipc_pipe::Error>(())
/// ```
///
/// ```compile_fail,E0382
/// # // CONN-B02
/// let (a, _b) = ipc_pipe::pipe::<u32, u32>()?;
/// drop(a);
/// drop(a);
/// # Ok::<(), ipc_pipe::Error>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Connection<S, R> {
    sender: Sender<S>,
    receiver: Receiver<R>,
}

impl<S, R> Connection<S, R> {
    /// The two directions, each of which may go to a thread or process of its own.
    #[must_use]
    pub fn split(self) -> (Receiver<R>, Sender<S>) {
        (self.receiver, self.sender)
    }

    /// See [`Sender::send`].
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn send(&mut self, message: &S) -> Result<(), Error>
    where
        S: Serialize,
    {
        self.sender.send(message)
    }

    /// See [`Receiver::recv`].
    ///
    /// # Errors
    /// Those of [`Receiver::recv`].
    pub fn recv(&mut self) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        self.receiver.recv()
    }

    /// See [`Receiver::poll`].
    ///
    /// # Errors
    /// Those of [`Receiver::poll`].
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        self.receiver.poll(timeout)
    }

    /// See [`Sender::send_bytes`].
    ///
    /// # Errors
    /// Those of [`Sender::send_bytes`].
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sender.send_bytes(bytes)
    }

    /// See [`Receiver::recv_bytes`].
    ///
    /// # Errors
    /// Those of [`Receiver::recv_bytes`].
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        self.receiver.recv_bytes(max)
    }

    /// See [`Receiver::recv_bytes_into`].
    ///
    /// # Errors
    /// Those of [`Receiver::recv_bytes_into`].
    pub fn recv_bytes_into(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.receiver.recv_bytes_into(buffer)
    }
}

/// The receiving direction.
impl<S, R> AsFd for Connection<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}
