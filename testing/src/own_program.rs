//! A test file that is also a program, or several: its test `program_of_its_own` is what they do.
//!
//! ```text
//!   test ── command("name") ─▶ the same file, with that test alone ── name() ─▶ Some("name")
//! ```

use std::env;
use std::process::{Command, Output, Stdio};

use crate::Deadline;

/// The variable that tells which program a test file is to be, instead of its tests.
const PROGRAM: &str = "TESTS_PROGRAM";

/// Returns which program this is to be; `None` in the tests themselves.
#[must_use]
pub fn name() -> Option<String> {
    env::var(PROGRAM).ok()
}

/// Returns the command of the program of this name.
#[must_use]
pub fn command(name: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["program_of_its_own", "--exact", "--nocapture", "--test-threads=1", "-q"]);
    command.env(PROGRAM, name).stdin(Stdio::null());
    command
}

/// Runs the program to its end, for which it has a minute.
#[must_use]
pub fn run(name: &str) -> Output {
    let _deadline = Deadline::seconds(60);
    command(name).output().unwrap()
}
