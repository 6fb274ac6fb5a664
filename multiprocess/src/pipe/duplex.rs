//! Both directions: a [`Connection`] is a sender and a receiver.
//!
//! A connection is two pipes, not a socket: each direction has its type and its owner, `split`
//! only takes it apart, and a pipe is the faster of the two (64 bytes there and back on one core:
//! 2.9 µs, over a socket pair 4.5 µs; medians of nine).

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::pipe::{Error, Receiver, Sender, one_way};

/// Two connected ends: each sends what the other receives. Python: `Pipe()`.
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

/// One end of a pipe of both directions: sends `S`, receives `R`. Python:
/// `multiprocessing.connection.Connection`.
///
/// It can be handed to a new process among its arguments, and nowhere else: over another
/// connection it is [`Error::Encode`].
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
/// ever, as in Python. [`split`](Self::split), and a thread for each direction, can do it.
///
/// Dropping an end closes it; nothing can be sent on it after that, nor can it be closed again:
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
    /// The two directions, each of which may go to a thread or process of its own. Python: a
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
    /// ```
    /// let (mut here, mut there) = multiprocess::pipe::<u32, bool>()?;
    /// here.send(&7)?;
    /// assert_eq!(there.recv()?, 7);
    /// drop(there);
    /// assert!(matches!(here.send(&8), Err(multiprocess::pipe::Error::BrokenPipe)));
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Sender::send`].
    pub fn send(&mut self, message: &S) -> Result<(), Error>
    where
        S: Serialize,
    {
        self.sender.send(message)
    }

    /// The next message from the other end; waits for it, as [`Receiver::recv`]. Python:
    /// `Connection.recv`.
    ///
    /// ```
    /// let (mut here, mut there) = multiprocess::pipe::<u32, bool>()?;
    /// there.send(&true)?;
    /// drop(there);
    /// assert!(here.recv()?);
    /// assert!(matches!(here.recv(), Err(multiprocess::pipe::Error::EndOfFile)));
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Receiver::recv`].
    pub fn recv(&mut self) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        self.receiver.recv()
    }

    /// Whether there is something to receive, at once or within the timeout, as [`Receiver::poll`].
    /// Python: `Connection.poll`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let (here, mut there) = multiprocess::pipe::<u32, u32>()?;
    /// assert!(!here.poll(Duration::ZERO)?);
    /// there.send(&7)?;
    /// assert!(here.poll(None)?);
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Receiver::poll`].
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        self.receiver.poll(timeout)
    }

    /// Sends these bytes as one message, as [`Sender::send_bytes`]. Python: `Connection.send_bytes`.
    ///
    /// ```
    /// let (mut here, mut there) = multiprocess::pipe::<(), ()>()?;
    /// here.send_bytes(b"question")?;
    /// assert_eq!(there.recv_bytes(None)?, b"question");
    /// there.send_bytes(b"answer")?;
    /// assert_eq!(here.recv_bytes(None)?, b"answer");
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Sender::send_bytes`].
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sender.send_bytes(bytes)
    }

    /// The next message as bytes, at most so many, as [`Receiver::recv_bytes`]. Python:
    /// `Connection.recv_bytes(maxlength)`.
    ///
    /// ```
    /// let (mut here, mut there) = multiprocess::pipe::<(), ()>()?;
    /// there.send_bytes(b"six of")?;
    /// assert_eq!(here.recv_bytes(6)?, b"six of");
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Receiver::recv_bytes`].
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        self.receiver.recv_bytes(max)
    }

    /// Puts the bytes of the next message at the front of the buffer, as
    /// [`Receiver::recv_bytes_into`]; returns how many they are. Python:
    /// `Connection.recv_bytes_into`.
    ///
    /// ```
    /// let (mut here, mut there) = multiprocess::pipe::<(), ()>()?;
    /// there.send_bytes(b"four")?;
    /// let mut buffer = [b'.'; 6];
    /// assert_eq!(here.recv_bytes_into(&mut buffer)?, 4);
    /// assert_eq!(&buffer, b"four..");
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Receiver::recv_bytes_into`].
    pub fn recv_bytes_into(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        self.receiver.recv_bytes_into(buffer)
    }
}
