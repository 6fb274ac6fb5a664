//! What one more thread or process costs: its start and its memory.

use std::sync::Barrier;
use std::{fs, thread};

use common::measure::Execution;
use multiprocess::{Failure, Gate, Process, Sender, Waiting, one_way, tasks};
use serde::Serialize;

tasks![nothing, wait];

/// The number of threads that are counted together, to show beside what the program has already.
const COUNTED: usize = 16;

/// The bytes of private memory that are free again when a thread or process ends. What the kernel
/// holds for it is not counted.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Memory {
    /// The memory of one more thread that waits.
    pub(crate) thread: u64,
    /// The memory of one more process that waits.
    pub(crate) process: u64,
}

/// Measures the memory of both, by processes with and without more threads. Only Linux tells.
pub(crate) fn memory() -> Result<Memory, Failure> {
    let (process, with_threads) = (of_a_process(0)?, of_a_process(COUNTED)?);
    Ok(Memory { thread: with_threads.saturating_sub(process) / COUNTED as u64, process })
}

fn of_a_process(more_threads: usize) -> Result<u64, Failure> {
    let (gate, waiting) = Gate::new()?;
    let (mut is_here, here) = one_way()?;
    let mut process = Process::new(wait, (more_threads, here, waiting));
    process.start()?;
    is_here.recv()?;
    let memory = private(process.pid().unwrap_or_default());
    gate.open();
    process.join()?;
    memory
}

/// Runs in the child whose memory is counted.
fn wait((threads, mut here, waiting): (usize, Sender<()>, Waiting)) -> Result<(), Failure> {
    let (all_here, may_end) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                all_here.wait();
                may_end.wait();
            });
        }
        all_here.wait();
        let said = here.send(&());
        waiting.wait();
        may_end.wait();
        Ok(said?)
    })
}

/// Returns the bytes of memory that only this process has.
fn private(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/smaps_rollup");
    let text =
        fs::read_to_string(&path).map_err(|error| Failure::new(format!("{path}: {error}")))?;
    // `Private_Dirty:    1234 kB`
    let lines = text.lines().filter(|line| line.starts_with("Private_"));
    let kib = |line: &str| line.split_whitespace().nth(1)?.parse::<u64>().ok();
    Ok(lines.filter_map(kib).sum::<u64>() * 1024)
}

/// Starts one more thread or process, and waits for its end.
pub(crate) fn start_and_join(execution: Execution) -> Result<(), Failure> {
    if execution == Execution::Processes {
        let mut process = Process::new(nothing, ());
        process.start()?;
        return Ok(process.join()?);
    }
    thread::spawn(|| ()).join().map_err(|_| Failure::new("a thread panicked"))
}

/// Runs in the child.
fn nothing((): ()) {}

// Only Linux tells.
#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_of_its_own_and_a_thread_has_less() {
        let _deadline = testing::Deadline::seconds(60);
        let memory = memory().unwrap();
        assert!(memory.process > 0 && memory.thread < memory.process, "{memory:?}");
    }
}
