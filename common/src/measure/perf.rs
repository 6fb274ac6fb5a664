//! Another program's measurement of the same thing: `perf bench sched pipe`, where perf is
//! installed.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use multiprocess::{Failure, wait};

use super::Execution;
use crate::{cores, text};

/// The time of a round trip, about: tells how many fit into a time.
const ABOUT: Duration = Duration::from_micros(5);

/// The longest time that perf may take beyond its work.
const PATIENCE: Duration = Duration::from_secs(20);

/// Has perf measure a round trip between two processes, or two threads, both bound to this core,
/// for about this time.
///
/// ```
/// use std::time::Duration;
///
/// use common::measure::{Execution, perf};
///
/// let core = common::cores::usable()?[0];
/// match perf::round_trip(Execution::Processes, core, Duration::from_millis(5)) {
///     Ok(time) => assert!(time > Duration::ZERO),
///     Err(reason) => println!("perf can't tell: {reason}"),
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If there is no perf, it can't do this, or it doesn't end.
pub fn round_trip(execution: Execution, core: usize, time: Duration) -> Result<Duration, Failure> {
    let loops = (time.as_nanos() / ABOUT.as_nanos()).max(1000);
    let mut command = Command::new("perf");
    command.args(["bench", "sched", "pipe", "-l", &loops.to_string()]);
    if execution == Execution::Threads {
        command.arg("-T");
    }
    command.env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // A process begins on the cores of the thread that starts it.
    let run = move || {
        let before = cores::usable()?;
        cores::bind_to(&[core])?;
        let started = command.spawn();
        // Windows binds the whole process.
        cores::bind_to(&before)?;
        let started = started.map_err(|_| Failure::new(text!("there is no perf here")))?;
        Running(started).output(time + PATIENCE)
    };
    let output = thread::spawn(run).join().map_err(|_| Failure::new("a thread panicked"))??;
    per_operation(&output).ok_or_else(|| Failure::new(text!("this perf has no `bench sched pipe`")))
}

/// Finds the line `5.232950 usecs/op`.
fn per_operation(output: &str) -> Option<Duration> {
    let line = output.lines().find_map(|line| line.trim().strip_suffix("usecs/op"))?;
    Duration::try_from_secs_f64(line.trim().parse::<f64>().ok()? / 1e6).ok()
}

/// A child that is killed when this is dropped.
struct Running(Child);

impl Running {
    /// Reads all that the child prints until its end.
    fn output(mut self, at_most: Duration) -> Result<String, Failure> {
        let deadline = Instant::now() + at_most;
        let mut stdout = self.0.stdout.take().ok_or_else(|| Failure::new("perf has no output"))?;
        let mut bytes = Vec::new();
        let mut some = [0; 1024];
        loop {
            if wait(&[&stdout], deadline.saturating_duration_since(Instant::now()))?.is_empty() {
                return Err(Failure::new(text!("perf does not end")));
            }
            match stdout.read(&mut some)? {
                0 => return Ok(String::from_utf8(bytes)?),
                length => bytes.extend_from_slice(&some[..length]),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn perfs_own_words_are_understood_and_others_are_not() {
        let output = "# Running 'sched/pipe' benchmark:\n# Executed 100000 pipe operations between \
                      two processes\n\n     Total time: 0.523 [sec]\n\n       5.232950 usecs/op\n";
        assert_eq!(per_operation(output), Some(Duration::from_nanos(5233)));
        assert_eq!(per_operation("WARNING: perf not found for kernel 6.1\n"), None);
        assert_eq!(per_operation("  -1 usecs/op"), None);
    }
}
