//! What can go wrong with a process.

use std::fmt;
use std::io;

use crate::process::frame;

/// Why a process could not be started, waited for or signalled. Python: the error that each names.
///
/// ```
/// use multiprocess::Process;
/// use multiprocess::process::Error;
///
/// let refused = Process::new(drop::<u32>, 1).start().unwrap_err();
/// assert!(matches!(refused, Error::OutsideMain));
/// assert!(refused.to_string().starts_with("a process can only be started inside"));
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A start outside of [`main`](crate::process::main): the child would not know that it is one.
    /// Python: `RuntimeError`, "freeze_support".
    #[error(
        "a process can only be started inside multiprocess::main: \
         write fn main() -> ExitCode {{ multiprocess::main(|| …) }}"
    )]
    OutsideMain,
    /// The function isn't in the list of those that may run elsewhere. Python: `PicklingError`.
    #[error("the function {function} is not listed: write tasks![{short}]; next to its definition")]
    Unlisted {
        /// The function's whole name.
        function: &'static str,
        /// Its name as one would write it beside it.
        short: String,
    },
    /// A function pointer or a closure can't be found in another process. Python: `PicklingError`,
    /// of a lambda.
    #[error(
        "{function} has no name by which another process could find it: \
         write a fn, pass it by its name, and list it with tasks![name];"
    )]
    NotAFunctionItem {
        /// The type of what was passed.
        function: &'static str,
    },
    /// This process ends its children just now; nobody would wait for another.
    #[error("no process can be started any more: this one is ending")]
    Ending,
    /// A daemonic process ends with its parent and could not end its own children first.
    /// Python: `AssertionError("daemonic processes are not allowed to have children")`.
    #[error("daemonic processes are not allowed to have children")]
    DaemonWithChildren,
    /// Python: `AssertionError("cannot start a process twice")`.
    #[error("the process {name} can't be started twice")]
    StartedTwice {
        /// The process's name.
        name: String,
    },
    /// Python: `AssertionError("can only join a started process")`.
    #[error("the process {name} has not been started yet")]
    NotStarted {
        /// The process's name.
        name: String,
    },
    /// Python: `ValueError("Cannot close a process while it is still running")`.
    #[error("the process {name} is still running: join or terminate it before it is closed")]
    StillRunning {
        /// The process's name.
        name: String,
    },
    /// The child ended by itself before it had its arguments, or however it ended before `start`
    /// had sent them all; the function did not run. Python: nothing but the exit code.
    #[error("the process {name} ended before it had its arguments ({end}); its function never ran")]
    NeverRan {
        /// The process's name.
        name: String,
        /// How it ended: `exit code 1`.
        end: String,
    },
    /// The arguments can't travel; no process was started. Python: `PicklingError`.
    #[error("the arguments of the process {name} can't be sent: {reason}")]
    Arguments {
        /// The process's name.
        name: String,
        /// Why not.
        reason: frame::Error,
    },
    /// The system refused to start one more process; nothing is left of it. Python: `OSError`.
    #[error("the process {name} can't be started: {reason}")]
    Start {
        /// The process's name.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
    /// The system refused a call on a running process. Python: `OSError`.
    #[error("the process {name} can't be waited for or signalled: {reason}")]
    System {
        /// The process's name.
        name: String,
        /// What the system said.
        reason: io::Error,
    },
}

/// The same sentence as [`Display`](fmt::Display): it is what a program prints whose `main` returns
/// the error.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
