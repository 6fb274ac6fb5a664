//! You'll see what is put first come out first, also when putting goes on in between.
//!
//! ```python
//! q = Queue()
//! for i in (1, 2, 3): q.put(i)
//! q.get(), q.get(), q.get()
//! q.put(4); q.put(5); q.get()
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::Queue;

pub(crate) const LESSON: Lesson = Lesson {
    name: "first-in-first-out",
    section: "3.2",
    question: ("放进队列的东西，按什么顺序出来？", "In which order do things come out of a queue?"),
    remember: ("先进先出。", "First in, first out."),
    tell,
};

fn tell(story: &Story) -> Told {
    let queue = Queue::unbounded()?;
    story.event("parent", "puts 1, 2, 3 into a queue");
    for number in [1, 2, 3] {
        queue.put(number)?;
    }
    let got = [queue.get()?, queue.get()?, queue.get()?];
    story.ok("it gets 1, 2, 3", got == [1, 2, 3])?;
    story.event("parent", "puts 4 and 5");
    queue.put(4)?;
    queue.put(5)?;
    story.ok("it gets 4", queue.get()? == 4)?;
    story.ok("one is left", queue.qsize() == 1)?;
    Ok(())
}
