//! The manager: the thread that handles what the workers report, and their deaths.
//!
//! ```text
//!   queue of reports ──▶ done, failed ──▶ the job's sink
//!                        ready        ──▶ the worker's slot
//!                        ended        ──▶ intent record ──▶ its item fails, others to the backlog
//!                                     └─▶ a new worker in the slot
//! ```
//!
//! It also runs what users give: it deserialises results and calls callbacks. A panic there costs
//! that one result or callback. To wait there for the pool is refused at once, because the thread
//! would wait for itself; so it is in a thread that has called `terminate` and runs the callbacks
//! of the tasks given up.

use std::thread;
use std::time::{Duration, Instant};

use crate::queue::GetError;

use crate::future::TaskError;
use crate::pool::intent::{Intent, IntentRecord};
use crate::pool::message::{Items, Message, Progress, Report};
use crate::pool::shared::{GRACE, Shared};
use crate::pool::sink::GuardedSink;
use crate::pool::starts::{FAILED_STARTS, fill_slots};
use crate::pool::state::{FailedStarts, Phase, State};

/// Number of workers in a row that may be killed before they are ready; then the pool gives up.
const KILLED_STARTS: u32 = 20;

/// Interval at which the manager checks for lost workers and tasks when no report comes.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Reason why a strict engine is broken. Python: the message of `BrokenProcessPool`.
const TERMINATED_ABRUPTLY: &str =
    "a process in the process pool was terminated abruptly while the future was running or pending";

/// State of the manager's thread.
pub(crate) struct Manager<'a> {
    shared: &'a Shared,
    /// Deliveries that the queue took back: the worker died before it freed the slot, so the task
    /// never ran.
    given_back: Vec<u64>,
}

impl<'a> Manager<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared, given_back: Vec::new() }
    }

    /// Handles reports until the last worker has ended.
    pub(crate) fn run(mut self) {
        loop {
            self.next_report();
            let mut state = self.shared.state();
            if state.phase == Phase::Closed && state.is_idle() {
                self.tell_to_end(&mut state);
            }
            if state.phase != Phase::Open {
                if state.deadline.is_some_and(|deadline| deadline <= Instant::now()) {
                    for worker in state.workers() {
                        let _ = worker.process.kill();
                    }
                }
                if !state.has_workers() {
                    let reason = match &state.phase {
                        Phase::Ending(reason) => Some(reason.clone()),
                        _ => None,
                    };
                    state.phase = Phase::Ended(reason);
                    self.shared.ended.notify_all();
                    return;
                }
            }
            if !state.backlog.is_empty() {
                self.shared.feed(state);
            }
        }
    }

    /// Handles one report, or checks for lost workers and tasks if none comes.
    fn next_report(&mut self) {
        let shared = self.shared;
        let ending = shared.state().deadline.is_some();
        let time = if ending { GRACE / 4 } else { POLL_INTERVAL };
        let got = shared.reports.get(time, |_, _| (), |message| self.handle(message));
        match got {
            Err(GetError::Empty) => {
                // A process that a task forked may have held its dead worker's task until now.
                self.collect_given_back();
                self.fill_slots();
                if shared.state().unfinished() > 0 {
                    // A worker that was stopped may have been woken for a task that others can do.
                    shared.tasks.wake_all();
                }
            }
            // Out of memory, perhaps not for long.
            Err(GetError::System(_)) => thread::sleep(GRACE / 4),
            _ => {}
        }
    }

    fn handle(&mut self, message: &[u8]) {
        match Report::of(message) {
            Some((Report::Done(progress), results)) => {
                let sink = self.note_progress(progress);
                let results = results.numbered(progress.from);
                let results = results.map(|(item, result)| (item, Ok(result)));
                self.shared.deliver(sink, progress.job, results);
            }
            Some((Report::Failed(progress, error), _)) => {
                let sink = self.note_progress(progress);
                self.shared.deliver(sink, progress.job, [(progress.to, Err(error))].into_iter());
            }
            Some((Report::Ready { worker }, _)) => {
                if let Some(slot) = self.shared.state().slots.get_mut(worker) {
                    slot.failed = FailedStarts::default();
                    if let Some(worker) = &mut slot.worker {
                        worker.ready = true;
                    }
                }
            }
            Some((Report::Ended { worker }, _)) => self.worker_has_ended(worker),
            Some((Report::Wake, _)) | None => {}
        }
    }

    /// Updates the worker's progress; returns the sink that gets the results.
    fn note_progress(&self, progress: Progress) -> Option<GuardedSink> {
        let mut state = self.shared.state();
        if let Some(bytes) = progress.ends {
            state.task_has_ended(progress.job, progress.first, bytes);
        }
        let slot = state.slots.get_mut(progress.worker);
        if let Some(worker) = slot.and_then(|slot| slot.worker.as_mut()) {
            worker.latest = Some(progress);
        }
        state.sink_of(progress.job)
    }

    /// Handles a worker's end: its item fails, the rest of its task runs again, and a new worker
    /// starts.
    fn worker_has_ended(&mut self, slot: usize) {
        let shared = self.shared;
        self.collect_given_back();
        let ended = shared.state().slots.get_mut(slot).and_then(|slot| {
            let ended = slot.worker.take();
            // A thread that submits a task must not start a worker here before the record is read.
            slot.busy |= ended.is_some();
            ended
        });
        let Some(ended) = ended else { return };
        let _ = ended.watch.join();
        let exitcode = ended.process.exitcode();
        let end = describe_end(exitcode);
        let mut broken = None;
        if shared.strict && !(ended.told_to_end || exitcode == Some(0) && ended.ready) {
            broken = Some(format!("{TERMINATED_ABRUPTLY}: {end}"));
        }
        let record = IntentRecord::of(&shared.intents, slot);
        if let Some(intent) = record.read() {
            let given_back = self.given_back.iter().position(|given| *given == intent.delivery);
            if let Some(index) = given_back {
                self.given_back.swap_remove(index);
            } else if shared.strict {
                broken = Some(format!("{TERMINATED_ABRUPTLY}: {end}"));
            } else {
                let error = TaskError::WorkerDied { end: end.clone(), exitcode };
                self.task_died(&record, intent, ended.latest, error);
            }
            // The next worker in this slot uses the same record.
            record.end();
        }
        if !ended.ready {
            let slot = &mut shared.state().slots[slot];
            let (failed, most) = if exitcode.is_none_or(|code| code < 0) {
                (&mut slot.failed.killed, KILLED_STARTS)
            } else {
                (&mut slot.failed.exited, FAILED_STARTS)
            };
            *failed += 1;
            if *failed >= most {
                let reason = format!("{most} workers in a row ended before they could work: {end}");
                broken = Some(reason);
            }
        }
        shared.state().slots[slot].busy = false;
        match broken {
            Some(reason) => shared.end(TaskError::Broken(reason)),
            None => self.fill_slots(),
        }
    }

    /// Starts missing workers. If that fails, those that are there go on, and it is tried again
    /// later; without any worker, the engine ends.
    fn fill_slots(&self) {
        let Err(error) = fill_slots(self.shared) else { return };
        let reason = match error {
            // The whole program is ending.
            crate::process::Error::Ending => TaskError::Terminated,
            _ if self.shared.state().has_workers() => return,
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
        self.given_back.extend(given_back);
    }

    /// Handles a task whose worker died while it ran. `latest` is the worker's latest report.
    fn task_died(
        &self,
        record: &IntentRecord<'_>,
        intent: Intent,
        latest: Option<Progress>,
        error: TaskError,
    ) {
        // A report about an earlier task says nothing.
        let latest = latest.filter(|it| (it.job, it.first) == (intent.job, intent.first));
        if latest.is_some_and(|latest| latest.ends.is_some()) {
            return;
        }
        // Results that the worker had computed but not reported.
        let (from, kept) = record.kept();
        let mut known = latest.map(|latest| latest.to);
        let unreported = Items { rest: &kept }
            .numbered(from)
            .filter(|(item, _)| known.is_none_or(|known| *item > known))
            .collect::<Vec<_>>();
        known = unreported.last().map(|(item, _)| *item).or(known);
        let unreported = unreported.into_iter().map(|(item, result)| (item, Ok(result)));
        self.shared.done(intent.job, unreported);

        let mut state = self.shared.state();
        let chunk = state.task_has_ended(intent.job, intent.first, intent.bytes);
        // The items behind it never ran.
        let next = intent.item.wrapping_add(1);
        if let Some(rest) = chunk.and_then(|chunk| Message::from(&chunk, next)) {
            state.put_in_front(intent.job, next, rest.bytes());
        }
        drop(state);
        if known.is_none_or(|known| intent.item > known) {
            self.shared.done(intent.job, [(intent.item, Err(error))].into_iter());
        }
    }

    /// Tells each worker to end, once.
    fn tell_to_end(&self, state: &mut State) {
        let workers = state.slots.iter_mut().filter_map(|slot| slot.worker.as_mut());
        for worker in workers.filter(|worker| !worker.told_to_end) {
            // An empty message means the end. It fits: nothing else is in the queue.
            worker.told_to_end = self.shared.tasks.try_put(&[]).is_ok();
        }
    }
}

/// Describes how a process ended.
fn describe_end(exitcode: Option<i32>) -> String {
    let unknown = || String::from("somebody else collected its exit code");
    exitcode.map_or_else(unknown, crate::process::ending)
}
