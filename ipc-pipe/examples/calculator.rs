//! Exercise: a calculator in a process of its own, behind a pipe of both directions.
//!
//! It answers one question after the other until nobody can ask any more, and then ends with exit
//! code 0. A question that has no result, such as `1 / 0`, has an answer all the same. And if
//! the calculator is killed, before a question or in the middle of it, a new one takes over and is
//! asked again: who sits at the keyboard sees no error. By hand: run this, type `6 / 2`, `kill -9`
//! the calculator in another terminal, and type `crash 2`: of that the first two calculators die.
//!
//! Once `cargo build -p ipc-pipe --examples` has built it,
//! `cargo test -p ipc-pipe --test exercise -- --ignored` tells whether it is done.

use std::io;

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
        let mut calculator = Calculator::start(1)?;
        for question in io::stdin().lines() {
            match ask(&mut calculator, &question?)? {
                Ok(number) => println!("= {number}"),
                Err(reason) => println!("? {reason}"),
            }
        }
        drop(calculator.pipe);
        calculator.process.join()?;
        println!("the calculator ended with exit code {:?}", calculator.process.exitcode());
        Ok(())
    })
}

impl Calculator {
    /// A new one; says which process it is.
    fn start(number: i64) -> Result<Self, Failure> {
        let (pipe, end) = pipe()?;
        let mut process = Process::new(calculate, (number, end));
        process.start()?;
        println!("the calculator is process {}", process.pid().unwrap_or_default());
        Ok(Self { number, process, pipe })
    }
}

/// Runs in the child: answers questions as long as somebody can ask.
fn calculate((number, parent): (i64, Connection<Answer, String>)) -> Result<(), Failure> {
    // Yours to write, in place of these two lines.
    let _ = (number, parent, evaluate);
    Err(Failure::new("not written yet"))
}

/// Asks until there is an answer: a new calculator, if the old one has died.
fn ask(calculator: &mut Calculator, question: &String) -> Result<Answer, Failure> {
    // Yours to write, too.
    let _ = (calculator.number, question);
    Err(Failure::new("not written yet"))
}

/// What `6 / 2` is. Of the question `crash 3` the calculators up to number 3 die.
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
