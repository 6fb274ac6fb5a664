//! A process counts in a global variable; another looks at that variable, and sees 0 for ever.
//!
//! ```python
//! n = 0
//! def producer():
//!     global n
//!     while True: n += 1; time.sleep(1)
//! def consumer():
//!     while n <= 0: print("n is", n); time.sleep(1)
//! Process(target=producer).start(); Process(target=consumer).start()
//! ```

use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

use common::pretend::{hold_children, rounds, work};
use common::{check, say};
use multiprocess::{Failure, Process, Sender, one_way, tasks};

tasks![producer, consumer];

/// A global variable: the threads of one process share it, processes don't.
static COUNT: AtomicI32 = AtomicI32::new(0);

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let (mut counted, sender) = one_way()?;
    // Daemonic: with `--forever`, too, they end with this program.
    let mut p1 = Process::new(producer, sender).named("producer").daemonic(true);
    let (mut seen, sender) = one_way()?;
    let mut p2 = Process::new(consumer, sender).named("consumer").daemonic(true);
    say!("starts a producer that counts and a consumer that looks");
    p1.start()?;
    p2.start()?;
    // When both have worked for one round, the count is at least 1.
    held.wait_for(2)?;
    held.release();
    check!(counted.recv()? > 0, "the producer has counted, in its own copy");
    check!(seen.recv()? == 0, "the consumer has seen nothing but 0");
    check!(COUNT.load(Relaxed) == 0, "the main process still sees 0, too");
    p1.join()?;
    p2.join()?;
    Ok(())
}

/// Runs in the child: adds 1 each round, and sends what that has come to.
fn producer(mut sender: Sender<i32>) -> Result<(), Failure> {
    for _ in rounds(3) {
        say!("the count is {}", COUNT.fetch_add(1, Relaxed) + 1);
        work(1.0);
    }
    sender.send(&COUNT.load(Relaxed))?;
    Ok(())
}

/// Runs in the other child: looks each round while it sees 0, and sends its last look.
fn consumer(mut sender: Sender<i32>) -> Result<(), Failure> {
    for _ in rounds(3).take_while(|_| COUNT.load(Relaxed) <= 0) {
        say!("the count is {}", COUNT.load(Relaxed));
        work(1.0);
    }
    sender.send(&COUNT.load(Relaxed))?;
    Ok(())
}
