//! Exercise: a pool of carrier pigeons, not all of which arrive.
//!
//! The command line says for each letter how many pigeons it costs: `0 2 5` are three letters, the
//! first arrives by the first attempt, the second by the third. A pigeon that is lost is a worker
//! that dies in its task. Have the lost letters, and only these, carried again, all of them at the
//! same time, in three attempts at most; a letter that costs more is given up with the last error.
//!
//! Once `cargo build -p pools --examples` has built it,
//! `cargo test -p pools --test exercise -- --ignored` tells whether it is done.

use std::env;
use std::process::ExitCode;

use multiprocess::pool::TaskError;
use multiprocess::{Failure, Pool, tasks};

const PIGEONS: usize = 3;
const ATTEMPTS: u32 = 3;

/// The number of a letter, how many pigeons it costs, and which attempt this is, from 1.
type Flight = (usize, u32, u32);

tasks![fly];

fn main() -> ExitCode {
    multiprocess::main(|| -> Result<ExitCode, Failure> {
        let costs = env::args().skip(1).map(|cost| cost.parse());
        let pool = Pool::new(PIGEONS)?;
        let outcomes = carry(&pool, &costs.collect::<Result<Vec<_>, _>>()?)?;
        for (letter, outcome) in (1..).zip(&outcomes) {
            match outcome {
                Ok(attempt) => println!("letter {letter} has arrived, by attempt {attempt}"),
                Err(error) => println!("letter {letter} is given up: {error}"),
            }
        }
        let lost = outcomes.iter().any(Result::is_err);
        Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// Has the letters carried, each by up to so many attempts. Returns what became of each: by which
/// attempt it has arrived, or the error of the last.
fn carry(pool: &Pool, costs: &[u32]) -> Result<Vec<Result<u32, TaskError>>, Failure> {
    // Yours to write, in place of these two lines.
    let _ = (pool, costs, ATTEMPTS, fly);
    Err(Failure::new("not written yet"))
}

/// Runs in the worker: a pigeon with a letter. The first few don't come through.
fn fly((letter, cost, attempt): Flight) -> u32 {
    println!("attempt {attempt} for letter {letter}");
    if attempt <= cost {
        std::process::abort();
    }
    attempt
}
