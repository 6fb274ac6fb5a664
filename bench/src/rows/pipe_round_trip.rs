//! A number there and back over a pipe of both directions.

use super::{IPC_CHANNEL, KERNEL, OURS, Play};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Placement, Scene, bare_pipe, ipc, ours, round};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let row = |placement: Placement| {
        let play = Play {
            name: format!("pipe-round-trip{}", placement.suffix()),
            says: format!("a number there and back over a pipe{}", placement.words()),
            unit: Unit::Time,
            scene: Scene { placement, ..Scene::new(&[Act::Ask, Act::Answer]) },
            figure: round,
        };
        let media: [(&str, super::Medium); 3] =
            [(OURS, ours::pipe), (IPC_CHANNEL, ipc::channels), (KERNEL, bare_pipe::pipes)];
        play.row(&media, pythons, "pipe")
    };
    [Placement::Free, Placement::OneCore, Placement::TwoCores].map(row).into()
}
