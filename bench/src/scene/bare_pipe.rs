//! The kernel's own object, without anything around it: the limit.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};

use multiprocess::process::handover;
use multiprocess::{Failure, tasks};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Part, Report, Scene, Stage, Terms};

tasks![numbers, bytes];

#[derive(Serialize, Deserialize)]
struct Ends {
    #[serde(with = "handover")]
    into: PipeWriter,
    #[serde(with = "handover")]
    from: PipeReader,
}

/// Plays a scene over bare pipes: each message is one write, and as many reads as the kernel needs.
/// Messages of at most a page don't mix, so several sides may share a pipe.
pub(crate) fn pipes(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure> {
    let channels = [pipe()?, pipe()?];
    let mut stage = Stage::new(terms)?;
    for (number, side) in scene.sides(terms)?.into_iter().enumerate() {
        let (into, from) = scene.channels(number);
        let ends =
            Ends { into: channels[into].1.try_clone()?, from: channels[from].0.try_clone()? };
        match scene.size {
            None => stage.enter(side, numbers, ends)?,
            Some(_) => stage.enter(side, bytes, ends)?,
        }
    }
    stage.perform()
}

/// Runs in each side.
fn numbers((part, ends): (Part, Ends)) -> Result<(), Failure> {
    let Ends { mut into, mut from } = ends;
    let put = |number: u64| Ok(into.write_all(&number.to_ne_bytes())?);
    part.play(put, || {
        let mut number = [0; 8];
        from.read_exact(&mut number)?;
        Ok(u64::from_ne_bytes(number))
    })
}

/// Runs in each side.
fn bytes((part, ends): (Part, Ends)) -> Result<(), Failure> {
    let Ends { mut into, mut from } = ends;
    let size = part.side.size;
    part.play(
        |message: ByteBuf| Ok(into.write_all(&message)?),
        || {
            let mut message = vec![0; size];
            from.read_exact(&mut message)?;
            Ok(ByteBuf::from(message))
        },
    )
}
