//! The places of an engine: where its workers are, how they are started, and when.
//!
//! ```text
//!   empty ──▶ busy: one is being started ──▶ worker
//!     ▲                                         │ its end is reported
//!     └──── busy: what it left is looked at ◀───┘
//! ```

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use crate::process::{Process, frame};

use crate::future::panics::caught;
use crate::pool::engine::Shared;
use crate::pool::manager::FAILED_STARTS;
use crate::pool::message::{Progress, Report};
use crate::pool::settings::{Initializer, Kind};
use crate::pool::state::{Phase, State};
use crate::pool::worker;

/// Where a worker is, and after its end the next one.
#[derive(Default)]
pub(crate) struct Place {
    pub worker: Option<Worker>,
    /// Whether one is being started just now, or the end of one is looked at: no other may be
    /// started here.
    pub busy: bool,
    /// How many ended in a row before they were ready: by themselves, or killed.
    pub failed: [u32; 2],
}

pub(crate) struct Worker {
    pub process: Arc<Process>,
    pub watch: JoinHandle<()>,
    pub ready: bool,
    /// Whether it has been told to end.
    pub told: bool,
    /// What it reported last.
    pub latest: Option<Progress>,
}

impl State {
    /// A place that a worker should be in, and is not.
    fn place_to_fill(&self, kind: Kind) -> Option<usize> {
        let goes_on = match self.phase {
            Phase::Open => true,
            Phase::Closed => !self.is_idle(),
            Phase::Ending(_) | Phase::Ended(_) => false,
        };
        let is_empty = |place: &Place| place.worker.is_none() && !place.busy;
        let enough = || match kind {
            Kind::Pool => false,
            Kind::Executor => {
                let there = self.places.iter().filter(|place| !is_empty(place)).count();
                there >= self.unfinished()
            }
        };
        if !goes_on || enough() { None } else { self.places.iter().position(is_empty) }
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.places.iter().filter_map(|place| place.worker.as_ref())
    }

    /// Whether a worker is there, or is being started.
    pub(crate) fn has_workers(&self) -> bool {
        self.places.iter().any(|place| place.worker.is_some() || place.busy)
    }
}

impl Shared {
    /// Starts workers as long as too few are there.
    ///
    /// # Errors
    /// If one can't be started.
    pub(crate) fn fill_places(&self) -> Result<(), crate::process::Error> {
        loop {
            let (place, name) = {
                let mut state = self.state();
                let Some(place) = state.place_to_fill(self.kind) else { return Ok(()) };
                state.places[place].busy = true;
                state.started += 1;
                (place, self.kind.worker_name(state.started))
            };
            // A panic, too, gives the place up: as long as one is busy the pool waits for it.
            let started = caught(|| self.start_worker(place, &name)).unwrap_or_else(|panic| {
                let reason = io::Error::other(format!("its start panicked: {panic}"));
                Err(crate::process::Error::Start { name, reason })
            });
            let mut state = self.state();
            let mut again = false;
            if let Err(error) = &started {
                let place = &mut state.places[place];
                place.busy = false;
                if matches!(error, crate::process::Error::NeverRan { .. }) && !self.strict {
                    // Somebody killed it. Once may happen.
                    place.failed[0] += 1;
                    again = place.failed[0] < FAILED_STARTS;
                }
            }
            let is_open = state.phase == Phase::Open;
            drop(state);
            if !is_open {
                // Nobody ends as long as one is being started.
                self.look();
            }
            if !again {
                started?;
            }
        }
    }

    /// A worker for the tasks of an executor, if those that are there have enough to do.
    pub(crate) fn start_for_tasks(&self) -> Result<(), crate::process::Error> {
        match self.kind {
            Kind::Pool => Ok(()),
            Kind::Executor => match self.fill_places() {
                Err(error) if !self.state().has_workers() => Err(error),
                // Fewer will do; the manager tries it again.
                _ => Ok(()),
            },
        }
    }

    /// Starts a worker in this place, where none is.
    fn start_worker(&self, place: usize, name: &str) -> Result<(), crate::process::Error> {
        let name = name.to_owned();
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let initializer = match &settings.initializer {
            Some(Initializer { function, pack }) => {
                let failed =
                    |reason| crate::process::Error::Arguments { name: name.clone(), reason };
                // In the manager's thread, too, for the worker that takes the place of another.
                let packed = caught(pack).unwrap_or_else(|panic| {
                    let reason = format!("their serialisation panicked: {panic}");
                    Err(frame::Error::Io(io::Error::other(reason)))
                });
                Some((*function, packed.map_err(failed)?))
            }
            None => None,
        };
        let start = worker::Start {
            place,
            tasks: self.tasks.clone(),
            reports: self.reports.clone(),
            notes: self.notes.clone(),
            claims: self.claims.clone(),
            initializer,
            most_tasks: settings.most_tasks.unwrap_or(u64::MAX),
        };
        drop(settings);
        let daemonic = self.kind == Kind::Pool;
        let mut process = Process::new(worker::work, start)
            .named(name.clone())
            .daemonic(daemonic)
            .ignoring_interrupts(true);
        process.start().map_err(|error| match error {
            // What a worker is given names types that a user doesn't know.
            crate::process::Error::Arguments {
                name,
                reason: frame::Error::Encode { reason, .. },
            } => crate::process::Error::Start { name, reason: io::Error::other(reason) },
            error => error,
        })?;
        let process = Arc::new(process);
        let watch = {
            let (process, reports) = (Arc::clone(&process), self.reports.clone());
            move || {
                // How it ended, the manager asks the process.
                let _ = process.join();
                let _ = reports.put(&Report::Ended { worker: place }.alone());
            }
        };
        // Whatever happens to it, the manager finds it in its place; and from then on only the
        // manager says that the place is free.
        let mut state = self.state();
        let watch = match thread::Builder::new().name(format!("watch {name}")).spawn(watch) {
            Ok(watch) => watch,
            Err(reason) => {
                drop(state);
                let _ = process.kill();
                let _ = process.join();
                return Err(crate::process::Error::Start { name, reason });
            }
        };
        if matches!(state.phase, Phase::Ending(_)) {
            // All others were told while this one began.
            let _ = process.terminate();
        }
        let place = &mut state.places[place];
        place.worker = Some(Worker { process, watch, ready: false, told: false, latest: None });
        place.busy = false;
        Ok(())
    }
}
