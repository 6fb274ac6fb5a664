//! You'll see a text go from one process to another.
//!
//! ```python
//! def sender(conn):
//!     conn.send("hello"); conn.close()
//! def receiver(conn):
//!     print(conn.recv())
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, speak};
use multiprocess::pipe::Error;
use multiprocess::{Exit, Failure, Process, Receiver, Sender, one_way, tasks};

const TEXT: &str = "hello from another process";

pub(crate) const LESSON: Lesson = Lesson {
    name: "sender-and-receiver",
    section: "3.1",
    question: (
        "一段文字怎样从一个进程传到另一个进程？",
        "How does a text get from one process to another?",
    ),
    remember: (
        "管道的两端各交给一个进程；发送端一关闭，接收端就知道数据结束了。",
        "Each end goes to one process; when the sender is closed, the receiver knows.",
    ),
    tell,
};

tasks![send, receive];

fn tell(story: &Story) -> Told {
    let (receiving, sending) = one_way::<String>()?;
    let mut sender = Process::new(send, sending).named("sender");
    let mut receiver = Process::new(receive, receiving).named("receiver");
    story.event("parent", "gives one end each to a sender and a receiver");
    sender.start()?;
    receiver.start()?;
    sender.join()?;
    receiver.join()?;
    story.ok("the sender sent its text and closed", sender.exitcode() == Some(0))?;
    let received = receiver.exitcode() == Some(0);
    story.ok("the receiver got that text, then the end of file", received)?;
    Ok(())
}

/// Runs in the child. The end of the function closes its end of the pipe.
fn send(mut receiver: Sender<String>) -> Result<(), Failure> {
    speak("sender", format!("sends \"{TEXT}\""));
    receiver.send(&TEXT.to_string())?;
    Ok(())
}

/// Runs in the other child. Fails if anything else comes.
fn receive(mut sender: Receiver<String>) -> Result<Exit, Failure> {
    let text = sender.recv()?;
    speak("receiver", format!("received \"{text}\""));
    let ended = matches!(sender.recv(), Err(Error::EndOfFile));
    Ok(if text == TEXT && ended { Exit::SUCCESS } else { Exit::FAILURE })
}
