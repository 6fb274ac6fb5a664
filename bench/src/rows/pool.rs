//! Pools of workers: many short tasks, one task after the other, large arguments and results; what
//! a waiting task and an idle pool cost.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::stock::Stock;
use common::time::Stopwatch;
use multiprocess::{Failure, Pool, Sender, cpu_count, tasks};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{NOT_HERE, OURS, for_each};
use crate::method::{Peer, Row, Unit};
use crate::python::Python;
use crate::scene::{alone, sleeps_are_counted, times_slept_by};

tasks![with_ours, with_procspawn, with_threadpool, with_rayon, square, length, data, echo, nap];

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

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    [
        (Call::MapOne, Unit::Rate, "pool-map-1", "squares by map, each a task"),
        (Call::Map, Unit::Rate, "pool-map", "squares by map, in the pool's own chunks"),
        (Call::MapMillion, Unit::Rate, "pool-map-million", "a million squares by map"),
        (Call::Apply, Unit::Time, "pool-apply", "one square by apply, there and back"),
        (Call::Arguments, Unit::Time, "pool-1-MiB-arguments", "apply with an argument of 1 MiB"),
        (Call::Results, Unit::Time, "pool-1-MiB-results", "apply with a result of 1 MiB"),
        (Call::Echo, Unit::Time, "pool-20-MB-both-ways", "apply with 20 MB there and back"),
        (Call::Memory, Unit::Bytes, "pool-memory", "memory of the owner for a task that waits"),
        (Call::Idle, Unit::WakeUps, "pool-idle-wake-ups", "an idle pool: wake-ups per second"),
    ]
    .map(|(call, unit, name, says)| {
        let mut peers = vec![match call {
            Call::Idle if !sleeps_are_counted() => Peer::missing(OURS, NOT_HERE),
            _ => peer(OURS, call, with_ours),
        }];
        peers.extend(for_each(pythons, move |python, terms| {
            let wanted = serde_json::to_value(work(call, terms.seconds))?;
            let figure = python.run("pool.py", &wanted, terms)?;
            Ok(figure_of(call, serde_json::from_value(figure)?))
        }));
        match call {
            Call::Memory | Call::Idle => {}
            _ => {
                peers.push(match call {
                    Call::Map | Call::MapMillion => Peer::missing("procspawn", "it has no chunks"),
                    _ => peer("procspawn", call, with_procspawn),
                });
                peers.push(peer("threadpool (threads)", call, with_threadpool));
                peers.push(peer("rayon (threads)", call, with_rayon));
            }
        }
        let says = format!("a pool of {} workers: {says}", cpu_count());
        let seconds_at_least = if call == Call::Idle { 0.5 } else { 0.0 };
        Row { name: name.into(), says, unit, peers, seconds_at_least }
    })
    .into()
}

fn work(call: Call, seconds: f64) -> Work {
    let items = match call {
        Call::Map => 200_000,
        Call::MapMillion => 1_000_000,
        Call::Memory => 100_000,
        _ => 5_000,
    };
    let bytes = if call == Call::Echo { 20_000_000 } else { BYTES };
    Work { call, seconds, workers: cpu_count(), items, bytes }
}

/// Returns the row's figure: a map is rated by its items.
fn figure_of(call: Call, figure: f64) -> f64 {
    match call {
        Call::MapOne | Call::Map | Call::MapMillion => work(call, 0.0).items as f64 / figure,
        _ => figure,
    }
}

/// Makes a peer whose pool is in a process of its own.
fn peer<F>(name: &str, call: Call, owner: F) -> Peer
where
    F: Fn((Work, Sender<f64>)) -> Result<(), Failure> + Copy + 'static,
{
    Peer::new(name, move |terms| {
        Ok(figure_of(call, alone(terms, owner, work(call, terms.seconds))?))
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

/// The calls that all peers have.
trait Workers {
    fn map(&self, items: u64, one_by_one: bool) -> Result<Vec<u64>, Failure>;
    fn square(&self, number: u64) -> Result<u64, Failure>;
    fn length(&self, data: ByteBuf) -> Result<usize, Failure>;
    fn data(&self, length: usize) -> Result<ByteBuf, Failure>;
    fn echo(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure>;
}

/// Runs in the owner: seconds of each call.
fn measure(work: Work, mut result: Sender<f64>, workers: &impl Workers) -> Result<(), Failure> {
    let check = |right| if right { Ok(()) } else { Err(Failure::new("a result is wrong")) };
    let map = |items: u64, one_by_one| {
        let squares = workers.map(items, one_by_one)?;
        let right = squares.last() == Some(&(items - 1).pow(2));
        check(right && squares.len() as u64 == items)
    };
    let argument = ByteBuf::from(vec![b'.'; work.bytes]);
    map(100, true)?;
    let watch = Stopwatch::start();
    let mut count = 0_u64;
    while count < 1 || watch.elapsed().as_secs_f64() < work.seconds {
        match work.call {
            Call::MapOne => map(work.items as u64, true)?,
            Call::Map | Call::MapMillion => map(work.items as u64, false)?,
            Call::Apply => check(workers.square(7)? == 49)?,
            Call::Arguments => check(workers.length(argument.clone())? == work.bytes)?,
            Call::Results => check(workers.data(work.bytes)?.len() == work.bytes)?,
            Call::Echo => check(argument == workers.echo(argument.to_vec())?)?,
            Call::Memory | Call::Idle => return Err(Failure::new("there is nothing to call")),
        }
        count += 1;
    }
    Ok(result.send(&(watch.elapsed().as_secs_f64() / count as f64))?)
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

    fn square(&self, number: u64) -> Result<u64, Failure> {
        Ok(self.apply(square, number)?)
    }

    fn length(&self, data: ByteBuf) -> Result<usize, Failure> {
        Ok(self.apply(length, data)?)
    }

    fn data(&self, length: usize) -> Result<ByteBuf, Failure> {
        Ok(self.apply(data, length)?)
    }

    fn echo(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(self.apply(echo, data)?)
    }
}

/// Runs in the owner.
fn with_ours((work, mut result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let pool = Pool::new(work.workers)?;
    match work.call {
        Call::Memory => Ok(result.send(&memory(&pool, work)?)?),
        Call::Idle => Ok(result.send(&idle(&pool, work)?)?),
        _ => measure(work, result, &pool),
    }
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

    fn square(&self, number: u64) -> Result<u64, Failure> {
        Ok(self.spawn(number, square).join()?)
    }

    fn length(&self, data: ByteBuf) -> Result<usize, Failure> {
        Ok(self.spawn(data, length).join()?)
    }

    fn data(&self, length: usize) -> Result<ByteBuf, Failure> {
        Ok(self.spawn(length, data).join()?)
    }

    fn echo(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(self.spawn(data, echo).join()?)
    }
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

    fn square(&self, number: u64) -> Result<u64, Failure> {
        one(self, move || square(number))
    }

    fn length(&self, data: ByteBuf) -> Result<usize, Failure> {
        one(self, move || length(data))
    }

    fn data(&self, length: usize) -> Result<ByteBuf, Failure> {
        one(self, move || data(length))
    }

    fn echo(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure> {
        one(self, move || echo(data))
    }
}

fn one<R: Send + 'static>(
    pool: &threadpool::ThreadPool,
    task: impl FnOnce() -> R + Send + 'static,
) -> Result<R, Failure> {
    let (sender, receiver) = mpsc::channel();
    pool.execute(move || {
        let _ = sender.send(task());
    });
    Ok(receiver.recv()?)
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

    fn square(&self, number: u64) -> Result<u64, Failure> {
        Ok(self.install(|| square(number)))
    }

    fn length(&self, data: ByteBuf) -> Result<usize, Failure> {
        Ok(self.install(|| length(data)))
    }

    fn data(&self, length: usize) -> Result<ByteBuf, Failure> {
        Ok(self.install(|| data(length)))
    }

    fn echo(&self, data: Vec<u8>) -> Result<Vec<u8>, Failure> {
        Ok(self.install(|| echo(data)))
    }
}

/// Runs in the owner.
fn with_rayon((work, result): (Work, Sender<f64>)) -> Result<(), Failure> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(work.workers);
    measure(work, result, &builder.build()?)
}
