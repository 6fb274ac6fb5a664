//! The control line: a socket pair between parent and child, over which a child gets to know who
//! it is and what to do.
//!
//! ```text
//!   parent                               child
//!     │  frame: Start ───────────────────▶ │  name, task, daemon …
//!     │  descriptors, 253 a message ─────▶ │  only if there are any
//!     │  frame: arguments ───────────────▶ │
//!     │ ◀─────────────────────── one byte  │  "attached": has its arguments, begins
//!     │            (silence)               │
//!     ✕  closed: the parent has ended ───▶ │  daemons end, others know
//! ```

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recv, recvmsg, send, sendmsg,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{frame, handover};

/// What a child is told before its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub task: usize,
    pub task_name: String,
    pub name: String,
    /// The counts in its default name: `[1, 2]` is `Process-1:2`.
    pub path: Vec<u32>,
    pub daemon: bool,
    pub authkey: [u8; 32],
    pub parent: Parent,
    pub descriptors: usize,
}

/// Who starts it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parent {
    pub name: String,
    pub pid: u32,
}

/// The arguments of a function, ready to travel: their bytes, and the descriptors among them. They
/// can be part of the arguments of a new process themselves. Python: pickled `args`.
///
/// ```
/// use process_basics::{Arguments, Exit, Listed, Process, tasks};
///
/// tasks![leave, call_another];
///
/// fn leave(code: i32) -> Exit {
///     Exit(code)
/// }
///
/// fn call_another((function, arguments): (Listed, Arguments)) -> Exit {
///     function.call_once(arguments).unwrap_or(Exit::FAILURE)
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # process_basics::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let arguments = Arguments::pack(&5)?;
/// let mut process = Process::new(call_another, (Listed::of(&leave)?, arguments));
/// process.start()?;
/// process.join()?;
/// assert_eq!(process.exitcode(), Some(5));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Arguments {
    bytes: Vec<u8>,
    descriptors: Vec<Handed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Handed(#[serde(with = "handover")] OwnedFd);

impl Arguments {
    /// Serialises the arguments, and duplicates the descriptors that are in them. Python:
    /// `pickle.dumps(args)`.
    ///
    /// ```
    /// let arguments = process_basics::Arguments::pack(&("Ada", 36))?;
    /// assert!(format!("{arguments:?}").starts_with("Arguments"));
    /// # Ok::<(), process_basics::frame::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`frame::Error::Encode`], [`frame::Error::TooLong`].
    pub fn pack<A: Serialize>(arguments: &A) -> Result<Self, frame::Error> {
        let mut bytes = Vec::new();
        let (done, descriptors) = handover::collect(|| frame::encode_body(arguments, &mut bytes));
        done?;
        Ok(Self { bytes, descriptors: descriptors.into_iter().map(Handed).collect() })
    }

    pub(crate) fn unpack<A: DeserializeOwned>(self) -> Result<A, frame::Error> {
        let descriptors = self.descriptors.into_iter().map(|handed| handed.0).collect();
        handover::supply(descriptors, || frame::decode(&self.bytes))
    }

    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
    }
}

/// One end of the control line.
#[derive(Debug)]
pub(crate) struct ControlLine(OwnedFd);

/// The most descriptors that one message may carry (Linux: `SCM_MAX_FD`).
const MOST: usize = 253;

/// The longest description of a start, in bytes: a name is the longest part of it.
const START_LIMIT: u64 = 1 << 20;

impl ControlLine {
    pub(crate) fn new(socket: impl Into<OwnedFd>) -> Self {
        Self(socket.into())
    }

    /// Parent: sends all a child needs. Descriptors that are on their way live on in the socket,
    /// so the parent's copies may go.
    pub(crate) fn send(&self, start: &Start, arguments: &Arguments) -> Result<(), frame::Error> {
        let mut frame = Vec::new();
        frame::encode(start, &mut frame)?;
        let length = frame::body(&frame).len() as u64;
        if length > START_LIMIT {
            return Err(frame::Error::TooLong { length, limit: START_LIMIT });
        }
        let mut line = self;
        line.write_all(&frame)?;
        let borrowed: Vec<BorrowedFd<'_>> =
            arguments.descriptors.iter().map(|handed| handed.0.as_fd()).collect();
        for some in borrowed.chunks(MOST) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(some));
            let byte = [IoSlice::new(b"d")];
            retry(|| sendmsg(&self.0, &byte, &mut control, SendFlags::NOSIGNAL))?;
        }
        frame::write(&mut line, &arguments.bytes)
    }

    /// Child: receives what [`send`](Self::send) sent.
    pub(crate) fn receive(&self) -> Result<(Start, Arguments), frame::Error> {
        let mut line = self;
        let mut bytes = Vec::new();
        frame::read(&mut line, START_LIMIT, &mut bytes)?;
        let start: Start = frame::decode(&bytes)?;
        let mut descriptors = Vec::new();
        while descriptors.len() < start.descriptors {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let mut parts = [IoSliceMut::new(&mut byte)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let got = retry(|| recvmsg(&self.0, &mut parts, &mut control, flags))?;
            if got.bytes == 0 {
                return Err(frame::Error::EndOfFile);
            }
            let before = descriptors.len();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    descriptors.extend(some.map(Handed));
                }
            }
            if got.flags.contains(ReturnFlags::CTRUNC) || descriptors.len() == before {
                let limit = "not all descriptors arrived: the limit of open files is reached";
                return Err(frame::Error::Io(io::Error::other(limit)));
            }
        }
        frame::read(&mut line, frame::LIMIT, &mut bytes)?;
        Ok((start, Arguments { bytes, descriptors }))
    }

    /// Child: tells the parent that it has its arguments.
    pub(crate) fn say_attached(&self) {
        // A parent that has ended in the meantime needs no answer.
        let _ = retry(|| send(&self.0, b"a", SendFlags::NOSIGNAL));
    }

    /// Parent: has the child said so?
    pub(crate) fn was_attached(&self) -> bool {
        let mut byte = [0];
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        retry(|| recv(&self.0, &mut byte, flags)).is_ok_and(|(_, got)| got == 1)
    }

    /// Parent: nothing more will come.
    pub(crate) fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

impl AsFd for ControlLine {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A peer that has died is an error value here, in whatever way the program treats SIGPIPE.
impl Write for &ControlLine {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(send(&self.0, buffer, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for &ControlLine {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buffer)?)
    }
}

fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}
