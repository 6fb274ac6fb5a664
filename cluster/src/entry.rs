//! The first function of a program that can be a worker.

use std::env;
use std::process::ExitCode;

use multiprocess::process::Outcome;

use crate::worker::command;

/// Runs a whole program, as [`multiprocess::main`] does, and makes it a worker if its first
/// argument is `cluster-worker`:
///
/// ```console
/// $ my-program                                           # the client: runs the body
/// $ my-program cluster-worker nats://127.0.0.1:4222      # a worker: never runs it
/// ```
///
/// `my-program cluster-worker --help` tells the worker's options. A program that has a command of
/// another name, or options of its own, calls [`Worker::builder`](crate::Worker::builder) instead.
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     cluster::main(|| println!("this is the client"))
/// }
/// ```
///
/// # Panics
/// If the body does, after all has been ended and waited for.
pub fn main<T: Outcome>(body: impl FnOnce() -> T) -> ExitCode {
    multiprocess::main(|| {
        let mut arguments = env::args_os().skip(1);
        match arguments.next() {
            Some(first) if first == command::NAME => command::run(arguments),
            _ => body().exit_code(),
        }
    })
}
