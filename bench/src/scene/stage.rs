//! Where the sides of a scene play: each a process, with the driver behind a gate.
//!
//! ```text
//!   driver ── start ──▶ side: binds itself, connects
//!          ◀── ready ──
//!          ── gate ───▶ all at once: the loop
//!          ◀── done ─── report
//! ```

use std::any::Any;
use std::time::{Duration, Instant};

use multiprocess::{Failure, Gate, Process, Receiver, Sender, Waiting, one_way};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::side::{Message, Side};
use super::{HANGS, Report, Terms};

/// A message of a side to the driver.
#[derive(Serialize, Deserialize)]
pub(crate) enum Said {
    /// The address where others find the side.
    Address(String),
    /// The side is ready, and waits for the gate.
    Ready,
    /// The report on what it has done.
    Done(Result<Vec<Report>, Failure>),
}

/// A side's part: what it has to do, and how it speaks to the driver.
#[derive(Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) side: Side,
    waiting: Waiting,
    driver: Sender<Said>,
}

impl Part {
    /// Tells where others find this side.
    pub(crate) fn announce(&mut self, address: String) -> Result<(), Failure> {
        Ok(self.driver.send(&Said::Address(address))?)
    }

    /// Plays the side when the gate opens.
    pub(crate) fn play<M: Message>(
        self,
        put: impl FnMut(M) -> Result<(), Failure>,
        get: impl FnMut() -> Result<M, Failure>,
    ) -> Result<(), Failure> {
        let side = self.side.clone();
        side.bind()?;
        self.when_open(|| Ok(vec![side.play(put, get)?]))
    }

    /// Does this when the gate opens.
    pub(crate) fn when_open(
        mut self,
        play: impl FnOnce() -> Result<Vec<Report>, Failure>,
    ) -> Result<(), Failure> {
        self.driver.send(&Said::Ready)?;
        self.waiting.wait();
        self.driver.send(&Said::Done(play()))?;
        Ok(())
    }
}

/// The driver's side: the processes that it has started. Dropped, it kills those that still run.
pub(crate) struct Stage {
    gate: Option<Gate>,
    waiting: Waiting,
    deadline: Instant,
    players: Vec<Player>,
}

struct Player {
    process: Process,
    said: Receiver<Said>,
}

impl Drop for Player {
    fn drop(&mut self) {
        // To kill a process that has ended does no harm.
        let _ = self.process.kill().and_then(|()| self.process.join());
    }
}

impl Stage {
    /// Makes an empty stage.
    pub(crate) fn new(terms: &Terms) -> Result<Self, Failure> {
        let (gate, waiting) = Gate::new()?;
        Ok(Self { gate: Some(gate), waiting, deadline: terms.deadline, players: Vec::new() })
    }

    /// Starts a process that plays the side, with these ends of a channel.
    pub(crate) fn enter<E, F>(&mut self, side: Side, function: F, ends: E) -> Result<(), Failure>
    where
        E: Serialize + DeserializeOwned + Send + 'static,
        F: Fn((Part, E)) -> Result<(), Failure> + Any,
    {
        let (said, driver) = one_way()?;
        let part = Part { side, waiting: self.waiting.another()?, driver };
        let mut process = Process::new(function, (part, ends)).daemonic(true);
        process.start()?;
        self.players.push(Player { process, said });
        Ok(())
    }

    /// Returns the address where others find the side that entered last.
    pub(crate) fn address(&mut self) -> Result<String, Failure> {
        let deadline = self.deadline;
        let last = self.players.last_mut().ok_or_else(|| Failure::new("nobody has entered"))?;
        match last.hear(deadline)? {
            Said::Address(address) => Ok(address),
            _ => Err(Failure::new("a side has no address")),
        }
    }

    /// Lets all begin together when all are ready.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        for player in &mut self.players {
            player.hear(self.deadline)?;
        }
        if let Some(gate) = self.gate.take() {
            gate.open();
        }
        Ok(())
    }

    /// Lets all begin together, and returns the reports of all, or why the first that failed did.
    pub(crate) fn perform(mut self) -> Result<Vec<Report>, Failure> {
        self.begin()?;
        let mut playing: Vec<usize> = (0..self.players.len()).collect();
        let mut all = Vec::new();
        while !playing.is_empty() {
            // Any side that reports: others may wait in vain for one that has failed.
            let said: Vec<_> = playing.iter().map(|number| &self.players[*number].said).collect();
            let speakers = multiprocess::wait(&said, Some(time_until(self.deadline)))?;
            let first = speakers.first().ok_or_else(|| Failure::new(HANGS))?;
            match self.players[playing.remove(*first)].hear(self.deadline)? {
                Said::Done(reports) => all.extend(reports?),
                _ => return Err(Failure::new("a side has no report")),
            }
        }
        Ok(all)
    }
}

impl Player {
    fn hear(&mut self, deadline: Instant) -> Result<Said, Failure> {
        hear(&mut self.said, deadline)
    }
}

fn hear<T: DeserializeOwned>(receiver: &mut Receiver<T>, deadline: Instant) -> Result<T, Failure> {
    if !receiver.poll(time_until(deadline))? {
        return Err(Failure::new(HANGS));
    }
    receiver.recv().map_err(|error| match error {
        multiprocess::pipe::Error::EndOfFile => Failure::new("a side ended early"),
        error => error.into(),
    })
}

/// Returns the time until a deadline; zero if it has passed.
pub(crate) fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Calls the function in a process of its own, which may start other processes; returns the figure
/// that it sends.
pub(crate) fn alone<A, F>(terms: &Terms, function: F, arguments: A) -> Result<f64, Failure>
where
    A: Serialize + DeserializeOwned + Send + 'static,
    F: Fn((A, Sender<f64>)) -> Result<(), Failure> + Any,
{
    let (mut receiver, sender) = one_way()?;
    let mut process = Process::new(function, (arguments, sender));
    process.start()?;
    let result = hear(&mut receiver, terms.deadline);
    process.kill()?;
    process.join()?;
    result
}
