//! The control line between parent and child, over which a child receives its name, its task and
//! its arguments: a socket pair, on Windows a pipe and an event (see `sys/windows`).
//!
//! ```text
//!   parent                                 child
//!     │  "multiprocess 0.1.0" ───────────▶ │  before the child exists
//!     │  frame: Start ───────────────────▶ │  name, task, daemon …
//!     │  descriptors or handles ─────────▶ │  only if there are any
//!     │  frame: arguments ───────────────▶ │
//!     │ ◀─────────────────────── one byte  │  "attached": the child has its arguments
//!     │            (silence)               │
//!     ✕  closed: the parent has ended ───▶ │  daemons end, others can see it
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

/// The message that a child receives before its arguments.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub task: usize,
    pub task_name: String,
    pub name: String,
    /// Counts in the child's default name: `[1, 2]` is `Process-1:2`.
    pub path: Vec<u32>,
    pub daemon: bool,
    pub ignores_interrupts: bool,
    pub authkey: [u8; 32],
    pub parent: Parent,
    pub descriptors: usize,
}

/// The process that starts a child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Parent {
    pub name: String,
    pub pid: u32,
}

/// The serialised arguments of a function: their bytes, and the descriptors among them. They can be
/// part of the arguments of a new process themselves. Python: pickled `args`.
///
/// ```
/// use multiprocess::process::{Arguments, FunctionId};
/// use multiprocess::{Exit, Process, tasks};
///
/// tasks![leave, call_another];
///
/// fn leave(code: i32) -> Exit {
///     Exit(code)
/// }
///
/// fn call_another((function, arguments): (FunctionId, Arguments)) -> Exit {
///     function.call_once(arguments).unwrap_or(Exit::FAILURE)
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let arguments = Arguments::pack(&5)?;
/// let mut process = Process::new(call_another, (FunctionId::of(&leave)?, arguments));
/// process.start()?;
/// process.join()?;
/// assert_eq!(process.exitcode(), Some(5));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Arguments {
    #[serde(rename = "b")]
    bytes: Vec<u8>,
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    descriptors: Vec<Handed>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Handed(#[serde(with = "handover")] OwnedEnd);

impl Arguments {
    /// Serialises the arguments, and duplicates the descriptors among them. Python:
    /// `pickle.dumps(args)`.
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

    /// Returns the same arguments once more, with copies of the descriptors.
    pub(crate) fn again(&self) -> Result<Self, frame::Error> {
        let copy = |handed: &Handed| handed.0.try_clone().map(Handed);
        let descriptors = self.descriptors.iter().map(copy).collect::<io::Result<_>>()?;
        Ok(Self { bytes: self.bytes.clone(), descriptors })
    }

    pub(crate) fn descriptors(&self) -> usize {
        self.descriptors.len()
    }
}

/// Longest start message, in bytes: a name is the longest part of it.
const START_LIMIT: u64 = 1 << 20;

/// A step of a start after which the parent may die: see the list in `child.rs`. No two steps of
/// the library have the same number.
#[cfg_attr(test, derive(Serialize, Deserialize))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Packed = 300,
    Started,
    Told,
    EndsSent,
    AllSent,
}

/// Dies in a test that has chosen this step.
pub(crate) fn reach(_step: Step) {
    #[cfg(test)]
    crate::crash::reach(_step as u32);
}

/// Sends the start message and the arguments, in the parent, which may close its own ends then.
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
    reach(Step::Told);
    let ends: Vec<BorrowedEnd<'_>> =
        arguments.descriptors.iter().map(|handed| handed.0.as_end()).collect();
    line.send_ends(to, &ends)?;
    reach(Step::EndsSent);
    frame::write(&mut line, &arguments.bytes)?;
    reach(Step::AllSent);
    Ok(())
}

/// Takes the child's end of the line, in the child, and receives what [`send`] sent.
pub(crate) fn receive() -> Result<(FromParent, Start, Arguments), frame::Error> {
    // The parent has ended in the middle, or given up.
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
