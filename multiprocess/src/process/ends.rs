//! Descriptors, on Windows handles, by which the system knows a pipe, a file or a process. An end
//! can be [waited](crate::process::wait()) for and [handed over](crate::process::handover). Python:
//! `fileno()`.
//!
//! ```
//! use multiprocess::process::ends::{AsEnd, OwnedEnd};
//!
//! let (reader, writer) = std::io::pipe()?;
//! let closed: OwnedEnd = writer.into();
//! drop(closed);
//! assert_eq!(multiprocess::wait(&[reader.as_end()], None)?, [0], "the end of file");
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io::{self, PipeReader, PipeWriter};

pub use crate::sys::process::{AsEnd, BorrowedEnd, OwnedEnd};

/// Makes a pipe that holds 64 KiB on every system; a writer waits while it is full. Python:
/// `os.pipe`.
///
/// # Errors
/// When the limit of open files is reached.
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    crate::sys::process::pipe()
}
