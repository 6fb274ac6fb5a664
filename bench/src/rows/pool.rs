//! Pools of workers: many short tasks, one task after the other, large arguments and results; what
//! a waiting task and an idle pool cost.

use std::collections::BTreeSet;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::measure::harness::in_process;
use common::measure::{Benchmark, Peer, Unit, sleeps_are_counted, times_slept_by};
use common::stock::Stock;
use multiprocess::{Failure, Pool, Sender, cpu_count, tasks};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{NOT_HERE, OURS, busy, for_each, seconds_each};
use crate::python::Python;

tasks![
    with_ours,
    with_procspawn,
    with_threadpool,
    with_rayon,
    square,
    length,
    data,
    echo,
    nap,
    own_pid
];

/// The calls that are asked of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Call {
    /// Squares, each of them a task; the figure is a rate.
    #[serde(rename = "map-1")]
    MapOne,
    /// Squares, in chunks as the pool likes them.
    Map,
    /// Squares of a million, in chunks as the pool likes them.
    MapMillion,
    /// Squares, each of them a task, of very many workers; the figure is a time.
    MapMany,
    /// A single square, and its result waited for.
    Apply,
    /// A single call with a mebibyte there.
    Arguments,
    /// A single call with a mebibyte back.
    Results,
    /// A plain vector of 20 MB there and back.
    Echo,
    /// Tasks that wait, and nothing else; the figure is bytes of each.
    Memory,
    /// Nothing at all; the figure is wake-ups per second.
    Idle,
}

const BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Work {
    call: Call,
    seconds: f64,
    workers: usize,
    /// Items of a map.
    items: usize,
    bytes: usize,
}

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let row = |(call, unit, name, says): (Call, Unit, &str, &str)| {
        let mut peers = vec![match call {
            Call::Idle if !sleeps_are_counted() => Peer::missing(OURS, NOT_HERE),
            _ => peer(OURS, call, with_ours),
        }];
        peers.extend(for_each(pythons, move |python, budget| {
            let mut wanted = serde_json::to_value(work(call, budget.seconds))?;
            wanted["what"] = "pool".into();
            Ok(figure_of(call, python.figure("calls.py", &wanted, budget)?))
        }));
        if !matches!(call, Call::Memory | Call::Idle) {
            peers.push(match call {
                Call::Map | Call::MapMillion => Peer::missing("procspawn", "it has no chunks"),
                _ => peer("procspawn", call, with_procspawn),
            });
            peers.push(peer("threadpool (threads)", call, with_threadpool));
            peers.push(peer("rayon (threads)", call, with_rayon));
        }
        let says = format!("a pool of {} workers: {says}", work(call, 0.0).workers);
        let seconds_at_least = if call == Call::Idle { 0.5 } else { 0.0 };
        Benchmark { seconds_at_least, ..Benchmark::new(name, says, unit, peers) }
    };
    let apply = (Call::Apply, Unit::Time, "pool-apply", "one square by apply, there and back");
    let mut rows: Vec<Benchmark> = [
        (Call::MapOne, Unit::Rate, "pool-map-1", "squares by map, each a task"),
        (Call::Map, Unit::Rate, "pool-map", "squares by map, in the pool's own chunks"),
        (Call::MapMillion, Unit::Rate, "pool-map-million", "a million squares by map"),
        (
            Call::MapMany,
            Unit::Time,
            "pool-map-1-200-workers",
            "squares by map, each a task: of each",
        ),
        apply,
        (Call::Arguments, Unit::Time, "pool-1-MiB-arguments", "apply with an argument of 1 MiB"),
        (Call::Results, Unit::Time, "pool-1-MiB-results", "apply with a result of 1 MiB"),
        (Call::Echo, Unit::Time, "pool-20-MB-both-ways", "apply with 20 MB there and back"),
        (Call::Memory, Unit::Bytes, "pool-memory", "memory of the owner for a task that waits"),
        (Call::Idle, Unit::WakeUps, "pool-idle-wake-ups", "an idle pool: wake-ups per second"),
    ]
    .map(row)
    .into();
    rows.push(busy(row(apply)));
    rows
}

fn work(call: Call, seconds: f64) -> Work {
    let items = match call {
        Call::Map => 200_000,
        Call::MapMillion => 1_000_000,
        Call::Memory => 100_000,
        _ => 5_000,
    };
    let bytes = if call == Call::Echo { 20_000_000 } else { BYTES };
    let workers = if call == Call::MapMany { 200 } else { cpu_count() };
    Work { call, seconds, workers, items, bytes }
}

/// Returns the row's figure: a map is rated by its items.
fn figure_of(call: Call, figure: f64) -> f64 {
    let items = work(call, 0.0).items as f64;
    match call {
        Call::MapOne | Call::Map | Call::MapMillion => items / figure,
        Call::MapMany => figure / items,
        _ => figure,
    }
}

/// Makes a peer whose pool is in a process of its own.
fn peer<F>(name: &str, call: Call, owner: F) -> Peer
where
    F: Fn((Work, Sender<f64>)) -> Result<(), Failure> + Copy + 'static,
{
    Peer::new(name, move |budget| {
        Ok(figure_of(call, in_process(budget, owner, work(call, budget.seconds))?))
    })
}

/// A task.
fn square(number: u64) -> u64 {
    number * number
}

/// A task.
fn length(data: ByteBuf) -> usize {
    data.len()
}

/// A task.
fn data(length: usize) -> ByteBuf {
    ByteBuf::from(vec![b'.'; length])
}

/// A task.
fn echo(data: Vec<u8>) -> Vec<u8> {
    data
}

/// A task.
fn nap(seconds: u64) {
    thread::sleep(Duration::from_secs(seconds));
}

/// A pool of workers, whichever crate's.
trait Workers {
    /// Squares the numbers below this one.
    fn map(&self, items: u64, one_by_one: bool) -> Result<Vec<u64>, Failure>;
    fn square(&self, number: u64) -> Result<u64, Failure>;
    fn length(&self, data: ByteBuf) -> Result<usize, Failure>;
    fn data(&self, length: usize) -> Result<ByteBuf, Failure>;
    fn echo(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure>;
}

/// Writes the calls of [`Workers`]: how a crate's pool calls a task with an argument.
macro_rules! calls {
    ($pool:ident, $task:ident, $argument:ident => $call:expr) => {
        calls! { @ $pool, $task, $argument => $call;
            square(u64) -> u64, length(ByteBuf) -> usize, data(usize) -> ByteBuf,
            echo(Vec<u8>) -> Vec<u8>
        }
    };
    (@ $pool:ident, $task:ident, $argument:ident => $call:expr;
        $($name:ident($type:ty) -> $result:ty),+
    ) => { $(
        fn $name(&self, $argument: $type) -> Result<$result, Failure> {
            let ($pool, $task) = (self, $name);
            Ok($call)
        }
    )+ };
}

/// Runs in the owner: measures the seconds of each call.
fn measure(work: Work, mut result: Sender<f64>, workers: &impl Workers) -> Result<(), Failure> {
    let check = |right| if right { Ok(()) } else { Err(Failure::new("a result is wrong")) };
    let map = |items: u64, one_by_one| {
        let squares = workers.map(items, one_by_one)?;
        let right = squares.last() == Some(&(items - 1).pow(2));
        check(right && squares.len() as u64 == items)
    };
    let argument = ByteBuf::from(vec![b'.'; work.bytes]);
    map(100, true)?;
    let seconds = seconds_each(work.seconds, 1, || match work.call {
        Call::MapOne | Call::MapMany => map(work.items as u64, true),
        Call::Map | Call::MapMillion => map(work.items as u64, false),
        Call::Apply => check(workers.square(7)? == 49),
        Call::Arguments => check(workers.length(argument.clone())? == work.bytes),
        Call::Results => check(workers.data(work.bytes)?.len() == work.bytes),
        Call::Echo => check(argument == workers.echo(argument.to_vec())?),
        Call::Memory | Call::Idle => Err(Failure::new("there is nothing to call")),
    });
    Ok(result.send(&seconds?)?)
}

impl Workers for Pool {
    fn map(&self, items: u64, one_by_one: bool) -> Result<Vec<u64>, Failure> {
        let mapped = if one_by_one {
            self.map_chunked(square, 0..items, 1)
        } else {
            Self::map(self, square, 0..items)
        };
        Ok(mapped?)
    }

    calls!(pool, task, argument => pool.apply(task, argument)?);
}

/// Runs in the owner.
fn with_ours((work, mut result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let pool = Pool::new(work.workers)?;
    wait_for_all(&pool, work.workers)?;
    match work.call {
        Call::Memory => Ok(result.send(&memory(&pool, work)?)?),
        Call::Idle => Ok(result.send(&idle(&pool, work)?)?),
        _ => measure(work, result, &pool),
    }
}

/// A task, so long that one worker can't do all.
fn own_pid(_: u64) -> u32 {
    thread::sleep(Duration::from_millis(1));
    std::process::id()
}

/// Waits until all workers work: their starts would be measured otherwise.
fn wait_for_all(pool: &Pool, workers: usize) -> Result<(), Failure> {
    let mut there = BTreeSet::new();
    while there.len() < workers {
        there.extend(pool.map_chunked(own_pid, 0..workers as u64, 1)?);
    }
    Ok(())
}

/// Measures the bytes of this process for each task that waits.
fn memory(pool: &Pool, work: Work) -> Result<f64, Failure> {
    pool.map_chunked(square, 0..100, 1)?;
    let busy =
        (0..work.workers).map(|_| pool.apply_async(nap, 60)).collect::<Result<Vec<_>, _>>()?;
    let before = Stock::now()?;
    let numbers = 0..work.items as u64;
    let waiting = numbers.map(|number| pool.apply_async(square, number));
    let waiting = waiting.collect::<Result<Vec<_>, _>>()?;
    let grown = 1024 * before.grown()?;
    if busy.iter().any(multiprocess::AsyncResult::ready)
        || waiting.iter().any(multiprocess::AsyncResult::ready)
    {
        return Err(Failure::new("a task did not wait"));
    }
    pool.terminate();
    Ok(grown as f64 / work.items as f64)
}

/// Measures the wake-ups per second of the pool's processes, without that of the measuring thread.
fn idle(pool: &Pool, work: Work) -> Result<f64, Failure> {
    pool.map_chunked(square, 0..100, 1)?;
    let mut pids = pool.worker_pids();
    pids.push(std::process::id());
    let all = || pids.iter().map(|pid| times_slept_by(*pid)).sum::<Result<u64, Failure>>();
    thread::sleep(Duration::from_millis(100));
    let before = all()?;
    thread::sleep(Duration::try_from_secs_f64(work.seconds)?);
    Ok((all()? - before).saturating_sub(1) as f64 / work.seconds)
}

impl Workers for procspawn::Pool {
    /// Three descriptors are open for each task that waits: so not all at once.
    fn map(&self, items: u64, _: bool) -> Result<Vec<u64>, Failure> {
        let mut squares = Vec::new();
        for begin in (0..items).step_by(64) {
            let some: Vec<_> =
                (begin..items.min(begin + 64)).map(|number| self.spawn(number, square)).collect();
            for handle in some {
                squares.push(handle.join()?);
            }
        }
        Ok(squares)
    }

    calls!(pool, task, argument => pool.spawn(argument, task).join()?);
}

/// Runs in the owner.
fn with_procspawn((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(work, result, &procspawn::Pool::new(work.workers)?)
}

/// A task's result comes back through a channel, because a job of this crate has none.
impl Workers for threadpool::ThreadPool {
    fn map(&self, items: u64, _: bool) -> Result<Vec<u64>, Failure> {
        let (sender, receiver) = mpsc::channel();
        for number in 0..items {
            let sender = sender.clone();
            self.execute(move || {
                let _ = sender.send((number, square(number)));
            });
        }
        drop(sender);
        let mut squares = vec![0; usize::try_from(items)?];
        receiver.iter().for_each(|(number, square)| squares[number as usize] = square);
        Ok(squares)
    }

    calls!(pool, task, argument => {
        let (sender, receiver) = mpsc::channel();
        pool.execute(move || {
            let _ = sender.send(task(argument));
        });
        receiver.recv()?
    });
}

/// Runs in the owner.
fn with_threadpool((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    measure(work, result, &threadpool::ThreadPool::new(work.workers))
}

impl Workers for rayon::ThreadPool {
    fn map(&self, items: u64, one_by_one: bool) -> Result<Vec<u64>, Failure> {
        let most = if one_by_one { 1 } else { usize::MAX };
        let numbers = (0..usize::try_from(items)?).into_par_iter().with_max_len(most);
        Ok(self.install(|| numbers.map(|number| square(number as u64)).collect()))
    }

    calls!(pool, task, argument => pool.install(|| task(argument)));
}

/// Runs in the owner.
fn with_rayon((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(work.workers);
    measure(work, result, &builder.build()?)
}
