//! A type whose values are processes: its fields are the arguments, its `run` is the body.
//!
//! ```python
//! class SubProcess(Process):
//!     def __init__(self, interval, name=None):
//!         super().__init__(name=name)
//!         self.interval = interval
//!     def run(self):
//!         time.sleep(self.interval)
//! p1 = SubProcess(1, "p1"); p2 = SubProcess(2)
//! p1.start(); p2.start(); p1.join(); p2.join()
//! ```

use common::pretend::work;
use common::time::{Stopwatch, show};
use common::{check, say};
use multiprocess::{Exit, Failure, Process, Run, tasks};
use serde::{Deserialize, Serialize};

tasks![SubProcess::run];

/// A process that works for an interval, in seconds.
#[derive(Serialize, Deserialize)]
struct SubProcess {
    interval: f64,
}

impl Run for SubProcess {
    /// Runs in the child.
    fn run(self) -> Exit {
        let watch = Stopwatch::start();
        work(self.interval);
        say!("worked for {}", show(watch.elapsed()));
        Exit::SUCCESS
    }
}

pub(crate) fn main() -> Result<(), Failure> {
    let mut p1 = Process::of(SubProcess { interval: 1.0 }).named("p1");
    let mut p2 = Process::of(SubProcess { interval: 2.0 });
    check!(p1.name() == "p1", "the first has the name it was given");
    check!(p2.name().starts_with("Process-"), "the second has a default name");
    say!("starts and joins both");
    p1.start()?;
    p2.start()?;
    p1.join()?;
    p2.join()?;
    check!([p1.exitcode(), p2.exitcode()] == [Some(0); 2], "both ran to their end");
    Ok(())
}
