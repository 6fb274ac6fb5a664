//! The agent's process: what it is given, and how it begins and ends.

use std::io;
use std::thread;
use std::time::Duration;

use multiprocess::futures::ProcessPoolExecutor;
use multiprocess::output::complain;
use multiprocess::{Connection, Exit, current_process, end_with_parent, tasks};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use crate::ConnectError;
use crate::build_id::build_id;
use crate::engine::Event;
use crate::engine::nats::Nats;
use crate::protocol::{Place, WorkerId};
use crate::worker::agent::serve;
use crate::worker::builder::Settings;
use crate::worker::context::Setup;
use crate::worker::outbox::AWAY;

tasks![work];

/// Everything that an agent is given by its keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) settings: Settings,
    /// Random number, which makes this agent another one than the last.
    pub(crate) random: u64,
    /// Carries the word that the agent is ready, and back the order to leave.
    pub(crate) keeper: Connection<(), ()>,
}

/// Runs an agent: the function of its process.
pub(crate) fn work(start: Start) -> Exit {
    let name = start.settings.name.clone();
    match try_to_work(start) {
        Ok(true) => Exit::SUCCESS,
        Ok(false) => {
            complain(format_args!("{name}: its pool of processes has given up"));
            Exit::FAILURE
        }
        Err(error) => {
            complain(format_args!("{name}: {error}"));
            Exit::FAILURE
        }
    }
}

fn try_to_work(start: Start) -> Result<bool, ConnectError> {
    end_with_parent()?;
    let Start { settings, random, keeper } = start;
    let (mut orders, mut ready) = keeper.split();
    let (leave, mut leaves) = watch::channel(false);
    let obey = move || {
        // An order, or the end of the keeper, which ends this process, too.
        let _ = orders.recv();
        let _ = leave.send(true);
    };
    thread::Builder::new().name(String::from("orders")).spawn(obey)?;
    let pool = ProcessPoolExecutor::new(settings.processes)
        .map_err(|error| ConnectError::System(error.to_string()))?;
    let place = Place { cluster: settings.cluster.clone(), build: build_id()?.to_owned() };
    let id = WorkerId { name: settings.name.clone(), pid: current_process().pid(), random };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let connection = settings.connection("agent");
        let connect = Nats::connect(&connection, place.clone(), Duration::MAX);
        let connected = tokio::select! {
            connected = connect => connected?,
            _ = leaves.wait_for(|leaves| *leaves) => return Ok(true),
        };
        tokio::spawn(tell_of_missing_right(settings.name.clone(), connected.events));
        ready.send(&()).map_err(io::Error::other)?;
        let Settings { processes, most_bytes, .. } = settings;
        let setup = Setup { id, processes, most_bytes, away: AWAY };
        Ok(serve(connected.engine, pool, place, setup, leaves).await)
    })
}

/// Tells of the first right that the agent lacks: it shows in no answer.
async fn tell_of_missing_right(name: String, mut events: UnboundedReceiver<Event>) {
    while let Some(event) = events.recv().await {
        if let Event::Refused { operation, subject } = event {
            complain(format_args!("{name}: {}", ConnectError::Right { operation, subject }));
            break;
        }
    }
}
