//! A text goes from one process to another.
//!
//! ```python
//! def sender(conn):
//!     conn.send("hello from another process"); conn.close()
//! def receiver(conn):
//!     print(conn.recv())
//! conn1, conn2 = Pipe()
//! Process(target=sender, args=(conn1,)).start(); Process(target=receiver, args=(conn2,)).start()
//! ```

use common::{check, say};
use multiprocess::pipe::Error;
use multiprocess::{Exit, Failure, Process, Queue, Receiver, Sender, one_way, tasks};

const TEXT: &str = "hello from another process";

tasks![send, receive];

pub(crate) fn main() -> Result<(), Failure> {
    let (receiver, sender) = one_way::<String>()?;
    let received = Queue::unbounded()?;
    let mut p1 = Process::new(send, sender).named("sender");
    let mut p2 = Process::new(receive, (receiver, received.clone())).named("receiver");
    say!("gives one end to each of two children");
    p1.start()?;
    p2.start()?;
    p1.join()?;
    p2.join()?;
    check!(received.get()? == TEXT, "the receiver has got the text");
    check!(p2.exitcode() == Some(0), "after the text it has met the end of file");
    Ok(())
}

/// Runs in the child: sends a text, and closes its end.
fn send(mut sender: Sender<String>) -> Result<(), Failure> {
    say!("sends \"{}\"", TEXT);
    sender.send(&TEXT.to_owned())?;
    drop(sender);
    Ok(())
}

/// Runs in the other child: receives the text, and then nothing but the end of file.
fn receive((mut receiver, received): (Receiver<String>, Queue<String>)) -> Result<Exit, Failure> {
    let text = receiver.recv()?;
    say!("has received \"{}\"", text);
    received.put(text)?;
    let has_ended = matches!(receiver.recv(), Err(Error::EndOfFile));
    Ok(if has_ended { Exit::SUCCESS } else { Exit::FAILURE })
}
