//! A small program that starts itself and joins, one process after the other; prints seconds for
//! each.
//!
//! What `calls.py` is for Python: most programs are small, and what is large takes longer to
//! be loaded. `start-join '{"core": null, "seconds": 0.1}'`; the row `start-join` calls it.

#![forbid(unsafe_code)]

use std::io::Read;
use std::process::ExitCode;
use std::{io, process, thread};

use common::output;
use multiprocess::{Failure, Process, tasks};
use serde::Deserialize;

tasks![nothing];

#[derive(Deserialize)]
struct Wanted {
    core: Option<usize>,
    seconds: f64,
    /// True if it ends with standard input, which the program that measures holds open.
    #[serde(default)]
    is_watched: bool,
}

fn main() -> ExitCode {
    multiprocess::main(|| match measure() {
        Ok(seconds) => {
            output::print(&format!("{seconds}\n"));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            output::complain(format_args!("start-join: {failure}"));
            ExitCode::FAILURE
        }
    })
}

/// Returns the seconds for each; the first isn't counted, and there are three at least: as in
/// Python's program.
fn measure() -> Result<f64, Failure> {
    let argument = std::env::args().nth(1).unwrap_or_default();
    let wanted: Wanted = serde_json::from_str(&argument)?;
    if wanted.is_watched {
        thread::spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            process::exit(1);
        });
    }
    wanted.core.map_or(Ok(()), |core| common::cores::bind_to(&[core]))?;
    start_and_join()?;
    common::measure::seconds_each(wanted.seconds, 3, start_and_join)
}

fn start_and_join() -> Result<(), Failure> {
    let mut process = Process::new(nothing, ());
    process.start()?;
    process.join()?;
    match process.exitcode() {
        Some(0) => Ok(()),
        code => Err(Failure::new(format!("a child ended with {code:?}"))),
    }
}

/// Runs in each child.
fn nothing((): ()) {}
