//! Exercise: a calculator. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：计算器。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::{env, io};

use common::text;
use multiprocess::{Connection, Failure, Process, pipe, tasks};

type Answer = Result<i64, String>;

tasks![calculate];

/// The process that calculates, and our end of the pipe to it.
struct Calculator {
    /// The first is 1, the one that takes over from it 2.
    number: i64,
    process: Process,
    pipe: Connection<String, Answer>,
}

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let ask = if is_solution() { solution::ask } else { yours::ask };
        let mut calculator = Calculator::start(1)?;
        for question in io::stdin().lines() {
            match ask(&mut calculator, &question?)? {
                Ok(number) => println!("= {number}"),
                Err(reason) => println!("? {reason}"),
            }
        }
        drop(calculator.pipe);
        calculator.process.join()?;
        let code = calculator.process.exitcode().unwrap_or_default();
        println!("{}", text!("the calculator ended with exit code {}", code));
        Ok(())
    })
}

impl Calculator {
    /// Starts a new one and prints its process id.
    fn start(number: i64) -> Result<Self, Failure> {
        let (pipe, end) = pipe()?;
        let mut process = Process::new(calculate, (number, end));
        process.start()?;
        println!("{}", text!("the calculator is process {}", process.pid().unwrap_or_default()));
        Ok(Self { number, process, pipe })
    }
}

/// Runs in the child: answers questions.
fn calculate(arguments: (i64, Connection<Answer, String>)) -> Result<(), Failure> {
    if is_solution() { solution::calculate(arguments) } else { yours::calculate(arguments) }
}

/// Returns true where the solution is to run; a child has its parent's command line.
fn is_solution() -> bool {
    env::args().nth(1).is_some_and(|first| first == "--solution")
}

/// Returns what `6 / 2` is. Of the question `crash 3` the calculators up to number 3 die.
fn evaluate(question: &str, number: i64) -> Answer {
    let parse = |text: &str| text.parse::<i64>().map_err(|error| format!("{text:?}: {error}"));
    let parts: Vec<&str> = question.split_whitespace().collect();
    let (left, operator, right) = match parts[..] {
        ["crash", last] if number <= parse(last)? => std::process::abort(),
        ["crash", last] => return parse(last),
        [left, operator, right] => (parse(left)?, operator, parse(right)?),
        _ => return Err(format!("{question:?} is no question such as 6 / 2")),
    };
    let result = match operator {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" if right == 0 => return Err("nothing can be divided by 0".to_owned()),
        "/" => left.checked_div(right),
        _ => return Err(format!("{operator:?} is none of + - * /")),
    };
    result.ok_or_else(|| "the result is too large".to_owned())
}
