//! The tutorial's token loops: two that put on one queue and get from the other, for ever.
//! Seconds for a round are seconds for a million rounds, divided by a million.

use super::{CROSSBEAM, Medium, OURS, Play};
use crate::method::{Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, ours, round, threads};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let row = |name: &str, media: &[(&str, Medium)], python_medium| {
        let play = Play {
            name: format!("token-{name}"),
            says: format!("a round of the tutorial's token loop, two {name}"),
            unit: Unit::Time,
            scene: Scene { places: None, ..Scene::new(&[Act::Lead, Act::Follow]) },
            figure: round,
        };
        play.row(media, pythons, python_medium)
    };
    vec![
        row("processes", &[(OURS, ours::queue)], "queue"),
        row("threads", &[(OURS, threads::queue), (CROSSBEAM, threads::crossbeam)], "threads"),
    ]
}
