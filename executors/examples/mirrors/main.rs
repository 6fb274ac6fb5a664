//! Exercise: the first answer. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：第一个回答。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::env;
use std::io::Read;
use std::net::TcpStream;

use common::text;
use multiprocess::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
use multiprocess::{Failure, tasks};

/// How many mirrors are asked at the same time.
const AT_ONCE: usize = 2;

tasks![ask];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let mut arguments = env::args().skip(1 + usize::from(is_solution()));
        let way = arguments.next().unwrap_or_default();
        let mirrors = arguments.collect();
        match &way[..] {
            "threads" => print_first(&ThreadPoolExecutor::new(AT_ONCE), mirrors),
            "processes" => print_first(&ProcessPoolExecutor::new(AT_ONCE)?, mirrors),
            _ => Err(Failure::new("say threads or processes, and then the mirrors' addresses")),
        }
    })
}

fn print_first(executor: &impl Executor, mirrors: Vec<String>) -> Result<(), Failure> {
    let answer = match is_solution() {
        true => solution::first_answer(executor, mirrors)?,
        false => yours::first_answer(executor, mirrors)?,
    };
    println!("{}", text!("the first answer: {}", answer));
    Ok(())
}

/// Returns true where the solution is to run.
fn is_solution() -> bool {
    env::args().nth(1).is_some_and(|first| first == "--solution")
}

/// Runs in the worker: returns what the mirror at this address says until it closes the
/// connection.
fn ask(mirror: String) -> Result<String, Failure> {
    println!("{}", text!("asks {}", mirror));
    let mut answer = String::new();
    TcpStream::connect(&mirror)?.read_to_string(&mut answer)?;
    assert_ne!(answer, "crash", "{mirror} has crashed who asked it");
    if answer.is_empty() { Err(Failure::new(mirror + " says nothing")) } else { Ok(answer) }
}
