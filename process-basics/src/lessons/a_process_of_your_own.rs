//! You'll see a type whose values are processes: its fields are the arguments, its `run` is the
//! body.
//!
//! ```python
//! class SubProcess(Process):
//!     def __init__(self, interval, name=None):
//!         super().__init__(name=name)
//!         self.interval = interval
//!     def run(self):
//!         time.sleep(self.interval)
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, speak};
use common::time::{Pace, Stopwatch};
use multiprocess::{Exit, Process, Run, current_process, tasks};
use serde::{Deserialize, Serialize};

pub(crate) const LESSON: Lesson = Lesson {
    name: "a-process-of-your-own",
    section: "2.2",
    question: (
        "没有继承，怎样定义自己的进程类型？",
        "Without inheritance, how does one make a process type of one's own?",
    ),
    remember: (
        "字段就是参数，run 就是子进程要做的事。",
        "The fields are the arguments; run is what the child does.",
    ),
    tell,
};

tasks![SubProcess::run];

/// A process that works for an interval, in seconds of the tutorial.
#[derive(Serialize, Deserialize)]
struct SubProcess {
    interval: f64,
    pace: Pace,
}

impl Run for SubProcess {
    /// Runs in the child.
    fn run(self) -> Exit {
        let me = current_process();
        speak(me.name(), format!("begins; my id is {}", me.pid()));
        let watch = Stopwatch::start();
        self.pace.work(self.interval);
        speak(me.name(), format!("worked for {:.2} s", watch.elapsed().as_secs_f64()));
        Exit::SUCCESS
    }
}

fn tell(story: &Story) -> Told {
    let pace = story.pace();
    let mut p1 = Process::of(SubProcess { interval: 1.0, pace }).named("p1");
    let mut p2 = Process::of(SubProcess { interval: 2.0, pace });
    story.ok("the first has the name it was given", p1.name() == "p1")?;
    story.ok("the second has a default name", p2.name().starts_with("Process-"))?;
    story.event("parent", "starts and joins both");
    p1.start()?;
    p2.start()?;
    p1.join()?;
    p2.join()?;
    let codes = [p1.exitcode(), p2.exitcode()];
    story.ok("both ran to their end", codes == [Some(0); 2])?;
    Ok(())
}
