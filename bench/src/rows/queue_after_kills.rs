//! How much goes through a queue after ten consumers that waited in get were killed.

use std::thread;
use std::time::{Duration, Instant};

use common::measure::harness::{Harness, run};
use common::measure::transports::OurQueue;
use common::measure::{
    Benchmark, Budget, HANGS, Peer, Report, Role, Transport, Unit, Workload, rate,
};
use multiprocess::Failure;
use serde_json::json;

use super::{OURS, for_each};
use crate::python::{Python, as_json};

const KILLED: usize = 10;

/// The time that a process which has passed its latch is given to be inside `get`, which can't be
/// seen from outside.
const UNTIL_THEY_WAIT: Duration = Duration::from_millis(50);

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let mut peers = vec![
        Peer::new(OURS, |budget| rate(&after_kills(budget)?)),
        Peer::new("ours, before", |budget| rate(&run::<OurQueue<u64>>(&workload(), budget)?)),
    ];
    peers.extend(for_each(pythons, |python, budget| {
        let mut wanted = as_json(&workload(), budget)?;
        wanted["until_they_wait"] = json!(UNTIL_THEY_WAIT.as_secs_f64());
        wanted["killed"] = json!(KILLED);
        let until_it_counts_as_stopped = Duration::from_secs_f64(3.0 + 2.0 * budget.seconds);
        let deadline = budget.deadline.min(Instant::now() + until_it_counts_as_stopped);
        let reports = python.run("roles.py", &wanted, &Budget { deadline, ..*budget });
        let reports = reports.map_err(|error| match error.to_string().as_str() {
            HANGS => Failure::new("nothing gets through any more"),
            _ => error,
        });
        rate(&serde_json::from_value::<Vec<Report>>(reports?)?)
    }));
    let says =
        format!("numbers through a queue, 1 → 1, after {KILLED} waiting consumers were killed");
    vec![Benchmark::new("queue-after-kills", says, Unit::Rate, peers)]
}

fn workload() -> Workload {
    Workload::new(&[Role::Produce, Role::Consume])
}

fn after_kills(budget: &Budget) -> Result<Vec<Report>, Failure> {
    let doomed = Workload::new(&[Role::Consume; KILLED]);
    let mut ends = OurQueue::<u64>::ends(&doomed)?;
    let stream = [0, 1].map(|_| ends[0].clone());
    let mut harness = Harness::new(budget)?;
    for (worker, end) in doomed.workers(budget)?.into_iter().zip(ends.drain(..)) {
        harness.add(worker, end)?;
    }
    harness.begin()?;
    thread::sleep(UNTIL_THEY_WAIT);
    // The workers of a harness are killed with it.
    drop(harness);
    let mut harness = Harness::new(budget)?;
    for (worker, end) in workload().workers(budget)?.into_iter().zip(stream) {
        harness.add(worker, end)?;
    }
    harness.run()
}
