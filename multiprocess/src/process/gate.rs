//! A gate: children wait at it until the parent opens it.

use std::io::{PipeReader, PipeWriter, Read, pipe};

use serde::{Deserialize, Serialize};

/// The parent's side: keeps the children waiting until it is opened or dropped, or its process
/// ends in any way. Python: `multiprocessing.Event`, the side that sets it.
///
/// It is a pipe that nobody writes to: the end of file is the signal, and the kernel gives it even
/// when the parent is killed.
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

/// A child's side, to be passed among its arguments; see [`Gate`] for an example. Python:
/// `multiprocessing.Event`, the side that waits.
///
/// ```
/// # use multiprocess::Gate;
/// let (gate, waiting) = Gate::new()?;
/// let waits = std::thread::spawn(move || waiting.wait());
/// gate.open();
/// waits.join().expect("it doesn't panic");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Waiting(#[serde(with = "crate::process::handover")] PipeReader);

impl Gate {
    /// A closed gate, and the side for the first who waits at it. Python: `Event()`.
    ///
    /// ```
    /// let (gate, waiting) = multiprocess::Gate::new()?;
    /// gate.open();
    /// waiting.wait(); // not any more
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the limit of open files is reached.
    pub fn new() -> std::io::Result<(Self, Waiting)> {
        let (reader, writer) = pipe()?;
        Ok((Self(writer), Waiting(reader)))
    }

    /// Lets all through, for ever: a gate can't be closed again. Python: `Event.set`.
    ///
    /// ```
    /// # use multiprocess::Gate;
    /// let (gate, first) = Gate::new()?;
    /// let second = first.another()?;
    /// gate.open();
    /// first.wait();
    /// second.wait();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(self) {}
}

impl Waiting {
    /// Returns when the gate is open. Python: `Event.wait`.
    ///
    /// ```
    /// # use multiprocess::Gate;
    /// let (gate, waiting) = Gate::new()?;
    /// drop(gate); // the death of its process does the same
    /// waiting.wait();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(mut self) {
        // Nothing is ever written: this ends at the end of file, and only there.
        let _ = self.0.read_exact(&mut [0]);
    }

    /// One more that waits at the same gate.
    ///
    /// ```
    /// # use multiprocess::Gate;
    /// let (gate, waiting) = Gate::new()?;
    /// let all = [waiting.another()?, waiting.another()?, waiting];
    /// gate.open();
    /// all.map(|waiting| waiting.wait());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the limit of open files is reached.
    pub fn another(&self) -> std::io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}
