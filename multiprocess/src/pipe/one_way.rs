//! One direction: a [`Sender`] at one end of a kernel pipe, a [`Receiver`] at the other.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::marker::PhantomData;
use std::time::Duration;

use crate::process::frame::{self, Error, LIMIT};
use crate::process::wait;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Buffers that grew beyond this, in bytes, for one large message are given back.
const KEPT: usize = 1 << 20;

/// A pipe of one direction: what goes into the second end comes out of the first.
/// Python: `Pipe(duplex=False)`.
///
/// ```
/// let (mut receiver, mut sender) = multiprocess::one_way::<String>()?;
/// sender.send(&"hi".to_string())?;
/// assert_eq!(receiver.recv()?, "hi");
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
///
/// Python raises an error when one sends on the receiving end, or receives on the sending end. Here they
/// have no such methods:
///
/// ```compile_fail,E0599
/// # // CONN-02
/// let (mut receiver, _sender) = multiprocess::one_way::<String>()?;
/// receiver.send(&"hi".to_string())?;
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
///
/// ```compile_fail,E0599
/// # // CONN-02
/// let (_receiver, mut sender) = multiprocess::one_way::<String>()?;
/// sender.recv()?;
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
///
/// ```compile_fail,E0599
/// # // CONN-02
/// let (_receiver, sender) = multiprocess::one_way::<String>()?;
/// sender.poll(None)?;
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
///
/// # Errors
/// [`Error::Io`] when the limit of open files is reached.
pub fn one_way<T>() -> Result<(Receiver<T>, Sender<T>), Error> {
    let (reader, writer) = crate::process::ends::pipe()?;
    Ok((reader.into(), writer.into()))
}

/// The sending end of a pipe of one direction. Python: a write-only `Connection`.
///
/// It can be handed to a new process among its arguments, and nowhere else: over another pipe it is
/// [`Error::Encode`]. Dropping it closes the pipe: the receiver gets what is left, then the end of
/// file.
///
/// ```
/// use multiprocess::{Failure, Process, Sender, one_way, tasks};
///
/// tasks![count];
///
/// fn count(mut sender: Sender<u32>) -> Result<(), Failure> {
///     Ok((1..=3).try_for_each(|number| sender.send(&number))?)
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let (mut receiver, sender) = one_way()?;
/// let mut process = Process::new(count, sender);
/// process.start()?;
/// assert_eq!([receiver.recv()?, receiver.recv()?, receiver.recv()?], [1, 2, 3]);
/// assert!(receiver.recv().is_err(), "the end of file: no copy of the sender is left here");
/// process.join()?;
/// # Ok(()) }) }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Sender<T> {
    #[serde(with = "crate::process::handover")]
    pipe: PipeWriter,
    /// Whether the system failed it inside a message.
    closed: bool,
    /// One frame; used again for the next.
    #[serde(skip)]
    frame: Vec<u8>,
    #[serde(skip)]
    message: PhantomData<fn(&T)>,
}

impl<T: Serialize> Sender<T> {
    /// Sends one message; waits while the pipe is full (64 KiB). Python: `Connection.send`.
    ///
    /// A pipe that nobody reads any more raises SIGPIPE. Rust programs ignore that; one that has taken
    /// it back is ended by it.
    ///
    /// ```
    /// let (mut receiver, mut sender) = multiprocess::one_way::<String>()?;
    /// sender.send(&"hi".to_string())?;
    /// assert_eq!(receiver.recv()?, "hi");
    /// drop(receiver);
    /// let refused = sender.send(&"anybody there?".to_string());
    /// assert!(matches!(refused, Err(multiprocess::pipe::Error::BrokenPipe)));
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the receiver is gone, [`Error::Encode`] and [`Error::TooLong`] if
    /// nothing was sent because it can't be, [`Error::Io`] (this end is closed then), and
    /// [`Error::Closed`] after that.
    pub fn send(&mut self, message: &T) -> Result<(), Error> {
        let mut frame = std::mem::take(&mut self.frame);
        let sent = frame::encode(message, &mut frame)
            .and_then(|()| self.write(|pipe| Ok(pipe.write_all(&frame)?)));
        frame.clear();
        frame.shrink_to(KEPT);
        self.frame = frame;
        sent
    }
}

impl<T> Sender<T> {
    /// Sends these bytes as one message, without a copy; a slice of them is Python's offset and
    /// size. Python: `Connection.send_bytes`.
    ///
    /// ```
    /// let (mut receiver, mut sender) = multiprocess::one_way::<()>()?;
    /// sender.send_bytes(&b"hello"[1..3])?;
    /// assert_eq!(receiver.recv_bytes(None)?, b"el");
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BrokenPipe`], [`Error::TooLong`], [`Error::Io`], [`Error::Closed`]: as
    /// [`send`](Self::send).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write(|pipe| frame::write(pipe, bytes))
    }

    fn write(
        &mut self,
        write: impl FnOnce(&mut PipeWriter) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let written = write(&mut self.pipe);
        if matches!(written, Err(Error::Io(_))) {
            // Part of a message may be in the pipe: whatever came next would be taken for its rest.
            self.closed = true;
            // Without a descriptor to be had, the pipe stays open until its owner drops it.
            if let Ok((_, unread)) = io::pipe() {
                self.pipe = unread;
            }
        }
        written
    }
}

/// The receiving end of a pipe of one direction. Python: a read-only `Connection`.
///
/// It can be handed to a new process as a [`Sender`] can. It never reads ahead: what has not been
/// received is still in the pipe, for [`wait`](wait()) to see, or for another process to which this
/// end is handed on.
///
/// ```
/// use multiprocess::{one_way, wait};
///
/// let (mut first, mut to_first) = one_way::<u32>()?;
/// let (second, _to_second) = one_way::<u32>()?;
/// to_first.send(&7)?;
/// assert_eq!(wait(&[&first, &second], None)?, [0]);
/// assert_eq!(first.recv()?, 7);
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Receiver<T> {
    #[serde(with = "crate::process::handover")]
    pub(crate) pipe: PipeReader,
    /// Whether a message came that could not be read to its end.
    closed: bool,
    /// The body of one frame; used again for the next.
    #[serde(skip)]
    body: Vec<u8>,
    #[serde(skip)]
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Receiver<T> {
    /// The next message; waits for it. Python: `Connection.recv`.
    ///
    /// ```
    /// let (mut receiver, mut sender) = multiprocess::one_way::<String>()?;
    /// sender.send(&"hi".to_string())?;
    /// drop(sender);
    /// assert_eq!(receiver.recv()?, "hi");
    /// assert!(matches!(receiver.recv(), Err(multiprocess::pipe::Error::EndOfFile)));
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::EndOfFile`] when the sender is gone and all was received, [`Error::Truncated`] if
    /// the sender died inside a message, [`Error::Decode`] if it is no `T` (it is used up then),
    /// [`Error::TooLong`] if its length is garbage, [`Error::Io`] if the system refuses (this end is
    /// closed then), and [`Error::Closed`] after that.
    pub fn recv(&mut self) -> Result<T, Error> {
        let mut body = std::mem::take(&mut self.body);
        let received = self.receive(LIMIT, &mut body).and_then(|()| frame::decode(&body));
        body.truncate(KEPT);
        body.shrink_to(KEPT);
        self.body = body;
        received
    }
}

impl<T> Receiver<T> {
    /// The next message as bytes; waits for it. A message longer than `max` bytes is refused unread,
    /// and this end closed. Python: `Connection.recv_bytes(maxlength)`.
    ///
    /// ```
    /// # use multiprocess::pipe::Error;
    /// let (mut receiver, mut sender) = multiprocess::one_way::<()>()?;
    /// sender.send_bytes(b"short")?;
    /// sender.send_bytes(b"rather long")?;
    /// assert_eq!(receiver.recv_bytes(5)?, b"short");
    /// assert!(matches!(receiver.recv_bytes(5), Err(Error::TooLong { length: 11, limit: 5 })));
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for `Decode`.
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        let limit = max.into().map_or(LIMIT, |max| LIMIT.min(max as u64));
        let mut bytes = Vec::new();
        self.receive(limit, &mut bytes)?;
        Ok(bytes)
    }

    /// Puts the bytes of the next message at the front of the buffer; returns how many they are.
    /// Python: `Connection.recv_bytes_into`.
    ///
    /// ```
    /// # use multiprocess::pipe::Error;
    /// let (mut receiver, mut sender) = multiprocess::one_way::<()>()?;
    /// let mut buffer = [b'.'; 6];
    /// sender.send_bytes(b"four")?;
    /// sender.send_bytes(b"too long")?;
    /// assert_eq!(receiver.recv_bytes_into(&mut buffer)?, 4);
    /// assert_eq!(&buffer, b"four..");
    /// let refused = receiver.recv_bytes_into(&mut buffer);
    /// assert!(matches!(refused, Err(Error::BufferTooShort { message }) if message == b"too long"));
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::BufferTooShort`], with the whole message, if it doesn't fit; else as
    /// [`recv_bytes`](Self::recv_bytes).
    pub fn recv_bytes_into(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        let message = self.recv_bytes(None)?;
        match buffer.get_mut(..message.len()) {
            Some(front) => front.copy_from_slice(&message),
            None => return Err(Error::BufferTooShort { message }),
        }
        Ok(message.len())
    }

    /// Whether there is something to receive, the end of file included, at once or within the
    /// timeout (`None`: however long it takes). Python: `Connection.poll`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let (receiver, mut sender) = multiprocess::one_way::<u32>()?;
    /// assert!(!receiver.poll(Duration::from_millis(1))?);
    /// sender.send(&7)?;
    /// assert!(receiver.poll(Duration::ZERO)?);
    /// # Ok::<(), multiprocess::pipe::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Io`] if the system refuses.
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        Ok(!wait(&[self], timeout)?.is_empty())
    }

    fn receive(&mut self, limit: u64, body: &mut Vec<u8>) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        let received = frame::read(&mut self.pipe, limit, body);
        if matches!(received, Err(Error::TooLong { .. } | Error::Io(_))) {
            // Nobody can tell where the next message begins. The sender shall get an error, not
            // wait for ever for somebody to read on.
            self.closed = true;
            if let Ok((ended, _)) = io::pipe() {
                self.pipe = ended;
            }
        }
        received
    }
}

/// The reading end of any pipe into which somebody writes [frames](crate::process::frame). It owns an open
/// descriptor: a mere number, which may be that of nothing, makes none.
///
/// ```compile_fail,E0277
/// # // CONN-16
/// let receiver = multiprocess::Receiver::<String>::from(44_977_608);
/// ```
impl<T> From<PipeReader> for Receiver<T> {
    fn from(pipe: PipeReader) -> Self {
        Self { pipe, closed: false, body: Vec::new(), message: PhantomData }
    }
}

/// The writing end of any pipe.
impl<T> From<PipeWriter> for Sender<T> {
    fn from(pipe: PipeWriter) -> Self {
        Self { pipe, closed: false, frame: Vec::new(), message: PhantomData }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sender<{}>", std::any::type_name::<T>())
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver<{}>", std::any::type_name::<T>())
    }
}
