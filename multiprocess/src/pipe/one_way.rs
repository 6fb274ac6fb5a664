//! Pipes of one direction: a [`Sender`] at one end of a kernel pipe, a [`Receiver`] at the other.

use std::fmt;
use std::io::{self, PipeReader, PipeWriter, Write};
use std::marker::PhantomData;
use std::time::Duration;

use crate::process::frame::{self, Error, LIMIT};
use crate::process::wait;
use crate::sys;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Size of a pipe in bytes, at first.
const HELD: usize = 1 << 16;

/// Maximum size in bytes of the buffer that each end keeps for its next message.
const MAX_REUSED: usize = 4 << 20;

/// Makes a pipe of one direction, from the second end to the first. Python: `Pipe(duplex=False)`.
///
/// ```
/// let (mut receiver, mut sender) = multiprocess::one_way::<String>()?;
/// sender.send(&"hi".to_string())?;
/// assert_eq!(receiver.recv()?, "hi");
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
///
/// Python raises an error when a program sends on the receiving end, or receives on the sending
/// end. Here the ends have no such methods:
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
/// A sender can be handed to a new process among its arguments, or to another program in a message
/// of a [`Client`](crate::manager::Client): over another pipe it is [`Error::Encode`]. Dropping it
/// closes the pipe: the receiver gets the messages that are left, then the end of file.
///
/// ```
/// use multiprocess::pipe::Error;
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
/// assert!(matches!(receiver.recv(), Err(Error::EndOfFile)), "no copy of the sender is left here");
/// process.join()?;
/// # Ok(()) }) }
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Sender<T> {
    #[serde(with = "crate::process::handover")]
    pipe: PipeWriter,
    /// True once the system has failed inside a message.
    closed: bool,
    /// True once the pipe was too small for a message.
    #[serde(skip)]
    enlarged: bool,
    /// Buffer of a frame, reused for the next.
    #[serde(skip)]
    frame: Vec<u8>,
    #[serde(skip)]
    message: PhantomData<fn(&T)>,
}

impl<T: Serialize> Sender<T> {
    /// Sends one message; waits while the pipe is full. Python: `Connection.send`.
    ///
    /// A pipe holds 64 KiB; on Linux 256 KiB from the first larger message on, unless the system
    /// refuses: an unprivileged user's pipes together have a limit.
    ///
    /// Sending to a pipe without a receiver raises SIGPIPE. Rust programs ignore that signal; it
    /// ends a program that has reset it to its default.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`] if the receiver is gone, [`Error::Encode`] and [`Error::TooLong`] if
    /// the message can't be sent (nothing was), [`Error::Io`] (this end is closed then), and
    /// [`Error::Closed`] after that.
    pub fn send(&mut self, message: &T) -> Result<(), Error> {
        let mut frame = std::mem::take(&mut self.frame);
        let sent = frame::encode(message, &mut frame)
            .and_then(|()| self.write(frame.len(), |pipe| Ok(pipe.write_all(&frame)?)));
        frame.clear();
        frame.shrink_to(MAX_REUSED);
        self.frame = frame;
        sent
    }
}

impl<T> Sender<T> {
    /// Sends these bytes as one message, without a copy. Python: `Connection.send_bytes`, whose
    /// offset and size are a slice here.
    ///
    /// # Errors
    /// [`Error::BrokenPipe`], [`Error::TooLong`], [`Error::Io`], [`Error::Closed`]: as
    /// [`send`](Self::send).
    pub fn send_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write(frame::HEADER + bytes.len(), |pipe| frame::write(pipe, bytes))
    }

    fn write(
        &mut self,
        length: usize,
        write: impl FnOnce(&mut PipeWriter) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.closed {
            return Err(Error::Closed);
        }
        if length > HELD && !self.enlarged {
            // Fewer switches between the two processes. A short message is not to pay for that.
            sys::pipe::enlarge(&self.pipe);
            self.enlarged = true;
        }
        let written = write(&mut self.pipe);
        if matches!(written, Err(Error::Io(_))) {
            // Part of a message may be in the pipe: the next message would be taken for its rest.
            self.closed = true;
            // If no descriptor is to be had, the pipe stays open until its owner drops it.
            if let Ok((_, unread)) = io::pipe() {
                self.pipe = unread;
            }
        }
        written
    }
}

/// The receiving end of a pipe of one direction. Python: a read-only `Connection`.
///
/// A receiver can be handed to a new process as a [`Sender`] can. It never reads ahead: messages
/// that have not been received are still in the pipe, for [`wait`](wait()) to see, or for another
/// process to which this end is handed on.
///
/// ```
/// use multiprocess::pipe::Error;
/// use multiprocess::{one_way, wait};
///
/// let (mut first, mut to_first) = one_way::<u32>()?;
/// let (second, _to_second) = one_way::<u32>()?;
/// to_first.send(&7)?;
/// assert_eq!(wait(&[&first, &second], None)?, [0]);
/// assert_eq!(first.recv()?, 7);
///
/// to_first.send_bytes(&b"hello"[1..3])?;
/// to_first.send_bytes(b"rather long")?;
/// assert!(first.poll(None)?);
/// assert_eq!(first.recv_bytes(None)?, b"el");
/// let refused = first.recv_bytes_into(&mut [0; 6]);
/// assert!(matches!(refused, Err(Error::BufferTooShort { message }) if message == b"rather long"));
/// # Ok::<(), multiprocess::pipe::Error>(())
/// ```
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Receiver<T> {
    #[serde(with = "crate::process::handover")]
    pub(crate) pipe: PipeReader,
    /// True once a message came that could not be read to its end.
    closed: bool,
    /// Buffer of a frame's body, reused for the next.
    #[serde(skip)]
    body: Vec<u8>,
    #[serde(skip)]
    message: PhantomData<fn() -> T>,
}

impl<T: DeserializeOwned> Receiver<T> {
    /// Receives the next message; waits for it. Python: `Connection.recv`.
    ///
    /// # Errors
    /// [`Error::EndOfFile`] when the sender is gone and all messages were received,
    /// [`Error::Truncated`] if the sender died inside a message, [`Error::Decode`] if the message
    /// is no `T` (it is used up then), [`Error::TooLong`] if its length is garbage, [`Error::Io`]
    /// if the system refuses (this end is closed after these two), and [`Error::Closed`] after
    /// that.
    pub fn recv(&mut self) -> Result<T, Error> {
        let mut body = std::mem::take(&mut self.body);
        let received = self.receive(LIMIT, &mut body).and_then(|()| frame::decode(&body));
        body.truncate(MAX_REUSED);
        body.shrink_to(MAX_REUSED);
        self.body = body;
        received
    }
}

impl<T> Receiver<T> {
    /// Receives the next message as bytes; waits for it. A message longer than `max` bytes is
    /// refused unread, and closes this end. Python: `Connection.recv_bytes(maxlength)`.
    ///
    /// # Errors
    /// As [`recv`](Self::recv), but for `Decode`.
    pub fn recv_bytes(&mut self, max: impl Into<Option<usize>>) -> Result<Vec<u8>, Error> {
        let limit = max.into().map_or(LIMIT, |max| LIMIT.min(max as u64));
        let mut bytes = Vec::new();
        self.receive(limit, &mut bytes)?;
        Ok(bytes)
    }

    /// Receives the next message's bytes into the front of the buffer; returns their number.
    /// Python: `Connection.recv_bytes_into`.
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

    /// Returns true once there is a message or the end of file to receive, false after the timeout
    /// (`None`: no limit). Python: `Connection.poll`.
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
            // The beginning of the next message is unknown. Closing this end gives the sender an
            // error, instead of a pipe that stays full for ever.
            self.closed = true;
            if let Ok((ended, _)) = io::pipe() {
                self.pipe = ended;
            }
        }
        received
    }
}

/// Makes a receiver of the reading end of any pipe that carries [frames](crate::process::frame). A
/// receiver owns an open descriptor, so a mere number makes none:
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

/// Makes a sender of the writing end of any pipe.
impl<T> From<PipeWriter> for Sender<T> {
    fn from(pipe: PipeWriter) -> Self {
        Self { pipe, closed: false, enlarged: false, frame: Vec::new(), message: PhantomData }
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
