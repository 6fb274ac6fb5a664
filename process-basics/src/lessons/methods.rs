//! You'll see each method of a process do its part: start, is_alive, join with and without a
//! timeout, terminate, kill, close, and run.
//!
//! ```python
//! p.start(); p.is_alive(); p.join(0.1)
//! p.terminate(); p.kill(); p.join(); p.close()
//! ```

use std::time::Duration;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::process::Error;
use multiprocess::{Exit, Gate, Process, Run, Waiting, active_children, tasks};
use serde::{Deserialize, Serialize};

pub(crate) const LESSON: Lesson = Lesson {
    name: "methods",
    section: "2.1",
    question: ("怎样启动、观察和结束一个进程？", "How does one start, watch and end a process?"),
    remember: (
        "terminate 是请求，kill 是强制；之后都要 join。",
        "To terminate is to ask, to kill is to force; after either, join.",
    ),
    tell,
};

tasks![Patient::run];

/// A process that waits at a gate.
#[derive(Serialize, Deserialize)]
struct Patient(Waiting);

impl Run for Patient {
    /// Runs in the child, or wherever it is called.
    fn run(self) -> Exit {
        self.0.wait();
        Exit::SUCCESS
    }
}

fn tell(story: &Story) -> Told {
    let (gate, waiting) = Gate::new()?;
    let mut asked = Process::of(Patient(waiting.another()?));
    let mut forced = Process::of(Patient(waiting.another()?));
    let mut patient = Process::of(Patient(waiting.another()?));

    story.ok("before its start it is not alive", !patient.is_alive())?;
    let joined = patient.join();
    story.ok("and can't be joined", matches!(joined, Err(Error::NotStarted { .. })))?;
    for process in [&mut asked, &mut forced, &mut patient] {
        process.start()?;
    }
    story.event("parent", "starts three processes that wait at a gate");
    story.ok("after its start it is alive", patient.is_alive())?;
    let again = patient.start();
    story.ok("and can't be started again", matches!(again, Err(Error::StartedTwice { .. })))?;
    let in_time = patient.join_timeout(Duration::from_millis(20))?;
    story.ok("join_timeout(20 ms) returns while it still runs", !in_time)?;

    story.event("parent", "terminates the first");
    asked.terminate()?;
    asked.join()?;
    story.ok("it ended by signal 15, SIGTERM", asked.exitcode() == Some(-15))?;
    story.event("parent", "kills the second");
    forced.kill()?;
    forced.join()?;
    story.ok("it ended by signal 9, SIGKILL", forced.exitcode() == Some(-9))?;
    story.event("parent", "opens the gate for the third");
    gate.open();
    patient.join()?;
    story.ok("it ended by itself, with exit code 0", patient.exitcode() == Some(0))?;
    patient.close()?;
    story.event("parent", "closes it: nothing is left of it");

    let here = Patient(waiting).run();
    let started = active_children().len();
    story.ok("run, called directly, starts no process", here == Exit::SUCCESS && started == 0)?;
    Ok(())
}
