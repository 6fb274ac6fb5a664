//! The solution of the exercise in `supervisor.rs`.

use std::io::{self, Read};
use std::thread;

use multiprocess::{Exit, Failure, Gate, Process, Waiting, tasks, wait};

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
    let mut codes = [-1; WORKERS];
    let mut workers = Vec::new();
    for place in 0..WORKERS {
        workers.push((place, start(place, waiting)?));
    }
    while !workers.is_empty() {
        let sentinels: Vec<_> =
            workers.iter().filter_map(|(_, worker)| worker.sentinel()).collect();
        // From the last to the first: what is removed doesn't move those that are still to come.
        for ended in wait(&sentinels, None)?.into_iter().rev() {
            let (place, worker) = workers.swap_remove(ended);
            worker.join()?;
            match worker.exitcode() {
                Some(code) if code >= 0 => codes[place] = code,
                _ => workers.push((place, start(place, waiting)?)),
            }
        }
    }
    Ok(codes)
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
