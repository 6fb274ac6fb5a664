//! How much goes through a queue after ten consumers that waited in get were killed.

use std::thread;
use std::time::{Duration, Instant};

use multiprocess::Failure;
use serde_json::json;

use super::{OURS, for_each};
use crate::method::{Peer, Row, Unit};
use crate::python::{Python, scene_as_json};
use crate::scene::{Act, HANGS, Report, Scene, Terms, ours, rate};

const KILLED: usize = 10;

/// The time that a process which has passed its gate is given to be inside `get`, which can't be
/// seen from outside.
const UNTIL_THEY_WAIT: Duration = Duration::from_millis(50);

pub(super) fn rows(pythons: &[Python]) -> Vec<Row> {
    let mut peers = vec![
        Peer::new(OURS, |terms| rate(&after_kills(terms)?)),
        Peer::new("ours, before", |terms| rate(&ours::queue(&scene(), terms)?)),
    ];
    peers.extend(for_each(pythons, |python, terms| {
        let mut wanted = scene_as_json(&scene(), terms)?;
        wanted["until_they_wait"] = json!(UNTIL_THEY_WAIT.as_secs_f64());
        wanted["killed"] = json!(KILLED);
        let deadline = terms.deadline.min(Instant::now() + until_it_counts_as_stopped(terms));
        let played = python.run("queue_after_kills.py", &wanted, &Terms { deadline, ..*terms });
        let played = played.map_err(|error| match error.to_string().as_str() {
            HANGS => Failure::new("nobody gets anything any more"),
            _ => error,
        });
        let reports: Vec<Report> = serde_json::from_value(played?)?;
        rate(&reports)
    }));
    vec![Row {
        name: "queue-after-kills".into(),
        says: format!(
            "numbers through a queue, 1 → 1, after {KILLED} waiting consumers were killed"
        ),
        unit: Unit::Rate,
        peers,
        seconds_at_least: 0.0,
    }]
}

fn until_it_counts_as_stopped(terms: &Terms) -> Duration {
    Duration::from_secs_f64(3.0 + 2.0 * terms.seconds)
}

fn scene() -> Scene {
    Scene::new(&[Act::Produce, Act::Consume])
}

fn after_kills(terms: &Terms) -> Result<Vec<Report>, Failure> {
    let scene = scene();
    let queues = [ours::new_queue::<u64>(&scene)?, ours::new_queue(&scene)?];
    let mut doomed = ours::on_stage(&Scene::new(&[Act::Consume; KILLED]), terms, &queues)?;
    doomed.begin()?;
    thread::sleep(UNTIL_THEY_WAIT);
    // Sides that leave the stage are killed.
    drop(doomed);
    ours::on_stage(&scene, terms, &queues)?.perform()
}
