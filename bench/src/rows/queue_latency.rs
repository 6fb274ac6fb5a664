//! How old a message is when it is got, if one is put every 100 µs.

use super::{Figure, Play, QUEUES};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, median, p99};

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
        play.row(&QUEUES, pythons, "queue")
    };
    figures.map(row).into()
}
