//! Messages of bytes of one size, from 8 bytes to 1 MiB.

use super::{Play, QUEUES};
use crate::method::{Peer, Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Scene, ours, rate};

/// The sizes of messages, their names, and the queue's capacity: smaller for large messages, so
/// that 16 MiB wait at most.
const SIZES: [(usize, &str, usize); 5] = [
    (8, "8-B", 1024),
    (200, "200-B", 1024),
    (4 << 10, "4-KiB", 1024),
    (64 << 10, "64-KiB", 256),
    (1 << 20, "1-MiB", 16),
];

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    SIZES.map(|size| row(size, pythons)).into()
}

fn row((size, name, places): (usize, &str, usize), pythons: &[Python]) -> Row {
    let play = Play {
        name: format!("queue-{name}"),
        says: format!(
            "messages of {} through a queue of {places} places, 1 → 1",
            name.replace('-', " ")
        ),
        unit: Unit::Rate,
        scene: scene(size, places),
        figure: rate,
    };
    let mut row = play.row(&QUEUES, pythons, "queue");
    if size == 200 {
        let eight = scene(8, places);
        let ours = Peer::new("ours, 8 B", move |terms| rate(&ours::queue(&eight, terms)?));
        row.peers.insert(1, ours);
    }
    row
}

fn scene(size: usize, places: usize) -> Scene {
    Scene { size: Some(size), places: Some(places), ..Scene::new(&[Act::Produce, Act::Consume]) }
}
