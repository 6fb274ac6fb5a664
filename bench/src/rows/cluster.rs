//! A cluster on this machine: one call there and back, many submitted or mapped, a large one.

use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use cluster::ClusterExecutor;
use cluster::local::{LocalCluster, LocalError};
use common::measure::harness::in_process;
use common::measure::{Benchmark, Budget, Peer, Program, Unit, seconds_each};
use multiprocess::futures::{Executor, Future, MapOptions, ProcessPoolExecutor};
use multiprocess::{Failure, Sender, tasks};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::json;

use super::OURS;
use crate::python::Python;

tasks![with_cluster, with_processes, square, same];

/// The workers of each peer: as many machines of one process.
const WORKERS: usize = 2;

/// Calls of a map in one task.
const CHUNK: usize = 50;

/// Calls of a sample that aren't measured.
const WARM_UP: u32 = 16;

/// The longest that a cluster may take to start.
const START_WITHIN: Duration = Duration::from_secs(15);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum What {
    /// A call, and its result waited for.
    RoundTrip,
    /// Calls, each submitted; then each result.
    Submit,
    /// Calls by a map, and all results.
    Map,
    /// A call with a mebibyte there and back.
    Echo,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Work {
    what: What,
    seconds: f64,
    /// Calls that are made at once; then their results are waited for.
    calls: u64,
    bytes: usize,
    /// Calls of a map in one task.
    chunk: usize,
}

/// A cluster of Dask, once it has started.
type Kept = Rc<RefCell<Option<Program>>>;

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let dask = pythons.iter().find_map(|it| Some((it.clone(), it.version_of("distributed")?)));
    let kept = Kept::default();
    let has_server = Command::new("nats-server").arg("--version").output().is_ok();
    [
        (What::RoundTrip, Unit::Time, "round-trip", "one square, there and back"),
        (What::Submit, Unit::Rate, "submit", "squares, each submitted, then each result"),
        (What::Map, Unit::Rate, "map", "squares by map, and all results"),
        (What::Echo, Unit::Time, "1-MiB", "one call with 1 MiB there and back"),
    ]
    .map(|(what, unit, name, says)| {
        let ours = |chunk| match has_server {
            true => peer(OURS, what, chunk, with_cluster),
            false => Peer::missing(OURS, LocalError::NotInstalled.to_string()),
        };
        let mut peers = vec![ours(1), dask_peer(what, &dask, &kept)];
        if what == What::Map {
            peers.push(ours(CHUNK).variant("chunks of 50"));
        }
        peers.push(peer(OURS, what, 1, with_processes).variant("ProcessPoolExecutor"));
        let says = format!("a cluster of {WORKERS} workers on this machine: {says}");
        Benchmark::new(format!("cluster-{name}"), says, unit, peers)
    })
    .into()
}

impl Work {
    fn of(what: What, chunk: usize, budget: &Budget) -> Self {
        let calls = if matches!(what, What::Submit | What::Map) { 200 } else { 1 };
        let bytes = if what == What::Echo { 1 << 20 } else { 0 };
        Self { what, seconds: budget.seconds, calls, bytes, chunk }
    }

    /// Returns the row's figure, of the seconds of a round: many calls are rated.
    fn figure_of(&self, seconds: f64) -> f64 {
        if self.calls == 1 { seconds } else { self.calls as f64 / seconds }
    }
}

/// Makes a peer whose executor is in a process of its own.
fn peer<F>(name: &str, what: What, chunk: usize, owner: F) -> Peer
where
    F: Fn((Work, Sender<f64>)) -> Result<(), Failure> + Copy + 'static,
{
    Peer::new(name, move |budget| {
        let work = Work::of(what, chunk, budget);
        Ok(work.figure_of(in_process(budget, owner, work)?))
    })
}

/// Makes the peer Dask. All rows ask one cluster, which takes seconds to start. It ends with the
/// last row, so that it does nothing beside other rows.
fn dask_peer(what: What, dask: &Option<(Python, String)>, kept: &Kept) -> Peer {
    let Some((python, version)) = dask.clone() else {
        return Peer::missing("Dask", "no python3 has it: pip install distributed");
    };
    let kept = Rc::clone(kept);
    Peer::new(format!("Dask {version}"), move |budget| {
        let work = Work::of(what, 1, budget);
        let program = kept.borrow_mut().take();
        let start = || python.start("with_dask.py", &json!(WORKERS));
        let mut program = program.map_or_else(start, Ok)?;
        let answer = program.ask(&serde_json::to_string(&work)?, budget)?;
        if what != What::Echo {
            kept.replace(Some(program));
        }
        Ok(work.figure_of(serde_json::from_str(&answer)?))
    })
}

/// A call.
fn square(number: u64) -> u64 {
    number * number
}

/// A call.
fn same(data: ByteBuf) -> ByteBuf {
    data
}

/// Runs in the owner.
fn with_cluster((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let cluster = LocalCluster::new(WORKERS, 1)?;
    let executor = ClusterExecutor::connect(&cluster.address())?;
    executor.wait_for_processes(WORKERS, START_WITHIN)?;
    measure(executor, work, result, || drop(cluster))
}

/// Runs in the owner.
fn with_processes((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(ProcessPoolExecutor::new(WORKERS)?, work, result, || ())
}

/// Measures the seconds of each round of calls. Everything has ended when the result is sent.
fn measure(
    executor: impl Executor,
    work: Work,
    mut result: Sender<f64>,
    end: impl FnOnce(),
) -> Result<(), Failure> {
    let data = ByteBuf::from(vec![b'.'; work.bytes]);
    let call = || match work.what {
        What::RoundTrip | What::Submit => submit(&executor, work.calls),
        What::Map => map(&executor, work.calls, work.chunk),
        What::Echo => check(executor.submit(same, data.clone())?.into_result()? == data),
    };
    // Connections and memory have grown to what is needed: Dask's serve all samples.
    submit(&executor, 100)?;
    seconds_each(0.0, if work.calls == 1 { WARM_UP } else { 1 }, call)?;
    let seconds = seconds_each(work.seconds, 1, call)?;
    drop(executor);
    end();
    Ok(result.send(&seconds)?)
}

fn submit(executor: &impl Executor, calls: u64) -> Result<(), Failure> {
    let futures = (0..calls).map(|number| executor.submit(square, number));
    let futures: Vec<Future<u64>> = futures.collect::<Result<_, _>>()?;
    for (number, future) in (0..).zip(futures) {
        check(future.into_result()? == square(number))?;
    }
    Ok(())
}

fn map(executor: &impl Executor, calls: u64, chunk: usize) -> Result<(), Failure> {
    let options = MapOptions::default().chunksize(chunk);
    let squares = executor.map_with(options, square, 0..calls)?.collect::<Result<Vec<_>, _>>()?;
    check(squares.into_iter().eq((0..calls).map(square)))
}

fn check(is_right: bool) -> Result<(), Failure> {
    if is_right { Ok(()) } else { Err(Failure::new("a result is wrong")) }
}
