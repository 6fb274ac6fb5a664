//! The sides as threads of one process: crossbeam's channel, and our queue.

use std::sync::Barrier;
use std::thread;

use crossbeam::channel;
use downloader::switch::Places;
use multiprocess::{Failure, tasks};
use serde_bytes::ByteBuf;

use super::side::Message;
use super::{Part, Placement, Report, Scene, Side, Stage, Terms, ours};

tasks![with_crossbeam::<u64>, with_crossbeam::<ByteBuf>, with_queue];

/// The arguments of a process that plays a scene in its threads.
type Cast = (Part, (Vec<Side>, Scene));

/// Plays a scene with threads that share crossbeam's channel.
pub(crate) fn crossbeam(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure> {
    match scene.size {
        None => one_process(scene, terms, with_crossbeam::<u64>),
        Some(_) => one_process(scene, terms, with_crossbeam::<ByteBuf>),
    }
}

/// Plays a scene with threads that share our queue.
pub(crate) fn queue(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure> {
    one_process(scene, terms, with_queue)
}

fn one_process(
    scene: &Scene,
    terms: &Terms,
    function: impl Fn(Cast) -> Result<(), Failure> + 'static,
) -> Result<Vec<Report>, Failure> {
    let sides = scene.sides(terms)?;
    if scene.placement == Placement::TwoCores {
        Places::here().threads_apart().map_err(Failure::new)?;
    }
    let first = sides.first().cloned().ok_or_else(|| Failure::new("an empty scene"))?;
    let mut stage = Stage::new(terms)?;
    stage.enter(first, function, (sides, scene.clone()))?;
    stage.perform()
}

/// Runs in the process of all sides.
fn with_crossbeam<M>((part, (sides, scene)): Cast) -> Result<(), Failure>
where
    M: Message + Send + Sync + 'static,
{
    let new = || scene.places.map_or_else(channel::unbounded::<M>, channel::bounded);
    let channels = [new(), new()];
    part.when_open(|| {
        together(&sides, |number, side| {
            let (into, from) = scene.channels(number);
            let (sender, receiver) = (&channels[into].0, &channels[from].1);
            side.play(|message| Ok(sender.send(message)?), || Ok(receiver.recv()?))
        })
    })
}

/// Runs in the process of all sides.
fn with_queue((part, (sides, scene)): Cast) -> Result<(), Failure> {
    let queues = [ours::new_queue::<u64>(&scene)?, ours::new_queue(&scene)?];
    part.when_open(|| {
        together(&sides, |number, side| {
            let (into, from) = scene.channels(number);
            // Each thread has a handle of its own, as the queue wants it.
            let (into, from) = (queues[into].clone(), queues[from].clone());
            side.play(|message| Ok(into.put(message)?), || Ok(from.get()?))
        })
    })
}

/// Plays all sides at once, each in a thread.
fn together(
    sides: &[Side],
    play: impl Fn(usize, &Side) -> Result<Report, Failure> + Sync,
) -> Result<Vec<Report>, Failure> {
    let all_here = Barrier::new(sides.len());
    let (all_here, play) = (&all_here, &play);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..)
            .zip(sides)
            .map(|(number, side)| {
                scope.spawn(move || {
                    side.bind()?;
                    all_here.wait();
                    play(number, side)
                })
            })
            .collect();
        let report = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err(Failure::new("a thread panicked")))
        };
        threads.into_iter().map(report).collect()
    })
}
