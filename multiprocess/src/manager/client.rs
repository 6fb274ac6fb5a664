//! The two ends of a connection between programs.

use std::any::type_name;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::take;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::manager::Address;
use crate::process::ends::{AsEnd, BorrowedEnd, OwnedEnd};
use crate::process::frame::{self, Error, LIMIT};
use crate::process::{handover, wait};
use crate::spin::{ELSEWHERE, Spin, Waits};
use crate::sys::socket::Socket;

/// Maximum size in bytes of the buffer that each end keeps for its next message.
const MAX_REUSED: usize = 4 << 20;

/// An end of a connection with another program of the same user, which sends `S` and receives `R`.
/// [`connect`](Self::connect) makes one end, [`Listener::accept`] the other. Python:
/// `multiprocessing.connection.Client`, and what `Listener.accept` returns.
///
/// It is used as a [`Connection`](crate::Connection) is, and has the same errors. Beyond that, a
/// message may hold whatever may be an argument of a new process, although the two programs need
/// not be related: ends of pipes, queues, locks, files, and clients.
///
/// ```
/// use std::thread;
///
/// use multiprocess::manager::{Client, Listener};
/// use multiprocess::{Sender, one_way};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let listener = Listener::new()?;
/// let address = listener.address().clone();
/// // As well in another program that knows the address.
/// let other = thread::spawn(move || {
///     let mut client = Client::<(), Sender<String>>::connect(&address)?;
///     client.recv()?.send(&"by a pipe that came over the connection".to_owned())
/// });
///
/// let mut client = listener.accept::<Sender<String>, ()>()?;
/// let (mut receiver, sender) = one_way()?;
/// client.send(&sender)?;
/// drop(sender);
/// assert_eq!(receiver.recv()?, "by a pipe that came over the connection");
/// # other.join().expect("it doesn't panic")?;
/// # Ok(()) }
/// ```
///
/// A client can itself be an argument of a new process. Dropping it ends the connection: the other
/// end receives what is left, then the end of file.
///
/// Two ends that both send more than the connection holds before either receives wait for each
/// other for ever, as in Python. Two threads can't use one client at once. For either, the programs
/// send each other the ends of two pipes, one for each direction.
///
/// [`Listener::accept`]: crate::manager::Listener::accept
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Client<S, R> {
    #[serde(with = "crate::process::handover")]
    pub(crate) socket: Socket,
    /// True once the system has failed inside a message, or a message could not be read to its end.
    closed: bool,
    /// Buffer of a message's body, reused for the next.
    #[serde(skip)]
    body: Vec<u8>,
    /// Memory of the waits for messages.
    #[serde(skip)]
    spin: Spin,
    #[serde(skip)]
    messages: PhantomData<fn(&S) -> R>,
}

impl<S, R> Client<S, R> {
    /// Connects to the listener at this address. Python: `Client(address)`.
    ///
    /// The listener need not [accept](crate::manager::Listener::accept) the client first: messages
    /// that are sent before wait for that. A listener that accepts none holds 4,096 clients (unless
    /// `net.core.somaxconn` says otherwise), on macOS 128, on Windows 16: more than that wait here.
    ///
    /// # Errors
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) if no process of this user listens
    /// at the address, [`PermissionDenied`](io::ErrorKind::PermissionDenied) if one of another user
    /// does; what the system refuses, for example at the limit of open files.
    pub fn connect(address: &Address) -> io::Result<Self> {
        Socket::connect(address.as_str()).map(Self::from)
    }

    /// Sends one message to the other end; waits while the connection is full. Python:
    /// `Connection.send`.
    ///
    /// Of ends of pipes and of other holders of descriptors the message has copies. This process
    /// keeps its own: drop a pipe's sender then, or two processes send on it.
    ///
    /// On macOS and Windows, `send` returns when the other end has received the message, if there
    /// are such holders in it. Two ends that send each other such messages at once wait for ever
    /// there.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the other end is closed; [`Error::Encode`] and [`Error::TooLong`]
    /// if the message can't be sent (nothing was); [`Error::Io`] (this end is closed then), and
    /// [`Error::Closed`] after that.
    pub fn send(&mut self, message: &S) -> Result<(), Error>
    where
        S: Serialize,
    {
        let mut body = take(&mut self.body);
        let (encoded, ends) = handover::collect(|| frame::encode_body(message, &mut body));
        let ends: Vec<BorrowedEnd<'_>> = ends.iter().map(AsEnd::as_end).collect();
        let sent = encoded.and_then(|()| self.write(&body, &ends));
        self.keep(body);
        sent
    }

    /// Receives the next message; waits for it. Python: `Connection.recv`.
    ///
    /// # Errors
    /// [`Error::EndOfFile`] when the other end is closed and all messages were received,
    /// [`Error::Truncated`] if its process died inside a message, [`Error::Decode`] if the message
    /// is no `R` (it is used up then), [`Error::TooLong`] if its length is garbage, [`Error::Io`]
    /// if the system refuses (this end is closed after these two), and [`Error::Closed`] after
    /// that.
    pub fn recv(&mut self) -> Result<R, Error>
    where
        R: DeserializeOwned,
    {
        let mut body = take(&mut self.body);
        let received = self
            .read(LIMIT, &mut body)
            .and_then(|ends| handover::supply(ends, || frame::decode(&body)));
        self.keep(body);
        received
    }

    /// Returns true once there is a message or the end of file to receive, false after the timeout
    /// (`None`: no limit). Python: `Connection.poll`.
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        Ok(!wait(&[self.socket.as_end()], timeout)?.is_empty())
    }

    /// Sends these bytes as one message, without a copy. Python: `Connection.send_bytes`, whose
    /// offset and size are a slice here.
    ///
    /// # Errors
    /// As [`send`](Self::send), but for `Encode`.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write(bytes, &[])
    }

    /// Receives the next message as bytes; waits for it. A message longer than `max` bytes is
    /// refused unread, and closes this end. Python: `Connection.recv_bytes(maxlength)`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for `Decode`.
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        let limit = max.into().map_or(LIMIT, |max| LIMIT.min(max as u64));
        let mut bytes = Vec::new();
        self.read(limit, &mut bytes)?;
        Ok(bytes)
    }

    fn write(&mut self, body: &[u8], ends: &[BorrowedEnd<'_>]) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let sent = self.socket.send(body, ends);
        if matches!(sent, Err(Error::Io(_))) {
            // Part of a message may be under way: the next message would be taken for its rest.
            self.close();
        }
        sent
    }

    fn read(&mut self, limit: u64, body: &mut Vec<u8>) -> Result<Vec<OwnedEnd>, Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        self.look();
        let received = self.socket.receive(limit, body);
        if matches!(received, Err(Error::TooLong { .. } | Error::Io(_))) {
            // The beginning of the next message is unknown.
            self.close();
        }
        received
    }

    /// Looks for a while whether a message has come, before `receive` sleeps for it: two programs
    /// that ask and answer each other on two processors then need not wake each other each time.
    fn look(&self) {
        let look = || self.poll(Duration::ZERO).unwrap_or(true).then_some(());
        if look().is_none() {
            self.spin.look(Some(&ELSEWHERE), Waits::One, None, look);
        }
    }

    /// Ends the connection, so that the other end sees an error or its end, and doesn't wait for
    /// this one for ever.
    fn close(&mut self) {
        self.closed = true;
        self.socket.close();
    }

    /// Keeps the buffer for the next message.
    fn keep(&mut self, mut body: Vec<u8>) {
        body.clear();
        body.shrink_to(MAX_REUSED);
        self.body = body;
    }
}

impl<S, R> From<Socket> for Client<S, R> {
    fn from(socket: Socket) -> Self {
        Self { socket, closed: false, body: Vec::new(), spin: Spin::new(), messages: PhantomData }
    }
}

impl<S, R> fmt::Debug for Client<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client<{}, {}>", type_name::<S>(), type_name::<R>())
    }
}
