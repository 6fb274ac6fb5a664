//! You'll see this program three times at once: as the parent, and as two children of it.
//!
//! ```python
//! while True:
//!     print(os.getpid(), os.getppid())
//!     time.sleep(1)
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, is_heard, speak};
use common::time::Pace;
use multiprocess::{Exit, Process, current_process, parent_process, tasks};

const ROUNDS: u64 = 3;

pub(crate) const LESSON: Lesson = Lesson {
    name: "hello-process",
    section: "一",
    question: (
        "同一个程序启动两次，是一个进程还是两个？",
        "The same program, started twice: is that one process or two?",
    ),
    remember: (
        "程序是文件；进程是程序的一次运行，每个进程都有自己的进程号。",
        "A program is a file; a process is one run of it, with an id of its own.",
    ),
    tell,
};

tasks![say_hello];

fn tell(story: &Story) -> Told {
    let me = std::process::id();
    speak("parent", format!("my id is {me}"));
    let task = (me, story.rounds(ROUNDS), story.pace());
    // Daemonic: even if they say hello for ever, they end with this program.
    let mut first = Process::new(say_hello, task).named("first").daemonic(true);
    let mut second = Process::new(say_hello, task).named("second").daemonic(true);
    story.event("parent", "starts its own program twice");
    first.start()?;
    second.start()?;
    let ids = [Some(me), first.pid(), second.pid()];
    story.ok(
        "three processes have three ids",
        ids[0] != ids[1] && ids[1] != ids[2] && ids[2] != ids[0],
    )?;
    first.join()?;
    second.join()?;
    let codes = [first.exitcode(), second.exitcode()];
    story.ok("both children found this process as their parent", codes == [Some(0); 2])?;
    Ok(())
}

/// Runs in the child. Says hello once a second; fails if its parent isn't the process that started
/// it.
fn say_hello((starter, rounds, pace): (u32, u64, Pace)) -> Exit {
    let me = current_process();
    let Some(parent) = parent_process().filter(|parent| parent.pid() == starter) else {
        return Exit::FAILURE;
    };
    for _ in (0..rounds).take_while(|_| is_heard()) {
        speak(me.name(), format!("hello: my id is {}, my parent's is {}", me.pid(), parent.pid()));
        pace.work(1.0);
    }
    Exit::SUCCESS
}
