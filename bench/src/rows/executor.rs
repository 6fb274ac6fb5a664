//! Executors: how many calls they do in a second, and one call, there and back.

use std::hint::black_box;

use common::time::Stopwatch;
use multiprocess::futures::{Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor};
use multiprocess::{Failure, Sender, cpu_count, tasks};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{OURS, for_each};
use crate::method::{Peer, Row, Unit};
use crate::python::Python;
use crate::scene::{Terms, alone};

tasks![processes, threads, with_threadpool, with_rayon, square];

/// The calls that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Call {
    /// Many calls, and then their results; the figure is a rate.
    Submit,
    /// A single call, and its result.
    RoundTrip,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Work {
    call: Call,
    seconds: f64,
    workers: usize,
    /// Calls that are submitted at once.
    calls: u64,
}

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let (submit, round_trip) = (Call::Submit, Call::RoundTrip);
    vec![
        row("processes", 2_000, submit, pythons, vec![peer(OURS, 2_000, submit, processes)]),
        row("processes", 1, round_trip, pythons, vec![peer(OURS, 1, round_trip, processes)]),
        row(
            "threads",
            20_000,
            submit,
            pythons,
            vec![
                peer(OURS, 20_000, submit, threads),
                peer("threadpool (threads)", 20_000, submit, with_threadpool),
                peer("rayon (threads)", 20_000, submit, with_rayon),
            ],
        ),
        row(
            "threads",
            1,
            round_trip,
            pythons,
            vec![
                peer(OURS, 1, round_trip, threads),
                peer("threadpool (threads)", 1, round_trip, with_threadpool),
                peer("rayon (threads)", 1, round_trip, with_rayon),
            ],
        ),
    ]
}

fn row(
    kind: &'static str,
    calls: u64,
    call: Call,
    pythons: &[Python],
    mut peers: Vec<Peer>,
) -> Row {
    let with_python = for_each(pythons, move |python, terms| {
        let Work { seconds, workers, .. } = work(call, calls, terms);
        let wanted = json!({
            "kind": kind, "call": call, "seconds": seconds, "workers": workers, "calls": calls
        });
        let seconds = serde_json::from_value(python.run("executor.py", &wanted, terms)?)?;
        Ok(figure_of(call, calls, seconds))
    });
    // Ours stands first, Python second.
    peers.splice(1..1, with_python);
    let workers = cpu_count();
    let (name, says, unit) = match call {
        Call::Submit => ("submit", "squares, each submitted, then each result", Unit::Rate),
        Call::RoundTrip => ("round-trip", "one square, there and back", Unit::Time),
    };
    Row {
        name: format!("executor-{kind}-{name}"),
        says: format!("an executor of {workers} {kind}: {says}"),
        unit,
        peers,
        seconds_at_least: 0.0,
    }
}

fn work(call: Call, calls: u64, terms: &Terms) -> Work {
    Work { call, seconds: terms.seconds, workers: cpu_count(), calls }
}

/// Returns the row's figure: many calls are rated.
fn figure_of(call: Call, calls: u64, seconds: f64) -> f64 {
    match call {
        Call::Submit => calls as f64 / seconds,
        Call::RoundTrip => seconds,
    }
}

/// Makes a peer whose executor is in a process of its own.
fn peer<F>(name: &str, calls: u64, call: Call, owner: F) -> Peer
where
    F: Fn((Work, Sender<f64>)) -> Result<(), Failure> + Copy + 'static,
{
    Peer::new(name, move |terms| {
        Ok(figure_of(call, calls, alone(terms, owner, work(call, calls, terms))?))
    })
}

/// A call.
fn square(number: u64) -> u64 {
    number * number
}

/// Runs in the owner: seconds of each round of calls.
fn measure(
    work: Work,
    mut result: Sender<f64>,
    round: impl Fn(u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // The workers are started, and have begun.
    round(100)?;
    let watch = Stopwatch::start();
    let mut count = 0_u64;
    while count < 1 || watch.elapsed().as_secs_f64() < work.seconds {
        round(work.calls)?;
        count += 1;
    }
    Ok(result.send(&(watch.elapsed().as_secs_f64() / count as f64))?)
}

fn with(executor: &impl Executor, (work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(work, result, |calls| {
        let futures = (0..calls).map(|number| executor.submit(square, number));
        let futures: Vec<Future<u64>> = futures.collect::<Result<_, _>>()?;
        for (number, future) in (0..).zip(futures) {
            if future.into_result()? != square(number) {
                return Err(Failure::new("a result is wrong"));
            }
        }
        Ok(())
    })
}

/// Runs in the owner.
fn processes(work: (Work, Sender<f64>)) -> Result<(), Failure> {
    with(&ProcessPoolExecutor::new(work.0.workers)?, work)
}

/// Runs in the owner.
fn threads(work: (Work, Sender<f64>)) -> Result<(), Failure> {
    with(&ThreadPoolExecutor::new(work.0.workers), work)
}

/// Runs in the owner. A job of this crate gives no result.
fn with_threadpool((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let pool = threadpool::ThreadPool::new(work.workers);
    measure(work, result, |calls| {
        for number in 0..calls {
            pool.execute(move || {
                black_box(square(black_box(number)));
            });
        }
        pool.join();
        Ok(())
    })
}

/// Runs in the owner. The same with this one.
fn with_rayon((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(work.workers);
    let pool = builder.build()?;
    measure(work, result, |calls| {
        // From outside of its threads, as the others.
        pool.in_place_scope(|scope| {
            for number in 0..calls {
                scope.spawn(move |_| {
                    black_box(square(black_box(number)));
                });
            }
        });
        Ok(())
    })
}
