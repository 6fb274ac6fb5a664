//! The solution of the exercise in `mirrors.rs`.

use std::env;
use std::io::Read;
use std::net::TcpStream;

use multiprocess::futures::{
    Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed,
};
use multiprocess::{Failure, tasks};

/// So many mirrors are asked at the same time.
const AT_ONCE: usize = 2;

tasks![ask];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let mut arguments = env::args().skip(1);
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
    println!("the first answer: {}", first_answer(executor, mirrors)?);
    Ok(())
}

/// Asks the mirrors, and returns the first answer; an error if none has one. When it returns, no
/// mirror will be asked any more.
fn first_answer(executor: &impl Executor, mirrors: Vec<String>) -> Result<String, Failure> {
    let futures = mirrors.into_iter().map(|mirror| executor.submit(ask, mirror));
    let futures: Vec<Future<_>> = futures.collect::<Result<_, _>>()?;
    let mut last = Failure::new("there is no mirror");
    for future in as_completed(&futures, None) {
        match future?.result() {
            Ok(Ok(answer)) => {
                for other in &futures {
                    // Too late for those that have begun: they go on, and nobody listens.
                    let _ = other.cancel();
                }
                return Ok(answer.clone());
            }
            Ok(Err(failure)) => last = failure.clone(),
            Err(error) => last = error.into(),
        }
    }
    Err(last)
}

/// Runs in the worker: what the mirror at this address says until it closes the connection.
fn ask(mirror: String) -> Result<String, Failure> {
    println!("asks {mirror}");
    let mut answer = String::new();
    TcpStream::connect(&mirror)?.read_to_string(&mut answer)?;
    assert_ne!(answer, "crash", "{mirror} has crashed who asked it");
    if answer.is_empty() { Err(Failure::new(mirror + " says nothing")) } else { Ok(answer) }
}
