//! Exercise: a supervisor, which keeps three workers at work.
//!
//! Each worker is a process that works until you press Ctrl-D here. If a signal kills one, the
//! supervisor starts it again, as often as it takes; if it ends by itself, the supervisor notes its
//! exit code. Any of them may be the first to end: `multiprocess::wait` tells which it is. See it
//! by hand: run this, and `kill -9` a worker in another terminal.
//!
//! Once `cargo build -p process-basics --examples` has built it,
//! `cargo test -p process-basics --test exercise -- --ignored` tells whether it is done.

use std::io::{self, Read};
use std::thread;

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
        for (number, code) in (1..).zip(supervise(&waiting)?) {
            println!("worker {number} ended with exit code {code}");
        }
        let _ = keys.join();
        Ok(())
    })
}

/// Starts the workers, and each one again whenever a signal has killed it. Returns the exit codes
/// when all have ended by themselves.
fn supervise(waiting: &Waiting) -> Result<[i32; WORKERS], Failure> {
    // Yours to write, in place of these two lines.
    let _ = (start, waiting);
    Err(Failure::new("not written yet"))
}

/// Starts the worker of this place, and says which process it is.
fn start(place: usize, waiting: &Waiting) -> Result<Process, Failure> {
    let number = place as i32 + 1;
    let mut worker = Process::new(work, (waiting.another()?, number));
    worker.start()?;
    println!("worker {number} is process {}", worker.pid().unwrap_or_default());
    Ok(worker)
}

/// Runs in the child: ends when the gate opens, with its number as exit code.
fn work((waiting, number): (Waiting, i32)) -> Exit {
    waiting.wait();
    Exit(number)
}
