//! A receiver asks whether something has come, takes it as a value or as bytes, and learns that the
//! other end is closed.
//!
//! ```python
//! receiver.poll(0); receiver.poll(0.01); receiver.poll(None)
//! receiver.recv()
//! sender.send_bytes(b"hello world", 6, 5); receiver.recv_bytes(16)
//! receiver.recv()                   # EOFError once the other end is closed
//! ```

use std::time::Duration;

use common::pretend::{hold_children, work};
use common::{check, say};
use multiprocess::pipe::Error;
use multiprocess::{Failure, Process, Sender, one_way, tasks};

tasks![send_two];

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let (mut receiver, sender) = one_way::<u32>()?;
    let mut process = Process::new(send_two, sender);
    say!("starts a child that works before it sends");
    process.start()?;
    check!(!receiver.poll(Duration::ZERO)?, "nothing has come yet");
    check!(!receiver.poll(Duration::from_millis(10))?, "nothing comes within 10 ms");

    say!("polls without a time limit");
    held.release();
    check!(receiver.poll(None)?, "something has come");
    check!(receiver.recv()? == 42, "it is the number 42");
    check!(receiver.recv_bytes(16)? == b"world", "the next message is five bytes: world");

    say!("joins the child; its end of the pipe is closed with it");
    process.join()?;
    check!(receiver.poll(Duration::ZERO)?, "poll says that recv would not wait");
    check!(matches!(receiver.recv(), Err(Error::EndOfFile)), "recv says: end of file");
    Ok(())
}

/// Runs in the child: sends a value, then a part of a text as bytes.
fn send_two(mut sender: Sender<u32>) -> Result<(), Failure> {
    work(1.0);
    sender.send(&42)?;
    sender.send_bytes(&b"hello world"[6..])?;
    Ok(())
}
