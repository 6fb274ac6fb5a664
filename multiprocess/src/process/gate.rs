//! A one-shot start signal: children wait at a gate until the parent opens it.

use std::io::{PipeReader, PipeWriter, Read, pipe};

use serde::{Deserialize, Serialize};

/// The parent's side of a gate, which keeps the children waiting until it is opened or dropped, or
/// the parent ends in any way. Python: `multiprocessing.Event`, the side that sets it.
///
/// A gate is a pipe that no process writes to: the end of file is the signal, and the kernel gives
/// it even when the parent is killed.
///
/// ```
/// use multiprocess::{Gate, Process, Waiting, tasks};
///
/// tasks![work];
///
/// fn work(waiting: Waiting) {
///     waiting.wait();
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let (gate, waiting) = Gate::new()?;
/// let mut first = Process::new(work, waiting.another()?);
/// let mut second = Process::new(work, waiting);
/// first.start()?;
/// second.start()?;
/// assert!(first.is_alive() && second.is_alive());
/// gate.open();
/// first.join()?;
/// second.join()?;
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
pub struct Gate(#[expect(dead_code, reason = "held only to be dropped")] PipeWriter);

/// A child's side of a [`Gate`], to be passed among its arguments. Python: `multiprocessing.Event`,
/// the side that waits.
#[derive(Debug, Serialize, Deserialize)]
pub struct Waiting(#[serde(with = "crate::process::handover")] PipeReader);

impl Gate {
    /// Makes a closed gate, and the side of the first child that waits at it. Python: `Event()`.
    ///
    /// # Errors
    /// When the limit of open files is reached.
    pub fn new() -> std::io::Result<(Self, Waiting)> {
        let (reader, writer) = pipe()?;
        Ok((Self(writer), Waiting(reader)))
    }

    /// Opens the gate for ever: it can't be closed again. Python: `Event.set`.
    pub fn open(self) {}
}

impl Waiting {
    /// Waits until the gate is open. Python: `Event.wait`.
    pub fn wait(mut self) {
        // Nothing is ever written, so this returns at the end of file.
        let _ = self.0.read_exact(&mut [0]);
    }

    /// Makes the side of another child that waits at the same gate.
    ///
    /// # Errors
    /// When the limit of open files is reached.
    pub fn another(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}
