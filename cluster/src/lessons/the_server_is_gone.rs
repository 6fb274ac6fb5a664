//! The server is killed in the middle of two hundred calls, and comes back with an empty memory:
//! all results are there, and no call has run twice.
//!
//! ```python
//! futures = [client.submit(square, n) for n in range(200)]
//! scheduler.kill()        # in Dask all futures are cancelled: the scheduler kept them
//! ```

use cluster::ClusterExecutor;
use cluster::local::LocalCluster;
use common::time::{Stopwatch, show};
use common::{check, note, say};
use multiprocess::futures::{Executor, Future};
use multiprocess::{Failure, tasks};

use super::desk::{Desk, LONG, report};

const CALLS: u32 = 200;

tasks![square];

pub(crate) fn main() -> Result<(), Failure> {
    let machines = LocalCluster::new(2, 1)?;
    let executor = ClusterExecutor::connect(&machines.address())?;
    executor.wait_for_processes(2, LONG)?;
    let desk = Desk::open()?;
    say!("submits {} calls to two machines", CALLS);
    let futures = (0..CALLS).map(|number| executor.submit(square, (desk.port(), number)));
    let futures: Vec<Future<_>> = futures.collect::<Result<_, _>>()?;
    let mut runs = Vec::new();
    for _ in 0..CALLS / 4 {
        runs.push(desk.next()?.number);
    }
    let begun = desk.next()?;
    runs.push(begun.number);
    say!("kills the server while a call is running, and starts it again");
    machines.server().kill()?;
    drop(begun);
    let watch = Stopwatch::start();
    machines.server().restart()?;
    while runs.len() < CALLS as usize {
        runs.push(desk.next()?.number);
    }
    note!("the other calls have begun within {}", show(watch.elapsed()));
    let squares = futures.into_iter().map(|future| future.into_result()?);
    let squares = squares.collect::<Result<Vec<u32>, Failure>>()?;
    check!(squares.into_iter().eq((0..CALLS).map(|n| n * n)), "all results are there");
    runs.sort_unstable();
    check!(runs.into_iter().eq(0..CALLS), "each call has run once");
    Ok(())
}

/// Runs in the worker.
fn square((port, number): (u16, u32)) -> Result<u32, Failure> {
    report(port, number)?;
    Ok(number * number)
}
