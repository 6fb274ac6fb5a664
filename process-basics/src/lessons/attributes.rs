//! You'll see the attributes of a process before, while and after it runs.
//!
//! ```python
//! p.name, p.pid, p.exitcode, p.daemon, p.authkey, p.sentinel
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::Stopwatch;
use multiprocess::{Exit, Gate, Process, Waiting, current_process, tasks, wait};

pub(crate) const LESSON: Lesson = Lesson {
    name: "attributes",
    section: "2.1",
    question: (
        "进程有哪些属性，它们什么时候才有值？",
        "Which attributes does a process have, and when do they get a value?",
    ),
    remember: (
        "启动后才有 pid，结束后才有 exitcode；被信号 N 杀死则为 −N。",
        "It has a pid once started, an exit code once ended: −N if killed by signal N.",
    ),
    tell,
};

tasks![compare_keys];

fn tell(story: &Story) -> Told {
    let (gate, waiting) = Gate::new()?;
    let key = current_process().authkey();
    let unnamed = Process::new(compare_keys, (waiting.another()?, key));
    let numbered = unnamed.name().strip_prefix("Process-").map(str::parse::<u32>);
    story.ok(
        "its name, if none is given, is Process- and a number",
        matches!(numbered, Some(Ok(_))),
    )?;
    let mut process = Process::new(compare_keys, (waiting, key)).named("worker").daemonic(true);
    story.ok("a given name is kept", process.name() == "worker")?;
    story.ok("it is marked as daemonic", process.is_daemon())?;
    story.ok("before its start it has no pid", process.pid().is_none())?;
    story.ok("and no sentinel to wait for", process.sentinel().is_none())?;

    story.event("parent", "starts it");
    process.start()?;
    story.ok("now it has a pid", process.pid().is_some())?;
    story.varies(format!("{process:?}"));
    story.ok("but no exit code yet", process.exitcode().is_none())?;
    let sentinel = process.sentinel().ok_or("it was started")?;
    story.ok(
        "its sentinel is not ready",
        wait(&[sentinel], std::time::Duration::ZERO)?.is_empty(),
    )?;

    story.event("parent", "lets it end and waits for the sentinel");
    gate.open();
    let watch = Stopwatch::start();
    wait(&[sentinel], None)?;
    story.varies(format!(
        "time until the sentinel was ready = {}",
        common::time::show(watch.elapsed())
    ));
    story.ok(
        "it compared its authkey with the parent's, and ended with exit code 0",
        process.exitcode() == Some(0),
    )?;
    Ok(())
}

/// Runs in the child. Fails if it didn't inherit the key.
fn compare_keys((waiting, parents_key): (Waiting, [u8; 32])) -> Exit {
    waiting.wait();
    if current_process().authkey() == parents_key { Exit::SUCCESS } else { Exit::FAILURE }
}
