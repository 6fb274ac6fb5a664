//! How many numbers a queue moves, from the first put to the last get.

use super::{IPC_CHANNEL, Play, QUEUES};
use crate::method::{Peer, Row, Unit};
use crate::python::Python;
use crate::scene::{Act, Placement, Scene, rate};

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let placements = [
        (1, Placement::Free),
        (1, Placement::TwoCores),
        (2, Placement::Free),
        (4, Placement::Free),
    ];
    placements.map(|(pairs, placement)| row(pairs, placement, pythons)).into()
}

fn row(pairs: usize, placement: Placement, pythons: &[Python]) -> Row {
    let acts = [Act::Produce, Act::Consume].repeat(pairs);
    let play = Play {
        name: format!("queue-{pairs}-{pairs}{}", placement.suffix()),
        says: format!(
            "numbers through a queue of 1024 places, {pairs} → {pairs}{}",
            placement.words()
        ),
        unit: Unit::Rate,
        scene: Scene { placement, ..Scene::new(&acts) },
        figure: rate,
    };
    let mut row = play.row(&QUEUES, pythons, "queue");
    if pairs > 1
        && let Some(peer) = row.peers.iter_mut().find(|peer| peer.name == IPC_CHANNEL)
    {
        *peer = Peer::missing(IPC_CHANNEL, "it has one receiver only");
    }
    row
}
