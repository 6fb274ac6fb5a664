//! What can go wrong with a process.

use std::fmt;
use std::io;

use crate::process::frame;

/// Reasons why a process could not be started, waited for or signalled. Python: the error that each
/// names.
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
    /// A start outside of [`main`](crate::process::main), where the child would not run its
    /// function. Python: `RuntimeError`, "freeze_support".
    #[error(
        "a process can only be started inside multiprocess::main: \
         write fn main() -> ExitCode {{ multiprocess::main(|| …) }}"
    )]
    OutsideMain,
    /// The function is not listed by `tasks!`. Python: `PicklingError`.
    #[error("the function {function} is not listed: write tasks![{short}]; next to its definition")]
    Unlisted {
        /// Full name of the function.
        function: &'static str,
        /// Name of the function as written in `tasks!` beside it.
        short: String,
    },
    /// A function pointer or a closure, which can't be found in another process. Python:
    /// `PicklingError`, as for a lambda.
    #[error(
        "{function} has no name by which another process could find it: \
         write a fn, pass it by its name, and list it with tasks![name];"
    )]
    NotAFunctionItem {
        /// Type of the value that was passed.
        function: &'static str,
    },
    /// A start while this process is ending, when it would not wait for another child.
    #[error("no process can be started any more: this one is ending")]
    Ending,
    /// A daemonic process can have no children: it ends with its parent, and could not end them
    /// first. Python: `AssertionError("daemonic processes are not allowed to have children")`.
    #[error("daemonic processes are not allowed to have children")]
    DaemonWithChildren,
    /// A second start. Python: `AssertionError("cannot start a process twice")`.
    #[error("the process {name} can't be started twice")]
    StartedTwice {
        /// Name of the process.
        name: String,
    },
    /// A process that was not started. Python: `AssertionError("can only join a started process")`.
    #[error("the process {name} has not been started yet")]
    NotStarted {
        /// Name of the process.
        name: String,
    },
    /// A process that is running. Python:
    /// `ValueError("Cannot close a process while it is still running")`.
    #[error("the process {name} is still running: join or terminate it before it is closed")]
    StillRunning {
        /// Name of the process.
        name: String,
    },
    /// The child ended by itself before it had its arguments, or in any way before `start` had sent
    /// them all; the function did not run. Python: nothing but the exit code.
    #[error("the process {name} ended before it had its arguments ({end}); its function never ran")]
    NeverRan {
        /// Name of the process.
        name: String,
        /// End of the process in words: `exit code 1`.
        end: String,
    },
    /// The arguments can't be serialised; no process was started. Python: `PicklingError`.
    #[error("the arguments of the process {name} can't be sent: {reason}")]
    Arguments {
        /// Name of the process.
        name: String,
        /// Reason of the failure.
        reason: frame::Error,
    },
    /// The system refused to start the process; no process is left. Python: `OSError`.
    #[error("the process {name} can't be started: {reason}")]
    Start {
        /// Name of the process.
        name: String,
        /// Reason that the system gave.
        reason: io::Error,
    },
    /// The system refused a call on a running process. Python: `OSError`.
    #[error("the process {name} can't be waited for or signalled: {reason}")]
    System {
        /// Name of the process.
        name: String,
        /// Reason that the system gave.
        reason: io::Error,
    },
}

/// As [`Display`](fmt::Display), because a program whose `main` returns the error prints this form.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
