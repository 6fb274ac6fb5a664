//! You'll see a queue of three places refuse a fourth item, and an empty one refuse to give.
//!
//! ```python
//! q = Queue(3)
//! for i in (1, 2, 3): q.put(i)
//! q.put_nowait(4)                   # queue.Full
//! q.get(), q.get(), q.get()
//! q.get_nowait()                    # queue.Empty
//! ```

use std::time::Duration;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use common::time::{Stopwatch, show};
use multiprocess::Queue;
use multiprocess::queue::{GetError, PutError};

pub(crate) const LESSON: Lesson = Lesson {
    name: "full-and-empty",
    section: "3.2",
    question: (
        "队列满了会怎样，空了又会怎样？",
        "What happens when a queue is full, and when it is empty?",
    ),
    remember: (
        "满了就等，或者马上报错：由你选择。",
        "A full queue makes you wait or tells you at once: your choice.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let watch = Stopwatch::start();
    let queue = Queue::bounded(3)?;
    story.event("parent", "puts 1, 2, 3 into a queue of three places");
    for number in [1, 2, 3] {
        queue.put(number)?;
    }
    story.ok("the queue says that it is full", queue.is_full())?;
    story.event("parent", "tries to put a fourth at once");
    story.ok(
        "it is refused, and the parent has it back",
        matches!(queue.try_put(4), Err(PutError::Full(4))),
    )?;
    let waited = queue.put_timeout(4, Duration::from_millis(20));
    story.ok("so is one that may wait 20 ms", matches!(waited, Err(PutError::Full(4))))?;

    story.event("parent", "gets all three");
    let got = [queue.get()?, queue.get()?, queue.get()?];
    story.ok("they are 1, 2, 3", got == [1, 2, 3])?;
    story.ok("the queue says that it is empty", queue.is_empty())?;
    story.ok(
        "getting a fourth is refused at once",
        matches!(queue.try_get(), Err(GetError::Empty)),
    )?;
    let waited = queue.get_timeout(Duration::from_millis(20));
    story.ok("and after a wait of 20 ms", matches!(waited, Err(GetError::Empty)))?;
    story.varies(format!("time for all of it = {}", show(watch.elapsed())));
    Ok(())
}
