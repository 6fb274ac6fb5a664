//! A consumer is killed with an item in its hands, another as it asks for the next: the queue
//! works on, and nothing else is lost.
//!
//! ```python
//! consumer.kill()                   # while it waits in q.get(): it dies with the read lock
//! other.get()                       # in Python this now waits for ever
//! ```

use std::iter;

use common::pretend::{hold_children, wait_while_held};
use common::{check, say};
use multiprocess::{Failure, Process, Queue, tasks};

const LAST: u32 = 1000;

tasks![consumer];

pub(crate) fn main() -> Result<(), Failure> {
    let queue = Queue::bounded(10)?;
    let taken = Queue::unbounded()?;
    let [mut first, mut second, mut third] =
        [(); 3].map(|()| Process::new(consumer, (queue.clone(), taken.clone())));

    let held = hold_children()?;
    say!("starts a consumer, and puts item 0");
    first.start()?;
    queue.put(Some(0))?;
    check!(taken.get()? == 0, "it has taken item 0");
    say!("kills it while it works on that item");
    first.kill()?;
    first.join()?;
    held.release();

    say!("starts a second, and puts item 1");
    second.start()?;
    queue.put(Some(1))?;
    check!(taken.get()? == 1, "it has taken item 1");
    say!("kills it as it asks for the next one");
    second.kill()?;
    second.join()?;

    say!("starts a third, and puts items 2 to {} and an end marker", LAST);
    third.start()?;
    for item in 2..=LAST {
        queue.put(Some(item))?;
    }
    queue.put(None)?;
    third.join()?;
    let rest = iter::from_fn(|| taken.try_get().ok());
    check!(rest.eq(2..=LAST), "it has taken each of them once, in order");
    check!(queue.is_empty(), "nothing is left in the queue");
    Ok(())
}

/// Runs in each consumer: reports what it has taken, and works on it.
fn consumer((queue, taken): (Queue<Option<u32>>, Queue<u32>)) -> Result<(), Failure> {
    while let Some(item) = queue.get()? {
        taken.put(item)?;
        wait_while_held();
    }
    Ok(())
}
