//! How old a message is when it is got, if one is put every 100 µs.

use super::{CROSSBEAM, Figure, IPC_CHANNEL, KERNEL, OURS, Play};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, bare_pipe, ipc, median, ours, p99, threads};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let figures: [(&str, &str, Figure); 2] =
        [("queue-latency", "the median", median), ("queue-latency-p99", "99 of 100 within", p99)];
    let row = |(name, says, figure): (&str, &str, Figure)| {
        let play = Play {
            name: name.into(),
            says: format!("from put to got, one message every 100 µs: {says}"),
            unit: Unit::Time,
            scene: Scene::new(&[Act::Tick, Act::Listen]),
            figure,
        };
        play.row(
            &[
                (OURS, ours::queue),
                (IPC_CHANNEL, ipc::channels),
                (CROSSBEAM, threads::crossbeam),
                (KERNEL, bare_pipe::pipes),
            ],
            pythons,
            "queue",
        )
    };
    figures.map(row).into()
}
