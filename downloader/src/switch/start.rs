//! What one more thread or process costs: its start and its memory.

use std::sync::Barrier;
use std::{fs, process, thread};

use multiprocess::{Failure, Gate, Process, Sender, Waiting, one_way, tasks};
use serde::Serialize;

use super::Who;

tasks![nothing, wait, with_threads];

/// The number of threads that are counted together, to show beside what the program has already.
const COUNTED: usize = 16;

/// The bytes of private memory that are free again when a thread or process ends. What the kernel
/// holds for it is not counted. Made by [`memory`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The memory of one more thread that waits.
    pub thread: u64,
    /// The memory of one more process that waits.
    pub process: u64,
}

/// Measures the memory of both.
///
/// ```
/// # use std::process::ExitCode;
/// # fn main() -> ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::Failure> {
/// match downloader::switch::memory() {
///     Ok(memory) => assert!(memory.process > 0),
///     Err(reason) => println!("not told here: {reason}"),
/// }
/// # Ok(()) }) }
/// ```
///
/// # Errors
/// If the system doesn't tell, as only Linux does, or something can't be started.
pub fn memory() -> Result<Memory, Failure> {
    Ok(Memory { thread: of_a_thread()?, process: of_a_process()? })
}

fn of_a_thread() -> Result<u64, Failure> {
    let (mut memory, said) = one_way::<Result<u64, Failure>>()?;
    let mut process = Process::new(with_threads, said);
    process.start()?;
    let memory = memory.recv()?;
    process.join()?;
    memory
}

/// Runs in a child, where nothing else takes memory meanwhile.
fn with_threads(mut said: Sender<Result<u64, Failure>>) -> Result<(), Failure> {
    Ok(said.send(&of_threads())?)
}

fn of_threads() -> Result<u64, Failure> {
    let me = process::id();
    let before = private(me)?;
    let (all_here, may_end) = (Barrier::new(COUNTED + 1), Barrier::new(COUNTED + 1));
    let with_threads = thread::scope(|scope| {
        for _ in 0..COUNTED {
            scope.spawn(|| {
                all_here.wait();
                may_end.wait();
            });
        }
        all_here.wait();
        let with_threads = private(me);
        may_end.wait();
        with_threads
    })?;
    Ok(with_threads.saturating_sub(before) / COUNTED as u64)
}

fn of_a_process() -> Result<u64, Failure> {
    let (gate, waiting) = Gate::new()?;
    let (mut is_here, here) = one_way()?;
    let mut process = Process::new(wait, (here, waiting));
    process.start()?;
    is_here.recv()?;
    let memory = private(process.pid().unwrap_or_default());
    gate.open();
    process.join()?;
    memory
}

/// Runs in the child whose memory is counted.
fn wait((mut here, waiting): (Sender<()>, Waiting)) -> Result<(), Failure> {
    here.send(&())?;
    waiting.wait();
    Ok(())
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
pub(crate) fn start_and_join(who: Who) -> Result<(), Failure> {
    if who == Who::Processes {
        let mut process = Process::new(nothing, ());
        process.start()?;
        return Ok(process.join()?);
    }
    thread::spawn(|| ()).join().map_err(|_| Failure::new("a thread panicked"))
}

/// Runs in the child.
fn nothing((): ()) {}

#[cfg(test)]
mod tests {
    use super::*;

    // Only Linux tells.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_has_memory_of_its_own_and_a_thread_has_less() {
        let _deadline = testing::Deadline::seconds(60);
        let memory = memory().unwrap();
        assert!(memory.process > 0 && memory.thread < memory.process, "{memory:?}");
    }

    #[test]
    fn either_starts_and_ends() {
        start_and_join(Who::Threads).unwrap();
        start_and_join(Who::Processes).unwrap();
    }
}
