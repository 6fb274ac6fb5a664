//! The manager: the thread that hears what the workers report, and does what there is to do when one of
//! them ends.

use std::thread;
use std::time::{Duration, Instant};

use crate::queue::GetError;

use crate::future::TaskError;
use crate::pool::intent::{Intent, IntentRecord};
use crate::pool::message::{Items, Message, Progress, Report};
use crate::pool::shared::{GRACE, Shared};
use crate::pool::sink::Held;
use crate::pool::starts::{FAILED_STARTS, fill_slots};
use crate::pool::state::{Phase, State};

/// How often in a row a worker may be killed before it is ready, until the pool gives up.
const KILLED_STARTS: u32 = 20;

/// How often the manager looks whether there is something to do, if nobody tells.
const LOOK: Duration = Duration::from_secs(1);

/// How often the manager looks for a report before it sleeps, letting others run in between.
const LOOKS: u32 = 50;

/// Why a strict engine is broken. Python: `BrokenProcessPool`.
const TERMINATED_ABRUPTLY: &str =
    "a process in the process pool was terminated abruptly while the future was running or pending";

/// What the manager's thread keeps to itself.
pub(crate) struct Manager<'a> {
    shared: &'a Shared,
    /// Deliveries of tasks that came to nothing, because a worker died.
    given_back: Vec<u64>,
}

impl<'a> Manager<'a> {
    pub(crate) fn new(shared: &'a Shared) -> Self {
        Self { shared, given_back: Vec::new() }
    }

    /// Until the last worker has ended.
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

    fn next_report(&mut self) {
        let shared = self.shared;
        for _ in 0..LOOKS {
            match shared.reports.try_get(|message| self.handle(message)) {
                Err(GetError::Empty) => thread::yield_now(),
                _ => return,
            }
        }
        let ending = shared.state().deadline.is_some();
        let time = if ending { GRACE / 4 } else { LOOK };
        let got = shared.reports.get(time, |_, _| (), |message| self.handle(message));
        match got {
            Err(GetError::Empty) => {
                // A process that a task forked may have kept its dead worker's claim on a task alive.
                self.learn_what_was_given_back();
                self.fill_places();
            }
            // There is no memory now; perhaps there will be.
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
                self.shared.tell(sink, progress.job, results);
            }
            Some((Report::Failed(progress, error), _)) => {
                let sink = self.note_progress(progress);
                self.shared.tell(sink, progress.job, [(progress.to, Err(error))].into_iter());
            }
            Some((Report::Ready { worker }, _)) => {
                if let Some(slot) = self.shared.state().slots.get_mut(worker) {
                    slot.failed = [0, 0];
                    if let Some(worker) = &mut slot.worker {
                        worker.ready = true;
                    }
                }
            }
            Some((Report::Ended { worker }, _)) => self.worker_has_ended(worker),
            Some((Report::Look, _)) | None => {}
        }
    }

    /// Returns who is to be told.
    fn note_progress(&self, progress: Progress) -> Option<Held> {
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

    fn worker_has_ended(&mut self, slot: usize) {
        let shared = self.shared;
        self.learn_what_was_given_back();
        let ended = shared.state().slots.get_mut(slot).and_then(|slot| {
            let ended = slot.worker.take();
            // Its record is still to be read: who submits a task mustn't start another here meanwhile.
            slot.busy |= ended.is_some();
            ended
        });
        let Some(ended) = ended else { return };
        let _ = ended.watch.join();
        let exitcode = ended.process.exitcode();
        let end = end_of(exitcode);
        let mut broken = None;
        if shared.strict && !(ended.told || exitcode == Some(0) && ended.ready) {
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
            // For the next worker in this slot.
            record.end();
        }
        if !ended.ready {
            let slot = &mut shared.state().slots[slot];
            let killed = usize::from(exitcode.is_none_or(|code| code < 0));
            slot.failed[killed] += 1;
            let most = [FAILED_STARTS, KILLED_STARTS][killed];
            if slot.failed[killed] >= most {
                let reason = format!("{most} workers in a row ended before they could work: {end}");
                broken = Some(reason);
            }
        }
        shared.state().slots[slot].busy = false;
        match broken {
            Some(reason) => shared.end(TaskError::Broken(reason)),
            None => self.fill_places(),
        }
    }

    /// Starts workers where some are missing. If that can't be done, those that are there go on, and it
    /// is tried again later; but without any, nothing will come of the tasks.
    fn fill_places(&self) {
        let Err(error) = fill_slots(self.shared) else { return };
        let reason = match error {
            // The whole program is.
            crate::process::Error::Ending => TaskError::Terminated,
            _ if self.shared.state().has_workers() => return,
            error => TaskError::Broken(format!("a worker could not be started: {error}")),
        };
        self.shared.end(reason);
    }

    fn learn_what_was_given_back(&mut self) {
        let given_back = self.shared.tasks.given_back();
        for delivery in &given_back {
            self.shared.claims.give_back(*delivery);
        }
        self.given_back.extend(given_back);
    }

    /// A worker died with this task in its hands; `latest` is what it reported last.
    fn task_died(
        &self,
        record: &IntentRecord<'_>,
        intent: Intent,
        latest: Option<Progress>,
        error: TaskError,
    ) {
        // Of this task, not of one before it.
        let latest = latest.filter(|it| (it.job, it.first) == (intent.job, intent.first));
        if latest.is_some_and(|latest| latest.ends.is_some()) {
            return;
        }
        // Results that it had not reported yet.
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
        // Those behind it never ran.
        let next = intent.item.wrapping_add(1);
        if let Some(rest) = chunk.and_then(|chunk| Message::from(&chunk, next)) {
            state.put_in_front(intent.job, next, rest.bytes());
        }
        drop(state);
        if known.is_none_or(|known| intent.item > known) {
            self.shared.done(intent.job, [(intent.item, Err(error))].into_iter());
        }
    }

    fn tell_to_end(&self, state: &mut State) {
        let workers = state.slots.iter_mut().filter_map(|slot| slot.worker.as_mut());
        for worker in workers.filter(|worker| !worker.told) {
            // No message at all says so. There is room: nothing else is in the queue.
            worker.told = self.shared.tasks.try_put(&[]).is_ok();
        }
    }
}

/// How a process ended, in words.
fn end_of(exitcode: Option<i32>) -> String {
    let unknown = || String::from("somebody else collected its exit code");
    exitcode.map_or_else(unknown, crate::process::ending)
}
