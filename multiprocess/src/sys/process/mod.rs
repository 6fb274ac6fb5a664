//! What only the operating system can do for processes and pipes, with one meaning on every system.
//!
//! | | Linux | macOS | Windows |
//! | --- | --- | --- | --- |
//! | an end of a pipe | descriptor | descriptor | handle |
//! | the control line | socket pair | socket pair | one-way pipe, an event for the answer |
//! | the sentinel | pidfd | kqueue | the process's handle |
//! | the parent has ended | end of file on the line | the same | its handle is signalled |
//!
//! Each system's module has the same items:
//!
//! - [`start`] begins this program again and returns the process, [`Running`], and the parent's
//!   end of its control line, [`ToChild`].
//! - [`peek`] returns what the control line begins with, [`GREETING`], and leaves it there.
//! - [`take_control_line`] returns the child's end, [`FromParent`].
//! - [`wait`] waits for ends of pipes and for sentinels.
//! - [`end_now`] ends this process; [`close_inherited`], [`name_process`], [`ignore_interrupts`],
//!   [`take_off_shield`], [`keep_exit_codes`].

use std::io;

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(unix)]
pub use unix::*;
#[cfg(windows)]
pub use windows::*;

#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
compile_error!("this crate runs on Linux, macOS and Windows");

/// Content of a control line before its child exists: the version of this crate that has made it.
pub(crate) const GREETING: &[u8] =
    concat!("multiprocess ", env!("CARGO_PKG_VERSION"), "\n").as_bytes();

/// Ways to end a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// SIGINT. Windows has no Ctrl-C for one process.
    Interrupt,
    /// SIGTERM. Windows: as [`Kill`](Self::Kill), with another exit code.
    Terminate,
    /// SIGKILL, which can't be handled. Windows: `TerminateProcess`.
    Kill,
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Exit code, or minus the number of the signal that killed the process.
    Code(i32),
    /// Exit code lost, because another part of the program has collected the process.
    #[cfg_attr(windows, expect(dead_code, reason = "a handle tells the exit code to all"))]
    Unknown,
}

/// A value that holds an end of a pipe, a file, or anything else that the system knows by a
/// descriptor (on Windows: by a handle): everything that is `AsFd` there, or `AsHandle`.
pub trait AsEnd {
    /// Borrows the descriptor or the handle.
    fn as_end(&self) -> BorrowedEnd<'_>;
}

/// Prefixes the system's reason with the name of what it refused.
fn refused(what: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("{what}: {error}"))
}
