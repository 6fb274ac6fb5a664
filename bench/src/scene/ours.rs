//! Our queue and our pipe between the sides' processes.

use multiprocess::{Connection, Failure, Queue, tasks};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::side::Message;
use super::{Part, Report, Scene, Stage, Terms};

tasks![with_queue::<u64>, with_queue::<ByteBuf>, with_pipe, with_pipe_of_bytes];

/// Plays a scene whose sides put into our queue and get from it.
pub(crate) fn queue(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure> {
    match scene.size {
        None => queue_of::<u64>(scene, terms),
        Some(_) => queue_of::<ByteBuf>(scene, terms),
    }
}

fn queue_of<M>(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure>
where
    M: Message + Serialize + DeserializeOwned + Send + 'static,
{
    on_stage(scene, terms, &[new_queue::<M>(scene)?, new_queue(scene)?])?.perform()
}

/// Makes a queue of the scene's capacity.
pub(crate) fn new_queue<M>(scene: &Scene) -> Result<Queue<M>, Failure> {
    Ok(scene.places.map_or_else(Queue::unbounded, Queue::bounded)?)
}

/// Starts the sides' processes with these queues.
pub(crate) fn on_stage<M>(
    scene: &Scene,
    terms: &Terms,
    queues: &[Queue<M>; 2],
) -> Result<Stage, Failure>
where
    M: Message + Serialize + DeserializeOwned + Send + 'static,
{
    let mut stage = Stage::new(terms)?;
    for (number, side) in scene.sides(terms)?.into_iter().enumerate() {
        let (into, from) = scene.channels(number);
        stage.enter(side, with_queue::<M>, (queues[into].clone(), queues[from].clone()))?;
    }
    Ok(stage)
}

/// Runs in each side.
fn with_queue<M>((part, (into, from)): (Part, (Queue<M>, Queue<M>))) -> Result<(), Failure>
where
    M: Message + Serialize + DeserializeOwned,
{
    part.play(|message| Ok(into.put(message)?), || Ok(from.get()?))
}

/// Plays a scene whose sides send and receive over our pipes.
pub(crate) fn pipe(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure> {
    let mut stage = Stage::new(terms)?;
    let (one, other) = multiprocess::pipe::<u64, u64>()?;
    for (side, end) in scene.sides(terms)?.into_iter().zip([one, other]) {
        match scene.size {
            None => stage.enter(side, with_pipe, end)?,
            Some(_) => stage.enter(side, with_pipe_of_bytes, end)?,
        }
    }
    stage.perform()
}

/// Runs in each side.
fn with_pipe((part, end): (Part, Connection<u64, u64>)) -> Result<(), Failure> {
    let (mut receiver, mut sender) = end.split();
    part.play(|message| Ok(sender.send(&message)?), || Ok(receiver.recv()?))
}

/// Runs in each side.
fn with_pipe_of_bytes((part, end): (Part, Connection<u64, u64>)) -> Result<(), Failure> {
    let (mut receiver, mut sender) = end.split();
    part.play(
        |message: ByteBuf| Ok(sender.send_bytes(&message)?),
        || Ok(ByteBuf::from(receiver.recv_bytes(None)?)),
    )
}
