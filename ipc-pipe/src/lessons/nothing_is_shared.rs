//! You'll see a process count in a global variable, and another look at that variable in vain.
//!
//! ```python
//! n = 0
//! def producer():
//!     global n
//!     while True: n += 1
//! def consumer():
//!     while n <= 0: print("n is", n)
//! ```

use std::sync::atomic::{AtomicI32, Ordering};

use common::lessons::{Lesson, Told};
use common::narrator::{Story, is_heard, speak};
use common::time::Pace;
use multiprocess::{Exit, Gate, Process, Waiting, tasks};

const ROUNDS: u64 = 3;

pub(crate) const LESSON: Lesson = Lesson {
    name: "nothing-is-shared",
    section: "三",
    question: (
        "一个进程改了全局变量，另一个看得到吗？",
        "One process changes a global variable: does another see it?",
    ),
    remember: (
        "每个进程有自己的内存；要通信，就得传递消息。",
        "Each process has its own copy of everything; to share, send messages.",
    ),
    tell,
};

tasks![produce, consume];

/// As shared as a variable of a program can be: among its threads.
static COUNT: AtomicI32 = AtomicI32::new(0);

fn tell(story: &Story) -> Told {
    let (gate, waiting) = Gate::new()?;
    let rounds = story.rounds(ROUNDS);
    // Daemonic: even endless ones end with this program.
    let mut producer =
        Process::new(produce, (rounds, story.pace())).named("producer").daemonic(true);
    let mut consumer =
        Process::new(consume, (rounds, story.pace(), waiting)).named("consumer").daemonic(true);
    story.event("parent", "starts a producer that counts and a consumer that looks");
    producer.start()?;
    consumer.start()?;
    producer.join()?;
    gate.open();
    consumer.join()?;
    story.ok("the producer has counted, in its own copy", producer.exitcode() > Some(0))?;
    story.ok("after that, the consumer still saw 0", consumer.exitcode() == Some(0))?;
    story.ok("and the parent still sees 0", COUNT.load(Ordering::Relaxed) == 0)?;
    Ok(())
}

/// Runs in the child. Adds 1 each round; ends with what it has counted to, 100 at most.
fn produce((rounds, pace): (u64, Pace)) -> Exit {
    for _ in (0..rounds).take_while(|_| is_heard()) {
        let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
        speak("producer", format!("the count is {count}"));
        pace.work(1.0);
    }
    Exit(COUNT.load(Ordering::Relaxed).min(100))
}

/// Runs in the other child. Looks each round, and once more when the producer has ended; ends
/// with what it saw.
fn consume((rounds, pace, producer_has_ended): (u64, Pace, Waiting)) -> Exit {
    let look = || COUNT.load(Ordering::Relaxed);
    for _ in (0..rounds).take_while(|_| is_heard() && look() <= 0) {
        speak("consumer", format!("the count is {}", look()));
        pace.work(1.0);
    }
    producer_has_ended.wait();
    Exit(look())
}
