//! Standard output and standard error, written to by several processes at once.
//!
//! | what is written to | what happens |
//! | --- | --- |
//! | a pipe whose reader has gone (`… \| head`) | nothing: the rest isn't wanted |
//! | a pipe that says "try again" (it is non-blocking, and full) | it is waited for |
//! | a full disk, or any other error | told on standard error, once; exit code 1 |

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::process::{AsEnd, wait_until_writable};

/// True while every text that was printed has been accepted.
static HEARD: AtomicBool = AtomicBool::new(true);

/// True once a text that a reader may have wanted could not be printed.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a text to standard output, whole lines at a time, so that short lines of several
/// processes don't mix. Python: `print(text, end="", flush=True)`.
///
/// An error isn't returned but remembered, see [`checked`]: a program goes on, so that its children
/// are waited for.
pub fn print(text: &str) {
    if let Err(error) = write_all(&mut io::stdout().lock(), text.as_bytes()) {
        HEARD.store(false, Ordering::Relaxed);
        if error.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
            complain(format_args!("standard output: {error}"));
        }
    }
}

/// Prints a line to standard error, whether or not it can be read there: `eprintln!` would panic.
pub fn complain(line: impl fmt::Display) {
    // A failure can't be reported anywhere else.
    let _ = write_all(&mut io::stderr().lock(), format!("{line}\n").as_bytes());
}

/// Returns true while every text that was printed has been accepted; false for example once a pager
/// was left. An endless program should end then.
///
/// ```
/// # use multiprocess::output::{is_heard, print};
/// for second in 0..60 {
///     print(&format!("{second} s\n"));
///     if !is_heard() {
///         break; // the reader has gone
///     }
/// }
/// ```
#[must_use]
pub fn is_heard() -> bool {
    HEARD.load(Ordering::Relaxed)
}

/// Returns true if a text could not be printed, for another reason than that its reader has gone.
#[must_use]
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Returns the exit code of a program that has printed: 1 instead of 0 if a text [is
/// lost](is_lost).
#[must_use]
pub fn checked(code: ExitCode) -> ExitCode {
    if is_lost() && code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
}

/// Writes and flushes all bytes, also to a non-blocking stream.
fn write_all(stream: &mut (impl Write + AsEnd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = patiently(stream, |stream| stream.write(bytes))?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    patiently(stream, Write::flush)
}

/// Retries until the stream doesn't say "try again", by which it has written nothing.
fn patiently<S: AsEnd, T>(
    stream: &mut S,
    mut attempt: impl FnMut(&mut S) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match attempt(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait_until_writable(stream)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
