//! Three producers fill a queue and two consumers empty it, each at its own pace.
//!
//! ```python
//! def producer(name, food, q):
//!     for i in range(3):
//!         time.sleep(random.randint(1, 3)); q.put(f"{food} {i}")
//! def consumer(name, q):
//!     while (food := q.get(timeout=5)) is not None:
//!         time.sleep(random.randint(1, 3)); print(name, "has eaten", food)
//! for p in producers + consumers: p.start()
//! for p in producers: p.join()
//! for c in consumers: q.put(None)   # end markers
//! ```

use common::pretend::{pace, work};
use common::{check, say, text};
use multiprocess::queue::GetError;
use multiprocess::{Failure, Process, Queue, tasks};
use rand::RngExt;

tasks![producer, consumer];

pub(crate) fn main() -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    let eaten = Queue::unbounded()?;
    let foods = [("Ann", text!("chocolate")), ("Ben", text!("ice cream")), ("Cleo", text!("cola"))];
    let mut producers =
        foods.map(|(name, food)| Process::new(producer, (food, queue.clone())).named(name));
    // Daemonic: they end with this program, even if it has put no end marker.
    let mut consumers = ["Dora", "Emil"].map(|name| {
        Process::new(consumer, (queue.clone(), eaten.clone())).named(name).daemonic(true)
    });
    say!("starts three producers and two consumers");
    for process in producers.iter_mut().chain(&mut consumers) {
        process.start()?;
    }
    producers.iter().try_for_each(Process::join)?;
    say!("has joined the producers, and puts an end marker for each consumer");
    for _ in &consumers {
        queue.put(None)?;
    }
    for process in &consumers {
        process.join()?;
        check!(process.exitcode() == Some(0), "{} has got an end marker", process.name());
    }
    check!(eaten.qsize() == 9, "the two have eaten all {} portions", 9);
    check!(queue.is_empty(), "nothing is left in the queue");
    Ok(())
}

/// Runs in each producer.
fn producer((food, queue): (String, Queue<Option<String>>)) -> Result<(), Failure> {
    for number in 1..=3 {
        work(rand::rng().random_range(1.0..=3.0));
        say!("brings {} {}", food, number);
        queue.put(Some(format!("{food} {number}")))?;
    }
    Ok(())
}

/// Runs in each consumer.
fn consumer((queue, eaten): (Queue<Option<String>>, Queue<String>)) -> Result<(), Failure> {
    while let Some(portion) = next(&queue)? {
        say!("eats {}", portion);
        work(rand::rng().random_range(1.0..=3.0));
        eaten.put(portion)?;
    }
    Ok(())
}

/// Returns the next portion or the end marker; after five seconds it says that it still waits.
fn next(queue: &Queue<Option<String>>) -> Result<Option<String>, GetError> {
    match queue.get_timeout(pace().real(5.0)) {
        Err(GetError::Empty) => {
            say!("has waited for five seconds, and goes on waiting");
            queue.get()
        }
        got => got,
    }
}
