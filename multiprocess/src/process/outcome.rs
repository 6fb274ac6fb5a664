//! Return values of a program's body.

use std::fmt::Display;
use std::process::ExitCode;

use crate::output::complain;
use crate::process::exit::Exit;

/// Values that the body of [`main`](crate::main) may return: as [`std::process::Termination`], but
/// an error is printed for the reader, as [`Display`] writes it, and an [`Exit`] is accepted, too.
///
/// ```
/// fn main() -> std::process::ExitCode {
/// #   if false { return multiprocess::main(|| std::process::exit(3)) }
///     // Prints "Error: no milk", exit code 1.
/// #   let code =
///     multiprocess::main(|| Err::<(), _>("no milk"))
/// #   ; assert_eq!(code, std::process::ExitCode::FAILURE); std::process::ExitCode::SUCCESS
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the body of `multiprocess::main` can't return `{Self}`",
    note = "it may return `()`, `Exit`, `ExitCode`, or a `Result` of one of them whose error \
            implements `Display`"
)]
pub trait Outcome {
    /// Returns the exit code that the value stands for; prints an error.
    fn exit_code(self) -> ExitCode;
}

impl Outcome for () {
    fn exit_code(self) -> ExitCode {
        ExitCode::SUCCESS
    }
}

impl Outcome for ExitCode {
    fn exit_code(self) -> ExitCode {
        self
    }
}

impl Outcome for Exit {
    fn exit_code(self) -> ExitCode {
        // Modulo 256, as every system does with a process's exit code.
        ExitCode::from(self.0.to_le_bytes()[0])
    }
}

impl<T: Outcome, E: Display> Outcome for Result<T, E> {
    fn exit_code(self) -> ExitCode {
        self.map_or_else(
            |error| {
                complain(format_args!("Error: {error:#}"));
                ExitCode::FAILURE
            },
            T::exit_code,
        )
    }
}

/// The return type of a function pointer: the only way to name `!` in stable Rust.
pub trait Function {
    /// The function's return type.
    type Returns;
}
impl<T> Function for fn() -> T {
    type Returns = T;
}

/// The type of a body that never returns: it ends in `loop` or [`std::process::exit`].
impl Outcome for <fn() -> ! as Function>::Returns {
    fn exit_code(self) -> ExitCode {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_taken_modulo_256_and_an_error_is_1() {
        assert_eq!(Exit(259).exit_code(), ExitCode::from(3));
        assert_eq!(Exit(-1).exit_code(), ExitCode::from(255));
        assert_eq!(Ok::<_, String>(Exit(3)).exit_code(), ExitCode::from(3));
        assert_eq!(Err::<Exit, _>("no milk").exit_code(), ExitCode::FAILURE);
    }
}
