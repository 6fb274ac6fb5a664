//! What a process costs that waits in get and gets nothing.

use super::{Figure, NOT_HERE, Play, QUEUES};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, Waiter, sleeps_are_counted, waited};

/// A waiter naps for 0.1 s at a time: shorter than this, and one can't count.
const LONG_ENOUGH: f64 = 0.5;

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let figures: [(&str, &str, Unit, Figure); 2] = [
        ("queue-idle-wake-ups", "wake-ups per second", Unit::WakeUps, |reports| {
            waited(reports, Waiter::WakeUps)
        }),
        ("queue-idle-cpu", "CPU time per second", Unit::Cpu, |reports| {
            waited(reports, Waiter::Cpu)
        }),
    ];
    let row = |(name, says, unit, figure): (&str, &str, Unit, Figure)| {
        let play = Play {
            name: name.into(),
            says: format!("a process that waits in get: {says}"),
            unit,
            scene: Scene::new(&[Act::Wake, Act::Wait]),
            figure,
        };
        let mut row = play.row(&QUEUES, pythons, "queue");
        if unit == Unit::WakeUps && !sleeps_are_counted() {
            row.peers.iter_mut().for_each(|peer| peer.sample = Err(NOT_HERE.into()));
        }
        Row { seconds_at_least: LONG_ENOUGH, ..row }
    };
    figures.map(row).into()
}
