//! You'll see a child put two things of different types, and the parent get them.
//!
//! ```python
//! def child(q):
//!     q.put("Tom"); q.put(18)
//! name, age = q.get(), q.get()
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::{Failure, Process, Queue, tasks};
use serde::{Deserialize, Serialize};

pub(crate) const LESSON: Lesson = Lesson {
    name: "one-message",
    section: "3.2",
    question: (
        "子进程怎样把不同类型的数据交给父进程？",
        "How does a child hand over data of different types?",
    ),
    remember: (
        "队列有一个类型；不同的东西，用枚举放在一起。",
        "A queue holds one type; an enum makes one type of several.",
    ),
    tell,
};

tasks![introduce];

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Fact {
    Name(String),
    Age(u32),
}

fn tell(story: &Story) -> Told {
    let queue = Queue::unbounded()?;
    let mut child = Process::new(introduce, queue.clone()).named("child");
    story.event("parent", "starts a child with the queue as its argument");
    child.start()?;
    story.ok("it gets a name", queue.get()? == Fact::Name("Tom".into()))?;
    story.ok("it gets an age", queue.get()? == Fact::Age(18))?;
    child.join()?;
    story.ok("nothing is left", queue.is_empty())?;
    Ok(())
}

/// Runs in the child.
fn introduce(queue: Queue<Fact>) -> Result<(), Failure> {
    queue.put(Fact::Name("Tom".into()))?;
    queue.put(Fact::Age(18))?;
    Ok(())
}
