//! You'll see two different functions run in two children, and the parent watch and join them.
//!
//! ```python
//! p1 = Process(target=child_1, args=(1,))
//! p2 = Process(target=child_2, args=(2,), name="child_2")
//! p1.start(); p2.start()
//! print(p1.is_alive(), p1.name, p1.pid)
//! p1.join(); p2.join()
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, speak};
use common::time::{Pace, Stopwatch};
use multiprocess::{Gate, Process, Waiting, current_process, parent_process, tasks};

pub(crate) const LESSON: Lesson = Lesson {
    name: "two-children",
    section: "2.1",
    question: (
        "两个子进程各做各的事，父进程能知道什么？",
        "Two children, each with its own work: what can the parent know of them?",
    ),
    remember: (
        "父进程知道子进程的名字、进程号和是否存活，但看不到它们的数据。",
        "The parent knows their names, ids and whether they live, but not their data.",
    ),
    tell,
};

tasks![child_1, child_2];

fn tell(story: &Story) -> Told {
    let (gate, waiting) = Gate::new()?;
    let mut first = Process::new(child_1, (1.0, story.pace(), waiting.another()?)).named("child_1");
    let mut second = Process::new(child_2, (2.0, story.pace(), waiting)).named("child_2");
    story.event("parent", "starts child_1 for 1 tutorial second and child_2 for 2");
    first.start()?;
    second.start()?;
    for process in [&first, &second] {
        let pid = process.pid().ok_or("it was started")?;
        speak("parent", format!("{} has the id {pid}", process.name()));
        story.ok(format!("{} is alive", process.name()), process.is_alive())?;
    }
    gate.open();
    story.event("parent", "joins both");
    first.join()?;
    second.join()?;
    let codes = [first.exitcode(), second.exitcode()];
    story.ok("both have ended with exit code 0", codes == [Some(0); 2])?;
    story.event("parent", "is done");
    Ok(())
}

/// Runs in the child.
fn child_1((seconds, pace, parent_has_looked): (f64, Pace, Waiting)) {
    work("works", seconds, pace);
    parent_has_looked.wait();
}

/// Runs in the other child.
fn child_2((seconds, pace, parent_has_looked): (f64, Pace, Waiting)) {
    work("works longer", seconds, pace);
    parent_has_looked.wait();
}

/// Runs in both.
fn work(how: &str, seconds: f64, pace: Pace) {
    let (me, parent) = (current_process(), parent_process().map_or(0, |parent| parent.pid()));
    speak(me.name(), format!("{how}; my id is {}, my parent's is {parent}", me.pid()));
    let watch = Stopwatch::start();
    pace.work(seconds);
    speak(me.name(), format!("worked for {:.2} s", watch.elapsed().as_secs_f64()));
}
