//! Starting workers: when one is missing, and how.

use std::io;
use std::sync::{Arc, PoisonError};
use std::thread;

use crate::future::panics::caught;
use crate::pool::message::Report;
use crate::pool::settings::{Initializer, Kind};
use crate::pool::shared::Shared;
use crate::pool::state::{Phase, Worker};
use crate::pool::worker;
use crate::process::{Process, frame};

/// How often in a row a worker may end by itself before it is ready, until the pool gives up.
pub(crate) const FAILED_STARTS: u32 = 3;

/// Starts workers as long as too few are there.
///
/// # Errors
/// If one can't be started.
pub(crate) fn fill_slots(shared: &Shared) -> Result<(), crate::process::Error> {
    loop {
        let (slot, name) = {
            let mut state = shared.state();
            let Some(slot) = state.slot_to_fill(shared.kind) else { return Ok(()) };
            state.slots[slot].busy = true;
            state.started += 1;
            (slot, shared.kind.worker_name(state.started))
        };
        // A panic, too, gives the slot up: as long as one is busy the pool waits for it.
        let started = caught(|| start_worker(shared, slot, &name)).unwrap_or_else(|panic| {
            let reason = io::Error::other(format!("its start panicked: {panic}"));
            Err(crate::process::Error::Start { name, reason })
        });
        let mut state = shared.state();
        let mut again = false;
        if let Err(error) = &started {
            let slot = &mut state.slots[slot];
            slot.busy = false;
            if matches!(error, crate::process::Error::NeverRan { .. }) && !shared.strict {
                // Somebody killed it. Once may happen.
                slot.failed[0] += 1;
                again = slot.failed[0] < FAILED_STARTS;
            }
        }
        let is_open = state.phase == Phase::Open;
        drop(state);
        if !is_open {
            // Nobody ends as long as one is being started.
            shared.look();
        }
        if !again {
            started?;
        }
    }
}

/// A worker for the tasks of an executor, if those that are there have enough to do.
pub(crate) fn start_for_tasks(shared: &Shared) -> Result<(), crate::process::Error> {
    match shared.kind {
        Kind::Pool => Ok(()),
        Kind::Executor => match fill_slots(shared) {
            Err(error) if !shared.state().has_workers() => Err(error),
            // Fewer will do; the manager tries it again.
            _ => Ok(()),
        },
    }
}

/// Starts a worker in this slot, where none is.
fn start_worker(shared: &Shared, slot: usize, name: &str) -> Result<(), crate::process::Error> {
    let name = name.to_owned();
    let settings = shared.settings.lock().unwrap_or_else(PoisonError::into_inner);
    let initializer = match &settings.initializer {
        Some(Initializer { function, pack }) => {
            let failed = |reason| crate::process::Error::Arguments { name: name.clone(), reason };
            // In the manager's thread, too, for the worker that follows another.
            let packed = caught(pack).unwrap_or_else(|panic| {
                let reason = format!("their serialisation panicked: {panic}");
                Err(frame::Error::Io(io::Error::other(reason)))
            });
            Some((*function, packed.map_err(failed)?))
        }
        None => None,
    };
    let start = worker::Start {
        slot,
        tasks: shared.tasks.clone(),
        reports: shared.reports.clone(),
        intents: shared.intents.clone(),
        claims: shared.claims.clone(),
        initializer,
        most_tasks: settings.most_tasks.unwrap_or(u64::MAX),
    };
    drop(settings);
    let daemonic = shared.kind == Kind::Pool;
    let mut process = Process::new(worker::work, start)
        .named(name.clone())
        .daemonic(daemonic)
        .ignoring_interrupts(true);
    process.start().map_err(|error| match error {
        // What a worker is given names types that a user doesn't know.
        crate::process::Error::Arguments { name, reason: frame::Error::Encode { reason, .. } } => {
            crate::process::Error::Start { name, reason: io::Error::other(reason) }
        }
        error => error,
    })?;
    let process = Arc::new(process);
    let watch = {
        let (process, reports) = (Arc::clone(&process), shared.reports.clone());
        move || {
            // How it ended, the manager asks the process.
            let _ = process.join();
            let _ = reports.put(&Report::Ended { worker: slot }.alone());
        }
    };
    // Whatever happens to it, the manager finds it in its slot; and from then on only the
    // manager says that the slot is free.
    let mut state = shared.state();
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
    let slot = &mut state.slots[slot];
    slot.worker = Some(Worker { process, watch, ready: false, told: false, latest: None });
    slot.busy = false;
    Ok(())
}
