//! A copy of this program, one byte longer, wants to help as a worker: the client sees it, and
//! gives it nothing.
//!
//! ```python
//! # Dask and Ray warn of other versions of Python and of libraries, and send all the same
//! client.get_versions(check=True)
//! ```

use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::time::{Duration, Instant};

use cluster::ClusterExecutor;
use cluster::local::{LocalCluster, LocalWorker};
use common::{check, note, say};
use multiprocess::futures::Executor;
use multiprocess::{Failure, tasks};

use super::desk::LONG;
use super::other_program::OtherProgram;

tasks![square];

pub(crate) fn main() -> Result<(), Failure> {
    // A server, whose workers come later.
    let mut machines = LocalCluster::new(0, 0)?;
    let executor = ClusterExecutor::connect(&machines.address())?;
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("copy").with_extension(env::consts::EXE_EXTENSION);
    fs::copy(env::current_exe()?, &copy)?;
    OpenOptions::new().append(true).open(&copy)?.write_all(b"\n")?;
    say!("starts a copy of this program, one byte longer, as a worker");
    let address = machines.address();
    let arguments = ["cluster-worker", &address, "--name", "other", "--processes", "1"];
    let other = OtherProgram::start(&copy, &arguments)?;
    let begun = Instant::now();
    while executor.workers().is_empty() && begun.elapsed() < LONG {
        // It waits for greetings, of which none is of this build.
        let _ = executor.wait_for_processes(1, Duration::from_millis(10));
    }
    let seen = executor.workers();
    let seen = seen.first().ok_or_else(|| Failure::new("the copy hasn't come for a minute"))?;
    note!("{} is of build {}", seen.name, seen.build);
    check!(!seen.is_ours, "the client sees it: its build is another one");

    say!("submits a call");
    let future = executor.submit(square, 7)?;
    let waited = future.result_timeout(Duration::from_secs(1));
    check!(waited.is_err() && !future.running(), "after a second it hasn't begun");
    say!("starts a worker of its own build");
    let worker = cluster::Worker::builder().server(address).name("own").processes(1);
    machines.workers().push(LocalWorker::start(worker)?);
    executor.wait_for_processes(1, LONG)?;
    check!(future.into_result()? == 49, "that has done it");
    other.end()
}

/// Runs in the worker.
fn square(number: u32) -> u32 {
    number * number
}
