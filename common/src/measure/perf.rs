//! Another program's measurement of the same thing: `perf bench sched pipe`, where perf is
//! installed.

use std::process::Command;
use std::thread;
use std::time::Duration;

use multiprocess::Failure;

use super::program::Program;
use super::{Budget, Execution, HANGS};
use crate::{cores, text};

/// The time of a round trip, about: tells how many fit into a time.
const ABOUT: Duration = Duration::from_micros(5);

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
    command.env("LC_ALL", "C");
    // A process begins on the cores of the thread that starts it.
    let start = move || {
        let before = cores::usable()?;
        cores::bind_to(&[core])?;
        let started = Program::start(&mut command);
        // Windows binds the whole process.
        cores::bind_to(&before)?;
        started.map_err(|_| Failure::new(text!("there is no perf here")))
    };
    let program = thread::spawn(start).join().map_err(|_| Failure::new("a thread panicked"))??;
    let output = match program.output(&Budget::of(time.as_secs_f64()), |_| false) {
        Err(failure) if failure.to_string() == HANGS => {
            return Err(Failure::new(text!("perf does not end")));
        }
        output => output.unwrap_or_default(),
    };
    per_operation(&output).ok_or_else(|| Failure::new(text!("this perf has no `bench sched pipe`")))
}

/// Finds the line `5.232950 usecs/op`.
fn per_operation(output: &str) -> Option<Duration> {
    let line = output.lines().find_map(|line| line.trim().strip_suffix("usecs/op"))?;
    Duration::try_from_secs_f64(line.trim().parse::<f64>().ok()? / 1e6).ok()
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
