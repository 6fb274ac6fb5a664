//! A child puts a name and an age into one queue, and the parent gets them.
//!
//! ```python
//! def child(q):
//!     q.put("Tom"); q.put(18)
//! q = Queue()
//! p = Process(target=child, args=(q,))
//! p.start()
//! print(q.get(), q.get())
//! p.join()
//! ```

use common::{check, say};
use multiprocess::{Failure, Process, Queue, tasks};
use serde::{Deserialize, Serialize};

tasks![child];

/// A message of the child.
#[derive(PartialEq, Serialize, Deserialize)]
enum Message {
    Name(String),
    Age(u32),
}

pub(crate) fn main() -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    let mut process = Process::new(child, queue.clone());
    say!("starts a child with the queue as its argument");
    process.start()?;
    check!(queue.get()? == Message::Name("Tom".to_owned()), "it gets the name {}", "Tom");
    check!(queue.get()? == Message::Age(18), "it gets the age {}", 18);
    process.join()?;
    check!(queue.is_empty(), "nothing is left in the queue");
    Ok(())
}

/// Runs in the child.
fn child(queue: Queue<Message>) -> Result<(), Failure> {
    queue.put(Message::Name("Tom".to_owned()))?;
    queue.put(Message::Age(18))?;
    Ok(())
}
