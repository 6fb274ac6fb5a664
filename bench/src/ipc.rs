//! The crate `ipc-channel` as a transport, used as its documentation says: a one-shot server for
//! the first contact, `channel` for values, `bytes_channel` for bytes.

use std::io;

use common::measure::harness::work;
use common::measure::{Message, Transport, Workload};
use ipc_channel::ipc::{self, IpcOneShotServer, IpcSender};
use multiprocess::{Failure, Receiver, Sender, one_way, tasks};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

tasks![work::<IpcChannel<u64>>, work::<IpcChannel<ByteBuf>>];

/// A message that one of the crate's two kinds of channels carries.
pub(crate) trait Carried: Message {
    type Sender: Serialize + DeserializeOwned + Send + 'static;
    type Receiver: Serialize + DeserializeOwned + Send + 'static;

    fn channel() -> io::Result<(Self::Sender, Self::Receiver)>;
    fn send(sender: &Self::Sender, message: Self) -> Result<(), Failure>;
    fn recv(receiver: &Self::Receiver) -> Result<Self, Failure>;
}

impl Carried for u64 {
    type Sender = IpcSender<Self>;
    type Receiver = ipc::IpcReceiver<Self>;

    fn channel() -> io::Result<(Self::Sender, Self::Receiver)> {
        ipc::channel()
    }

    fn send(sender: &Self::Sender, message: Self) -> Result<(), Failure> {
        Ok(sender.send(message)?)
    }

    fn recv(receiver: &Self::Receiver) -> Result<Self, Failure> {
        Ok(receiver.recv()?)
    }
}

impl Carried for ByteBuf {
    type Sender = ipc::IpcBytesSender;
    type Receiver = ipc::IpcBytesReceiver;

    fn channel() -> io::Result<(Self::Sender, Self::Receiver)> {
        ipc::bytes_channel()
    }

    fn send(sender: &Self::Sender, message: Self) -> Result<(), Failure> {
        Ok(sender.send(&message)?)
    }

    fn recv(receiver: &Self::Receiver) -> Result<Self, Failure> {
        Ok(Self::from(receiver.recv()?))
    }
}

/// An end of two channels between two processes.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct IpcChannel<M: Carried> {
    meeting: Meeting,
    #[serde(skip)]
    ends: Option<(M::Sender, M::Receiver)>,
}

/// How an end finds the other: the server's address goes over a pipe of ours.
#[derive(Serialize, Deserialize)]
enum Meeting {
    Server(Sender<String>),
    Client(Receiver<String>),
}

impl<M: Carried> Transport for IpcChannel<M> {
    type Message = M;

    /// Makes an end for each of two workers; the one that gets first is the server.
    fn ends(workload: &Workload) -> Result<Vec<Self>, Failure> {
        let (address, told) = one_way()?;
        let [server, client] = [Meeting::Server(told), Meeting::Client(address)]
            .map(|meeting| Self { meeting, ends: None });
        let first_is_server = workload.roles.first().is_some_and(|role| role.gets_first());
        Ok(if first_is_server { vec![server, client] } else { vec![client, server] })
    }

    /// Meets the other end: the client makes the channels, and sends the server its ends.
    fn connect(&mut self) -> Result<(), Failure> {
        self.ends = Some(match &mut self.meeting {
            Meeting::Server(told) => {
                let (server, address) = IpcOneShotServer::<(M::Sender, M::Receiver)>::new()?;
                told.send(&address)?;
                server.accept()?.1
            }
            Meeting::Client(address) => {
                let (there, back) = (M::channel()?, M::channel()?);
                IpcSender::connect(address.recv()?)?.send((back.0, there.1))?;
                (there.0, back.1)
            }
        });
        Ok(())
    }

    fn put(&mut self, message: M) -> Result<(), Failure> {
        let (sender, _) = self.ends.as_ref().ok_or_else(not_connected)?;
        M::send(sender, message)
    }

    fn get(&mut self) -> Result<M, Failure> {
        let (_, receiver) = self.ends.as_ref().ok_or_else(not_connected)?;
        M::recv(receiver)
    }
}

fn not_connected() -> Failure {
    Failure::new("the channel is not connected")
}
