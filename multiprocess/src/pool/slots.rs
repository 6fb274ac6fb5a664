//! Worker slots, and the start of a worker in one.
//!
//! ```text
//!   slot:  empty ──▶ busy: a worker is being started ──▶ worker
//!            ▲                                             │ its end is reported
//!            └────── busy: its intent record is read ◀─────┘
//! ```
//!
//! After a worker's end the next one takes its slot, and its intent record. So no worker may start
//! in a slot while the end of the last one is being handled.

use std::io;
use std::mem::replace;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crate::pool::message::Report;
use crate::pool::settings::Kind;
use crate::pool::worker;
use crate::process::{Process, frame};
use crate::queue::ByteQueue;

/// Number of workers in a row in one slot that may end by themselves before they are ready; then
/// the pool gives up.
const FAILED_STARTS: u32 = 3;

/// Number of workers in a row in one slot that may be killed before they are ready; then the pool
/// gives up.
const KILLED_STARTS: u32 = 20;

/// The worker slots of an engine.
pub(crate) struct Slots {
    slots: Vec<Slot>,
    kind: Kind,
    /// Number of workers that were started.
    started: usize,
}

/// A slot for one worker at a time.
#[derive(Default)]
struct Slot {
    content: Content,
    failed: FailedStarts,
}

#[derive(Default)]
enum Content {
    #[default]
    Empty,
    /// A worker is being started here, or the end of one is being handled.
    Busy,
    Worker(Worker),
}

/// Numbers of workers in a row that ended before they were ready.
#[derive(Default)]
struct FailedStarts {
    /// Workers that ended by themselves, or before they had received what to do.
    exited: u32,
    /// Workers that were killed.
    killed: u32,
}

pub(crate) struct Worker {
    pub process: Arc<Process>,
    pub watch: JoinHandle<()>,
    pub ready: bool,
    /// True once the worker has been told to end.
    pub told_to_end: bool,
}

impl Slots {
    pub(crate) fn new(count: usize, kind: Kind) -> Self {
        Self { slots: (0..count).map(|_| Slot::default()).collect(), kind, started: 0 }
    }

    /// Makes an empty slot busy, if there is one and these unfinished tasks need another worker.
    /// Returns it, and the name of the worker to be started there.
    pub(crate) fn reserve(&mut self, unfinished: usize) -> Option<(usize, String)> {
        let is_empty = |slot: &Slot| matches!(slot.content, Content::Empty);
        let occupied = || self.slots.iter().filter(|slot| !is_empty(slot)).count();
        if self.kind == Kind::Executor && occupied() >= unfinished {
            return None;
        }
        let slot = self.slots.iter().position(is_empty)?;
        self.slots[slot].content = Content::Busy;
        self.started += 1;
        Some((slot, self.kind.worker_name(self.started)))
    }

    /// Puts a worker into its busy slot.
    pub(crate) fn fill(&mut self, slot: usize, worker: Worker) {
        self.slots[slot].content = Content::Worker(worker);
    }

    /// Empties a busy slot.
    pub(crate) fn free(&mut self, slot: usize) {
        self.slots[slot].content = Content::Empty;
    }

    /// Takes the worker, which has ended, out of its slot, which is busy then.
    pub(crate) fn take(&mut self, slot: usize) -> Option<Worker> {
        let content = &mut self.slots.get_mut(slot)?.content;
        match replace(content, Content::Busy) {
            Content::Worker(worker) => Some(worker),
            other => {
                *content = other;
                None
            }
        }
    }

    /// Notes that the worker in this slot is ready for tasks.
    pub(crate) fn is_ready(&mut self, slot: usize) {
        let Some(slot) = self.slots.get_mut(slot) else { return };
        slot.failed = FailedStarts::default();
        if let Content::Worker(worker) = &mut slot.content {
            worker.ready = true;
        }
    }

    /// Notes that a worker ended before it was ready. Returns the number of such ends in a row, if
    /// these are too many.
    pub(crate) fn start_failed(&mut self, slot: usize, was_killed: bool) -> Option<u32> {
        let FailedStarts { exited, killed } = &mut self.slots[slot].failed;
        let (failed, most) =
            if was_killed { (killed, KILLED_STARTS) } else { (exited, FAILED_STARTS) };
        *failed += 1;
        (*failed >= most).then_some(most)
    }

    pub(crate) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.slots.iter().filter_map(|slot| match &slot.content {
            Content::Worker(worker) => Some(worker),
            _ => None,
        })
    }

    pub(crate) fn workers_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.slots.iter_mut().filter_map(|slot| match &mut slot.content {
            Content::Worker(worker) => Some(worker),
            _ => None,
        })
    }

    /// Returns true if all slots are empty.
    pub(crate) fn are_empty(&self) -> bool {
        self.slots.iter().all(|slot| matches!(slot.content, Content::Empty))
    }
}

/// Starts the process of a worker.
pub(crate) fn start_process(
    name: &str,
    kind: Kind,
    start: worker::Start,
) -> Result<Process, crate::process::Error> {
    let mut process = Process::new(worker::work, start)
        .named(name.to_owned())
        .daemonic(kind == Kind::Pool)
        .ignoring_interrupts(true);
    process.start().map_err(|error| match error {
        // The error would name types of ours, which the user doesn't know.
        crate::process::Error::Arguments { name, reason: frame::Error::Encode { reason, .. } } => {
            crate::process::Error::Start { name, reason: io::Error::other(reason) }
        }
        error => error,
    })?;
    Ok(process)
}

impl Worker {
    /// Starts the thread that reports the worker's end. The caller puts the worker into its slot
    /// before it unlocks the state.
    ///
    /// # Errors
    /// If there is no thread for it.
    pub(crate) fn watched(
        process: Arc<Process>,
        name: &str,
        slot: usize,
        [tasks, reports]: [ByteQueue; 2],
    ) -> io::Result<Self> {
        let watched = Arc::clone(&process);
        let watch = move || {
            // How it ended doesn't matter here: the manager asks for the exit code.
            let _ = watched.join();
            let _ = reports.put(&Report::Ended { worker: slot }.alone());
            // Threads that sleep at these queues have no other bound: see `ByteQueue::watched`.
            tasks.wake_all();
            reports.wake_all();
        };
        let watch = thread::Builder::new().name(format!("watch {name}")).spawn(watch)?;
        Ok(Self { process, watch, ready: false, told_to_end: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_fills_all_slots_and_an_executor_as_many_as_it_has_tasks() {
        for (kind, unfinished, expected) in
            [(Kind::Pool, 0, 3), (Kind::Executor, 0, 0), (Kind::Executor, 2, 2)]
        {
            let mut slots = Slots::new(3, kind);
            let reserved = std::iter::from_fn(|| slots.reserve(unfinished)).count();
            assert_eq!(reserved, expected, "{kind:?}");
            assert_eq!(slots.are_empty(), expected == 0);
        }
    }

    #[test]
    fn a_busy_slot_takes_no_worker_until_it_is_freed() {
        let mut slots = Slots::new(1, Kind::Pool);
        assert_eq!(slots.reserve(1), Some((0, String::from("PoolWorker-1"))));
        assert_eq!(slots.reserve(1), None);
        // It isn't a worker's end that is handled, but a start.
        assert!(slots.take(0).is_none() && slots.reserve(1).is_none());
        slots.free(0);
        assert_eq!(slots.reserve(1), Some((0, String::from("PoolWorker-2"))));
    }

    #[test]
    fn three_exits_or_twenty_kills_in_a_row_are_too_many() {
        let mut slots = Slots::new(2, Kind::Pool);
        for (was_killed, most) in [(false, 3), (true, 20)] {
            let failed = (0..most).map(|_| slots.start_failed(1, was_killed)).collect::<Vec<_>>();
            assert!(failed[..most - 1].iter().all(Option::is_none));
            assert_eq!(failed[most - 1], Some(most as u32));
            slots.is_ready(1);
            assert_eq!(slots.start_failed(1, was_killed), None);
        }
    }
}
