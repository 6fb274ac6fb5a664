//! The tutorial's test of what a switch costs, and then what differs in it, one thing at a time.
//!
//! ```python
//! def A(q1, q2):
//!     for i in range(1_000_000): q1.put(i); q2.get()
//! def B(q1, q2):
//!     for i in range(1_000_000): q2.put(i); q1.get()
//! q1, q2 = multiprocessing.Queue(), multiprocessing.Queue()
//! a, b = Process(target=A, args=(q1, q2)), Process(target=B, args=(q1, q2))
//! a.start(); b.start(); a.join(); b.join()
//! # and the same with queue.Queue and Thread
//! ```

use std::thread;

use common::narrator::varying_figure;
use common::time::Stopwatch;
use common::{check, say};
use crossbeam::channel::{Receiver, Sender, unbounded};
use downloader::switch::{self, Outputs, Study};
use multiprocess::{Failure, Process, Queue, tasks};

tasks![a, b];

pub(crate) fn main() -> Result<(), Failure> {
    let outputs = Outputs::create()?;
    let tokens = switch::tokens();

    say!("has two processes pass tokens over two of our queues");
    let watch = Stopwatch::start();
    let (q1, q2) = (Queue::unbounded()?, Queue::unbounded()?);
    let mut first = Process::new(a, (q1.clone(), q2.clone(), tokens));
    let mut second = Process::new(b, (q1, q2, tokens));
    first.start()?;
    second.start()?;
    first.join()?;
    second.join()?;
    let processes = watch.elapsed();
    check!([first.exitcode(), second.exitcode()] == [Some(0); 2], "each got all tokens in order");

    say!("has two threads pass as many over two of crossbeam's channels");
    let watch = Stopwatch::start();
    let ((q1, from_q1), (q2, from_q2)) = (unbounded(), unbounded());
    let first = thread::spawn(move || pass(tokens, &q1, &from_q2));
    let second = thread::spawn(move || pass(tokens, &q2, &from_q1));
    let got_all = [first.join().is_ok_and(|all| all), second.join().is_ok_and(|all| all)];
    let threads = watch.elapsed();
    check!(got_all == [true; 2], "each got all tokens in order");
    varying_figure(switch::tutorial(tokens, [processes, threads]));

    say!("changes one thing at a time: memory, cores, queue, bytes");
    let study = Study::measure()?;
    check!(study.is_complete(), "every token came back, and every bound end stayed on its core");
    study.print();
    outputs.write(&study, tokens, [processes, threads])
}

/// Runs in the first process.
fn a((q1, q2, tokens): (Queue<u64>, Queue<u64>, u64)) -> Result<(), Failure> {
    for token in 0..tokens {
        q1.put(token)?;
        assert_eq!(q2.get()?, token);
    }
    Ok(())
}

/// Runs in the second process.
fn b((q1, q2, tokens): (Queue<u64>, Queue<u64>, u64)) -> Result<(), Failure> {
    for token in 0..tokens {
        q2.put(token)?;
        assert_eq!(q1.get()?, token);
    }
    Ok(())
}

/// Runs in both threads, and returns true if each token came.
fn pass(tokens: u64, put: &Sender<u64>, get: &Receiver<u64>) -> bool {
    (0..tokens).all(|token| put.send(token).is_ok() && get.recv() == Ok(token))
}
