//! One MiB of bytes there and back over a pipe of both directions.

use super::{IPC_CHANNEL, KERNEL, OURS, Play};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, bare_pipe, ipc, ours, round};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let play = Play {
        name: "pipe-echo-1-MiB".into(),
        says: "1 MiB of bytes there and back over a pipe".into(),
        unit: Unit::Time,
        scene: Scene { size: Some(1 << 20), ..Scene::new(&[Act::Ask, Act::Answer]) },
        figure: round,
    };
    let media: [(&str, super::Medium); 3] =
        [(OURS, ours::pipe), (IPC_CHANNEL, ipc::channels), (KERNEL, bare_pipe::pipes)];
    vec![play.row(&media, pythons, "pipe")]
}
