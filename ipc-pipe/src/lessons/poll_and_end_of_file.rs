//! You'll see one end ask whether something has come, take it as a value or as bytes, and notice
//! that the other end is gone.
//!
//! ```python
//! conn.poll(0), conn.poll(None)
//! conn.send_bytes(buffer, 6, 5); conn.recv_bytes(maxlength=16)
//! conn.recv()                       # EOFError once the other end is closed
//! ```

use std::time::Duration;

use common::lessons::{Lesson, Told};
use common::narrator::Story;
use multiprocess::pipe::Error;
use multiprocess::{Connection, Failure, Gate, Process, Waiting, pipe, tasks};

pub(crate) const LESSON: Lesson = Lesson {
    name: "poll-and-end-of-file",
    section: "3.1",
    question: (
        "怎么知道是还没有消息，还是对方已经关闭？",
        "Nothing has come yet, or the other end is closed: how can you tell which?",
    ),
    remember: (
        "poll 查询有没有消息；对方关闭后，recv 会报告文件结束（EOF）。",
        "poll asks if anything is there; once the other end is closed, recv says so.",
    ),
    tell,
};

tasks![send_two];

fn tell(story: &Story) -> Told {
    let (mut parent, child) = pipe::<(), u32>()?;
    let (gate, waiting) = Gate::new()?;
    let mut process = Process::new(send_two, (child, waiting));
    process.start()?;
    story.event("parent", "starts a child that waits at a gate");
    story.ok("nothing has come yet", !parent.poll(Duration::ZERO)?)?;
    story.ok("nor within 10 ms", !parent.poll(Duration::from_millis(10))?)?;

    gate.open();
    story.event("parent", "opens the gate and polls without a time limit");
    story.ok("something has come", parent.poll(None)?)?;
    story.ok("it is the number 42", parent.recv()? == 42)?;
    story.ok("the next message is five bytes", parent.recv_bytes(16)? == b"world")?;

    process.join()?;
    story.event("parent", "joins the child");
    story.ok("poll says that something is there", parent.poll(Duration::ZERO)?)?;
    story.ok("it is the end of file", matches!(parent.recv(), Err(Error::EndOfFile)))?;
    Ok(())
}

/// Runs in the child. Sends a value, then some bytes of a longer text.
fn send_two((mut parent, word): (Connection<u32, ()>, Waiting)) -> Result<(), Failure> {
    word.wait();
    parent.send(&42)?;
    parent.send_bytes(&b"hello world"[6..])?;
    Ok(())
}
