//! Exercise: carrier pigeons. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：信鸽。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::env;
use std::process::ExitCode;

use common::text;
use multiprocess::{Failure, Pool, tasks};

const PIGEONS: usize = 3;
const ATTEMPTS: u32 = 3;

/// The number of a letter, how many pigeons it costs, and which attempt this is, from 1.
type Flight = (usize, u32, u32);

tasks![fly];

fn main() -> ExitCode {
    multiprocess::main(|| -> Result<ExitCode, Failure> {
        let mut arguments = env::args().skip(1).peekable();
        let carry = match arguments.next_if_eq("--solution") {
            Some(_) => solution::carry,
            None => yours::carry,
        };
        let costs = arguments.map(|cost| cost.parse());
        let pool = Pool::new(PIGEONS)?;
        let outcomes = carry(&pool, &costs.collect::<Result<Vec<_>, _>>()?)?;
        for (letter, outcome) in (1..).zip(&outcomes) {
            match outcome {
                Ok(attempt) => {
                    println!("{}", text!("letter {} has arrived, by attempt {}", letter, attempt))
                }
                Err(error) => println!("{}", text!("letter {} is given up: {}", letter, error)),
            }
        }
        let lost = outcomes.iter().any(Result::is_err);
        Ok(if lost { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    })
}

/// Runs in the worker: carries a letter. The first few pigeons don't arrive.
fn fly((letter, cost, attempt): Flight) -> u32 {
    println!("{}", text!("attempt {} for letter {}", attempt, letter));
    if attempt <= cost {
        std::process::abort();
    }
    attempt
}
