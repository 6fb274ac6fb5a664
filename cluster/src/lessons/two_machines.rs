//! Six calls on two machines, and on two processes: one line is another one.
//!
//! ```python
//! def square(n): return n * n
//! with ProcessPoolExecutor(2) as executor: ...
//! with distributed.Client("tcp://head:8786").get_executor() as executor:
//!     futures = [executor.submit(square, n) for n in range(1, 7)]
//!     print([future.result() for future in futures])
//! ```

use std::time::Duration;

use cluster::ClusterExecutor;
use cluster::local::LocalCluster;
use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::futures::{Executor, Future, ProcessPoolExecutor};
use multiprocess::{Failure, tasks};

use super::desk::{Desk, LONG, machine, report};

tasks![square, nothing];

pub(crate) fn main() -> Result<(), Failure> {
    let machines = LocalCluster::new(2, 1)?;
    say!("asks a server for two machines of one process each");
    let executor = ClusterExecutor::connect(&machines.address())?;
    executor.wait_for_processes(2, LONG)?;
    for machine in executor.workers() {
        note!("{}: agent {}, build {}", machine.name, machine.pid, machine.build);
    }
    say!("submits square(1) … square(6), the same submit as before");
    let (squares, agents) = submit_six(&executor)?;
    check!(agents[0] != agents[1], "the first two ran at the same time, on two machines");
    let [one, other] = agents.map(|agent| machine(&executor, agent));
    note!("they were {} and {}", one, other);

    say!("submits them to two processes of its own");
    let processes = ProcessPoolExecutor::new(2)?;
    check!(submit_six(&processes)?.0 == squares, "the results are the same");
    note!("there and back, at best: {}", there_and_back(&executor)?);
    note!("to a process of its own: {}", there_and_back(&processes)?);
    Ok(())
}

/// Submits to an executor of any kind; returns the squares, and on whose machines the first two
/// calls were: each waited until the other one had begun, too.
fn submit_six(executor: &impl Executor) -> Result<(Vec<u32>, [u32; 2]), Failure> {
    let desk = Desk::open()?;
    let futures = (1..=6).map(|number| executor.submit(square, (desk.port(), number)));
    let futures: Vec<Future<_>> = futures.collect::<Result<_, _>>()?;
    let agents = [desk.next()?, desk.next()?].map(|visit| visit.agent);
    for _ in 2..6 {
        desk.next()?;
    }
    let squares = futures.into_iter().map(|future| future.into_result()?);
    Ok((squares.collect::<Result<_, Failure>>()?, agents))
}

/// Returns how long the fastest of a few calls takes that do nothing.
fn there_and_back(executor: &impl Executor) -> Result<String, Failure> {
    let mut best = Duration::MAX;
    for _ in 0..20 {
        let watch = Stopwatch::start();
        executor.submit(nothing, ())?.into_result()?;
        best = best.min(watch.elapsed());
    }
    Ok(show(best))
}

/// Runs in the worker.
fn square((port, number): (u16, u32)) -> Result<u32, Failure> {
    report(port, number)?;
    Ok(number * number)
}

/// Runs in the worker.
fn nothing((): ()) {}
