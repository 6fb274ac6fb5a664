//! A cell of the matrix: the same two ends, as threads or as processes. Only the creation
//! differs.
//!
//! ```text
//!   threads      this program ──▶ a process ──┬─▶ thread: leads
//!                                             └─▶ thread: follows
//!   processes    this program ──┬─▶ a process ──▶ thread: leads
//!                               └─▶ a process ──▶ thread: follows
//! ```
//!
//! Threads get a process of their own, so that what is learned during one sample (by the queue, by
//! the memory allocator) is forgotten before the next, as with processes.

use std::any::Any;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::text;
use multiprocess::{Failure, Process, Receiver, Sender, one_way, tasks};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::channel::{Channel, End};
use super::part::{Part, Report};
use super::{Placement, Places, Sample};

tasks![lead, follow, both, nobody_else];

/// The longest time that a sample may take beyond its work.
const PATIENCE: Duration = Duration::from_secs(20);

/// The holders of the two ends: there is an example at [`Cell`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Who {
    /// Two threads of one process.
    Threads,
    /// Two processes.
    Processes,
    /// A single thread, which does the work of two.
    Alone,
}

/// A round trip between two ends, which can be measured.
///
/// ```
/// use std::time::Duration;
///
/// use downloader::switch::{Cell, Channel, Placement, Places, Who};
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), multiprocess::Failure> {
///         let plain = Cell::new(Who::Processes, Channel::Pipe, Placement::Free);
///         let with_memory = Cell { touched: 64 << 10, ..plain };
///         let sample = with_memory.sample(&Places::here(), Duration::from_millis(5))?;
///         assert!(sample.time > Duration::ZERO);
///         Ok(())
///     })
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The holders of the ends.
    pub who: Who,
    /// What is between the ends.
    pub channel: Channel,
    /// The cores that the ends run on.
    pub placement: Placement,
    /// Bytes of its own that each end touches before every hop.
    pub touched: usize,
}

impl Cell {
    /// Makes a cell whose ends touch nothing but the token; [`sample`](Self::sample) measures it.
    #[must_use]
    pub const fn new(who: Who, channel: Channel, placement: Placement) -> Self {
        Self { who, channel, placement, touched: 0 }
    }

    /// Sends tokens there and back for about this time; checks each token, and that each end could
    /// run on its core only. The sample's time is that of one round trip: two hops.
    ///
    /// # Errors
    /// A [`Failure`] with the reason: the placement can't be had here, the channel can't go to
    /// another process, an end fails, or it takes 20 s more than the time.
    pub fn sample(&self, places: &Places, time: Duration) -> Result<Sample, Failure> {
        let cores = places.cores_of(self.who, self.placement).map_err(Failure::new)?;
        let [first, second] = cores.map(|core| Part { core, touched: self.touched, time });
        let mut stage = Stage { players: Vec::new(), deadline: Instant::now() + time + PATIENCE };
        match self.who {
            Who::Processes if self.channel == Channel::Crossbeam => {
                return Err(Failure::new("crossbeam's channel can't go to another process"));
            }
            Who::Processes => {
                let [here, there] = self.channel.ends()?;
                stage.enter(lead, (first, here))?;
                stage.enter(follow, (second, there))?;
            }
            Who::Threads => stage.enter(both, ([first, second], self.channel))?,
            Who::Alone => stage.enter(nobody_else, (first, self.channel))?,
        }
        let reports = stage.reports()?;
        let wanted: Vec<usize> = cores.into_iter().flatten().collect();
        for report in reports.iter().filter(|_| !wanted.is_empty()) {
            if !matches!(report.cores[..], [core] if wanted.contains(&core)) {
                return Err(Failure::new(text!("an end could leave the core it was bound to")));
            }
        }
        Sample::of(&reports)
    }
}

type Said = Sender<Result<Vec<Report>, Failure>>;

/// Runs in the child that leads.
fn lead(((part, end), said): ((Part, End), Said)) -> Result<(), Failure> {
    in_threads(said, [move || part.lead(end)])
}

/// Runs in the child that follows.
fn follow(((part, end), said): ((Part, End), Said)) -> Result<(), Failure> {
    in_threads(said, [move || part.follow(end)])
}

/// Runs in the child that has both ends.
fn both((([first, second], channel), said): (([Part; 2], Channel), Said)) -> Result<(), Failure> {
    let [here, there] = channel.ends()?;
    let leader: Work = Box::new(move || first.lead(here));
    in_threads(said, [leader, Box::new(move || second.follow(there))])
}

/// Runs in the child that plays alone.
fn nobody_else(((part, channel), said): ((Part, Channel), Said)) -> Result<(), Failure> {
    let ends = channel.ends()?;
    in_threads(said, [move || part.alone(ends)])
}

type Work = Box<dyn FnOnce() -> Result<Report, Failure> + Send>;

/// Sends what each thread reports, or at once why the first that fails did: the process ends then,
/// and with it a thread that would wait for the other end in vain.
fn in_threads<W>(mut said: Said, work: impl IntoIterator<Item = W>) -> Result<(), Failure>
where
    W: FnOnce() -> Result<Report, Failure> + Send + 'static,
{
    let (sender, reports) = mpsc::channel();
    for work in work {
        let sender = sender.clone();
        thread::spawn(move || sender.send(work()));
    }
    drop(sender);
    said.send(&reports.iter().collect())?;
    Ok(())
}

/// The processes of a sample. Dropped, it kills those that still run.
struct Stage {
    players: Vec<Player>,
    deadline: Instant,
}

struct Player {
    process: Process,
    reports: Receiver<Result<Vec<Report>, Failure>>,
}

impl Drop for Player {
    fn drop(&mut self) {
        // To kill a process that has ended does no harm.
        let _ = self.process.kill().and_then(|()| self.process.join());
    }
}

impl Stage {
    fn enter<A, F>(&mut self, function: F, arguments: A) -> Result<(), Failure>
    where
        A: Serialize + DeserializeOwned + Send + 'static,
        F: Fn((A, Said)) -> Result<(), Failure> + Any,
    {
        let (reports, said) = one_way()?;
        let mut process = Process::new(function, (arguments, said)).daemonic(true);
        process.start()?;
        self.players.push(Player { process, reports });
        Ok(())
    }

    /// Returns all reports, or why the first that failed did: others may wait for it in vain.
    fn reports(mut self) -> Result<Vec<Report>, Failure> {
        let mut all = Vec::new();
        while !self.players.is_empty() {
            let ends: Vec<_> = self.players.iter().map(|player| &player.reports).collect();
            let left = self.deadline.saturating_duration_since(Instant::now());
            let ready = multiprocess::wait(&ends, Some(left))?;
            let ready =
                ready.first().ok_or_else(|| Failure::new(text!("a token did not come back")))?;
            let mut player = self.players.swap_remove(*ready);
            all.extend(player.reports.recv()??);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ends_on_one_core_are_switched_twice_in_a_round_trip_and_one_alone_is_not() {
        let _deadline = testing::Deadline::seconds(60);
        let places = Places::here();
        if places.cores(Placement::OneCore).is_err() || common::time::context_switches().is_err() {
            return;
        }
        let switches = |who| {
            let cell = Cell::new(who, Channel::Pipe, Placement::OneCore);
            cell.sample(&places, Duration::from_millis(20)).unwrap().switches.unwrap()
        };
        for who in [Who::Threads, Who::Processes] {
            assert!((1.9..4.0).contains(&switches(who)), "{who:?}: {}", switches(who));
        }
        assert!(switches(Who::Alone) < 0.5);
    }

    #[test]
    fn every_cell_can_be_played_by_threads_and_by_processes() {
        let _deadline = testing::Deadline::seconds(60);
        let places = Places::here();
        for channel in [Channel::Pipe, Channel::Futex, Channel::Queue, Channel::Yield] {
            for who in [Who::Threads, Who::Processes] {
                let cell = Cell { touched: 4096, ..Cell::new(who, channel, Placement::Free) };
                let sample = cell.sample(&places, Duration::from_millis(2)).unwrap();
                assert!(sample.time > Duration::ZERO, "{cell:?}");
            }
        }
    }

    #[test]
    fn crossbeams_ends_cannot_go_to_another_process() {
        let cell = Cell::new(Who::Processes, Channel::Crossbeam, Placement::Free);
        let refused = cell.sample(&Places::here(), Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains("can't go to another process"), "{refused}");
    }

    #[test]
    fn an_end_that_fails_ends_the_sample() {
        let _deadline = testing::Deadline::seconds(15);
        for who in [Who::Threads, Who::Processes] {
            // No machine has this many cores. The words of a futex don't tell that the other end is
            // gone.
            let places = Places::of(Ok(0), Ok(1 << 20));
            let cell = Cell::new(who, Channel::Futex, Placement::TwoCores);
            assert!(cell.sample(&places, Duration::ZERO).is_err(), "{who:?}");
        }
    }
}
