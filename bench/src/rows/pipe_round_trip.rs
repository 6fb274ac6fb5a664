//! A number there and back over a pipe of both directions.

use super::{PIPES, Play};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Placement, Scene, round};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let row = |placement: Placement| {
        let play = Play {
            name: format!("pipe-round-trip{}", placement.suffix()),
            says: format!("a number there and back over a pipe{}", placement.words()),
            unit: Unit::Time,
            scene: Scene { placement, ..Scene::new(&[Act::Ask, Act::Answer]) },
            figure: round,
        };
        play.row(&PIPES, pythons, "pipe")
    };
    [Placement::Free, Placement::OneCore, Placement::TwoCores].map(row).into()
}
