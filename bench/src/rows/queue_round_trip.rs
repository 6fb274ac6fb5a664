//! A number there over one queue and back over another.

use super::{Play, QUEUES};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Placement, Scene, round};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let row = |placement: Placement| {
        let play = Play {
            name: format!("queue-round-trip{}", placement.suffix()),
            says: format!("a number there and back over two queues{}", placement.words()),
            unit: Unit::Time,
            scene: Scene { placement, ..Scene::new(&[Act::Ask, Act::Answer]) },
            figure: round,
        };
        play.row(&QUEUES, pythons, "queue")
    };
    [Placement::Free, Placement::OneCore, Placement::TwoCores].map(row).into()
}
