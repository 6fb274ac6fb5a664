//! You'll see a process make products, and another take them as they come.
//!
//! ```python
//! def producer(conn):
//!     while True:
//!         conn.send(random.randint(1, 10)); time.sleep(2)
//! def consumer(conn):
//!     while True:
//!         print(conn.recv())
//! ```

use common::lessons::{Lesson, Told};
use common::narrator::{Story, is_heard, speak};
use common::time::Pace;
use multiprocess::pipe::Error;
use multiprocess::{Exit, Failure, Process, Receiver, Sender, one_way, tasks};
use rand::RngExt;

const PRODUCTS: u64 = 3;

pub(crate) const LESSON: Lesson = Lesson {
    name: "producer-and-consumer",
    section: "3.1",
    question: (
        "一个生产，一个消费，怎样配合？",
        "One makes, the other takes: how do they keep in step?",
    ),
    remember: (
        "recv 会等待，所以消费者不用猜；生产者结束，消费者也随之结束。",
        "recv waits, so the consumer needn't guess; it ends when the producer does.",
    ),
    tell,
};

tasks![produce, consume];

fn tell(story: &Story) -> Told {
    let (from_producer, to_consumer) = one_way::<u8>()?;
    let task = (to_consumer, story.rounds(PRODUCTS), story.pace());
    // Daemonic: even endless ones end with this program.
    let mut producer = Process::new(produce, task).named("producer").daemonic(true);
    let mut consumer = Process::new(consume, from_producer).named("consumer").daemonic(true);
    story.event("parent", "starts a producer and a consumer");
    producer.start()?;
    consumer.start()?;
    producer.join()?;
    consumer.join()?;
    story.ok(
        "the consumer took as many as were made, then the end of file",
        producer.exitcode() == consumer.exitcode() && producer.exitcode() > Some(0),
    )?;
    Ok(())
}

/// Runs in the child. Makes a product every two seconds; ends with their number, 100 at most.
fn produce((mut consumer, rounds, pace): (Sender<u8>, u64, Pace)) -> Result<Exit, Failure> {
    let mut made = 0;
    for _ in (0..rounds).take_while(|_| is_heard()) {
        let product = rand::rng().random_range(1..=10);
        speak("producer", format!("made product {product}"));
        consumer.send(&product)?;
        made += 1;
        pace.work(2.0);
    }
    Ok(Exit(made.min(100)))
}

/// Runs in the other child. Takes products while there are any; ends likewise.
fn consume(mut producer: Receiver<u8>) -> Result<Exit, Failure> {
    let mut taken = 0;
    loop {
        match producer.recv() {
            Ok(product) => speak("consumer", format!("took product {product}")),
            Err(Error::EndOfFile) => return Ok(Exit(taken.min(100))),
            Err(error) => return Err(error.into()),
        }
        taken += 1;
    }
}
