//! The solution of the exercise in `pigeons.rs`.

use std::env;
use std::iter::zip;
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
    let mut outcomes = vec![Err(TaskError::Abandoned); costs.len()];
    let mut waiting: Vec<usize> = (0..costs.len()).collect();
    for attempt in 1..=ATTEMPTS {
        let flights: Vec<Flight> = waiting.iter().map(|&i| (i + 1, costs[i], attempt)).collect();
        // In the order of the flights; so it is known whose an error is.
        for (&letter, outcome) in zip(&waiting, pool.imap(fly, flights)?) {
            outcomes[letter] = outcome;
        }
        waiting.retain(|&letter| outcomes[letter].is_err());
    }
    Ok(outcomes)
}

/// Runs in the worker: a pigeon with a letter. The first few don't come through.
fn fly((letter, cost, attempt): Flight) -> u32 {
    println!("attempt {attempt} for letter {letter}");
    if attempt <= cost {
        std::process::abort();
    }
    attempt
}
