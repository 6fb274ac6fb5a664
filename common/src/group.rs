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

    /// Whether no process of the group is left. On Linux and macOS a process that has ended is,
    /// until its parent has waited for it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::testing::Deadline;
    #[cfg(windows)]
    use crate::testing::other::tests::owner;
    use crate::testing::other::tests::{hear, listener, mother};

    /// Starts a program that has started another; both hold the pipe open that is returned.
    fn two() -> (Child, Group, std::io::PipeReader) {
        let (reader, writer) = std::io::pipe().unwrap();
        let (mut child, group) = Group::spawn(mother().stderr(writer)).unwrap();
        hear(&mut child);
        (child, group, reader)
    }

    #[test]
    fn a_group_ends_with_what_its_first_process_has_started() {
        let _deadline = Deadline::seconds(60);
        for (end, code) in [(Group::terminate as fn(&Group), 0x1000f), (Group::kill, 0x10009)] {
            let (mut child, group, mut held) = two();
            assert!(!group.is_empty());
            end(&group);
            held.read_to_end(&mut Vec::new()).unwrap();
            let expected = cfg!(windows).then_some(code);
            assert_eq!(child.wait().unwrap().code(), expected);
            while !group.is_empty() {
                std::thread::yield_now();
            }
            // What is gone can be ended again.
            end(&group);
        }
    }

    /// Elsewhere a process group goes on.
    #[cfg(windows)]
    #[test]
    fn a_group_ends_when_its_owner_is_killed() {
        let _deadline = Deadline::seconds(60);
        let (mut held, writer) = std::io::pipe().unwrap();
        let mut child = owner().stderr(writer).spawn().unwrap();
        hear(&mut child);
        child.kill().unwrap();
        held.read_to_end(&mut Vec::new()).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_group_goes_on_without_its_first_process_and_when_it_is_dropped() {
        let _deadline = Deadline::seconds(60);
        let (mut child, group, held) = two();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!group.is_empty());
        group.kill();
        drop(held);

        let (mut child, _) = Group::spawn(&mut listener()).unwrap();
        hear(&mut child);
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
    }
}
