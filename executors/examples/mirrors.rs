//! Exercise: several mirrors have the same file; the first one that answers is enough.
//!
//! The command line has `threads` or `processes`, and the mirrors' addresses. Two of them are asked
//! at a time. Some don't answer, some with an error, one even crashes who asks it; the first true
//! answer is printed at once, while others still hesitate, and mirrors that were not asked yet
//! never are. If no mirror has an answer, the program ends with the error of one. One function
//! does it, on threads and on processes.
//!
//! Once `cargo build -p executors --examples` has built it,
//! `cargo test -p executors --test exercise -- --ignored` tells whether it is done.

use std::env;
use std::io::Read;
use std::net::TcpStream;

use multiprocess::futures::{Executor, ProcessPoolExecutor, ThreadPoolExecutor};
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
    // Yours to write, in place of these two lines.
    let _ = (executor, mirrors, ask);
    Err(Failure::new("not written yet"))
}

/// Runs in the worker: what the mirror at this address says until it closes the connection.
fn ask(mirror: String) -> Result<String, Failure> {
    println!("asks {mirror}");
    let mut answer = String::new();
    TcpStream::connect(&mirror)?.read_to_string(&mut answer)?;
    assert_ne!(answer, "crash", "{mirror} has crashed who asked it");
    if answer.is_empty() { Err(Failure::new(mirror + " says nothing")) } else { Ok(answer) }
}
