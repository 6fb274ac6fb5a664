//! The control line between parent and child, over which a child gets to know who it is and what to
//! do. It is a socket pair; on Windows a pipe and an event, see `sys/windows`.
//!
//! ```text
//!   parent                               child
//!     │  "multiprocess 0.1.0" ─────────▶ │  there before the child is
//!     │  frame: Start ───────────────────▶ │  name, task, daemon …
//!     │  descriptors or handles ─────────▶ │  only if there are any
//!     │  frame: arguments ───────────────▶ │
//!     │ ◀─────────────────────── one byte  │  "attached": has its arguments, begins
//!     │            (silence)               │
//!     ✕  closed: the parent has ended ───▶ │  daemons end, others know
//! ```
//!
//! Whatever ends a process closes what it has open. So the end of the parent is an end of file on
//! this line: a daemon has a thread that waits for it, and then ends the daemon.
//!
//! The one byte tells a child that ended before it had its arguments from one that ended badly,
//! and `join` says so. One that was killed by a signal meanwhile is no error: its exit code says
//! enough, as in Python. The version tells two versions of this crate in one program apart: a
//! child of one passes by the `main` of the other.

use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::process::ends::{AsEnd, BorrowedEnd, OwnedEnd};
use crate::process::{frame, handover};
use crate::sys::process::{self as sys, FromParent, Running, ToChild};

/// What a child is told before its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub task: usize,
    pub task_name: String,
    pub name: String,
    /// The counts in its default name: `[1, 2]` is `Process-1:2`.
    pub path: Vec<u32>,
    pub daemon: bool,
    pub ignores_interrupts: bool,
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
/// use multiprocess::process::{Arguments, Listed};
/// use multiprocess::{Exit, Process, tasks};
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
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
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
struct Handed(#[serde(with = "handover")] OwnedEnd);

impl Arguments {
    /// Serialises the arguments, and duplicates the descriptors that are in them. Python:
    /// `pickle.dumps(args)`.
    ///
    /// ```
    /// let arguments = multiprocess::process::Arguments::pack(&("Ada", 36))?;
    /// assert!(format!("{arguments:?}").starts_with("Arguments"));
    /// # Ok::<(), multiprocess::process::frame::Error>(())
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

/// The longest description of a start, in bytes: a name is the longest part of it.
const START_LIMIT: u64 = 1 << 20;

/// Parent: sends all a child needs. The parent's copies of the ends may go then.
pub(crate) fn send(
    mut line: &ToChild,
    to: &Running,
    start: &Start,
    arguments: &Arguments,
) -> Result<(), frame::Error> {
    let mut frame = Vec::new();
    frame::encode(start, &mut frame)?;
    let length = frame::body(&frame).len() as u64;
    if length > START_LIMIT {
        return Err(frame::Error::TooLong { length, limit: START_LIMIT });
    }
    line.write_all(&frame)?;
    let ends: Vec<BorrowedEnd<'_>> =
        arguments.descriptors.iter().map(|handed| handed.0.as_end()).collect();
    line.send_ends(to, &ends)?;
    frame::write(&mut line, &arguments.bytes)
}

/// Child: takes its end of the line and receives what [`send`] sent.
pub(crate) fn receive() -> Result<(FromParent, Start, Arguments), frame::Error> {
    // A parent that ends in the middle, or gives up, has nothing more to say.
    let received = |error: io::Error| match error.kind() {
        io::ErrorKind::UnexpectedEof => frame::Error::EndOfFile,
        _ => frame::Error::from(error),
    };
    let mut line = sys::take_control_line().map_err(received)?;
    let mut bytes = Vec::new();
    frame::read(&mut line, START_LIMIT, &mut bytes)?;
    let start: Start = frame::decode(&bytes)?;
    let ends = line.receive_ends(start.descriptors).map_err(received)?;
    let descriptors = ends.into_iter().map(Handed).collect();
    frame::read(&mut line, frame::LIMIT, &mut bytes)?;
    Ok((line, start, Arguments { bytes, descriptors }))
}
