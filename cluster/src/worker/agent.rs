//! The agent: takes tasks, asks whether they may begin, reports what came of them.
//!
//! ```text
//!   free processes ──▶ fetch as many tasks ──▶ ask each client for all of its own at once
//!        ▲                                                │ yes            │ no
//!        │                                     pool ◀─────┘                └──▶ free again
//!        └── outcome: a callback of the pool ◀──┘ │
//!                                                 └──▶ outbox ──▶ client
//! ```
//!
//! Nothing is fetched ahead: a task waits in the engine's queue, for whichever machine is free
//! first, and a machine that dies takes no more tasks with it than it has processes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{StreamExt, iter};
use multiprocess::futures::{Executor, Future, FutureError, TaskError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::engine::{Acknowledgement, Delivery, Engine, Error};
use crate::pause::Pauses;
use crate::protocol::{
    Answer, GivenUp, Hello, Malformed, May, News, Part, Place, Plain, Task, WorkerId, part,
    part_size, split,
};
use crate::worker::call::{Call, Packed, call, too_long};
use crate::worker::garbage::Garbage;
use crate::worker::outbox::{AWAY, Outbox, Report, UNDER_WAY};
use crate::worker::questions::{self, Arrival};

/// Interval of signs of life.
const HELLO: Duration = Duration::from_millis(500);

/// Time for which a fetch waits for the first task.
const WAIT: Duration = Duration::from_secs(5);

/// Time for the last outcomes of an agent that leaves, if their clients aren't there.
const LAST: Duration = Duration::from_secs(10);

/// Largest number of tasks of clients that have gone that are remembered.
const MOST_GIVEN_UP: usize = 256;

/// Everything that an agent is.
pub(crate) struct Agent<E, X> {
    engine: E,
    pool: X,
    id: WorkerId,
    place: Place,
    processes: usize,
    most_bytes: u64,
    /// Processes that are free.
    free: Arc<Semaphore>,
    reports: mpsc::UnboundedSender<Report>,
    garbage: Mutex<Garbage>,
    /// True once the pool has given up.
    is_broken: AtomicBool,
    given_up: Mutex<VecDeque<GivenUp>>,
}

/// Settings of an agent.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) id: WorkerId,
    pub(crate) place: Place,
    pub(crate) processes: usize,
    pub(crate) most_bytes: u64,
}

/// Serves the clients until `leaves` becomes true, or the pool has given up; then finishes what has
/// begun, and says goodbye. Returns false if the pool has given up.
pub(crate) async fn serve<E: Engine, X: Executor + Send + Sync + 'static>(
    engine: E,
    pool: X,
    setup: Setup,
    mut leaves: watch::Receiver<bool>,
) -> bool {
    let Setup { id, place, processes, most_bytes } = setup;
    let (reports, inbox) = mpsc::unbounded_channel();
    let outbox = tokio::spawn(Outbox::new(engine.clone(), id.clone()).run(inbox));
    let free = Arc::new(Semaphore::new(processes));
    let garbage = Mutex::default();
    let is_broken = AtomicBool::new(false);
    let agent = Arc::new(Agent {
        engine,
        pool,
        id,
        place,
        processes,
        most_bytes,
        free,
        reports,
        garbage,
        is_broken,
        given_up: Mutex::default(),
    });
    let greets = tokio::spawn(Arc::clone(&agent).greet());
    tokio::select! {
        // A fetch under way ends with its connection: the server forgets it.
        _ = leaves.wait_for(|leaves| *leaves) => {}
        () = Arc::clone(&agent).take_tasks() => {}
    }
    // All processes are free: nothing runs any more.
    let all = u32::try_from(processes).unwrap_or(u32::MAX);
    let _ = agent.free.acquire_many(all).await;
    let (engine, id, place) = (agent.engine.clone(), agent.id.clone(), agent.place.clone());
    let is_broken = agent.is_broken.load(Ordering::Relaxed);
    greets.abort();
    drop(agent);
    let _ = timeout(LAST, outbox).await;
    if !is_broken {
        let _ = engine.tell(place.news(), News::Bye(id).encode()).await;
    }
    engine.flush().await;
    !is_broken
}

impl<E: Engine, X: Executor + Send + Sync + 'static> Agent<E, X> {
    /// Tells all clients again and again that this agent is there.
    async fn greet(self: Arc<Self>) {
        let agent = Arc::downgrade(&self);
        let (engine, subject) = (self.engine.clone(), self.place.news());
        drop(self);
        let mut ticks = interval(HELLO);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(hello) = agent.upgrade().map(|agent| agent.hello()) else { break };
            let _ = engine.tell(subject.clone(), hello.encode()).await;
        }
    }

    fn hello(&self) -> News {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        News::Hello(Hello {
            worker: self.id.clone(),
            processes: u32::try_from(self.processes).unwrap_or(u32::MAX),
            build: self.place.build.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            given_up: given_up.iter().cloned().collect(),
        })
    }

    /// Fetches tasks while processes are free; returns when the pool has given up.
    async fn take_tasks(self: Arc<Self>) {
        let (mut pauses, mut nonces) = (Pauses::default(), 1..);
        while !self.is_broken.load(Ordering::Relaxed) {
            let mut permits = self.free_processes().await;
            match self.engine.fetch(permits.num_permits(), WAIT).await {
                Ok(deliveries) => {
                    pauses.reset();
                    self.begin_all(deliveries, &mut permits, &mut nonces);
                }
                Err(_) => {
                    drop(permits);
                    pauses.pause().await;
                }
            }
        }
    }

    /// Claims all processes that are free; waits for the first.
    async fn free_processes(&self) -> OwnedSemaphorePermit {
        let mut permits = self.one_process().await;
        let more = u32::try_from(self.free.available_permits()).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(more) {
            permits.merge(more);
        }
        permits
    }

    /// Claims a process; waits until one is free.
    async fn one_process(&self) -> OwnedSemaphorePermit {
        let one = Arc::clone(&self.free).acquire_owned().await;
        one.expect("the semaphore is never closed")
    }

    /// Asks the clients about these tasks, each about all of its own at once.
    fn begin_all(
        self: &Arc<Self>,
        deliveries: Vec<Delivery<E::Ticket>>,
        permits: &mut OwnedSemaphorePermit,
        nonces: &mut impl Iterator<Item = u64>,
    ) {
        let mut clients: BTreeMap<String, Vec<Arrival<E>>> = BTreeMap::new();
        for (Delivery { payload, ticket }, nonce) in deliveries.into_iter().zip(nonces) {
            match checked(&payload) {
                Ok(task) => {
                    let (ticket, permit) = (Some(ticket), permits.split(1));
                    let arrivals = clients.entry(task.client.clone()).or_default();
                    arrivals.push(Arrival { task, nonce, ticket, permit });
                }
                Err(reason) => {
                    let mut garbage = self.garbage.lock().unwrap_or_else(PoisonError::into_inner);
                    garbage.drop_one(&self.id.name, reason);
                    let engine = self.engine.clone();
                    tokio::spawn(async move {
                        engine.acknowledge(ticket, Acknowledgement::Taken).await
                    });
                }
            }
        }
        for (client, arrivals) in clients {
            tokio::spawn(Arc::clone(self).begin(client, arrivals));
        }
    }

    /// Asks one client, and begins what it wants to be begun.
    async fn begin(self: Arc<Self>, client: String, mut arrivals: Vec<Arrival<E>>) {
        let questions = arrivals.iter().map(Arrival::question).collect();
        let may = May { worker: self.id.clone(), questions }.encode();
        let answers = questions::ask(&self.engine, &client, may, &mut arrivals).await;
        let Some(answers) = answers else { return self.give_up(client, &arrivals) };
        let client: Arc<str> = client.into();
        for (arrival, answer) in arrivals.into_iter().zip(answers) {
            let Arrival { task, ticket, permit, .. } = arrival;
            match answer {
                Answer::No => drop(permit),
                Answer::Yes { attempt, without } => {
                    let client = Arc::clone(&client);
                    let without: BTreeSet<u32> = without.into_iter().collect();
                    let calls = (0_u32..).zip(&task.lengths).map(|(number, _)| number);
                    let calls = calls.filter(|number| !without.contains(number)).collect();
                    let begun = Begun { agent: Arc::clone(&self), client, task, attempt, calls };
                    begun.start(permit);
                }
            }
            if let Some(ticket) = ticket {
                // One that is lost costs another question, to which the answer is no.
                let _ = self.engine.acknowledge(ticket, Acknowledgement::Taken).await;
            }
        }
    }

    /// Notes tasks whose client has gone, for the case that it comes back after all.
    fn give_up(&self, client: String, arrivals: &[Arrival<E>]) {
        let mut given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        for arrival in arrivals {
            let client = client.clone();
            given_up.push_back(GivenUp { client, question: arrival.question() });
            if given_up.len() > MOST_GIVEN_UP {
                given_up.pop_front();
            }
        }
    }
}

/// A task that has begun.
struct Begun<E, X> {
    agent: Arc<Agent<E, X>>,
    client: Arc<str>,
    task: Task,
    /// Number of the attempt, from 0.
    attempt: u32,
    /// Numbers of the calls that begin.
    calls: Vec<u32>,
}

impl<E: Engine, X: Executor + Send + Sync + 'static> Begun<E, X> {
    /// Runs the task.
    fn start(mut self, permit: Option<OwnedSemaphorePermit>) {
        let Task { name, function, .. } = &self.task;
        if !function.name().is_ok_and(|listed| listed == name) {
            let reason = format!("{name} is not {function:?} at {}", self.agent.id.name);
            return self.fail(permit, TaskError::ArgumentsNotReceived(reason));
        }
        let (whole, most) = (self.task.whole(), self.agent.most_bytes);
        if whole > most {
            let reason = format!("{}, at {}", too_long(whole, most), self.agent.id.name);
            return self.fail(permit, TaskError::ArgumentsNotSent(reason));
        }
        match (self.task.arguments.take(), permit) {
            (Some(arguments), Some(permit)) => self.run(arguments, permit),
            (arguments, permit) => drop(tokio::spawn(self.start_late(arguments, permit))),
        }
    }

    /// Runs the task when its arguments and a process are there: the arguments may be large, and
    /// the process of a late yes is with others.
    async fn start_late(self, arguments: Option<Bytes>, permit: Option<OwnedSemaphorePermit>) {
        let permit = match permit {
            Some(permit) => permit,
            None => self.agent.one_process().await,
        };
        let arguments = match arguments {
            Some(arguments) => Some(arguments),
            None => arguments_of(&self.agent.engine, &self.task).await,
        };
        // Without them the client doesn't want the task any more.
        if let Some(arguments) = arguments {
            self.run(arguments, permit);
        }
    }

    /// Gives the task to the pool.
    fn run(self, arguments: Bytes, permit: OwnedSemaphorePermit) {
        let Some(pieces) = split(arguments, &self.task.lengths) else {
            let reason = "they don't have the length that was told".to_owned();
            return self.fail(Some(permit), TaskError::ArgumentsNotReceived(reason));
        };
        let call_of = |number: &u32| Call {
            function: self.task.function,
            attempt: self.attempt.saturating_add(1),
            most_bytes: self.task.most_bytes.min(self.agent.most_bytes),
            arguments: Packed(pieces[*number as usize].clone()),
        };
        let calls = self.calls.iter().map(call_of).collect();
        match self.agent.pool.submit_chunk(call, calls) {
            Ok(futures) => {
                let permit = Arc::new(permit);
                for (number, future) in self.calls.iter().zip(futures) {
                    self.report_when_done(*number, &future, Arc::clone(&permit));
                }
            }
            Err(error) => {
                self.agent.is_broken.store(true, Ordering::Relaxed);
                let reason = format!("{error}, on {}", self.agent.id.name);
                self.fail(Some(permit), TaskError::Broken(reason));
            }
        }
    }

    /// Reports the outcome of a call as soon as it is there.
    fn report_when_done(
        &self,
        number: u32,
        future: &Future<Result<Packed, TaskError>>,
        permit: Arc<OwnedSemaphorePermit>,
    ) {
        let (agent, client) = (Arc::clone(&self.agent), Arc::clone(&self.client));
        let call = self.task.id + u64::from(number);
        future.add_done_callback(move |future| {
            let outcome = match future.result() {
                Ok(Ok(Packed(result))) => Ok(result.clone()),
                Ok(Err(error)) => Err(error.clone()),
                Err(FutureError::Task(error)) => Err(agent.located(error)),
                Err(error) => Err(TaskError::Broken(error.to_string())),
            };
            agent.report(Report { client, call, outcome, permit: Some(permit) });
        });
    }

    /// Reports the same error for all calls of the task.
    fn fail(self, permit: Option<OwnedSemaphorePermit>, error: TaskError) {
        let permit = permit.map(Arc::new);
        for number in &self.calls {
            let (client, permit) = (Arc::clone(&self.client), permit.clone());
            let (call, outcome) = (self.task.id + u64::from(*number), Err(error.clone()));
            self.agent.report(Report { client, call, outcome, permit });
        }
    }
}

impl<E, X> Agent<E, X> {
    /// Puts an outcome into the outbox.
    fn report(&self, report: Report) {
        // The outbox ends before only if this agent leaves, and has waited long enough.
        let _ = self.reports.send(report);
    }

    /// Adds to the death of a process on which machine it was; notes a pool that has given up.
    fn located(&self, error: TaskError) -> TaskError {
        let name = &self.id.name;
        match error {
            TaskError::WorkerDied { end, exitcode } => {
                TaskError::WorkerDied { end: format!("{end}, on {name}"), exitcode }
            }
            TaskError::Broken(reason) => {
                self.is_broken.store(true, Ordering::Relaxed);
                TaskError::Broken(format!("{reason}, on {name}"))
            }
            error => error,
        }
    }
}

/// Reads a task, and checks what can be checked before the question.
fn checked(message: &Bytes) -> Result<Task, Malformed> {
    // Arguments that are too long are an outcome, not garbage.
    Task::decode(message, u64::MAX)
}

/// Fetches large arguments from the client, in parts, a few of which are under way at once; `None`
/// if the client doesn't have them any more.
async fn arguments_of<E: Engine>(engine: &E, task: &Task) -> Option<Bytes> {
    let (whole, size) = (task.whole(), part_size(engine.max_payload()) as u64);
    let questions = (0..whole.div_ceil(size)).map(|index| {
        let from = index * size;
        let question = Part { task: task.id, from, most: size.min(whole - from) };
        part_of(engine, &task.client, question)
    });
    let mut parts = iter(questions).buffered(UNDER_WAY);
    // Grows with what really comes.
    let mut arguments = Vec::new();
    while let Some(part) = parts.next().await {
        arguments.extend_from_slice(&part?);
    }
    Some(arguments.into())
}

async fn part_of<E: Engine>(engine: &E, client: &str, question: Part) -> Option<Bytes> {
    let mut pauses = Pauses::default();
    let mut away = None;
    loop {
        match engine.ask(part(client), question.encode()).await {
            Ok(bytes) => return (bytes.len() as u64 == question.most).then_some(bytes),
            Err(Error::NobodyThere) => {
                if away.get_or_insert_with(Instant::now).elapsed() >= AWAY {
                    return None;
                }
            }
            Err(Error::Failed(_)) => away = None,
        }
        pauses.pause().await;
    }
}
