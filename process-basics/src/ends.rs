//! What a pipe, a file or a process is to the system: a descriptor, on Windows a handle. An end can
//! be [waited](crate::wait()) for and [handed over](crate::handover). Python: `fileno()`.
//!
//! ```
//! use process_basics::ends::{AsEnd, OwnedEnd};
//!
//! let (reader, writer) = std::io::pipe()?;
//! let closed: OwnedEnd = writer.into();
//! drop(closed);
//! assert_eq!(process_basics::wait(&[reader.as_end()], None)?, [0], "the end of file");
//! # Ok::<(), std::io::Error>(())
//! ```

pub use crate::sys::{AsEnd, BorrowedEnd, OwnedEnd};
