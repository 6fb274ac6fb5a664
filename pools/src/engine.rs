//! The engine of a pool: workers, what they are given, what they report, and what is done when they
//! die.
//!
//! ```text
//!   callers ──submit──▶ backlog ──▶ queue of tasks ──┬──▶ worker 1
//!      ▲                  ▲                          ├──▶ worker 2
//!      │                  │ room                     └──▶ worker 3 ✝
//!      │               manager ◀── queue of reports ◀──────┘  ▲
//!      └── sink of the job ┘ ▲                                │
//!                            └─ "ended" ◀─ watch threads ◀────┘ one waits for the end of each worker
//! ```
//!
//! The manager is one thread: whatever happens, happens in the order of the reports. A worker's end is
//! a report, too, behind all that the worker reported itself; so when it comes, its note tells
//! exactly which item died with it:
//!
//! | the note says | and | so |
//! | --- | --- | --- |
//! | nothing | | it had no task |
//! | a task | its delivery came to nothing, says the queue | it never ran: another gets it |
//! | item k of a task | k's result was reported, or is kept in the note | items from k + 1 on never ran: they become a task |
//! | item k of a task | k has no result | k died; the same for those behind it |

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::mem::take;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use ipc_queue::{ByteQueue, GetError, PutError, Words};
use process_basics::{Arguments, Listed, Process, frame};

use crate::error::{Error, TaskError};
use crate::message::{Items, Message, Progress, Report};
use crate::worker::{self, Note};

/// Places of the queue of tasks: enough for the workers not to wait for the manager between two short
/// tasks.
const PLACES: usize = 1024;

/// The most workers: so many processes can share a queue with its maker.
const MOST_PROCESSES: usize = 4094;

/// So many bytes of tasks are in the queue at most, unless each worker needs one. What waits
/// longer, waits in this process.
const BYTES: u64 = 32 << 20;

/// How often in a row a worker may end by itself before it is ready, until the pool gives up.
const FAILED_STARTS: u32 = 3;

/// The same for workers that were killed: others may have reasons to do that.
const KILLED_STARTS: u32 = 20;

/// How long workers may take to end after SIGTERM before they are killed.
const GRACE: Duration = Duration::from_millis(500);

/// How often the manager looks whether there is something to do, if nobody tells.
const LOOK: Duration = Duration::from_secs(1);

/// How often the manager looks for a report before it sleeps, letting others run in between.
const LOOKS: u32 = 50;

/// What a job does with what comes of its items.
pub(crate) trait Sink: Send + Sync {
    /// Something came of this item. It is told once, but perhaps after the job was given up. True if the
    /// job has nothing left to wait for.
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool;

    /// Nothing will come of the items that are left.
    fn give_up(&self, error: &TaskError);
}

/// How the engine is to be.
pub(crate) struct Settings {
    pub processes: usize,
    pub most_tasks: Option<u64>,
    pub initializer: Option<Initializer>,
}

/// The function that each worker calls first, and how its arguments are made ready for one more worker.
pub(crate) struct Initializer {
    pub function: Listed,
    pub pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
}

/// The owner's handle. To drop it is to terminate the workers.
pub(crate) struct Engine {
    shared: Arc<Shared>,
    manager: Option<JoinHandle<()>>,
}

struct Shared {
    tasks: ByteQueue,
    reports: ByteQueue,
    notes: Words,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    /// Signalled when the manager has ended.
    ended: Condvar,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    /// Takes tasks.
    Open,
    /// Takes none; ends when all are done.
    Closed,
    /// Ends now, for this reason.
    Ending(TaskError),
    /// All workers have ended, for this reason, or because all is done.
    Ended(Option<TaskError>),
}

struct State {
    phase: Phase,
    jobs: HashMap<u64, Job>,
    next_job: u64,
    /// Tasks that are not in the queue yet, in their order.
    backlog: VecDeque<Waiting>,
    /// Tasks, and their bytes, that are in the queue or run.
    outstanding: (usize, u64),
    places: Vec<Place>,
    started: usize,
    /// After that, workers that still live are killed.
    deadline: Option<Instant>,
}

struct Job {
    sink: Held,
    /// The thread that submits its items little by little, as results are taken.
    fed_by: Option<ThreadId>,
    /// Its tasks of several items, by their first: if a worker dies, the rest is still to do.
    chunks: BTreeMap<u64, Arc<[u8]>>,
}

/// A hold on a job's sink. The last one drops what has come, which may panic: that harms nobody here.
#[derive(Clone)]
struct Held(Option<Arc<dyn Sink>>);

impl Held {
    fn done(&self, item: u64, outcome: Result<&[u8], TaskError>) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.done(item, outcome))
    }

    fn give_up(&self, error: &TaskError) {
        if let Some(sink) = &self.0 {
            sink.give_up(error);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let sink = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(sink)));
    }
}

/// A task's message that waits for its turn.
enum Waiting {
    Item(Box<[u8]>),
    Chunk(Arc<[u8]>),
}

impl Deref for Waiting {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Item(message) => message,
            Self::Chunk(message) => message,
        }
    }
}

/// Where a worker is, and after its end the next one.
#[derive(Default)]
struct Place {
    worker: Option<Worker>,
    /// How many ended in a row before they were ready: by themselves, or killed.
    failed: [u32; 2],
}

struct Worker {
    process: Arc<Process>,
    watch: JoinHandle<()>,
    ready: bool,
    /// Whether it has been told to end.
    told: bool,
    /// What it reported last.
    latest: Option<Progress>,
}

impl Engine {
    /// Starts the workers.
    ///
    /// # Errors
    /// [`Error::Start`], [`Error::System`]; no worker is left then.
    pub(crate) fn start(settings: Settings) -> Result<Self, Error> {
        let processes = settings.processes;
        if processes > MOST_PROCESSES {
            let reason = format!("a pool has at most {MOST_PROCESSES} workers, not {processes}");
            return Err(Error::System(io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        let system = |error| match error {
            ipc_queue::Error::System(error) => Error::System(error),
            other => Error::System(io::Error::other(other)),
        };
        let shared = Shared {
            tasks: ByteQueue::of_work(PLACES).map_err(system)?,
            reports: ByteQueue::bounded(PLACES).map_err(system)?,
            notes: Words::new(processes.saturating_mul(Note::WORDS)).map_err(Error::System)?,
            settings: Mutex::new(settings),
            state: Mutex::new(State {
                phase: Phase::Open,
                jobs: HashMap::new(),
                next_job: 1,
                backlog: VecDeque::new(),
                outstanding: (0, 0),
                places: (0..processes).map(|_| Place::default()).collect(),
                started: 0,
                deadline: None,
            }),
            ended: Condvar::new(),
        };
        let mut engine = Self { shared: Arc::new(shared), manager: None };
        // An error drops the engine, which ends the workers that have been started.
        for place in 0..processes {
            engine.shared.start_worker(place).map_err(Error::Start)?;
        }
        let shared = Arc::clone(&engine.shared);
        let manager = thread::Builder::new().name(String::from("pool-manager"));
        let manager = manager.spawn(move || Manager::new(&shared).run());
        engine.manager = Some(manager.map_err(Error::System)?);
        Ok(engine)
    }

    /// A new job, whose items may be submitted: all now, or little by little by this thread.
    ///
    /// # Errors
    /// [`Error::NotRunning`], [`Error::Broken`].
    pub(crate) fn open_job(
        &self,
        sink: Arc<dyn Sink>,
        fed_by: Option<ThreadId>,
    ) -> Result<u64, Error> {
        let mut state = self.shared.state();
        state.check_open()?;
        let job = state.next_job;
        state.next_job += 1;
        state.jobs.insert(job, Job { sink: Held(Some(sink)), fed_by, chunks: BTreeMap::new() });
        Ok(job)
    }

    /// Gives a task to the workers, when its turn comes. If the job is over by now, it does nothing.
    pub(crate) fn submit(&self, job: u64, first: u64, items: u64, message: &Message) {
        let message = message.bytes();
        let mut state = self.shared.state();
        let Some(job) = state.jobs.get_mut(&job) else { return };
        if items > 1 {
            let message: Arc<[u8]> = message.into();
            job.chunks.insert(first, Arc::clone(&message));
            state.backlog.push_back(Waiting::Chunk(message));
        } else if state.backlog.is_empty() && self.shared.put(&mut state, message).unwrap_or(false)
        {
            return;
        } else {
            state.backlog.push_back(Waiting::Item(message.into()));
        }
        self.shared.feed(state);
    }

    /// This job's items have all been submitted.
    pub(crate) fn all_submitted(&self, job: u64) {
        if let Some(job) = self.shared.state().jobs.get_mut(&job) {
            job.fed_by = None;
        }
    }

    /// This job is over: what has not begun of it is not done any more.
    pub(crate) fn close_job(&self, job: u64) {
        let mut state = self.shared.state();
        let over = state.jobs.remove(&job);
        if over.is_some() {
            state
                .backlog
                .retain(|message| Items::of(message).is_none_or(|(task, _)| task.job != job));
        }
        drop(state);
        drop(over);
        self.shared.look();
    }

    /// The process ids of the workers.
    pub(crate) fn worker_pids(&self) -> Vec<u32> {
        let state = self.shared.state();
        state.workers().filter_map(|worker| worker.process.pid()).collect()
    }

    /// Takes no more tasks; ends the workers when all are done.
    pub(crate) fn close(&self) {
        let mut state = self.shared.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Closed;
        }
        drop(state);
        self.shared.look();
    }

    /// Ends the workers now. What has no result yet fails with [`TaskError::Terminated`].
    pub(crate) fn terminate(&self) {
        self.shared.end(TaskError::Terminated);
        self.shared.look();
    }

    /// Waits until all workers have ended.
    ///
    /// # Errors
    /// [`Error::StillRunning`], [`Error::Unfinished`].
    pub(crate) fn join(&self) -> Result<(), Error> {
        let mut state = self.shared.state();
        if state.phase == Phase::Open {
            return Err(Error::StillRunning);
        }
        let me = Some(thread::current().id());
        if state.jobs.values().any(|job| job.fed_by == me) {
            return Err(Error::Unfinished);
        }
        while !matches!(state.phase, Phase::Ended(_)) {
            state = self.shared.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.terminate();
        let Some(manager) = self.manager.take() else {
            // It never came to that: an error while the workers were being started.
            Manager::new(&self.shared).run();
            return;
        };
        // A callback may hold the last handle.
        if manager.thread().id() != thread::current().id() {
            let _ = manager.join();
        }
    }
}

impl State {
    fn check_open(&self) -> Result<(), Error> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Ending(TaskError::Broken(reason))
            | Phase::Ended(Some(TaskError::Broken(reason))) => Err(Error::Broken(reason.clone())),
            _ => Err(Error::NotRunning),
        }
    }

    /// A task is over, in one way or another.
    fn task_has_ended(&mut self, job: u64, first: u64, bytes: u64) -> Option<Arc<[u8]>> {
        let (tasks, all_bytes) = self.outstanding;
        self.outstanding = (tasks.saturating_sub(1), all_bytes.saturating_sub(bytes));
        self.jobs.get_mut(&job)?.chunks.remove(&first)
    }

    fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.places.iter().filter_map(|place| place.worker.as_ref())
    }

    fn is_idle(&self) -> bool {
        self.jobs.is_empty() && self.backlog.is_empty() && self.outstanding.0 == 0
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the manager that there may be something to do.
    fn look(&self) {
        // If there is no room, it has something to do anyway.
        let _ = self.reports.try_put(&Report::Look.alone());
    }

    /// Puts a task into the queue; says whether there was room.
    fn put(&self, state: &mut State, message: &[u8]) -> Result<bool, TaskError> {
        let (tasks, bytes) = state.outstanding;
        let length = message.len() as u64;
        if tasks > state.places.len() && bytes + length > BYTES {
            return Ok(false);
        }
        match self.tasks.try_put(message) {
            Ok(()) => {
                state.outstanding = (tasks + 1, bytes + length);
                Ok(true)
            }
            Err(PutError::Full(()) | PutError::Disconnected(())) => Ok(false),
            Err(error) => Err(TaskError::ArgumentsNotSent(error.to_string())),
        }
    }

    /// Puts tasks into the queue as long as there is room.
    fn feed(&self, mut state: MutexGuard<'_, State>) {
        let mut refused = Vec::new();
        while let Some(message) = state.backlog.pop_front() {
            match self.put(&mut state, &message) {
                Ok(true) => {}
                Ok(false) => {
                    state.backlog.push_front(message);
                    break;
                }
                Err(error) => refused.push((message, error)),
            }
        }
        drop(state);
        for (message, error) in refused {
            let Some((task, items)) = Items::of(&message) else { continue };
            self.done(task.job, (task.first..).zip(items.map(|_| Err(error.clone()))));
        }
    }

    /// Something came of these items.
    fn done<'r>(
        &self,
        job: u64,
        outcomes: impl Iterator<Item = (u64, Result<&'r [u8], TaskError>)>,
    ) {
        let sink = self.state().jobs.get(&job).map(|job| job.sink.clone());
        let Some(sink) = sink else { return };
        let mut over = false;
        for (item, outcome) in outcomes {
            // Without our lock: the sink may call the owner back, who may submit more.
            over = sink.done(item, outcome);
        }
        if over {
            self.forget(job);
        }
    }

    /// This job is over.
    fn forget(&self, job: u64) {
        let over = self.state().jobs.remove(&job);
        // Without our lock: to drop what nobody wants may call the owner back.
        drop(over);
    }

    /// Starts a worker in this place, where none is.
    fn start_worker(&self, place: usize) -> Result<(), process_basics::Error> {
        let number = {
            let mut state = self.state();
            state.started += 1;
            state.started
        };
        let name = format!("PoolWorker-{number}");
        let settings = self.settings.lock().unwrap_or_else(PoisonError::into_inner);
        let initializer = match &settings.initializer {
            Some(Initializer { function, pack }) => {
                let failed =
                    |reason| process_basics::Error::Arguments { name: name.clone(), reason };
                // In the manager's thread, too, for the worker that takes the place of another.
                let packed = catch_unwind(AssertUnwindSafe(pack)).unwrap_or_else(|_| {
                    let reason = String::from("their serialisation panicked");
                    Err(frame::Error::Encode { type_name: "initializer's arguments", reason })
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
            initializer,
            most_tasks: settings.most_tasks.unwrap_or(u64::MAX),
        };
        drop(settings);
        let mut process = Process::new(worker::work, start).named(name.clone()).daemonic(true);
        process.start()?;
        let process = Arc::new(process);
        let watch = {
            let (process, reports) = (Arc::clone(&process), self.reports.clone());
            move || {
                // How it ended, the manager asks the process.
                let _ = process.join();
                let _ = reports.put(&Report::Ended { worker: place }.alone());
            }
        };
        let watch = match thread::Builder::new().name(format!("watch {name}")).spawn(watch) {
            Ok(watch) => watch,
            Err(reason) => {
                let _ = process.kill();
                let _ = process.join();
                return Err(process_basics::Error::Start { name, reason });
            }
        };
        let mut state = self.state();
        if matches!(state.phase, Phase::Ending(_)) {
            // All others were told while this one began.
            let _ = process.terminate();
        }
        state.places[place].worker =
            Some(Worker { process, watch, ready: false, told: false, latest: None });
        Ok(())
    }

    /// Ends the workers now, for this reason; nothing more will come of what is left to do.
    fn end(&self, reason: TaskError) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Ending(_) | Phase::Ended(_)) {
            return;
        }
        state.phase = Phase::Ending(reason.clone());
        state.deadline = Some(Instant::now() + GRACE);
        state.backlog.clear();
        let jobs = take(&mut state.jobs);
        for worker in state.workers() {
            let _ = worker.process.terminate();
        }
        drop(state);
        for job in jobs.into_values() {
            job.sink.give_up(&reason);
        }
    }
}

/// What the manager's thread keeps to itself.
struct Manager<'a> {
    shared: &'a Shared,
    /// Deliveries of tasks that came to nothing, because a worker died.
    given_back: Vec<u64>,
}

impl<'a> Manager<'a> {
    fn new(shared: &'a Shared) -> Self {
        Self { shared, given_back: Vec::new() }
    }

    /// Until the last worker has ended.
    fn run(mut self) {
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
                if state.workers().next().is_none() {
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
            // A process that a task forked may have kept its dead worker's claim on a task alive.
            Err(GetError::Empty) => self.given_back.extend(shared.tasks.given_back()),
            // There is no memory now; perhaps there will be.
            Err(GetError::System(_)) => thread::sleep(GRACE / 4),
            _ => {}
        }
    }

    fn handle(&mut self, message: &[u8]) {
        match Report::of(message) {
            Some((Report::Done(progress), results)) => {
                self.note_progress(progress);
                self.shared.done(progress.job, (progress.from..).zip(results.map(Ok)));
            }
            Some((Report::Failed(progress, error), _)) => {
                self.note_progress(progress);
                self.shared.done(progress.job, [(progress.to, Err(error))].into_iter());
            }
            Some((Report::Ready { worker }, _)) => {
                if let Some(place) = self.shared.state().places.get_mut(worker) {
                    place.failed = [0, 0];
                    if let Some(worker) = &mut place.worker {
                        worker.ready = true;
                    }
                }
            }
            Some((Report::Ended { worker }, _)) => self.worker_has_ended(worker),
            Some((Report::Look, _)) | None => {}
        }
    }

    fn note_progress(&self, progress: Progress) {
        let mut state = self.shared.state();
        if let Some(bytes) = progress.ends {
            state.task_has_ended(progress.job, progress.first, bytes);
        }
        let place = state.places.get_mut(progress.worker);
        if let Some(worker) = place.and_then(|place| place.worker.as_mut()) {
            worker.latest = Some(progress);
        }
    }

    fn worker_has_ended(&mut self, place: usize) {
        let shared = self.shared;
        self.given_back.extend(shared.tasks.given_back());
        let ended = shared.state().places.get_mut(place).and_then(|place| place.worker.take());
        let Some(ended) = ended else { return };
        let _ = ended.watch.join();
        let exitcode = ended.process.exitcode();
        let end = end_of(exitcode);
        let note = Note::of(&shared.notes, place);
        if let Some(noted) = note.read() {
            let given_back = self.given_back.iter().position(|given| *given == noted.delivery);
            if let Some(index) = given_back {
                self.given_back.swap_remove(index);
            } else {
                let error = TaskError::WorkerDied { end: end.clone(), exitcode };
                self.task_died(&note, noted, ended.latest, error);
            }
            // For the next worker in this place.
            note.end();
        }
        let mut state = shared.state();
        if !ended.ready {
            let place = &mut state.places[place];
            let killed = usize::from(exitcode.is_none_or(|code| code < 0));
            place.failed[killed] += 1;
            let most = [FAILED_STARTS, KILLED_STARTS][killed];
            if place.failed[killed] >= most {
                drop(state);
                let reason = format!("{most} workers in a row ended before they could work: {end}");
                return shared.end(TaskError::Broken(reason));
            }
        }
        let goes_on = match state.phase {
            Phase::Open => true,
            Phase::Closed => !state.is_idle(),
            Phase::Ending(_) | Phase::Ended(_) => false,
        };
        drop(state);
        if goes_on && let Err(error) = shared.start_worker(place) {
            shared.end(match error {
                // The whole program is.
                process_basics::Error::Ending => TaskError::Terminated,
                error => TaskError::Broken(error.to_string()),
            });
        }
    }

    /// A worker died with this task in its hands; `latest` is what it reported last.
    fn task_died(
        &self,
        note: &Note<'_>,
        noted: worker::Noted,
        latest: Option<Progress>,
        error: TaskError,
    ) {
        // Of this task, not of one before it.
        let latest = latest.filter(|it| (it.job, it.first) == (noted.job, noted.first));
        if latest.is_some_and(|latest| latest.ends.is_some()) {
            return;
        }
        // Results that it had not reported yet.
        let (from, kept) = note.kept();
        let mut known = latest.map(|latest| latest.to);
        let unreported = (from..)
            .zip(Items { rest: &kept })
            .filter(|(item, _)| known.is_none_or(|known| *item > known))
            .collect::<Vec<_>>();
        known = unreported.last().map(|(item, _)| *item).or(known);
        let unreported = unreported.into_iter().map(|(item, result)| (item, Ok(result)));
        self.shared.done(noted.job, unreported);

        let mut state = self.shared.state();
        let chunk = state.task_has_ended(noted.job, noted.first, noted.bytes);
        // Those behind it never ran.
        let rest = chunk.and_then(|chunk| Message::from(&chunk, noted.item + 1));
        if let Some(rest) = rest
            && let Some(job) = state.jobs.get_mut(&noted.job)
        {
            let rest: Arc<[u8]> = rest.bytes().into();
            job.chunks.insert(noted.item + 1, Arc::clone(&rest));
            state.backlog.push_front(Waiting::Chunk(rest));
        }
        drop(state);
        if known.is_none_or(|known| noted.item > known) {
            self.shared.done(noted.job, [(noted.item, Err(error))].into_iter());
        }
    }

    fn tell_to_end(&self, state: &mut State) {
        let workers = state.places.iter_mut().filter_map(|place| place.worker.as_mut());
        for worker in workers.filter(|worker| !worker.told) {
            // No message at all says so. There is room: nothing else is in the queue.
            worker.told = self.shared.tasks.try_put(&[]).is_ok();
        }
    }
}

/// How a process ended, in words.
fn end_of(exitcode: Option<i32>) -> String {
    match exitcode {
        None => String::from("somebody else collected its exit code"),
        Some(code @ 0..) => format!("exit code {code}"),
        Some(signal) => {
            let name = signal_hook::low_level::signal_name(-signal).unwrap_or("unknown");
            format!("killed by signal {} ({name})", -signal)
        }
    }
}
