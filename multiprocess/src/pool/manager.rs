//! The manager: the thread that handles the workers' deaths, and their reports, but for those that
//! a waiting thread takes itself.
//!
//! ```text
//!   queue of reports ──▶ done, failed ───────────────────▶ ledger ──▶ the job's sink
//!                        ready ──▶ the worker's slot         ▲
//!                        ended ──▶ its intent record ────────┘
//!                              └─▶ a new worker in the slot
//! ```
//!
//! Noting a report needs the lock of the ledger, for which callers wait, too. So the manager takes
//! up to 32 reports in one go, and notes short ones together.
//!
//! It also runs what users give: it deserialises results and calls callbacks. A panic there costs
//! that one result or callback. To wait there for the pool is refused at once, because the thread
//! would wait for itself; so it is in a thread that has called `terminate` and runs the callbacks
//! of the tasks given up.

use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use crate::deadline::has_passed;
use crate::queue::GetError;

use crate::future::TaskError;
use crate::pool::engine::{Engine, GRACE, Left, State};
use crate::pool::ledger::{Death, Phase};
use crate::pool::message::{Items, Report};
use crate::pool::worker::IntentRecord;

/// Interval at which the manager checks for lost workers and tasks, also while reports come.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Maximum number of reports that the manager takes before it unlocks their taking.
const BATCH: usize = 32;

/// Longest report in bytes that is copied into the batch. A longer one is handled where it lies.
const COPIED: usize = 256;

/// Reason why a strict engine is broken. Python: the message of `BrokenProcessPool`.
const TERMINATED_ABRUPTLY: &str =
    "a process in the process pool was terminated abruptly while the future was running or pending";

/// The manager's thread.
pub(crate) struct Manager<'a> {
    shared: &'a Engine,
    /// When it last checked for lost workers and tasks.
    checked: Instant,
    /// Reports that were taken and have not been handled.
    batch: Batch,
}

/// Reports of outcomes, one behind the other in one buffer.
#[derive(Default)]
struct Batch {
    messages: Vec<u8>,
    /// Where each message ends.
    ends: Vec<usize>,
}

impl Batch {
    fn push(&mut self, message: &[u8]) {
        self.messages.extend_from_slice(message);
        self.ends.push(self.messages.len());
    }

    fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let starts = iter::once(&0).chain(&self.ends);
        starts.zip(&self.ends).map(|(start, end)| &self.messages[*start..*end])
    }
}

impl<'a> Manager<'a> {
    pub(crate) fn new(shared: &'a Engine) -> Self {
        Self { shared, checked: Instant::now(), batch: Batch::default() }
    }

    /// Handles reports until the last worker has ended.
    pub(crate) fn run(mut self) {
        loop {
            self.next_reports();
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
                // A thread that has taken the last report itself may not have delivered it yet.
                if state.slots.are_empty() && !state.ledger.goes_on() {
                    return self.shared.has_ended(&mut state);
                }
            }
            self.shared.feed(state);
        }
    }

    /// Handles reports, or waits for one, and checks for lost workers and tasks now and then.
    fn next_reports(&mut self) {
        let ending = self.shared.state().deadline.is_some();
        let interval = if ending { GRACE / 4 } else { POLL_INTERVAL };
        let left = interval.saturating_sub(self.checked.elapsed());
        if left.is_zero() {
            return self.check();
        }
        let handled = match self.handle_reports() {
            Ok(0) => self.shared.reports.wait_for_item(left),
            handled => handled.map(|_| ()),
        };
        if let Err(GetError::System(_)) = handled {
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

    /// Handles the reports that waiting threads have left, then those in the queue, until there are
    /// no more or it has handled 32; returns how many.
    fn handle_reports(&mut self) -> Result<usize, GetError> {
        let shared = self.shared;
        let _taking = shared.take_reports();
        let mut count = 0;
        loop {
            // Unlocked while it is handled.
            let left = shared.left().pop_front();
            let Some(Left { message, sink }) = left else { break };
            if sink.is_none() {
                self.batch_or_handle(&message);
            } else if let Some((report, results)) = Report::of(&message) {
                // The ledger has noted it already.
                shared.deliver(sink, report.progress().job, report.outcomes(&results));
            }
            count += 1;
        }
        let mut taken = Ok(());
        while taken.is_ok() && count < BATCH {
            taken = shared.reports.try_get(|message| self.batch_or_handle(message));
            count += usize::from(taken.is_ok());
        }
        self.handle_batch();
        match taken {
            Ok(()) | Err(GetError::Empty) => Ok(count),
            Err(error) => Err(error),
        }
    }

    /// Takes a report into the batch, if it is a short one of outcomes; or handles it, after those
    /// in the batch.
    fn batch_or_handle(&mut self, message: &[u8]) {
        let Some((report, results)) = Report::of(message) else { return };
        let has_outcomes = matches!(report, Report::Done(_) | Report::Failed(..));
        if has_outcomes && message.len() <= COPIED {
            return self.batch.push(message);
        }
        self.handle_batch();
        match report {
            Report::Ready { worker } => self.shared.state().slots.is_ready(worker),
            Report::Ended { worker } => self.worker_has_ended(worker),
            Report::Wake => {}
            Report::Done(_) | Report::Failed(..) => self.handle_outcomes(&[(report, results)]),
        }
    }

    /// Handles the reports in the batch, which is empty afterwards.
    fn handle_batch(&mut self) {
        if self.batch.ends.is_empty() {
            return;
        }
        let reports: Vec<_> = self.batch.messages().filter_map(Report::of).collect();
        self.handle_outcomes(&reports);
        self.batch.messages.clear();
        self.batch.ends.clear();
    }

    /// Handles reports of outcomes: notes them all, and then delivers the outcomes.
    fn handle_outcomes(&self, reports: &[(Report, Items<'_>)]) {
        let job = |(report, _): &(Report, _)| report.progress().job;
        let runs: Vec<_> = reports.chunk_by(|report, next| job(report) == job(next)).collect();
        let sinks = self.shared.reported(&runs);
        for (run, sink) in runs.into_iter().zip(sinks) {
            let outcomes = run.iter().flat_map(|(report, results)| report.outcomes(results));
            self.shared.deliver(sink, job(&run[0]), outcomes);
        }
    }

    /// Handles a worker's end: its item fails, the rest of its task runs again, and a new worker
    /// starts.
    fn worker_has_ended(&self, slot: usize) {
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
    fn collect_given_back(&self) {
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::sync::Arc;
    use std::sync::mpsc;

    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Deserializer};
    use testing::{Deadline, until};

    use super::*;
    use crate::pool::engine::Link;
    use crate::pool::message::{Progress, Sink, push};
    use crate::pool::result::{AsyncResult, Delivery};
    use crate::pool::settings::{Kind, Settings};
    use crate::process::frame;

    /// An engine without workers, which has no manager, and starts no worker before it has a task.
    fn engine() -> Arc<Engine> {
        let settings = Settings { processes: Some(1), ..Settings::default() };
        Arc::new(Engine::new(settings, Kind::Executor).unwrap())
    }

    fn open_job<R: DeserializeOwned + Send + 'static>(
        engine: &Arc<Engine>,
    ) -> (u64, AsyncResult<R>) {
        let delivery = Delivery::new(Link::to(engine));
        let sink = Arc::clone(&delivery);
        (engine.open_job(sink, None).unwrap(), AsyncResult { delivery })
    }

    /// Reports a result of so many bytes, as a worker does.
    fn report(engine: &Engine, job: u64, bytes: u8) {
        let (mut message, result) = (Vec::new(), vec![bytes; bytes.into()]);
        push(&mut message, |buffer| frame::append(&result, buffer)).unwrap();
        Report::Done(Progress { job, ..Progress::default() }).end(&mut message);
        engine.reports.try_put(&message).unwrap();
    }

    /// Looks once for the result, as a thread does that waits for it, after `meanwhile`.
    fn look<R>(engine: &Arc<Engine>, result: &AsyncResult<R>, meanwhile: impl FnOnce()) {
        Link::to(engine).look_for_result(
            || result.ready(),
            |before| {
                meanwhile();
                before();
            },
        );
    }

    fn is_idle(engine: &Engine) -> bool {
        engine.state().ledger.is_idle() && engine.left().is_empty()
    }

    #[test]
    fn a_thread_that_waits_for_the_only_job_handles_its_report() {
        let engine = engine();
        let (job, result) = open_job::<Vec<u8>>(&engine);
        look(&engine, &result, || ());
        assert!(!result.ready());
        look(&engine, &result, || report(&engine, job, 7));
        assert!(result.ready());
        assert_eq!(result.get(), Ok(vec![7; 7]));
        assert!(is_idle(&engine) && engine.reports.try_get(|_| ()).is_err());
    }

    #[test]
    fn it_leaves_callbacks_and_long_results_to_the_manager() {
        // Callbacks that are there before it looks, and since it does.
        for (bytes, before, since) in [(7, true, false), (7, false, true), (255, false, false)] {
            let engine = engine();
            let (job, result) = open_job::<Vec<u8>>(&engine);
            let (sender, results) = mpsc::channel();
            let call_back = || {
                let sender = sender.clone();
                result.on_result(move |result| sender.send(result.clone()).unwrap());
            };
            if before {
                call_back();
            }
            look(&engine, &result, || {
                report(&engine, job, bytes);
                if since {
                    call_back();
                }
            });
            assert_eq!(engine.left().len(), usize::from(!before));
            assert!(!result.ready() && results.try_recv().is_err());
            // The manager is told, and handles first what was left.
            Manager::new(&engine).handle_reports().unwrap();
            let expected = Ok(vec![bytes; bytes.into()]);
            assert_eq!(result.get(), expected);
            assert_eq!(results.try_recv().ok(), (before || since).then_some(expected));
            assert!(is_idle(&engine));
        }
    }

    #[test]
    fn it_leaves_the_reports_of_other_jobs_to_the_manager() {
        let engine = engine();
        let (job, result) = open_job::<Vec<u8>>(&engine);
        let (mut other, mut manager) = (None, Manager::new(&engine));
        look(&engine, &result, || {
            let (number, later) = open_job::<Vec<u8>>(&engine);
            report(&engine, number, 1);
            report(&engine, job, 2);
            other = Some(later);
        });
        let other = other.unwrap();
        assert!(!result.ready() && !other.ready());
        // It is no longer the only job.
        look(&engine, &result, || ());
        assert!(!result.ready());
        manager.handle_reports().unwrap();
        assert!(other.ready() && result.ready());
        assert!(is_idle(&engine));
    }

    /// A job's sink that sends the job's index and each item's number.
    struct Numbers(usize, mpsc::Sender<(usize, u64)>);

    impl Sink for Numbers {
        fn done(&self, item: u64, _: Result<&[u8], TaskError>) -> bool {
            self.1.send((self.0, item)).unwrap();
            false
        }

        fn give_up(&self, _: &TaskError) {}
    }

    #[test]
    fn reports_that_are_taken_together_reach_their_jobs_in_order() {
        let engine = engine();
        let (sender, numbers) = mpsc::channel();
        let open_job = |index| engine.open_job(Arc::new(Numbers(index, sender.clone())), None);
        let jobs = [open_job(0).unwrap(), open_job(1).unwrap()];
        let job_of = |item| usize::from(item % 5 == 4);
        for item in 0..2 * BATCH as u64 {
            let progress =
                Progress { job: jobs[job_of(item)], from: item, to: item, ..Progress::default() };
            let mut message = Vec::new();
            if item % 8 == 0 {
                Report::Failed(progress, TaskError::Terminated).end(&mut message);
            } else {
                // One of eight is too long for a batch.
                let result = vec![7_u8; if item % 8 == 7 { COPIED } else { 7 }];
                push(&mut message, |buffer| frame::append(&result, buffer)).unwrap();
                Report::Done(progress).end(&mut message);
            }
            engine.reports.try_put(&message).unwrap();
        }
        let mut manager = Manager::new(&engine);
        for first in [0, BATCH as u64] {
            assert_eq!(manager.handle_reports().unwrap(), BATCH);
            let expected: Vec<_> =
                (first..first + BATCH as u64).map(|item| (job_of(item), item)).collect();
            assert_eq!(numbers.try_iter().collect::<Vec<_>>(), expected);
        }
    }

    thread_local! {
        /// What a [`Probe`] does as it is deserialised in this thread.
        static PROBE: RefCell<Option<Arc<Engine>>> = const { RefCell::new(None) };
    }

    /// A result that needs the engine.
    #[derive(Debug, PartialEq, Eq)]
    struct Probe;

    impl<'de> Deserialize<'de> for Probe {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            if let Some(engine) = PROBE.take() {
                drop(engine.take_reports());
            }
            <[u8; 7]>::deserialize(deserializer).map(|_| Self)
        }
    }

    #[test]
    fn a_result_that_needs_the_manager_as_it_is_deserialised_has_it() {
        let _deadline = Deadline::seconds(60);
        let engine = engine();
        let (job, result) = open_job::<Probe>(&engine);
        PROBE.set(Some(Arc::clone(&engine)));
        look(&engine, &result, || report(&engine, job, 7));
        assert!(result.ready());
        assert_eq!(result.get(), Ok(Probe));
    }

    #[test]
    fn the_manager_goes_on_until_the_last_result_is_delivered() {
        let _deadline = Deadline::seconds(60);
        let engine = engine();
        // Its report was taken, and is being deserialised, by a thread that waits for it.
        let (job, result) = open_job::<u64>(&engine);
        engine.close();
        thread::scope(|scope| {
            let manager = scope.spawn(|| Manager::new(&engine).run());
            for _ in 0..2 {
                engine.left().push_back(Left { message: Report::Wake.alone(), sink: None });
                engine.wake_manager();
                until("the manager has looked", || engine.left().is_empty());
            }
            let sink = engine.state().ledger.sink_of(job);
            engine.deliver(sink, job, iter::once((0, Err(TaskError::TimedOut))));
            manager.join().unwrap();
        });
        assert_eq!(result.get(), Err(TaskError::TimedOut));
    }

    #[test]
    fn the_manager_takes_no_report_while_another_thread_is_at_one() {
        let _deadline = Deadline::seconds(60);
        let engine = engine();
        let (job, result) = open_job::<Vec<u8>>(&engine);
        report(&engine, job, 7);
        let taking = engine.take_reports();
        thread::scope(|scope| {
            let manager = scope.spawn(|| Manager::new(&engine).handle_reports().unwrap());
            (0..10_000).for_each(|_| thread::yield_now());
            assert!(engine.reports.try_get(|_| report(&engine, job, 8)).is_ok());
            drop(taking);
            manager.join().unwrap();
        });
        assert_eq!(result.get(), Ok(vec![8; 8]));
    }

    #[test]
    fn while_the_manager_handles_a_report_no_other_thread_takes_one() {
        let engine = engine();
        let (job, result) = open_job::<Vec<u8>>(&engine);
        let taking = engine.take_reports();
        look(&engine, &result, || report(&engine, job, 7));
        assert!(!result.ready());
        drop(taking);
        look(&engine, &result, || ());
        assert!(result.ready());
    }
}
