//! A program and all that it starts, reached as a whole: a [`Group`].

use std::io;
use std::process::{Child, Command};

use crate::sys;

/// A process and all processes that it starts, unless they leave: a process group on Linux and
/// macOS, a job on Windows.
///
/// The terminal's Ctrl-C doesn't reach it: this process is asked to end, and ends the group.
/// Dropped, a group isn't ended. If this process is killed, a group goes on, except on Windows.
///
/// ```no_run
/// use std::process::Command;
/// use common::group::Group;
///
/// let (mut child, group) = Group::spawn(Command::new("make").arg("-j4"))?;
/// group.kill(); // also the compilers
/// child.wait()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Group(sys::Group);

impl Group {
    /// Starts the command in a group of its own. Python:
    /// `subprocess.Popen(…, process_group=0)`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let (child, group) = sys::Group::spawn(command)?;
        Ok((child, Self(group)))
    }

    /// Asks all of the group to end, if there still is one: SIGTERM; on Windows nothing can be
    /// asked so, and they end at once, with exit code 0x1000f.
    pub fn terminate(&self) {
        self.0.terminate();
    }

    /// Kills all of the group, if there still is one: SIGKILL; on Windows the exit code is 0x10009.
    pub fn kill(&self) {
        self.0.kill();
    }

    /// Returns true if no process of the group is left. On Linux and macOS a process that has ended
    /// is, until its parent has waited for it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
