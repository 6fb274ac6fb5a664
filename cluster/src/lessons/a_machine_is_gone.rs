//! A machine's agent is killed while ten calls are under way: the call that ran there is lost, and
//! nothing else.
//!
//! ```python
//! futures = [client.submit(square, n) for n in range(10)]
//! workers[1].kill()       # Dask runs again what had begun there, without a word
//! ```

use cluster::ClusterExecutor;
use cluster::local::LocalCluster;
use common::{check, note, say};
use multiprocess::futures::{Executor, Future, FutureError, ReturnWhen, TaskError, wait};
use multiprocess::{Failure, tasks};

use super::desk::{Desk, LONG, report};

tasks![square];

pub(crate) fn main() -> Result<(), Failure> {
    let mut machines = LocalCluster::new(2, 1)?;
    let executor = ClusterExecutor::connect(&machines.address())?;
    executor.wait_for_processes(2, LONG)?;
    let desk = Desk::open()?;
    say!("submits ten calls to two machines of one process each");
    let futures = (0..10).map(|number| executor.submit(square, (desk.port(), number)));
    let futures: Vec<Future<_>> = futures.collect::<Result<_, _>>()?;
    let begun = [desk.next()?, desk.next()?];
    let mut runs = begun.each_ref().map(|visit| visit.number).to_vec();
    check!(futures.iter().filter(|future| future.running()).count() == 2, "two have begun");

    say!("kills the agent of {}, and its processes with it", "machine-b");
    machines.workers()[1].kill_agent()?;
    wait(&futures, LONG, ReturnWhen::FirstCompleted);
    drop(begun);
    for _ in 2..10 {
        runs.push(desk.next()?.number);
    }
    let results: Vec<_> = futures.into_iter().map(Future::into_result).collect();
    check!(results.iter().flatten().flatten().count() == 9, "nine results are there");
    for result in results {
        if let Err(FutureError::Task(TaskError::WorkerDied { end, .. })) = result {
            note!("{}", end);
            check!(end.contains("machine-b"), "one call is lost, and its error names the machine");
        }
    }
    runs.sort_unstable();
    check!(runs.into_iter().eq(0..10), "each call has run once, also the lost one");
    Ok(())
}

/// Runs in the worker.
fn square((port, number): (u16, u32)) -> Result<u32, Failure> {
    report(port, number)?;
    Ok(number * number)
}
