//! How much memory a queue without a limit holds after traffic of every size, however long.

use std::env;
use std::fs::{self, File};

use common::measure::harness::in_process;
use common::measure::{Benchmark, Peer, Unit};
use common::time::Stopwatch;
use fs4::FileExt;
use multiprocess::{Failure, Queue, Sender, tasks};
use serde_bytes::ByteBuf;

use super::{IPC_CHANNEL, NOT_HERE, OURS};
use crate::python::Python;

tasks![after_traffic];

/// From the smallest message to the largest, in bytes.
const SIZES: [usize; 6] = [8, 200, 4 << 10, 64 << 10, 256 << 10, 1 << 20];

/// Messages that are under way at once.
const UNDER_WAY: usize = 4;

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    // Only Linux tells how much memory is behind a queue's words.
    let ours = match env::consts::OS {
        "linux" => Peer::new(OURS, |budget| in_process(budget, after_traffic, budget.seconds)),
        _ => Peer::missing(OURS, NOT_HERE),
    };
    let mut peers = vec![ours];
    let in_kernel = pythons.iter().map(|python| python.name.as_str()).chain([IPC_CHANNEL]);
    peers.extend(in_kernel.map(|name| Peer::missing(name, "what waits, waits in the kernel")));
    let says = "memory of a queue without a limit after traffic of 8 B to 1 MiB, all of it got";
    vec![Benchmark::new("queue-memory", says, Unit::Bytes, peers)]
}

/// Runs in a process of its own: puts, gets what it has put, and asks the kernel.
fn after_traffic((seconds, mut result): (f64, Sender<f64>)) -> Result<(), Failure> {
    let queue = Queue::unbounded()?;
    let watch = Stopwatch::start();
    for sizes in (0..).map(|start| (start..start + UNDER_WAY).map(|at| SIZES[at % SIZES.len()])) {
        for size in sizes.clone() {
            queue.put(ByteBuf::from(vec![1; size]))?;
        }
        for size in sizes {
            if queue.get()?.len() != size {
                return Err(Failure::new("a message has another length"));
            }
        }
        if watch.elapsed().as_secs_f64() >= seconds {
            break;
        }
    }
    Ok(result.send(&(held()? as f64))?)
}

/// Returns the bytes of memory behind the queue's descriptors; each opening is the same file.
fn held() -> Result<u64, Failure> {
    let mut held = 0;
    for descriptor in fs::read_dir("/proc/self/fd")? {
        let path = descriptor?.path();
        let file = fs::read_link(&path).unwrap_or_default();
        if file.to_string_lossy().starts_with("/memfd:queue") {
            held = held.max(FileExt::allocated_size(&File::open(&path)?)?);
        }
    }
    if held == 0 {
        return Err(Failure::new("the queue's memory was not found"));
    }
    Ok(held)
}
