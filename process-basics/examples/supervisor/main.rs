//! Exercise: a supervisor. `yours.rs` has the task, and what is to be written;
//! with `--solution` as its first argument, this program runs `solution.rs` instead.
//! 练习：监督进程。题目和要写的部分都在 `yours.rs` 里；
//! 第一个参数是 `--solution` 时，运行的是 `solution.rs`。

mod solution;
mod yours;

use std::io::{self, Read};
use std::{env, thread};

use common::text;
use multiprocess::{Exit, Failure, Gate, Process, Waiting, tasks};

const WORKERS: usize = 3;

tasks![work];

fn main() -> std::process::ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let (gate, waiting) = Gate::new()?;
        let keys = thread::spawn(|| {
            let _ = io::stdin().read_to_end(&mut Vec::new());
            gate.open();
        });
        let supervise = match env::args().nth(1).as_deref() {
            Some("--solution") => solution::supervise,
            _ => yours::supervise,
        };
        for (number, code) in (1..).zip(supervise(&waiting)?) {
            println!("{}", text!("worker {} ended with exit code {}", number, code));
        }
        let _ = keys.join();
        Ok(())
    })
}

/// Starts the worker of this index and prints its process id.
fn start(index: usize, waiting: &Waiting) -> Result<Process, Failure> {
    let number = index as i32 + 1;
    let mut worker = Process::new(work, (waiting.another()?, number));
    worker.start()?;
    println!("{}", text!("worker {} is process {}", number, worker.pid().unwrap_or_default()));
    Ok(worker)
}

/// Runs in the child: ends when the gate opens, with its number as exit code.
fn work((waiting, number): (Waiting, i32)) -> Exit {
    waiting.wait();
    Exit(number)
}
