//! Random histories of a ledger, with a model of what is around it.
//!
//! ```text
//!   ledger ─put▶ queue ─▶ claimed ─▶ recorded ─▶ running ─▶ reports ─▶ ledger
//!                  ▲          │          │          │
//!                  └── given back ◀── killed ──▶ an intent record
//! ```
//!
//! A worker is killed between any two of its steps. At the end of a history all is done that is
//! left to do. Then each item has one outcome, unless its job was cancelled, closed or given up,
//! and nothing is outstanding.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem::take;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use testing::Deadline;

use super::*;
use crate::pool::message::{Task, push, some_function};

/// Capacity of the queue: few, so slots are used again.
const CAPACITY: u64 = 4;

/// Size from which on the queue refuses a task.
const TOO_LONG: usize = 300;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Submits a task of this many items: of a new job, or of an open one.
    Submit {
        job: usize,
        items: u64,
        size: usize,
    },
    /// All items of the job are submitted.
    EndJob {
        job: usize,
    },
    Work {
        worker: usize,
        choice: Choice,
    },
    Kill {
        worker: usize,
    },
    /// The manager handles a report.
    Manage,
    Cancel {
        job: usize,
    },
    CancelWaiting,
    CloseJob {
        job: usize,
    },
    Close,
    GiveUp,
}

/// What a worker does with an item's result.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Choice {
    Keep,
    Report,
    Fail,
}

/// A job as the model knows it.
#[derive(Debug, Default)]
struct ModelJob {
    number: u64,
    submitted: u64,
    all_submitted: bool,
    is_over: bool,
    /// True if no item may ever start.
    was_cancelled: bool,
    /// True if no further task may start.
    was_closed: bool,
    has_begun: bool,
    started: BTreeSet<u64>,
    /// Items with a result that the owner can know, because it was kept or reported.
    computed: BTreeSet<u64>,
    outcomes: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Result(u64),
    Failed,
    Lost,
}

/// A task in the queue or at a worker.
#[derive(Clone, Debug)]
struct InQueue {
    position: u64,
    delivery: u64,
    is_redelivered: bool,
    message: Vec<u8>,
}

#[derive(Debug)]
struct Worker {
    is_alive: bool,
    at: At,
    /// The intent record, which outlives the worker.
    intent: Option<Intent>,
    kept: Kept,
}

#[derive(Debug, Default)]
enum At {
    #[default]
    Idle,
    /// The worker has claimed the queue's slot.
    Claimed(InQueue),
    /// The worker has written its intent.
    Recorded { task: InQueue, has_begun: bool },
    /// The worker has freed the slot.
    Running(Run),
}

#[derive(Debug)]
struct Run {
    job: u64,
    first: u64,
    end: u64,
    bytes: u64,
    has_begun: bool,
    /// The item that runs, or is the next.
    item: u64,
    is_started: bool,
    /// The first item that was not reported.
    from: u64,
    /// True if the kept results were reported.
    must_forget: bool,
}

enum Report {
    Progress(Progress, Vec<(u64, Outcome)>),
    Ended { worker: usize },
}

/// Start and cancel flags of positions.
#[derive(Default)]
struct Flags(BTreeMap<u64, Flag>);

#[derive(Clone, Copy, PartialEq)]
enum Flag {
    Begun { delivery: u64 },
    Cancelled,
}

impl Flags {
    fn begin(&mut self, position: u64, delivery: u64) -> bool {
        if self.0.get(&position) == Some(&Flag::Cancelled) {
            return false;
        }
        self.0.insert(position, Flag::Begun { delivery });
        true
    }

    fn cancel(&mut self, position: u64) -> bool {
        if self.has_begun(position) {
            return false;
        }
        self.0.insert(position, Flag::Cancelled);
        true
    }

    fn has_begun(&self, position: u64) -> bool {
        matches!(self.0.get(&position), Some(Flag::Begun { .. }))
    }

    fn give_back(&mut self, position: u64, delivery: u64) {
        if self.0.get(&position) == Some(&Flag::Begun { delivery }) {
            self.0.remove(&position);
        }
    }
}

/// A ledger, whose sinks are indices of the model's jobs, and all that is around it.
struct World {
    ledger: Ledger<usize>,
    jobs: Vec<ModelJob>,
    /// True if each job has one task, as an executor's do: only those are cancelled.
    has_single_tasks: bool,
    queue: VecDeque<InQueue>,
    /// Positions whose slots are not free.
    occupied: BTreeSet<u64>,
    next_position: u64,
    deliveries: u64,
    flags: Flags,
    workers: Vec<Worker>,
    /// Tasks claimed by workers that have died.
    stuck: Vec<InQueue>,
    reports: VecDeque<Report>,
    /// Sizes of the tasks that are in the queue or at workers, by job and first item.
    outstanding: BTreeMap<(u64, u64), u64>,
    submitted: usize,
    put: usize,
    deaths: usize,
}

impl World {
    fn new(workers: usize, has_single_tasks: bool) -> Self {
        let worker =
            |_| Worker { is_alive: true, at: At::Idle, intent: None, kept: Kept::default() };
        Self {
            ledger: Ledger::new(workers, CAPACITY as usize),
            jobs: Vec::new(),
            has_single_tasks,
            queue: VecDeque::new(),
            occupied: BTreeSet::new(),
            next_position: 0,
            deliveries: 0,
            flags: Flags::default(),
            workers: (0..workers).map(worker).collect(),
            stuck: Vec::new(),
            reports: VecDeque::new(),
            outstanding: BTreeMap::new(),
            submitted: 0,
            put: 0,
            deaths: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Submit { job, items, size } => self.submit(job, items, size),
            Step::EndJob { job } => self.with_open_job(job, Self::end_job),
            Step::Work { worker, choice } => self.work(worker % self.workers.len(), choice),
            Step::Kill { worker } => self.kill(worker % self.workers.len()),
            Step::Manage => self.manage(),
            Step::Cancel { job } if self.has_single_tasks => self.with_open_job(job, Self::cancel),
            Step::CancelWaiting if self.has_single_tasks => self.cancel_waiting(),
            Step::Cancel { .. } | Step::CancelWaiting => {}
            Step::CloseJob { job } => self.with_open_job(job, Self::close_job),
            Step::Close => self.ledger.close(),
            Step::GiveUp => self.give_up(),
        }
        self.check();
    }

    /// Calls `work` with one of the jobs that are not over.
    fn with_open_job(&mut self, pick: usize, work: fn(&mut Self, usize)) {
        let open: Vec<usize> =
            (0..self.jobs.len()).filter(|job| !self.jobs[*job].is_over).collect();
        if let Some(job) = open.get(pick % open.len().max(1)) {
            work(self, *job);
        }
    }

    fn job_of(&self, number: u64) -> usize {
        self.jobs.iter().position(|job| job.number == number).unwrap()
    }

    fn submit(&mut self, pick: usize, items: u64, size: usize) {
        let open = |job: &ModelJob| !job.is_over && !job.all_submitted;
        let fed = (0..self.jobs.len()).filter(|job| open(&self.jobs[*job])).nth(pick);
        let Some(index) = fed.or_else(|| self.open_job()) else { return };
        let job = &mut self.jobs[index];
        let (number, first) = (job.number, job.submitted);
        job.submitted += items;
        job.all_submitted = self.has_single_tasks;
        self.submitted += 1;
        let mut message = Message::default();
        message.begin(Task { job: number, first, function: some_function() });
        (first..first + items).for_each(|_| message.push(&vec![1_u8; size]).unwrap());
        let message = message.bytes();
        let is_put = items == 1
            && self.ledger.can_be_put_at_once(number, message.len())
            && message.len() < TOO_LONG
            && self.put(message.to_vec());
        if is_put {
            self.ledger.was_put_at_once(number, message.len(), self.next_position - 1);
        } else {
            self.ledger.submitted(number, first..first + items, message);
            self.feed();
        }
    }

    fn open_job(&mut self) -> Option<usize> {
        let opened = self.ledger.open_job(self.jobs.len(), None);
        assert_eq!(opened.is_ok(), *self.ledger.phase() == Phase::Open);
        self.jobs.push(ModelJob { number: opened.ok()?, ..ModelJob::default() });
        Some(self.jobs.len() - 1)
    }

    /// Puts a task into the queue, unless it is full.
    fn put(&mut self, message: Vec<u8>) -> bool {
        let position = self.next_position;
        if position.checked_sub(CAPACITY).is_some_and(|last| self.occupied.contains(&last)) {
            return false;
        }
        let (task, _) = Items::of(&message).unwrap();
        let bytes = message.len() as u64;
        assert_eq!(self.outstanding.insert((task.job, task.first), bytes), None);
        self.occupied.insert(position);
        self.next_position += 1;
        self.put += 1;
        let delivery = self.next_delivery();
        self.queue.push_back(InQueue { position, delivery, is_redelivered: false, message });
        true
    }

    fn next_delivery(&mut self) -> u64 {
        self.deliveries += 1;
        self.deliveries
    }

    fn feed(&mut self) {
        while let Some(message) = self.ledger.next_to_put() {
            let message = message.to_vec();
            if message.len() >= TOO_LONG {
                let Refused { job, sink, items } = self.ledger.was_refused().unwrap();
                self.deliver(Some(sink), job, items.map(|item| (item, Outcome::Failed)).collect());
            } else if self.put(message) {
                self.ledger.was_put(self.next_position - 1);
            } else {
                break;
            }
        }
    }

    fn deliver(&mut self, sink: Option<usize>, number: u64, outcomes: Vec<(u64, Outcome)>) {
        let Some(index) = sink else { return };
        let job = &mut self.jobs[index];
        assert_eq!(job.number, number);
        assert!(!job.is_over, "outcomes of a job that is over");
        for (item, outcome) in outcomes {
            assert!(item < job.submitted, "there is no item {item}");
            assert!(job.outcomes.insert(item), "item {item} has two outcomes");
            match outcome {
                Outcome::Result(result) => {
                    assert_eq!(result, item, "another item's result");
                    assert!(job.computed.contains(&item));
                }
                Outcome::Lost => assert!(!job.computed.contains(&item), "{item} has a result"),
                Outcome::Failed => {}
            }
        }
        if job.all_submitted && job.outcomes.len() as u64 == job.submitted {
            job.is_over = true;
            assert!(self.ledger.job_is_done(number).is_some());
        }
    }

    fn end_job(&mut self, index: usize) {
        let job = &mut self.jobs[index];
        job.all_submitted = true;
        if job.outcomes.len() as u64 == job.submitted {
            self.close_job(index);
        } else {
            self.ledger.all_submitted(job.number);
        }
    }

    fn close_job(&mut self, index: usize) {
        let (job, flags) = (&mut self.jobs[index], &mut self.flags);
        (job.is_over, job.was_closed) = (true, true);
        let closed = self.ledger.close_job(job.number, |position| {
            flags.cancel(position);
        });
        assert!(closed.is_some());
    }

    fn cancel(&mut self, index: usize) {
        let (job, flags) = (&mut self.jobs[index], &mut self.flags);
        let has_begun = self.ledger.has_begun(job.number, |position| flags.has_begun(position));
        let cancelled = self.ledger.cancel(job.number, |position| flags.cancel(position));
        assert_eq!(cancelled, !has_begun);
        let was_late = job.has_begun || job.was_cancelled;
        assert!(cancelled || was_late, "the job could have been cancelled");
        assert!(!cancelled || job.started.is_empty(), "an item has started");
        job.was_cancelled |= cancelled;
    }

    fn cancel_waiting(&mut self) {
        let flags = std::cell::RefCell::new(take(&mut self.flags));
        let has_begun = |position| flags.borrow().has_begun(position);
        let cancel = |position| flags.borrow_mut().cancel(position);
        let cancelled = self.ledger.cancel_waiting(self.workers.len(), has_begun, cancel);
        self.flags = flags.into_inner();
        for (number, Job { sink, .. }) in cancelled {
            let job = &mut self.jobs[sink];
            assert_eq!(job.number, number);
            assert!(job.started.is_empty(), "an item has started");
            (job.is_over, job.was_cancelled) = (true, true);
        }
    }

    fn give_up(&mut self) {
        let Some(jobs) = self.ledger.give_up(TaskError::Terminated) else { return };
        for Job { sink, .. } in jobs.into_values() {
            assert!(!self.jobs[sink].is_over);
            self.jobs[sink].is_over = true;
        }
        assert!(self.jobs.iter().all(|job| job.is_over), "a job was forgotten");
    }

    /// Kills a worker.
    fn kill(&mut self, index: usize) {
        let worker = &mut self.workers[index];
        if !worker.is_alive {
            return;
        }
        worker.is_alive = false;
        self.deaths += 1;
        if let At::Claimed(task) | At::Recorded { task, .. } = take(&mut worker.at) {
            self.stuck.push(task);
        }
        self.reports.push_back(Report::Ended { worker: index });
    }

    /// Lets a worker do its next step.
    fn work(&mut self, index: usize, choice: Choice) {
        if !self.workers[index].is_alive {
            return;
        }
        self.workers[index].at = match take(&mut self.workers[index].at) {
            At::Idle => self.queue.pop_front().map_or(At::Idle, At::Claimed),
            At::Claimed(task) => {
                let (Task { job, first, .. }, _) = Items::of(&task.message).unwrap();
                let (delivery, bytes) = (task.delivery, task.message.len() as u64);
                self.workers[index].intent =
                    Some(Intent { job, first, item: first, delivery, bytes });
                let has_begun = self.flags.begin(task.position, delivery);
                let index = self.job_of(job);
                let job = &mut self.jobs[index];
                if has_begun {
                    job.has_begun = true;
                    assert!(!job.was_cancelled, "a cancelled task begins");
                    assert!(!job.was_closed || task.is_redelivered, "a closed job's task begins");
                } else {
                    assert!(job.was_cancelled || job.was_closed, "a task is cancelled for nothing");
                }
                At::Recorded { task, has_begun }
            }
            At::Recorded { task, has_begun } => {
                self.occupied.remove(&task.position);
                let (Task { job, first, .. }, items) = Items::of(&task.message).unwrap();
                At::Running(Run {
                    job,
                    first,
                    end: first + items.count() as u64,
                    bytes: task.message.len() as u64,
                    has_begun,
                    item: first,
                    is_started: false,
                    from: first,
                    must_forget: false,
                })
            }
            At::Running(run) => return self.run(index, run, choice),
        };
    }

    /// Lets a worker do its next step in a task.
    fn run(&mut self, index: usize, mut run: Run, choice: Choice) {
        let number = self.job_of(run.job);
        let (worker, job) = (&mut self.workers[index], &mut self.jobs[number]);
        let (item, is_last) = (run.item, run.item + 1 == run.end);
        let Run { job: number, first, from, bytes, .. } = run;
        let report = |from, to, is_last: bool, outcomes| {
            let ends = is_last.then_some(bytes);
            let progress = Progress { worker: index, job: number, first, from, to, ends };
            Report::Progress(progress, outcomes)
        };
        let results = |to| (from..=to).map(|item| (item, Outcome::Result(item))).collect();
        if run.must_forget {
            worker.kept.results.clear();
            run.must_forget = false;
        } else if item == run.end {
            worker.intent = None;
            return;
        } else if !run.has_begun {
            self.reports.push_back(report(item, item, is_last, vec![(item, Outcome::Failed)]));
            run.item += 1;
        } else if !run.is_started {
            worker.intent.as_mut().unwrap().item = item;
            assert!(job.started.insert(item), "item {item} runs twice");
            run.is_started = true;
        } else if choice == Choice::Fail && from < item {
            self.reports.push_back(report(from, item - 1, false, results(item - 1)));
            (run.from, run.must_forget) = (item, true);
        } else {
            if choice == Choice::Fail {
                self.reports.push_back(report(item, item, is_last, vec![(item, Outcome::Failed)]));
                run.from = item + 1;
            } else {
                job.computed.insert(item);
                if is_last || choice == Choice::Report {
                    self.reports.push_back(report(from, item, is_last, results(item)));
                    (run.from, run.must_forget) = (item + 1, true);
                } else {
                    worker.kept.from = from;
                    let write = |bytes: &mut Vec<u8>| {
                        bytes.extend_from_slice(&item.to_le_bytes());
                        Ok::<_, ()>(())
                    };
                    push(&mut worker.kept.results, write).unwrap();
                }
            }
            (run.item, run.is_started) = (item + 1, false);
        }
        worker.at = At::Running(run);
    }

    /// Lets the manager handle a report.
    fn manage(&mut self) {
        match self.reports.pop_front() {
            Some(Report::Progress(progress, outcomes)) => {
                if let Some(bytes) = progress.ends {
                    let ended = self.outstanding.remove(&(progress.job, progress.first));
                    assert_eq!(ended, Some(bytes));
                }
                let sink = self.ledger.reported(progress).copied();
                self.deliver(sink, progress.job, outcomes);
            }
            Some(Report::Ended { worker }) => self.worker_has_ended(worker),
            None => {}
        }
        self.feed();
    }

    fn worker_has_ended(&mut self, index: usize) {
        for task in take(&mut self.stuck) {
            self.flags.give_back(task.position, task.delivery);
            self.ledger.were_given_back(&[task.delivery]);
            let delivery = self.next_delivery();
            self.queue.push_front(InQueue { delivery, is_redelivered: true, ..task });
        }
        let worker = &mut self.workers[index];
        worker.is_alive = true;
        let (intent, kept) = (worker.intent.take(), take(&mut worker.kept));
        let Some(death) = self.ledger.died(index, intent, &kept) else { return };
        let intent = intent.expect("a worker without a task loses none");
        let ended = self.outstanding.remove(&(intent.job, intent.first));
        assert_eq!(ended, Some(intent.bytes));
        let result = |bytes: &[u8]| Outcome::Result(u64::from_le_bytes(bytes.try_into().unwrap()));
        let results = death.results.into_iter().map(|(item, bytes)| (item, result(bytes)));
        let lost = death.lost.map(|item| (item, Outcome::Lost));
        self.deliver(death.sink, death.job, results.chain(lost).collect());
    }

    /// Checks what holds at any time.
    fn check(&self) {
        let ledger = &self.ledger;
        let (tasks, bytes) = (self.outstanding.len(), self.outstanding.values().sum());
        assert_eq!(ledger.outstanding, Outstanding { tasks, bytes });
        assert!(tasks <= (CAPACITY as usize).max(2 * self.workers.len()));
        let mut waiting = BTreeMap::<u64, usize>::new();
        ledger.backlog.iter().for_each(|task| *waiting.entry(task.job).or_default() += 1);
        let mut queued = BTreeMap::<u64, usize>::new();
        ledger.queued.iter().flatten().for_each(|task| *queued.entry(task.job).or_default() += 1);
        for (number, job) in &ledger.jobs {
            assert_eq!(waiting.remove(number).unwrap_or(0), job.waiting);
            assert_eq!(queued.remove(number).unwrap_or(0), job.queued);
            assert!(!self.jobs[job.sink].is_over);
            for first in job.chunks.iter().flat_map(|chunks| chunks.keys()) {
                let is_outstanding = self.outstanding.contains_key(&(*number, *first));
                let waits = |task: &Waiting| {
                    Items::of(&task.message).is_some_and(|(task, _)| task.first == *first)
                };
                let mut waiting = ledger.backlog.iter().filter(|task| task.job == *number);
                let is_needed = is_outstanding || waiting.any(waits);
                assert!(is_needed || job.cancelled, "a chunk is kept for ever");
            }
        }
        assert_eq!(waiting.values().sum::<usize>(), ledger.unwanted);
        assert_eq!(ledger.jobs.len(), self.jobs.iter().filter(|job| !job.is_over).count());
    }

    /// Lets all be done that is left to do, and checks the outcomes.
    fn finish(&mut self) {
        for index in 0..self.jobs.len() {
            let job = &self.jobs[index];
            if job.is_over {
                continue;
            } else if job.was_cancelled {
                self.close_job(index);
            } else {
                self.end_job(index);
            }
        }
        let is_left = |world: &Self| {
            !(world.reports.is_empty() && world.queue.is_empty() && world.stuck.is_empty())
                || world.workers.iter().any(|worker| !matches!(worker.at, At::Idle))
        };
        let mut rounds = 0;
        while is_left(self) {
            self.take(Step::Manage);
            (0..self.workers.len()).for_each(|worker| {
                self.take(Step::Work { worker, choice: Choice::Keep });
            });
            rounds += 1;
            assert!(rounds < 10_000, "it does not end");
        }
        assert!(self.ledger.is_idle() && self.ledger.next_to_put().is_none());
        assert_eq!(self.ledger.outstanding, Outstanding::default());
        assert!(self.put <= self.submitted + self.deaths, "tasks multiply");
        for job in &self.jobs {
            assert!(job.is_over);
            assert!(!job.was_cancelled || job.started.is_empty(), "a cancelled item has run");
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let (job, worker) = (0..4_usize, 0..3_usize);
    let choice =
        prop_oneof![3 => Just(Choice::Keep), 1 => Just(Choice::Report), 1 => Just(Choice::Fail)];
    prop_oneof![
        6 => (job.clone(), 1..6_u64, 0..40_usize)
            .prop_map(|(job, items, size)| Step::Submit { job, items, size }),
        1 => job.clone().prop_map(|job| Step::EndJob { job }),
        40 => (worker.clone(), choice).prop_map(|(worker, choice)| Step::Work { worker, choice }),
        4 => worker.prop_map(|worker| Step::Kill { worker }),
        15 => Just(Step::Manage),
        1 => job.clone().prop_map(|job| Step::Cancel { job }),
        1 => Just(Step::CancelWaiting),
        1 => job.prop_map(|job| Step::CloseJob { job }),
    ]
}

/// Generates the end of a history, which mostly isn't one.
fn end() -> impl Strategy<Value = Option<Step>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(Step::Close)), 1 => Just(Some(Step::GiveUp))]
}

#[test]
fn each_item_has_one_outcome_whatever_happens() {
    let _deadline = Deadline::seconds(120);
    let histories = (1..4_usize, any::<bool>(), vec(step(), 0..250), end(), vec(step(), 0..50));
    let live = |(workers, has_single_tasks, steps, end, last): (_, _, Vec<Step>, _, Vec<Step>)| {
        let mut world = World::new(workers, has_single_tasks);
        for step in steps.into_iter().chain(end).chain(last) {
            world.take(step);
        }
        world.finish();
        Ok(())
    };
    TestRunner::default().run(&histories, live).unwrap();
}
