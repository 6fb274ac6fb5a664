//! Ctrl-C with plain processes: the parent decides what it means, and nothing is lost.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::interrupt;
use multiprocess::{Failure, Process, Queue, tasks};

tasks![produce];

fn produce(queue: Queue<u64>) {
    // Until nobody is left who could get a number.
    let _ = (0..).try_for_each(|number| queue.put(number));
}

fn main() -> ExitCode {
    multiprocess::main(|| -> Result<(), Failure> {
        let interrupted = Arc::new(AtomicBool::new(false));
        let _signals = interrupt::listen(&interrupted)?;
        let queue = Queue::bounded(2)?;
        let mut producer = Process::new(produce, queue.clone()).ignoring_interrupts(true);
        producer.start()?;
        println!("press Ctrl-C");
        let mut count = 0;
        while !interrupted.load(Ordering::Relaxed) {
            assert_eq!(queue.get()?, count);
            count += 1;
        }
        drop(queue);
        producer.join()?;
        println!("{count} numbers, exit code {:?}", producer.exitcode());
        Ok(())
    })
}
