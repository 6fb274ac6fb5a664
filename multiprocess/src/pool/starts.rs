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

/// Number of workers in a row that may end by themselves before they are ready; then the pool gives
/// up.
pub(crate) const FAILED_STARTS: u32 = 3;

/// Starts workers until enough slots are filled.
///
/// # Errors
/// If a worker can't be started.
pub(crate) fn fill_slots(shared: &Shared) -> Result<(), crate::process::Error> {
    loop {
        let (slot, name) = {
            let mut state = shared.state();
            let Some(slot) = state.slot_to_fill(shared.kind) else { return Ok(()) };
            state.slots[slot].busy = true;
            state.started += 1;
            (slot, shared.kind.worker_name(state.started))
        };
        // Also after a panic the slot must be freed: the pool does not end while one is busy.
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
                // It was killed as it started, which may happen: try again.
                slot.failed.exited += 1;
                again = slot.failed.exited < FAILED_STARTS;
            }
        }
        let is_open = state.phase == Phase::Open;
        drop(state);
        if !is_open {
            // The manager did not end the engine while the slot was busy.
            shared.wake_manager();
        }
        if !again {
            started?;
        }
    }
}

/// Starts a worker for an executor's tasks, if all that are there are occupied.
///
/// # Errors
/// If there is no worker, and none can be started.
pub(crate) fn start_for_tasks(shared: &Shared) -> Result<(), crate::process::Error> {
    match shared.kind {
        Kind::Pool => Ok(()),
        Kind::Executor => match fill_slots(shared) {
            Err(error) if !shared.state().has_workers() => Err(error),
            // Fewer workers will do; the manager tries again.
            _ => Ok(()),
        },
    }
}

/// Starts a worker in this empty slot.
fn start_worker(shared: &Shared, slot: usize, name: &str) -> Result<(), crate::process::Error> {
    let name = name.to_owned();
    let settings = shared.settings.lock().unwrap_or_else(PoisonError::into_inner);
    let initializer = match &settings.initializer {
        Some(Initializer { function, pack }) => {
            let failed = |reason| crate::process::Error::Arguments { name: name.clone(), reason };
            // For a replacement this is the manager's thread, which must survive a panic.
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
        max_tasks: settings.max_tasks.unwrap_or(u64::MAX),
    };
    drop(settings);
    let daemonic = shared.kind == Kind::Pool;
    let mut process = Process::new(worker::work, start)
        .named(name.clone())
        .daemonic(daemonic)
        .ignoring_interrupts(true);
    process.start().map_err(|error| match error {
        // The error would name types of ours, which the user doesn't know.
        crate::process::Error::Arguments { name, reason: frame::Error::Encode { reason, .. } } => {
            crate::process::Error::Start { name, reason: io::Error::other(reason) }
        }
        error => error,
    })?;
    let process = Arc::new(process);
    let watch = {
        let (process, tasks) = (Arc::clone(&process), shared.tasks.clone());
        let reports = shared.reports.clone();
        move || {
            // The manager asks the process how it ended.
            let _ = process.join();
            let _ = reports.put(&Report::Ended { worker: slot }.alone());
            // Threads that sleep at these queues have no other bound: see `ByteQueue::watched`.
            tasks.wake_all();
            reports.wake_all();
        }
    };
    // From here on only the manager, which finds the worker in its slot, frees the slot.
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
        // The other workers were terminated while this one was starting.
        let _ = process.terminate();
    }
    let slot = &mut state.slots[slot];
    slot.worker = Some(Worker { process, watch, ready: false, told_to_end: false, latest: None });
    slot.busy = false;
    Ok(())
}
