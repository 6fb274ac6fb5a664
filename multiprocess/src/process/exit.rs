//! Exit codes: how a function's return value, a panic or a signal becomes one.
//!
//! | the function | exit code | standard error |
//! | --- | --- | --- |
//! | returns `()`, `Ok(…)` or any other value | 0 | |
//! | returns [`Exit(n)`](Exit), `Ok(Exit(n))` | n modulo 256 | |
//! | returns `Err(…)` | 1 | `Process child_1:` and the error |
//! | panics | 1 | `Process child_1:` and the panic's message |
//! | is killed by signal N | −N, as the parent sees it | |
//!
//! (A program built with `panic = "abort"` ends by signal 6 when it panics: −6.)
//!
//! The meaning is chosen where the type is known, in the expansion of [`tasks!`](crate::tasks).
//! That any other value is 0 is Python's rule, too, and lets one function be both the target of a
//! process and a task of a pool.

use std::any::{Any, type_name};
use std::error::Error;
use std::fmt;

use crate::output::complain;
use serde::{Deserialize, Serialize};

use crate::sys::process as sys;

/// An exit code, of which the system keeps the lowest eight bits. Python: `sys.exit(n)`.
///
/// ```
/// # use multiprocess::{Exit, Process, tasks};
/// tasks![check];
///
/// fn check(number: u32) -> Exit {
///     if number.is_multiple_of(2) { Exit::SUCCESS } else { Exit(3) }
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// let mut process = Process::new(check, 5);
/// process.start()?;
/// process.join()?;
/// assert_eq!(process.exitcode(), Some(3));
/// # Ok(()) }) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit(pub i32);

impl Exit {
    /// Exit code 0: success. Python: `sys.exit()`.
    pub const SUCCESS: Self = Self(0);
    /// Exit code 1: failure, as after an uncaught error in Python.
    pub const FAILURE: Self = Self(1);
}

/// Returns the name of a signal: `SIGKILL` for 9, for which the exit code −9 stands; `None` if
/// there is no such signal. Python: `signal.Signals(9).name`.
#[must_use]
pub fn signal_name(number: i32) -> Option<&'static str> {
    sys::signal_name(number)
}

/// Describes how a process with this exit code has ended. Numbers below 0 are signals; on Windows
/// only a few are, and the others are written as the system lists them.
///
/// ```
/// assert_eq!(multiprocess::process::ending(7), "exit code 7");
/// assert_eq!(multiprocess::process::ending(-9), "killed by signal 9 (SIGKILL)");
/// assert_eq!(multiprocess::process::ending(-1_073_741_515), "exit code 0xc0000135");
/// ```
#[must_use]
pub fn ending(exitcode: i32) -> String {
    match exitcode {
        0.. => format!("exit code {exitcode}"),
        _ if is_signal(exitcode) => {
            let name = signal_name(-exitcode).unwrap_or("unknown");
            format!("killed by signal {} ({name})", -exitcode)
        }
        _ => format!("exit code {exitcode:#x}"),
    }
}

/// Returns true if an exit code stands for a signal.
pub(crate) fn is_signal(exitcode: i32) -> bool {
    (-64..0).contains(&exitcode) && sys::is_signal(-exitcode)
}

/// An error of any type as a value that can go to another process: its type's name, its text, and
/// the texts of its causes. Python: a pickled exception, `RemoteTraceback`.
///
/// Any [`Error`] becomes a `Failure` by `?`. Like `anyhow::Error` it doesn't implement `Error`, for
/// then it could not be made from every `Error`.
///
/// ```
/// use multiprocess::Failure;
///
/// fn parse(text: &str) -> Result<u32, Failure> {
///     Ok(text.parse()?)
/// }
///
/// let failure = parse("x").unwrap_err();
/// assert_eq!(failure.to_string(), "invalid digit found in string");
/// assert!(failure.kind().is_some_and(|kind| kind.ends_with("ParseIntError")));
/// assert_eq!(Failure::new("no milk").kind(), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Rust type of the error, if it had one.
    kind: Option<String>,
    /// Text of the error, then the texts of its causes, each caused by the next.
    messages: Vec<String>,
}

impl Failure {
    /// Makes a failure of a text, without a type. Python: `Exception("no milk")`.
    pub fn new(message: impl fmt::Display) -> Self {
        Self { kind: None, messages: vec![message.to_string()] }
    }

    /// Returns the Rust type of the error, as the compiler writes it:
    /// `core::num::error::ParseIntError`; `None` for a mere text. Python: `type(error).__name__`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.kind.as_deref()
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut messages = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            messages.push(error.to_string());
            cause = error.source();
        }
        Self { kind: Some(type_name::<E>().to_owned()), messages }
    }
}

/// Makes `?` work in functions that return errors of any type.
impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        failure.to_string().into()
    }
}

/// Makes `?` work in functions that return errors of any type, also across threads.
impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        failure.to_string().into()
    }
}

/// The text, with its causes: `no connection: address in use`.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages.join(": "))
    }
}

/// A function's return value, which has an exit code by one of four traits.
///
/// `(&&&&Returned(value)).exit_code()` finds, one reference less each time, the first of the traits
/// that fits: [autoref specialisation][how], which works where the type is known, as in the
/// expansion of [`tasks!`](crate::tasks).
///
/// [how]: https://github.com/dtolnay/case-studies/tree/master/autoref-specialization
#[derive(Debug)]
pub struct Returned<T>(pub T);

/// Results whose error has a text for the reader.
pub trait ExitOfResult {
    /// Returns the exit code that the value stands for; prints an error.
    fn exit_code(&self) -> Exit;
}

impl<T: 'static, E: fmt::Display> ExitOfResult for &&&Returned<Result<T, E>> {
    fn exit_code(&self) -> Exit {
        exit_of_result(&self.0, |error| format!("{error:#}"))
    }
}

/// Results whose error has a text for the programmer.
pub trait ExitOfDebugResult {
    /// Returns the exit code that the value stands for; prints an error.
    fn exit_code(&self) -> Exit;
}

impl<T: 'static, E: fmt::Debug> ExitOfDebugResult for &&Returned<Result<T, E>> {
    fn exit_code(&self) -> Exit {
        exit_of_result(&self.0, |error| format!("{error:?}"))
    }
}

/// Results whose error has no text.
pub trait ExitOfSilentResult {
    /// Returns the exit code that the value stands for; prints an error.
    fn exit_code(&self) -> Exit;
}

impl<T: 'static, E> ExitOfSilentResult for &Returned<Result<T, E>> {
    fn exit_code(&self) -> Exit {
        exit_of_result(&self.0, |_| "an error that has no text".to_owned())
    }
}

/// All other values.
pub trait ExitOfValue {
    /// Returns the exit code that the value stands for; prints an error.
    fn exit_code(&self) -> Exit;
}

impl<T: 'static> ExitOfValue for Returned<T> {
    fn exit_code(&self) -> Exit {
        exit_of_value(&self.0)
    }
}

fn exit_of_result<T: 'static, E>(result: &Result<T, E>, text: impl Fn(&E) -> String) -> Exit {
    match result {
        Ok(value) => exit_of_value(value),
        Err(error) => {
            let name = crate::process::current_process().name();
            complain(format_args!("Process {name}:\n{}", text(error)));
            Exit::FAILURE
        }
    }
}

fn exit_of_value(value: &dyn Any) -> Exit {
    value.downcast_ref().copied().unwrap_or(Exit::SUCCESS)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_borrow, reason = "the references choose between the traits")]

    use super::*;

    /// SUB-03
    #[test]
    fn a_return_value_stands_for_an_exit_code() {
        assert_eq!((&&&&Returned(())).exit_code(), Exit(0));
        assert_eq!((&&&&Returned(5)).exit_code(), Exit(0));
        assert_eq!((&&&&Returned(Exit(8))).exit_code(), Exit(8));
        assert_eq!((&&&&Returned(Ok::<_, Failure>(()))).exit_code(), Exit(0));
        assert_eq!((&&&&Returned(Ok::<_, Failure>(Exit(8)))).exit_code(), Exit(8));
        assert_eq!((&&&&Returned(Err::<(), _>(Failure::new("no")))).exit_code(), Exit(1));
        assert_eq!((&&&&Returned(Err::<u64, _>("no"))).exit_code(), Exit(1));
        #[derive(Debug)]
        struct OnlyDebug;
        assert_eq!((&&&&Returned(Err::<(), _>(OnlyDebug))).exit_code(), Exit(1));
        struct WithoutDebug;
        assert_eq!((&&&&Returned(Err::<(), _>(WithoutDebug))).exit_code(), Exit(1));
    }

    #[test]
    fn only_exit_codes_of_signals_are_told_as_such() {
        assert_eq!(ending(0), "exit code 0");
        assert_eq!(ending(-15), "killed by signal 15 (SIGTERM)");
        assert_eq!(ending(-65), "exit code 0xffffffbf");
        assert_eq!(ending(i32::MIN), "exit code 0x80000000");
        let realtime =
            if cfg!(unix) { "killed by signal 64 (unknown)" } else { "exit code 0xffffffc0" };
        assert_eq!(ending(-64), realtime);
    }

    #[test]
    fn a_failure_keeps_type_text_and_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("no number")]
        struct NoNumber(#[from] std::num::ParseIntError);

        let number: Result<i32, NoNumber> = "x".parse().map_err(NoNumber);
        let failure = Failure::from(number.unwrap_err());
        assert_eq!(failure.to_string(), "no number: invalid digit found in string");
        assert!(failure.kind().unwrap().ends_with("NoNumber"));
        let mut bytes = Vec::new();
        crate::process::frame::encode_body(&failure, &mut bytes).unwrap();
        assert_eq!(crate::process::frame::decode::<Failure>(&bytes).unwrap(), failure);
    }
}
