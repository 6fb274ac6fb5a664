//! A machine is cut off, not dead. Is its call done again elsewhere? Twice, with and without
//! retries.
//!
//! ```python
//! client.submit(pay, 100)                  # Dask: perhaps again, up to three times
//! client.submit(pay, 100, retries=0)       # and so with retries=0, if its worker is lost
//! ```

use std::time::Duration;

use cluster::local::{Cable, LocalServer, LocalWorker};
use cluster::{ClusterExecutor, Worker};
use common::{check, note, say};
use multiprocess::futures::Executor;
use multiprocess::{Failure, tasks};

use super::desk::{Desk, LONG, report};

tasks![pay];

pub(crate) fn main() -> Result<(), Failure> {
    say!("submits a payment; its machine is cut off while it pays");
    let (runs, end) = payments(0)?;
    note!("{}", end.clone().err().unwrap_or_default());
    check!(end.is_err(), "the future is an error");
    check!(runs == [1], "it was paid once: the machine was not dead");

    say!("does it again, but allows for a second attempt");
    let (runs, end) = payments(1)?;
    check!(end == Ok(100), "the future has its result");
    check!(runs == [1, 2], "it was paid twice: as attempt {} and as attempt {}", 1, 2);
    Ok(())
}

/// Cuts off the machine of a call; returns the attempts that were made, and how the future ends.
fn payments(retries: u32) -> Result<(Vec<u32>, Result<u32, String>), Failure> {
    let server = LocalServer::start()?;
    let cable = Cable::to(server.port())?;
    let start = |name: &str, port| {
        let address = format!("nats://127.0.0.1:{port}");
        LocalWorker::start(Worker::builder().server(address).name(name).processes(1))
    };
    let far = start("machine-a", cable.port())?;
    let builder = ClusterExecutor::builder().server(server.address()).retries(retries);
    let executor = builder.lost_after(Duration::from_secs(1)).connect()?;
    executor.wait_for_processes(1, LONG)?;
    let desk = Desk::open()?;
    let future = executor.submit(pay, (desk.port(), 100))?;
    let first = desk.next()?;
    let near = start("machine-b", server.port())?;
    executor.wait_for_processes(2, LONG)?;
    cable.cut();
    let mut runs = vec![first.attempt];
    if retries > 0 {
        runs.push(desk.next()?.attempt);
    }
    let end = future.into_result();
    drop(first);
    cable.mend();
    drop((far, near));
    Ok((
        runs,
        end.map_err(|error| error.to_string()).and_then(|paid| paid.map_err(|it| it.to_string())),
    ))
}

/// Runs in the worker.
fn pay((port, amount): (u16, u32)) -> Result<u32, Failure> {
    report(port, amount)?;
    Ok(amount)
}
