//! Pipes of both directions: a [`Connection`] is a sender and a receiver.
//!
//! A connection is two pipes, not a socket: each direction has its type and its owner, `split`
//! only takes it apart, and a pipe is the faster of the two (64 bytes there and back on one core:
//! 2.9 µs, over a socket pair 4.5 µs; medians of nine).

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pipe::{Error, Receiver, Sender, one_way};

/// Makes two connected ends: each sends what the other receives. Python: `Pipe()`.
///
/// ```
/// let (mut parent, mut child) = multiprocess::pipe::<u32, String>()?;
/// parent.send(&7)?;
/// let number = child.recv()?;
/// child.send(&format!("got {number}"))?;
/// assert_eq!(parent.recv()?, "got 7");
/// # Ok::<(), multiprocess::pipe::Error>(())
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

/// An end of a pipe of both directions, which sends `S` and receives `R`. Python:
/// `multiprocessing.connection.Connection`.
///
/// A connection can be handed to a new process among its arguments, or to another program in a
/// message of a [`Client`](crate::manager::Client): over another connection it is
/// [`Error::Encode`].
///
/// ```
/// use multiprocess::{Connection, Failure, Process, pipe, tasks};
///
/// tasks![shout];
///
/// fn shout(mut parent: Connection<String, String>) -> Result<(), Failure> {
///     let word = parent.recv()?;
///     Ok(parent.send(&word.to_uppercase())?)
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let (mut child, childs_end) = pipe::<String, String>()?;
/// let mut process = Process::new(shout, childs_end);
/// process.start()?;
/// child.send(&"hello".to_string())?;
/// assert_eq!(child.recv()?, "HELLO");
/// process.join()?;
/// # Ok(()) }) }
/// ```
///
/// Two ends that both send more than a pipe holds before either receives wait for each other for
/// ever, as in Python. The remedy is [`split`](Self::split), and a thread for each direction.
///
/// Dropping an end closes it; a closed end can't be used, nor closed again:
///
/// ```compile_fail,E0382
/// # // CONN-B02
/// let (mut a, _b) = multiprocess::pipe::<u32, u32>()?;
/// drop(a);
/// a.send(&1)?;
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
///
/// ```compile_fail,E0382
/// # // CONN-B02
/// let (a, _b) = multiprocess::pipe::<u32, u32>()?;
/// drop(a);
/// drop(a);
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Connection<S, R> {
    sender: Sender<S>,
    pub(crate) receiver: Receiver<R>,
}

impl<S, R> Connection<S, R> {
    /// Splits the two directions, each of which may go to a thread or process of its own. Python: a
    /// `Connection` that two threads use.
    ///
    /// ```
    /// let (here, mut there) = multiprocess::pipe::<u32, u32>()?;
    /// let (mut receiver, mut sender) = here.split();
    /// let sends = std::thread::spawn(move || sender.send(&1));
    /// there.send(&2)?;
    /// assert_eq!((receiver.recv()?, there.recv()?), (2, 1));
    /// sends.join().expect("it doesn't panic")?;
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    #[must_use]
    pub fn split(self) -> (Receiver<R>, Sender<S>) {
        (self.receiver, self.sender)
    }

    /// Sends one message to the other end, as [`Sender::send`]. Python: `Connection.send`.
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn send(&mut self, message: &S) -> Result<(), Error>
    where
        S: Serialize,
    {
        self.sender.send(message)
    }

    /// Receives the next message; waits for it, as [`Receiver::recv`]. Python: `Connection.recv`.
    ///
    /// # Errors
    /// Those of [`Receiver::recv`].
    pub fn recv(&mut self) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        self.receiver.recv()
    }

    /// Returns true once there is something to receive, as [`Receiver::poll`]. Python:
    /// `Connection.poll`.
    ///
    /// # Errors
    /// Those of [`Receiver::poll`].
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        self.receiver.poll(timeout)
    }

    /// Sends these bytes as one message, as [`Sender::send_bytes`]. Python:
    /// `Connection.send_bytes`.
    ///
    /// # Errors
    /// Those of [`Sender::send_bytes`].
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sender.send_bytes(bytes)
    }

    /// Receives the next message as at most `max` bytes, as [`Receiver::recv_bytes`]. Python:
    /// `Connection.recv_bytes(maxlength)`.
    ///
    /// # Errors
    /// Those of [`Receiver::recv_bytes`].
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        self.receiver.recv_bytes(max)
    }

    /// Receives the next message's bytes into the front of the buffer, as
    /// [`Receiver::recv_bytes_into`]. Python: `Connection.recv_bytes_into`.
    ///
    /// # Errors
    /// Those of [`Receiver::recv_bytes_into`].
    pub fn recv_bytes_into(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.receiver.recv_bytes_into(buffer)
    }
}
