//! A MiB of bytes there and back over a pipe of both directions.

use super::{PIPES, Play};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, round};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let play = Play {
        name: "pipe-echo-1-MiB".into(),
        says: "1 MiB of bytes there and back over a pipe".into(),
        unit: Unit::Time,
        scene: Scene { size: Some(1 << 20), ..Scene::new(&[Act::Ask, Act::Answer]) },
        figure: round,
    };
    vec![play.row(&PIPES, pythons, "pipe")]
}
