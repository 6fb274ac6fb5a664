//! The manager: the thread that handles what the workers report, and their deaths.
//!
//! ```text
//!   queue of reports ──▶ done, failed ───────────────────▶ ledger ──▶ the job's sink
//!                        ready ──▶ the worker's slot         ▲
//!                        ended ──▶ its intent record ────────┘
//!                              └─▶ a new worker in the slot
//! ```
//!
//! It also runs what users give: it deserialises results and calls callbacks. A panic there costs
//! that one result or callback. To wait there for the pool is refused at once, because the thread
//! would wait for itself; so it is in a thread that has called `terminate` and runs the callbacks
//! of the tasks given up.

use std::thread;
use std::time::{Duration, Instant};

use crate::deadline::has_passed;
use crate::queue::GetError;

use crate::future::TaskError;
use crate::pool::engine::{Engine, GRACE, State};
use crate::pool::ledger::{Death, Phase};
use crate::pool::message::Report;
use crate::pool::worker::IntentRecord;

/// Interval at which the manager checks for lost workers and tasks, also while reports come.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Number of reports, one right behind the other, between two looks at the clock.
const UNCLOCKED: u32 = 64;

/// Reason why a strict engine is broken. Python: the message of `BrokenProcessPool`.
const TERMINATED_ABRUPTLY: &str =
    "a process in the process pool was terminated abruptly while the future was running or pending";

/// The manager's thread.
pub(crate) struct Manager<'a> {
    shared: &'a Engine,
    /// When it last checked for lost workers and tasks.
    checked: Instant,
    /// Number of reports since it last looked at the clock.
    unclocked: u32,
}

impl<'a> Manager<'a> {
    pub(crate) fn new(shared: &'a Engine) -> Self {
        Self { shared, checked: Instant::now(), unclocked: 0 }
    }

    /// Handles reports until the last worker has ended.
    pub(crate) fn run(mut self) {
        loop {
            self.next_report();
            let mut state = self.shared.state();
            if *state.ledger.phase() == Phase::Closed && state.ledger.is_idle() {
                self.tell_to_end(&mut state);
            }
            if *state.ledger.phase() != Phase::Open {
                if has_passed(state.deadline) {
                    for worker in state.slots.workers() {
                        let _ = worker.process.kill();
                    }
                }
                if state.slots.are_empty() {
                    return self.shared.has_ended(&mut state);
                }
            }
            self.shared.feed(state);
        }
    }

    /// Handles one report if one comes in time, and checks for lost workers and tasks now and then.
    fn next_report(&mut self) {
        let shared = self.shared;
        // A look at the clock is a noticeable part of handling a report.
        if self.unclocked < UNCLOCKED
            && shared.reports.try_get(|message| self.handle(message)).is_ok()
        {
            self.unclocked += 1;
            return;
        }
        self.unclocked = 0;
        let ending = shared.state().deadline.is_some();
        let interval = if ending { GRACE / 4 } else { POLL_INTERVAL };
        let left = interval.saturating_sub(self.checked.elapsed());
        if left.is_zero() {
            return self.check();
        }
        let got = shared.reports.get(left, |_, _| (), |message| self.handle(message));
        if let Err(GetError::System(_)) = got {
            // Out of memory, perhaps not for long.
            thread::sleep(GRACE / 4);
        }
    }

    /// Checks for lost workers and tasks.
    fn check(&mut self) {
        // A process that a task forked may have held its dead worker's task until now.
        self.collect_given_back();
        self.fill_slots();
        if self.shared.state().ledger.unfinished() > 0 {
            // A worker that was stopped may have been woken for a task that others can do.
            self.shared.tasks.wake_all();
        }
        self.checked = Instant::now();
    }

    fn handle(&mut self, message: &[u8]) {
        let shared = self.shared;
        match Report::of(message) {
            Some((Report::Done(progress), results)) => {
                let sink = shared.state().ledger.reported(progress);
                let results = results.numbered(progress.from);
                let results = results.map(|(item, result)| (item, Ok(result)));
                shared.deliver(sink, progress.job, results);
            }
            Some((Report::Failed(progress, error), _)) => {
                let sink = shared.state().ledger.reported(progress);
                shared.deliver(sink, progress.job, [(progress.to, Err(error))].into_iter());
            }
            Some((Report::Ready { worker }, _)) => shared.state().slots.is_ready(worker),
            Some((Report::Ended { worker }, _)) => self.worker_has_ended(worker),
            Some((Report::Wake, _)) | None => {}
        }
    }

    /// Handles a worker's end: its item fails, the rest of its task runs again, and a new worker
    /// starts.
    fn worker_has_ended(&mut self, slot: usize) {
        let shared = self.shared;
        self.collect_given_back();
        let Some(ended) = shared.state().slots.take(slot) else { return };
        let _ = ended.watch.join();
        let exitcode = ended.process.exitcode();
        let end = describe_end(exitcode);
        let mut broken = None;
        if shared.strict && !(ended.told_to_end || exitcode == Some(0) && ended.ready) {
            broken = Some(format!("{TERMINATED_ABRUPTLY}: {end}"));
        }
        let record = IntentRecord::of(&shared.intents, slot);
        let (intent, kept) = (record.read(), record.kept());
        // The next worker in this slot uses the same record.
        record.end();
        let death = shared.state().ledger.died(slot, intent, &kept);
        if let Some(death) = death {
            if shared.strict {
                broken = Some(format!("{TERMINATED_ABRUPTLY}: {end}"));
            } else {
                let Death { job, sink, results, lost } = death;
                let results = results.into_iter().map(|(item, result)| (item, Ok(result)));
                let error = TaskError::WorkerDied { end: end.clone(), exitcode };
                let lost = lost.map(|item| (item, Err(error)));
                shared.deliver(sink, job, results.chain(lost));
            }
        }
        let was_killed = exitcode.is_none_or(|code| code < 0);
        if !ended.ready
            && let Some(most) = shared.state().slots.start_failed(slot, was_killed)
        {
            let reason = format!("{most} workers in a row ended before they could work: {end}");
            broken = Some(reason);
        }
        shared.state().slots.free(slot);
        match broken {
            Some(reason) => shared.end(TaskError::Broken(reason)),
            None => self.fill_slots(),
        }
    }

    /// Starts missing workers. If that fails, those that are there go on, and it is tried again
    /// later; without any worker, the engine ends.
    fn fill_slots(&self) {
        let Err(error) = self.shared.fill_slots() else { return };
        let reason = match error {
            // The whole program is ending.
            crate::process::Error::Ending => TaskError::Terminated,
            _ if !self.shared.state().slots.are_empty() => return,
            error => TaskError::Broken(format!("a worker could not be started: {error}")),
        };
        self.shared.end(reason);
    }

    /// Learns which deliveries the queue took back from dead workers; their tasks may start again.
    fn collect_given_back(&mut self) {
        let given_back = self.shared.tasks.given_back();
        for delivery in &given_back {
            self.shared.claims.give_back(*delivery);
        }
        self.shared.state().ledger.were_given_back(&given_back);
    }

    /// Tells each worker to end, once.
    fn tell_to_end(&self, state: &mut State) {
        for worker in state.slots.workers_mut().filter(|worker| !worker.told_to_end) {
            // An empty message means the end. Nothing else is in the queue; what doesn't fit into
            // it, with very many workers, is put as the first of them end.
            worker.told_to_end = self.shared.tasks.try_put(&[]).is_ok();
        }
    }
}

/// Describes how a process ended.
fn describe_end(exitcode: Option<i32>) -> String {
    let unknown = || String::from("somebody else collected its exit code");
    exitcode.map_or_else(unknown, crate::process::ending)
}
