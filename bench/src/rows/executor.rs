//! Executors: how many calls they do in a second, and one call, there and back.

use std::hint::black_box;

use common::measure::harness::in_process;
use common::measure::{Benchmark, Budget, Peer, Unit};
use multiprocess::futures::{Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor};
use multiprocess::{Failure, Sender, cpu_count, tasks};
use serde::{Deserialize, Serialize};

use super::{OURS, busy, for_each, seconds_each};
use crate::python::Python;

tasks![processes, threads, with_threadpool, with_rayon, square];

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Work {
    seconds: f64,
    workers: usize,
    /// Calls that are submitted at once; then their results are waited for.
    calls: u64,
}

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let processes = |calls| row("processes", calls, pythons, vec![peer(OURS, calls, processes)]);
    let threads = |calls| {
        let peers = vec![
            peer(OURS, calls, threads),
            peer("threadpool (threads)", calls, with_threadpool),
            peer("rayon (threads)", calls, with_rayon),
        ];
        row("threads", calls, pythons, peers)
    };
    vec![
        processes(2_000),
        processes(MILLION),
        processes(1),
        threads(20_000),
        threads(MILLION),
        threads(1),
        busy(processes(1)),
        busy(threads(1)),
    ]
}

const MILLION: u64 = 1_000_000;

/// The calls instead of a million that Python gets: it would take minutes.
const FEWER: u64 = 10_000;

fn row(kind: &str, calls: u64, pythons: &[Python], mut peers: Vec<Peer>) -> Benchmark {
    let python_kind = kind.to_owned();
    let mut with_python = for_each(pythons, move |python, budget| {
        let made = if calls == MILLION { FEWER } else { calls };
        let mut wanted = serde_json::to_value(work(made, budget))?;
        wanted["what"] = "executor".into();
        wanted["kind"] = python_kind.clone().into();
        Ok(figure_of(calls, made, python.figure("calls.py", &wanted, budget)?))
    });
    let (name, says, unit) = match calls {
        1 => ("round-trip", "one square, there and back", Unit::Time),
        MILLION => {
            ("million", "a million squares submitted, then each result: of each", Unit::Time)
        }
        _ => ("submit", "squares, each submitted, then each result", Unit::Rate),
    };
    if calls == MILLION {
        with_python = with_python.into_iter().map(|peer| peer.variant("10000 squares")).collect();
    }
    // Ours stands first, Python second.
    peers.splice(1..1, with_python);
    let says = format!("an executor of {} {kind}: {says}", cpu_count());
    Benchmark::new(format!("executor-{kind}-{name}"), says, unit, peers)
}

fn work(calls: u64, budget: &Budget) -> Work {
    Work { seconds: budget.seconds, workers: cpu_count(), calls }
}

/// Returns the row's figure: many calls are rated, a million are timed each.
fn figure_of(row: u64, calls: u64, seconds: f64) -> f64 {
    if row == 1 || row == MILLION { seconds / calls as f64 } else { calls as f64 / seconds }
}

/// Makes a peer whose executor is in a process of its own.
fn peer<F>(name: &str, calls: u64, owner: F) -> Peer
where
    F: Fn((Work, Sender<f64>)) -> Result<(), Failure> + Copy + 'static,
{
    Peer::new(name, move |budget| {
        Ok(figure_of(calls, calls, in_process(budget, owner, work(calls, budget))?))
    })
}

/// A call.
fn square(number: u64) -> u64 {
    number * number
}

/// Runs in the owner: measures the seconds of each round of calls.
fn measure(
    work: Work,
    mut result: Sender<f64>,
    round: impl Fn(u64) -> Result<(), Failure>,
) -> Result<(), Failure> {
    // The workers are started, and have begun.
    round(100)?;
    Ok(result.send(&seconds_each(work.seconds, 1, || round(work.calls))?)?)
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
