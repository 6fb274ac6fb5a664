//! Standard output and standard error, as every program of the course writes to them.
//!
//! | what is written to | what happens |
//! | --- | --- |
//! | its reader has gone (`… \| head`) | nothing: the rest isn't wanted |
//! | a pipe that says "try again" (it is non-blocking, and full) | it is waited for |
//! | a full disk, or any other error | told on standard error, once; exit code 1 |

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anstream::ColorChoice;
use anstream::adapter::strip_str;

use crate::sys::{self, AsStream};

/// Whether all that was printed has been taken.
static HEARD: AtomicBool = AtomicBool::new(true);

/// Whether something could not be printed that a reader may have wanted.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a text to standard output, its lines at once, so that short ones of several processes
/// don't mix; without its colours, if it goes to no terminal. Python: `print(text, end="",
/// flush=True)`.
///
/// An error isn't returned but remembered, see [`checked`]: a program goes on, so that its children
/// are waited for.
///
/// ```
/// common::output::print("4 of 5 are done\n");
/// assert!(common::output::is_heard());
/// ```
pub fn print(text: &str) {
    let has_colours = anstream::stdout().current_choice() == ColorChoice::AlwaysAnsi;
    let plain = (!has_colours).then(|| strip_str(text).to_string());
    let mut stdout = io::stdout().lock();
    let written = write_all(&mut stdout, plain.as_deref().unwrap_or(text).as_bytes());
    drop(stdout);
    if let Err(error) = written {
        HEARD.store(false, Ordering::Relaxed);
        if error.kind() != ErrorKind::BrokenPipe && !LOST.swap(true, Ordering::Relaxed) {
            complain(format_args!("standard output: {error}"));
        }
    }
}

/// Prints a line to standard error, whether or not it can be read there: `eprintln!` would panic.
///
/// ```
/// common::output::complain("there is no such file");
/// ```
pub fn complain(line: impl fmt::Display) {
    // There is no other place to say that this failed.
    let _ = write_all(&mut io::stderr().lock(), format!("{line}\n").as_bytes());
}

/// Returns a text from outside, such as a name in a file, with every character that controls a
/// terminal, turns the order of a line, or is none, as an escape sequence of JSON and TOML.
///
/// ```
/// assert_eq!(common::output::escaped("walls\u{1b}[2K\n"), "walls\\u001b[2K\\u000a");
/// ```
#[must_use]
pub fn escaped(text: &str) -> String {
    let is_control = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match is_control(c) {
            true => safe += &format!("\\u{:04x}", u32::from(c)),
            false => safe.push(c),
        }
    }
    safe
}

/// Prints what clap says, help or what is wrong with the command line, and returns the exit code.
///
/// ```
/// let told = clap::Command::new("tool").try_get_matches_from(["tool", "--fast"]);
/// let code = common::output::print_clap(&told.unwrap_err());
/// assert_eq!(code, std::process::ExitCode::from(2));
/// ```
#[must_use]
pub fn print_clap(said: &clap::Error) -> ExitCode {
    if said.use_stderr() {
        let _ = said.print();
    } else {
        print(&said.render().to_string());
    }
    ExitCode::from(u8::try_from(said.exit_code()).unwrap_or(2))
}

/// Returns whether all that was printed has been taken; false for example if a pager was left. An
/// endless lesson ends then.
///
/// ```
/// # use common::{narrator::speak, output::is_heard};
/// for second in 0..60 {
///     speak("clock", second);
///     if !is_heard() {
///         break; // nobody looks any more
///     }
/// }
/// ```
#[must_use]
pub fn is_heard() -> bool {
    HEARD.load(Ordering::Relaxed)
}

/// Returns whether something could not be printed, and not because its reader has gone.
///
/// ```
/// assert!(!common::output::is_lost());
/// ```
#[must_use]
pub fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Returns the exit code of a program that has printed: 1 instead of 0 if something [is
/// lost](is_lost).
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     common::output::print("all is well\n");
///     common::output::checked(ExitCode::SUCCESS)
/// }
/// ```
#[must_use]
pub fn checked(code: ExitCode) -> ExitCode {
    if is_lost() && code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
}

fn write_all(stream: &mut (impl Write + AsStream), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = patiently(stream, |stream| stream.write(bytes))?;
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    patiently(stream, Write::flush)
}

/// Tries until the stream doesn't say "try again". What it has said so to is not written.
fn patiently<S: AsStream, T>(
    stream: &mut S,
    mut attempt: impl FnMut(&mut S) -> io::Result<T>,
) -> io::Result<T> {
    loop {
        match attempt(stream) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                sys::wait_until_writable(stream)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
