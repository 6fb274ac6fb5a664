//! What processes share: locks, values, a semaphore, a barrier, an array, and a value that a
//! manager's server has. A process uses it alone, or two use it at once.
//!
//! ```text
//!   driver: makes it ──▶ a process, or a thread ──┐
//!                    ──▶ another ─────────────────┤ a barrier: both begin
//!           checks it ◀── how many steps, when ───┘
//! ```

use std::env;
use std::sync::{Arc, Mutex};

use common::measure::{Benchmark, Budget, Peer, Unit};
use multiprocess::Failure;
use multiprocess::shared::{Lock, Value};
use serde_json::json;

use super::{NOT_HERE, OURS, busy, for_each};
use crate::python::Python;
use crate::sys::PthreadMutex;

mod alone;
mod array;
mod barrier;
mod counter;
mod lock;
mod manager;
mod pair;

use alone::{acquire_alone, get_alone, lock_alone, update_alone};
use counter::{Guarded, in_processes, in_threads};

pub(super) fn rows(pythons: &[Python]) -> Vec<Benchmark> {
    let row = |name: &'static str, says: &str, unit, ours: Take, others: Vec<Peer>| {
        let mut peers = vec![Peer::new(OURS, ours)];
        peers.extend(for_each(pythons, move |python, budget| {
            let wanted = json!({ "row": name, "seconds": budget.seconds });
            python.figure("shared.py", &wanted, budget)
        }));
        peers.extend(others);
        Benchmark::new(name, says, unit, peers)
    };
    let lock_contended = || {
        let others = locks(
            in_processes::<Guarded<PthreadMutex<true>>>,
            in_processes::<Guarded<PthreadMutex<false>>>,
            in_threads::<Guarded<Arc<Mutex<()>>>>,
        );
        let ours = in_processes::<Guarded<Lock>>;
        row("lock-contended", "two processes count under one lock", Unit::Rate, ours, others)
    };
    let update_contended = || {
        let says = "two processes add 1 to one value";
        row("value-update-contended", says, Unit::Rate, in_processes::<Value<u64>>, vec![])
    };
    let barrier =
        || row("barrier", "two processes meet at a barrier", Unit::Time, barrier::round, vec![]);
    let two_clients = || {
        let says = "two clients of a manager call at once";
        row("manager-two-clients", says, Unit::Rate, manager::two_clients, vec![])
    };
    let others = locks(
        lock_alone::<PthreadMutex<true>>,
        lock_alone::<PthreadMutex<false>>,
        lock_alone::<Arc<Mutex<()>>>,
    );
    let says = "half of 2^20 numbers is written by each of two processes: numbers";
    let threads = vec![Peer::new("std (threads)", array::of_threads)];
    vec![
        row("lock-alone", "a free lock: lock and unlock", Unit::Time, lock_alone::<Lock>, others),
        lock_contended(),
        busy(lock_contended()),
        row("value-update", "add 1 to a value", Unit::Time, update_alone, vec![]),
        update_contended(),
        busy(update_contended()),
        row("value-get", "read a value", Unit::Time, get_alone, vec![]),
        row("semaphore", "acquire and release, of 3 permits", Unit::Time, acquire_alone, vec![]),
        barrier(),
        busy(barrier()),
        row("array-slice", says, Unit::Rate, array::of_processes, threads),
        row("manager-call", "a manager's client calls", Unit::Time, manager::one_client, vec![]),
        two_clients(),
        busy(two_clients()),
    ]
}

/// A function that takes a sample.
type Take = fn(&Budget) -> Result<f64, Failure>;

/// Makes the other peers of a lock.
fn locks(robust: Take, plain: Take, threads: Take) -> Vec<Peer> {
    let pthread = |name: &str, take| match env::consts::OS {
        "linux" => Peer::new(name, take),
        _ => Peer::missing(name, NOT_HERE),
    };
    let (robust, plain) = (pthread("pthread, robust", robust), pthread("pthread, plain", plain));
    vec![robust, plain, Peer::new("std (threads)", threads)]
}
