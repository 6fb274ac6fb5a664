//! Another program that ends with this one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use common::interrupt;
use multiprocess::{Failure, Process, Receiver, Sender, one_way, tasks};

tasks![keep];

/// A running program, which is killed when this is dropped, and when this program ends in whatever
/// way.
pub(super) struct OtherProgram {
    /// Its end is the program's.
    line: Option<Sender<()>>,
    keeper: Process,
}

impl OtherProgram {
    pub(super) fn start(program: &Path, arguments: &[&str]) -> Result<Self, Failure> {
        let (keepers_end, line) = one_way()?;
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let keeper = Process::new(keep, (program.to_owned(), arguments, keepers_end));
        let mut other = Self { line: Some(line), keeper };
        other.keeper.start()?;
        Ok(other)
    }

    /// Kills the program, and waits for its end.
    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.line = None;
        Ok(self.keeper.join()?)
    }
}

impl Drop for OtherProgram {
    fn drop(&mut self) {
        self.line = None;
        // It fails for the ended only.
        let _ = self.keeper.join();
    }
}

/// Runs in the keeper.
fn keep((program, arguments, mut line): (PathBuf, Vec<OsString>, Receiver<()>)) -> Kept {
    // A signal to the whole group must not end it before its work is done.
    let _signals = interrupt::listen(&Arc::default())?;
    let mut command = Command::new(program);
    let mut child = command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
    // The end of the line: nothing else comes on it.
    let _ = line.recv();
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// How a keeper's work ends.
type Kept = Result<(), Failure>;
