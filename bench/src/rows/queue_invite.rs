//! Time of one more participant in a queue that has very many.

use std::thread;

use common::measure::harness::in_process;
use common::measure::{Benchmark, Peer, Unit};
use multiprocess::process::Arguments;
use multiprocess::{Failure, Process, Queue, Sender, tasks};

use super::{OURS, seconds_each};
use crate::python::Python;

tasks![invite, hold];

/// The processes that hold the others, and the participants of each: fewer than the descriptors
/// that a process may have where nobody has changed it.
const HOLDERS: usize = 6;
const HELD: usize = 500;

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let mut peers = vec![Peer::new(OURS, |budget| in_process(budget, invite, budget.seconds))];
    let names = pythons.iter().map(|python| python.name.as_str());
    peers.extend(names.map(|name| Peer::missing(name, "its queues know of no participants")));
    let others = HOLDERS * HELD;
    let says = format!("one more participant comes to a queue that has {others}, and goes");
    vec![Benchmark::new(format!("queue-invite-{others}"), says, Unit::Time, peers)]
}

/// Runs in a process of its own: invites, and lets the invitation go.
fn invite((seconds, mut result): (f64, Sender<f64>)) -> Result<(), Failure> {
    let queue = Queue::<u64>::unbounded()?;
    for _ in 0..HOLDERS {
        Process::new(hold, vec![queue.clone(); HELD]).daemonic(true).start()?;
    }
    let each = seconds_each(seconds, 100, || {
        // Packed as an argument, it takes part already.
        drop(Arguments::pack(&queue)?);
        Ok(())
    });
    Ok(result.send(&each?)?)
}

/// Runs in each holder, until it is ended with its parent.
fn hold(_queues: Vec<Queue<u64>>) {
    loop {
        thread::park();
    }
}
