//! The crate `ipc-channel` between the sides' processes, used as its documentation says: a one-shot
//! server for the first contact, `channel` for values, `bytes_channel` for bytes.

use std::io;

use ipc_channel::ipc::{self, IpcOneShotServer, IpcSender};
use multiprocess::{Failure, tasks};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use super::{Part, Report, Scene, Stage, Terms};

tasks![numbers, bytes];

/// Plays a scene of two sides; the one that gets first is the server.
pub(crate) fn channels(scene: &Scene, terms: &Terms) -> Result<Vec<Report>, Failure> {
    let mut sides = scene.sides(terms)?;
    sides.sort_by_key(|side| !side.act.is_host());
    let mut stage = Stage::new(terms)?;
    let mut address = None;
    for side in sides {
        let is_host = address.is_none();
        match scene.size {
            None => stage.enter(side, numbers, address.clone())?,
            Some(_) => stage.enter(side, bytes, address.clone())?,
        }
        if is_host {
            address = Some(stage.address()?);
        }
    }
    stage.perform()
}

/// Runs in each side.
fn numbers((mut part, address): (Part, Option<String>)) -> Result<(), Failure> {
    let (sender, receiver) = meet(&mut part, address, ipc::channel)?;
    part.play(|number: u64| Ok(sender.send(number)?), || Ok(receiver.recv()?))
}

/// Runs in each side.
fn bytes((mut part, address): (Part, Option<String>)) -> Result<(), Failure> {
    let (sender, receiver) = meet(&mut part, address, ipc::bytes_channel)?;
    let put = |message: ByteBuf| Ok(sender.send(&message)?);
    part.play(put, || Ok(ByteBuf::from(receiver.recv()?)))
}

/// Makes this side's ends of two channels: the guest makes them and sends the host its own.
fn meet<S, R>(
    part: &mut Part,
    address: Option<String>,
    channel: impl Fn() -> io::Result<(S, R)>,
) -> Result<(S, R), Failure>
where
    (S, R): Serialize + DeserializeOwned,
{
    let Some(address) = address else {
        let (server, address) = IpcOneShotServer::<(S, R)>::new()?;
        part.announce(address)?;
        return Ok(server.accept()?.1);
    };
    let (there, back) = (channel()?, channel()?);
    IpcSender::connect(address)?.send((back.0, there.1))?;
    Ok((there.0, back.1))
}
