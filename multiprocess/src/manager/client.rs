//! The two ends of a connection between programs.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::manager::{Address, ClientReceiver, ClientSender};
use crate::process::frame::Error;
use crate::process::handover;
use crate::sys::socket::Socket;

/// An end of a connection with another program of the same user, which sends `S` and receives `R`:
/// made by [`connect`](Self::connect), the other end by
/// [`Listener::accept`](crate::manager::Listener::accept). Python:
/// `multiprocessing.connection.Client`, and what `Listener.accept` returns.
///
/// It is used as a [`Connection`](crate::Connection) is, and has the same errors. Beyond that, a
/// message may hold whatever may be an argument of a new process, also between programs that have
/// never heard of each other: ends of pipes, queues, other clients, files.
///
/// ```
/// use std::thread;
///
/// use multiprocess::manager::{Client, Listener};
/// use multiprocess::{Queue, Sender, one_way};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = Listener::new()?;
/// let address = listener.address().clone();
/// let other = thread::spawn(move || {
///     let mut client = Client::<(), Sender<String>>::connect(&address)?;
///     client.recv()?.send(&"over a pipe that came by the connection".to_owned())
/// });
///
/// let mut client = listener.accept::<Sender<String>, ()>()?;
/// let (mut receiver, sender) = one_way()?;
/// client.send(&sender)?;
/// assert_eq!(receiver.recv()?, "over a pipe that came by the connection");
/// # other.join().expect("it doesn't panic")?;
/// # Ok(()) }
/// ```
///
/// A client can itself be an argument of a new process. Dropping it ends the connection: the other
/// end receives what is left, then the end of file.
pub struct Client<S, R> {
    sender: ClientSender<S>,
    pub(crate) receiver: ClientReceiver<R>,
}

impl<S, R> Client<S, R> {
    /// Connects to the listener at this address. Python: `Client(address)`.
    ///
    /// It doesn't wait for the listener to [accept](crate::manager::Listener::accept) it: what is
    /// sent before that waits in the connection. Only while thousands of clients (on macOS 128)
    /// have not been accepted, others wait for a place among them.
    ///
    /// # Errors
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if no process of this user listens
    /// there, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if another user's does; at the
    /// limit of open files.
    pub fn connect(address: &Address) -> io::Result<Self> {
        Socket::connect(address.as_str()).map(Self::from)
    }

    /// Splits the two directions, each of which may go to a thread of its own. The connection ends
    /// when both halves are dropped. Python: a `Connection` that two threads use.
    #[must_use]
    pub fn split(self) -> (ClientReceiver<R>, ClientSender<S>) {
        (self.receiver, self.sender)
    }

    /// Sends one message to the other end; waits while the connection is full. Python:
    /// `Connection.send`.
    ///
    /// Ends of pipes, queues and other holders of descriptors may be in the message: the other side
    /// gets copies. On macOS and Windows such a message is on its way until the other side has
    /// received it, and `send` waits for that.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the other end is closed; [`Error::Encode`] and [`Error::TooLong`]
    /// if the message can't be sent (nothing was); [`Error::Io`], after which the connection is
    /// closed, and then [`Error::Closed`].
    pub fn send(&mut self, message: &S) -> Result<(), Error>
    where
        S: Serialize,
    {
        self.sender.send(message)
    }

    /// Receives the next message; waits for it. Python: `Connection.recv`.
    ///
    /// # Errors
    /// [`Error::EndOfFile`] when the other end is closed and all messages were received,
    /// [`Error::Truncated`] if its process died inside a message, [`Error::Decode`] if the message
    /// is no `R` (it is used up then), [`Error::TooLong`] if its length is garbage, [`Error::Io`]
    /// if the system refuses (the connection is closed after these two), and [`Error::Closed`]
    /// after that.
    pub fn recv(&mut self) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        let received = self.receiver.recv();
        self.close_both();
        received
    }

    /// Returns true once there is a message or the end of file to receive, false after the timeout
    /// (`None`: no limit). Python: `Connection.poll`.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        self.receiver.poll(timeout)
    }

    /// Sends these bytes as one message, without a copy. Python: `Connection.send_bytes`.
    ///
    /// # Errors
    /// As [`send`](Self::send), but for `Encode`.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.sender.send_bytes(bytes)
    }

    /// Receives the next message as bytes; waits for it. A message longer than `max` bytes is
    /// refused unread, and closes the connection. Python: `Connection.recv_bytes(maxlength)`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for `Decode`.
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        let received = self.receiver.recv_bytes(max);
        self.close_both();
        received
    }

    /// Closes the sending half after the receiving one.
    fn close_both(&mut self) {
        if self.receiver.is_closed() {
            self.sender.close();
        }
    }
}

impl<S, R> From<Socket> for Client<S, R> {
    fn from(socket: Socket) -> Self {
        let socket = Arc::new(socket);
        let receiver = ClientReceiver::new(Arc::clone(&socket));
        Self { sender: ClientSender::new(socket), receiver }
    }
}

/// Hands over a copy of the end: in the arguments of a new process, or in a message of another
/// client.
impl<S, R> Serialize for Client<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        handover::serialize(&**self.sender.socket(), serializer)
    }
}

impl<'de, S, R> Deserialize<'de> for Client<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        handover::deserialize::<Socket, D>(deserializer).map(Self::from)
    }
}

impl<S, R> fmt::Debug for Client<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client<{}, {}>", std::any::type_name::<S>(), std::any::type_name::<R>())
    }
}
