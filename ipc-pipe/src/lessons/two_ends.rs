//! You'll see the two ends of a pipe in one process: both ways, then one way.
//!
//! ```python
//! a, b = Pipe()
//! a.send("hi"); b.recv()
//! receiver, sender = Pipe(duplex=False)
//! receiver.send("hi")               # OSError: connection is read-only
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::pipe::Error;
use multiprocess::{one_way, pipe};

pub(crate) const LESSON: Lesson = Lesson {
    name: "two-ends",
    section: "3.1",
    question: ("管道的两端各能做什么？", "What can each end of a pipe do?"),
    remember: (
        "双向管道两端都能收发；单向管道一端只收，一端只发。",
        "Two-way: both ends send and receive. One-way: one end sends, one receives.",
    ),
    tell,
};

fn tell(story: &Story) -> Told {
    let (mut a, mut b) = pipe::<String, String>()?;
    story.event("a", "sends \"hi from a\" to b");
    a.send(&"hi from a".to_string())?;
    story.ok("b received it", b.recv()? == "hi from a")?;
    story.event("b", "sends \"hi from b\" to a");
    b.send(&"hi from b".to_string())?;
    story.ok("a received it", a.recv()? == "hi from b")?;

    let (mut receiver, mut sender) = one_way::<String>()?;
    story.event("sender", "sends \"hi\" to the receiver");
    sender.send(&"hi".to_string())?;
    story.ok("the receiver received it", receiver.recv()? == "hi")?;
    // receiver.send(…) does not compile: the documentation of one_way proves it.
    drop(receiver);
    let broken = matches!(sender.send(&"anybody?".to_string()), Err(Error::BrokenPipe));
    story.ok("once the receiver is gone, sending is refused: broken pipe", broken)?;
    Ok(())
}
