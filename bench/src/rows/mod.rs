//! The rows: one small file for each, or for each family of one shape. A new one is a file here and
//! a line in [`all`].

use multiprocess::Failure;

use crate::method::{Peer, Row, Unit};
use crate::python::Python;
use crate::scene::{Report, Scene, Terms, bare_pipe, ipc, ours, threads};

mod executor;
mod pipe_echo;
mod pipe_round_trip;
mod plan_order;
mod pool;
mod queue_after_kills;
mod queue_idle;
mod queue_latency;
mod queue_memory;
mod queue_round_trip;
mod queue_sizes;
mod queue_stream;
mod start_join;
mod switch;
mod tokens;

/// Returns all rows, in the order of the chapters.
pub(crate) fn all(pythons: &[Python]) -> Vec<Row> {
    [
        start_join::rows(pythons),
        pipe_round_trip::rows(pythons),
        pipe_echo::rows(pythons),
        queue_stream::rows(pythons),
        queue_round_trip::rows(pythons),
        queue_latency::rows(pythons),
        queue_sizes::rows(pythons),
        tokens::rows(pythons),
        switch::rows(),
        queue_idle::rows(pythons),
        queue_after_kills::rows(pythons),
        queue_memory::rows(pythons),
        pool::rows(pythons),
        executor::rows(pythons),
        plan_order::rows(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A function that plays a scene over a medium.
type Medium = fn(&Scene, &Terms) -> Result<Vec<Report>, Failure>;

/// A function that makes a figure of the sides' reports.
type Figure = fn(&[Report]) -> Result<f64, Failure>;

/// The reason for a missing peer or row: the system lacks it, or doesn't tell what is measured.
const NOT_HERE: &str = "not on this system";

const OURS: &str = "ours";
const IPC_CHANNEL: &str = "ipc-channel";
const CROSSBEAM: &str = "crossbeam (threads)";
const PERF: &str = "kernel, perf bench sched pipe";

/// The media of a scene with a queue.
const QUEUES: [(&str, Medium); 4] = [
    (OURS, ours::queue),
    (IPC_CHANNEL, ipc::channels),
    (CROSSBEAM, threads::crossbeam),
    ("kernel, bare pipe", bare_pipe::pipes),
];

/// The media of a scene with a pipe of both directions.
const PIPES: [(&str, Medium); 3] = [
    (OURS, ours::pipe),
    (IPC_CHANNEL, ipc::channels),
    ("kernel, two bare pipes", bare_pipe::pipes),
];

/// A row whose peers all play the same scene.
struct Play {
    name: String,
    says: String,
    unit: Unit,
    scene: Scene,
    figure: Figure,
}

impl Play {
    /// Makes the row: a peer for each medium, and every Python.
    fn row(self, media: &[(&str, Medium)], pythons: &[Python], python_medium: &'static str) -> Row {
        let mut peers: Vec<Peer> =
            media.iter().map(|(name, medium)| self.peer(name, *medium)).collect();
        // Ours stands first, Python second.
        peers.splice(1..1, self.pythons(pythons, python_medium));
        let Self { name, says, unit, .. } = self;
        Row { name, says, unit, peers, seconds_at_least: 0.0 }
    }

    fn peer(&self, name: &str, medium: Medium) -> Peer {
        let (scene, figure) = (self.scene.clone(), self.figure);
        Peer::new(name, move |terms| figure(&medium(&scene, terms)?))
    }

    fn pythons(&self, pythons: &[Python], medium: &'static str) -> Vec<Peer> {
        let (scene, figure) = (self.scene.clone(), self.figure);
        for_each(pythons, move |python, terms| figure(&python.play(medium, &scene, terms)?))
    }
}

/// Makes a peer for every Python, or an empty cell.
fn for_each(
    pythons: &[Python],
    sample: impl Fn(&Python, &Terms) -> Result<f64, Failure> + Clone + 'static,
) -> Vec<Peer> {
    if pythons.is_empty() {
        return vec![Peer::missing("CPython", "no python3 was found: give one by --python PATH")];
    }
    let peer = |python: &Python| {
        let (python, sample) = (python.clone(), sample.clone());
        Peer::new(&python.name.clone(), move |terms| sample(&python, terms))
    };
    pythons.iter().map(peer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a sample of every peer in every row that the filter lets through.
    fn sample_all(pythons: &[Python], wanted: impl Fn(&Row, &Peer) -> bool) {
        for row in all(pythons) {
            for peer in row.peers.iter().filter(|peer| wanted(&row, peer)) {
                let Ok(sample) = &peer.sample else { continue };
                let figure = sample(&Terms::of(0.01));
                let figure = figure.unwrap_or_else(|e| panic!("{}, {}: {e}", row.name, peer.name));
                assert!(figure.is_finite() && figure >= 0.0, "{}: {figure}", row.name);
            }
        }
    }

    /// Placements that this machine can't have are no failure of the row.
    fn fits(row: &Row) -> bool {
        multiprocess::cpu_count() > 1 || !row.name.ends_with("-two-cores")
    }

    #[test]
    fn every_row_gives_a_checked_sample_of_ours_and_of_the_crates() {
        let _deadline = testing::Deadline::seconds(120);
        // What the first two start doesn't find its way through a test harness; perf may not be
        // there.
        let lost = ["procspawn", "kernel, bench itself", PERF];
        // Ours starts a program that isn't beside a test: `tests/program.rs` does it.
        let elsewhere =
            |row: &Row, peer: &Peer| row.name.starts_with("start-join") && peer.name == OURS;
        sample_all(&[], |row, peer| {
            fits(row) && !lost.contains(&peer.name.as_str()) && !elsewhere(row, peer)
        });
    }

    #[test]
    fn a_row_of_every_shape_gives_a_checked_sample_of_python() {
        let _deadline = testing::Deadline::seconds(120);
        let mut pythons = crate::python::find(&[]).unwrap();
        pythons.truncate(1);
        let shapes = "start-join pipe-round-trip pipe-echo-1-MiB queue-2-2 queue-latency \
                      queue-200-B queue-idle-cpu token-processes token-threads";
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
        let without = ["queue-memory", "switch-", "plan-order-"];
        let has_one = |row: &&Row| !without.iter().any(|begin| row.name.starts_with(begin));
        for row in all(&[]).iter().filter(has_one) {
            let python = row.peers.iter().find(|peer| peer.column().0 == "CPython").unwrap();
            assert!(python.sample.as_ref().is_err_and(|reason| reason.contains("--python PATH")));
        }
    }
}
