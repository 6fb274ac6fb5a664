//! A process makes products, another takes them as they come.
//!
//! ```python
//! def producer(conn):
//!     while True:
//!         conn.send(random.randint(1, 10)); time.sleep(2)
//! def consumer(conn):
//!     while True: print(conn.recv())
//! conn1, conn2 = Pipe()
//! Process(target=producer, args=(conn1,)).start()
//! Process(target=consumer, args=(conn2,)).start()
//! ```

use common::pretend::{rounds, work};
use common::{check, say};
use multiprocess::pipe::Error;
use multiprocess::{Failure, Process, Queue, Receiver, Sender, one_way, tasks};
use rand::RngExt;

tasks![producer, consumer];

pub(crate) fn main() -> Result<(), Failure> {
    let (receiver, sender) = one_way()?;
    let results = Queue::unbounded()?;
    // Daemonic: with `--forever`, too, they end with this program.
    let mut p1 = Process::new(producer, (sender, results.clone())).named("producer").daemonic(true);
    let mut p2 =
        Process::new(consumer, (receiver, results.clone())).named("consumer").daemonic(true);
    say!("starts a producer and a consumer");
    p1.start()?;
    p2.start()?;
    p1.join()?;
    p2.join()?;
    check!(p1.exitcode() == Some(0), "the producer has ended with exit code 0");
    check!(p2.exitcode() == Some(0), "the consumer has ended at the end of file");
    check!(results.get()? == results.get()?, "the consumer took what was made, in the same order");
    Ok(())
}

/// Runs in the child: makes a product every two seconds.
fn producer((mut sender, results): (Sender<u8>, Queue<Vec<u8>>)) -> Result<(), Failure> {
    let mut made = Vec::new();
    for _ in rounds(3) {
        let product = rand::rng().random_range(1..=10);
        say!("has made product {}", product);
        sender.send(&product)?;
        made.push(product);
        work(2.0);
    }
    results.put(made)?;
    Ok(())
}

/// Runs in the other child: takes products until the end of file.
fn consumer((mut receiver, results): (Receiver<u8>, Queue<Vec<u8>>)) -> Result<(), Failure> {
    let mut taken = Vec::new();
    loop {
        match receiver.recv() {
            Ok(product) => {
                say!("has taken product {}", product);
                taken.push(product);
            }
            Err(Error::EndOfFile) => break,
            Err(error) => return Err(error.into()),
        }
    }
    results.put(taken)?;
    Ok(())
}
