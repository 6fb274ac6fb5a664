//! The rows: one small file for each, or for each family of one shape. A new one is a file here and
//! a line in [`all`].

use common::measure::{Benchmark, Budget, Peer, Placement, Sample, seconds_each};
use multiprocess::Failure;

use crate::python::Python;

mod cluster;
mod executor;
mod messages;
mod plan_order;
mod pool;
mod queue_after_kills;
mod queue_invite;
mod queue_memory;
mod shared;
mod start_join;

/// Returns all rows, in the order of the chapters.
pub(crate) fn all(pythons: &[Python]) -> Vec<Benchmark> {
    [
        start_join::rows(pythons),
        shared::rows(pythons),
        messages::rows(pythons),
        queue_after_kills::rows(pythons),
        queue_invite::rows(pythons),
        queue_memory::rows(pythons),
        pool::rows(pythons),
        executor::rows(pythons),
        cluster::rows(pythons),
        plan_order::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The reason for a missing peer or row: the system lacks it, or doesn't tell what is measured.
const NOT_HERE: &str = "not on this system";

const OURS: &str = "ours";
const IPC_CHANNEL: &str = "ipc-channel";
const ICEORYX2: &str = "iceoryx2";
const CROSSBEAM: &str = "crossbeam (threads)";
const PERF: &str = "kernel, perf bench sched pipe";

/// Returns what a placement adds to the name of a row, and to its words.
fn named(placement: Placement) -> [&'static str; 2] {
    match placement {
        Placement::Free => ["", ""],
        Placement::OneCore => ["-one-core", ", both on one core"],
        Placement::TwoCores => ["-two-cores", ", each on its core"],
    }
}

/// Minimum seconds of a sample beside busy loops: a hundred of their time slices of 3 ms. In a
/// shorter one, a few slices more or less decide the figure.
const HUNDRED_SLICES: f64 = 0.3;

/// Measures the row beside processes that compute.
fn busy(row: Benchmark) -> Benchmark {
    let (name, says) = (row.name + "-busy", row.says + ", beside a busy loop for each core");
    Benchmark { name, says, is_busy: true, seconds_at_least: HUNDRED_SLICES, ..row }
}

/// Makes a peer for every Python, or an empty cell.
fn for_each<S: Into<Sample>>(
    pythons: &[Python],
    sample: impl Fn(&Python, &Budget) -> Result<S, Failure> + Clone + 'static,
) -> Vec<Peer> {
    if pythons.is_empty() {
        return vec![Peer::missing("CPython", "no python3 was found: give one by --python PATH")];
    }
    let peer = |python: &Python| {
        let (python, sample) = (python.clone(), sample.clone());
        Peer::new(python.name.clone(), move |budget| sample(&python, budget))
    };
    pythons.iter().map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a sample of every peer in every row that the filter lets through.
    fn sample_all(pythons: &[Python], wanted: impl Fn(&Benchmark, &Peer) -> bool) {
        for row in all(pythons) {
            for peer in row.peers.iter().filter(|peer| wanted(&row, peer)) {
                let Ok(sample) = &peer.sample else { continue };
                let figure = sample(&Budget::of(0.01));
                let figure = figure.unwrap_or_else(|e| panic!("{}, {}: {e}", row.name, peer.name));
                let figure = figure.value;
                assert!(figure.is_finite() && figure >= 0.0, "{}: {figure}", row.name);
            }
        }
    }

    /// Placements that this machine can't have are no failure of the row.
    fn fits(row: &Benchmark) -> bool {
        multiprocess::cpu_count() > 1 || !row.name.ends_with("-two-cores")
    }

    #[test]
    fn every_row_gives_a_checked_sample_of_ours_and_of_the_crates() {
        let _deadline = testing::Deadline::seconds(300);
        // What the first two start doesn't find its way through a test harness; perf may not be
        // there.
        let lost = ["procspawn", "kernel, bench itself", PERF];
        // Ours starts a program that isn't beside a test: `tests/program.rs` does it.
        let elsewhere =
            |row: &Benchmark, peer: &Peer| row.name.starts_with("start-join") && peer.name == OURS;
        // A plan of a million tasks takes a minute in a debug build, a million futures half of one;
        // they are made as fewer.
        let long = ["plan-order-1000000", "executor-processes-million", "executor-threads-million"];
        let is_long = |row: &Benchmark| long.contains(&row.name.as_str());
        sample_all(&[], |row, peer| {
            fits(row)
                && !is_long(row)
                && !lost.contains(&peer.name.as_str())
                && !elsewhere(row, peer)
        });
    }

    #[test]
    fn a_row_of_every_shape_gives_a_checked_sample_of_python() {
        let _deadline = testing::Deadline::seconds(120);
        let mut pythons = crate::python::find(&[]).unwrap();
        pythons.truncate(1);
        let shapes = "start-join lock-alone lock-contended value-update-contended barrier \
                      manager-call manager-two-clients pipe-round-trip pipe-echo-1-MiB queue-2-2 \
                      queue-15-1 queue-latency queue-200-B queue-20-MB queue-idle-cpu \
                      token-processes token-threads pool-map-1-200-workers \
                      executor-processes-million";
        let shapes: Vec<&str> = shapes.split_whitespace().collect();
        sample_all(&pythons, |row, peer| {
            let (column, way) = peer.column();
            let is_python = pythons.iter().any(|python| python.name == column);
            is_python && shapes.contains(&row.name.as_str()) && way.is_none_or(|way| way == "fork")
        });
    }

    #[test]
    fn names_are_the_rows_own_and_ours_stands_first() {
        let rows = all(&[]);
        for (place, row) in rows.iter().enumerate() {
            assert!(rows[..place].iter().all(|earlier| earlier.name != row.name), "{}", row.name);
            assert_eq!(row.peers[0].name, OURS, "{}", row.name);
        }
    }

    #[test]
    fn without_a_python_its_cell_says_how_to_give_one() {
        let without = ["queue-invite", "queue-memory", "switch-", "cluster-", "plan-order-"];
        let has_one = |row: &&Benchmark| !without.iter().any(|begin| row.name.starts_with(begin));
        for row in all(&[]).iter().filter(has_one) {
            let python = row.peers.iter().find(|peer| peer.column().0 == "CPython").unwrap();
            assert!(python.sample.as_ref().is_err_and(|reason| reason.contains("--python PATH")));
        }
    }
}
