//! The keeper: starts an agent, and tells everybody when it has died.
//!
//! ```text
//!   connect ──▶ start an agent ──▶ ready: one line ──▶ it died ──▶ tell the clients, pause ─┐
//!                  ▲                    │ signal                                            │
//!                  │                    ▼                                                   │
//!                  │                 drain ──▶ ended: exit code 0                           │
//!                  └────────────────────────────────────────────────────────────────────────┘
//! ```

use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use common::interrupt;
use multiprocess::output::{complain, print};
use multiprocess::process::ending;
use multiprocess::{Exit, Process, Sender, pipe};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::ConnectError;
use crate::build_id::build_id;
use crate::engine::nats::{Connected, Nats};
use crate::engine::{Engine, Event};
use crate::pause::{Pauses, at};
use crate::protocol::{Ended, News, Place, Plain, WorkerId};
use crate::worker::agent_process::{Start, work};
use crate::worker::builder::Settings;

/// Exit code of a worker that was ended at once, as that of a program that Ctrl-C has ended.
const INTERRUPTED: Exit = Exit(130);

/// Interval of lines while no server answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// Time of the first such line after a connection was lost: not each restart of a server is told.
const FIRST_LINE: Duration = Duration::from_secs(2);

/// Longest pause before the next agent.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Time for which the end of an agent is told again after each lost connection.
const OLD_NEWS: Duration = Duration::from_secs(300);

/// Interval and duration of telling the ends again, after a new one or a new connection: after a
/// server's death the clients may connect later than the keeper.
const AGAIN: Duration = Duration::from_secs(1);
const LATECOMERS: Duration = Duration::from_secs(10);

/// Things that happen to the keeper.
#[derive(Debug)]
enum Happening {
    /// A signal asks the worker to end.
    Asked,
    /// The agent is connected.
    Ready,
    /// The agent has ended.
    Ended,
}

/// How it goes on after an agent's end.
enum Next {
    Again,
    End(Exit),
}

/// Runs a worker until it is asked to end.
///
/// # Errors
/// [`ConnectError`], if the server refuses the keeper, or the system refuses what it needs.
pub(crate) fn keep(settings: Settings) -> Result<Exit, ConnectError> {
    let (happens, happenings) = unbounded_channel();
    listen(happens.clone())?;
    let place = Place { cluster: settings.cluster.clone(), build: build_id()?.to_owned() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let keeper = Keeper { settings, place, happens, happenings, endings: Vec::new() };
    runtime.block_on(keeper.run())
}

/// Reports each signal that asks this program to end.
fn listen(happens: UnboundedSender<Happening>) -> io::Result<()> {
    let signals = interrupt::listen(&Arc::default())?;
    let report = move || while signals.recv().is_ok() && happens.send(Happening::Asked).is_ok() {};
    thread::Builder::new().name(String::from("signals")).spawn(report).map(drop)
}

struct Keeper {
    settings: Settings,
    place: Place,
    happens: UnboundedSender<Happening>,
    happenings: UnboundedReceiver<Happening>,
    /// Ends of agents, with their times.
    endings: Vec<(Instant, Ended)>,
}

impl Keeper {
    async fn run(mut self) -> Result<Exit, ConnectError> {
        let connected = tokio::select! {
            connected = connect(&self.settings, &self.place) => connected?,
            _ = self.happenings.recv() => return Ok(Exit::SUCCESS),
        };
        let Connected { engine, mut events, .. } = connected;
        let mut pauses = Pauses::up_to(LONGEST_PAUSE);
        // Time of the next line that there is none.
        let (mut is_first, mut no_server) = (true, None);
        // Times of telling the ends again, next and last.
        let (mut again, mut last) = (None, Instant::now());
        loop {
            let started = Instant::now();
            let mut agent = Agent::start(&self.settings, self.happens.clone())?;
            let next = loop {
                tokio::select! {
                    Some(happening) = self.happenings.recv() => match happening {
                        Happening::Ready if is_first && !self.settings.quiet => {
                            is_first = false;
                            self.say_ready();
                        }
                        Happening::Ready => {}
                        Happening::Asked => agent.end(),
                        Happening::Ended => break self.has_ended(&engine, &agent).await,
                    },
                    Some(event) = events.recv() => match event {
                        Event::Connected => {
                            no_server = None;
                            (again, last) = (Some(Instant::now()), Instant::now() + LATECOMERS);
                        }
                        Event::Disconnected => no_server = Some(Instant::now() + FIRST_LINE),
                        _ => {}
                    },
                    () = at(again) => {
                        self.tell_again(&engine).await;
                        again = Some(Instant::now() + AGAIN).filter(|next| *next < last);
                    }
                    () = at(no_server) => {
                        let Settings { name, servers, .. } = &self.settings;
                        complain(format_args!("{name}: no server at {servers}; trying again"));
                        no_server = Some(Instant::now() + PATIENCE);
                    }
                }
            };
            if let Next::End(exit) = next {
                return Ok(exit);
            }
            (again, last) = (Some(Instant::now() + AGAIN), Instant::now() + LATECOMERS);
            if started.elapsed() > LONGEST_PAUSE {
                pauses.reset();
            }
            tokio::select! {
                () = pauses.pause() => {}
                _ = self.happenings.recv() => return Ok(Exit::SUCCESS),
            }
        }
    }

    /// Prints the line that this worker is there.
    fn say_ready(&self) {
        let Settings { name, processes, servers, .. } = &self.settings;
        print(&format!(
            "{name}: {processes} processes, build {}, at {servers}\n",
            self.place.build
        ));
    }

    /// Tells the clients how the agent has ended, unless it has said goodbye itself.
    async fn has_ended(&mut self, engine: &Nats, agent: &Agent) -> Next {
        let exitcode = agent.process.exitcode();
        if agent.asked > 0 && exitcode == Some(0) {
            return Next::End(Exit::SUCCESS);
        }
        let ended = Ended { worker: agent.id.clone(), end: end_of(exitcode), exitcode };
        let end = ended.end.clone();
        self.endings.push((Instant::now(), ended));
        self.tell_again(engine).await;
        match agent.asked {
            0 => {
                if !self.settings.quiet {
                    let id = &agent.id;
                    complain(format_args!("{id}: the agent {end}; another one starts"));
                }
                Next::Again
            }
            1 => {
                complain(format_args!("{}: the agent {end}", agent.id));
                Next::End(Exit::FAILURE)
            }
            _ => Next::End(INTERRUPTED),
        }
    }

    /// Tells the clients the ends of the last minutes: again and again, because none is answered.
    async fn tell_again(&mut self, engine: &Nats) {
        self.endings.retain(|(time, _)| time.elapsed() < OLD_NEWS);
        for (_, ended) in &self.endings {
            let _ = engine.tell(self.place.news(), News::Ended(ended.clone()).encode()).await;
        }
        engine.flush().await;
    }
}

/// Says how an agent has ended, as what follows its name: `was killed by signal 9 (SIGKILL)`.
fn end_of(exitcode: Option<i32>) -> String {
    match exitcode.map(ending) {
        Some(end) if end.starts_with("killed") => format!("was {end}"),
        Some(code) => format!("ended with {code}"),
        None => String::from("ended in an unknown way"),
    }
}

/// Connects to the server; keeps trying while it isn't there.
async fn connect(settings: &Settings, place: &Place) -> Result<Connected, ConnectError> {
    let connection = settings.connection("keeper");
    let mut patience = Duration::ZERO;
    loop {
        match Nats::connect(&connection, place.clone(), patience).await {
            Err(error @ ConnectError::Unreachable { .. }) => {
                complain(format_args!("{}: {error}; trying again", settings.name));
            }
            connected => return connected,
        }
        patience = PATIENCE;
    }
}

/// A started agent.
struct Agent {
    id: WorkerId,
    process: Arc<Process>,
    /// The line on which it is told to leave.
    orders: Sender<()>,
    /// How often it was told to end.
    asked: usize,
}

impl Agent {
    fn start(
        settings: &Settings,
        happens: UnboundedSender<Happening>,
    ) -> Result<Self, ConnectError> {
        let system = |error: &dyn std::fmt::Display| ConnectError::System(error.to_string());
        let (here, there) = pipe::<(), ()>().map_err(|error| system(&error))?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| system(&error))?;
        let random = u64::from_le_bytes(random);
        let start = Start { settings: settings.clone(), random, keeper: there };
        let mut process = Process::new(work, start).named("agent").ignoring_interrupts(true);
        process.start().map_err(|error| system(&error))?;
        let pid = process.pid().expect("it was started");
        let id = WorkerId { name: settings.name.clone(), pid, random };
        let (mut ready, orders) = here.split();
        let process = Arc::new(process);
        let agent = Arc::clone(&process);
        let watch = move || {
            // The end of the line is the end of the agent.
            if ready.recv().is_ok() {
                let _ = happens.send(Happening::Ready);
            }
            let _ = agent.join();
            let _ = happens.send(Happening::Ended);
        };
        thread::Builder::new().name(String::from("agent-watch")).spawn(watch)?;
        Ok(Self { id, process, orders, asked: 0 })
    }

    /// Has it finish what has begun; the second time ends it at once.
    fn end(&mut self) {
        self.asked += 1;
        // One that has ended already is noticed by the thread that watches it.
        let _ = match self.asked {
            1 => self.orders.send(&()).map_err(drop),
            _ => self.process.kill().map_err(drop),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_signal_or_an_exit_code_and_said_in_one_sentence() {
        assert_eq!(end_of(Some(-9)), "was killed by signal 9 (SIGKILL)");
        assert_eq!(end_of(Some(1)), "ended with exit code 1");
        assert_eq!(end_of(None), "ended in an unknown way");
    }
}
