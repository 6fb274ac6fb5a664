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
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use multiprocess::futures::Executor;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::engine::{Acknowledgement, Delivery, Engine, Error};
use crate::garbage::Garbage;
use crate::pause::Pauses;
use crate::protocol::{Answer, GivenUp, Hello, May, News, Place, Plain, Task};
use crate::worker::begun::Begun;
use crate::worker::context::{Context, Setup};
use crate::worker::outbox::Outbox;
use crate::worker::questions::{self, Arrival, Asked, Gone};

/// Interval of signs of life.
const HELLO: Duration = Duration::from_millis(500);

/// Time for which a fetch waits for the first task.
const WAIT: Duration = Duration::from_secs(5);

/// Time for the last outcomes of an agent that leaves, if their clients aren't there.
const LAST: Duration = Duration::from_secs(5);

/// Largest number of tasks of clients that have gone that are remembered.
const MOST_GIVEN_UP: usize = 256;

/// Shortest wait of a fetch that brings nothing: a shorter one is an error.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// Time for a fetch under way when the agent leaves.
const LAST_FETCH: Duration = Duration::from_millis(200);

/// What a fetch brings.
type Fetched<E> = Result<Vec<Delivery<<E as Engine>::Ticket>>, Error>;

/// An agent.
struct Agent<E, X> {
    context: Arc<Context<E, X>>,
    place: Place,
    garbage: Mutex<Garbage>,
    given_up: Mutex<VecDeque<GivenUp>>,
    gone: Gone,
}

/// Serves the clients until `leaves` becomes true, or the pool has given up; then finishes what has
/// begun, and says goodbye. Returns false if the pool has given up.
pub(crate) async fn serve<E: Engine, X: Executor + Send + Sync + 'static>(
    engine: E,
    pool: X,
    place: Place,
    setup: Setup,
    leaves: watch::Receiver<bool>,
) -> bool {
    let (reports, inbox) = mpsc::unbounded_channel();
    let (id, news) = (setup.id.clone(), place.news());
    let outbox = tokio::spawn(Outbox::new(engine.clone(), id.clone()).run(inbox));
    let context = Arc::new(Context::new(engine.clone(), pool, setup, reports));
    let agent = Arc::new(Agent {
        context: Arc::clone(&context),
        place,
        garbage: Mutex::default(),
        given_up: Mutex::default(),
        gone: Gone::default(),
    });
    let greets = tokio::spawn(Arc::clone(&agent).greet());
    agent.take_tasks(leaves).await;
    context.all_processes().await;
    greets.abort();
    let is_broken = context.is_broken();
    // The outbox ends when no more outcomes can come.
    drop((agent, context));
    let _ = timeout(LAST, outbox).await;
    if !is_broken {
        let _ = engine.tell(news, News::Bye(id).encode()).await;
    }
    engine.flush().await;
    !is_broken
}

impl<E: Engine, X: Executor + Send + Sync + 'static> Agent<E, X> {
    /// Tells all clients again and again that this agent is there.
    async fn greet(self: Arc<Self>) {
        let mut ticks = interval(HELLO);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let hello = self.hello().encode();
            let _ = self.context.engine.tell(self.place.news(), hello).await;
        }
    }

    fn hello(&self) -> News {
        let given_up = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        News::Hello(Hello {
            worker: self.context.setup.id.clone(),
            processes: u32::try_from(self.context.setup.processes).unwrap_or(u32::MAX),
            build: self.place.build.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            given_up: given_up.iter().cloned().collect(),
        })
    }

    /// Fetches tasks while processes are free, until the agent leaves or the pool has given up.
    async fn take_tasks(self: &Arc<Self>, mut leaves: watch::Receiver<bool>) {
        let (mut pauses, mut nonces) = (Pauses::default(), 1..);
        let mut is_leaving = pin!(async move { drop(leaves.wait_for(|leaves| *leaves).await) });
        while !self.context.is_broken() {
            let mut permits = tokio::select! {
                permits = self.context.free_processes() => permits,
                () = &mut is_leaving => return,
            };
            let start = Instant::now();
            let mut fetch = pin!(self.context.engine.fetch(permits.num_permits(), WAIT));
            let fetched = tokio::select! {
                fetched = &mut fetch => fetched,
                () = &mut is_leaving => return self.give_back(fetch).await,
            };
            let deliveries = fetched.unwrap_or_default();
            // Without a server, or without a stream, a fetch may end at once.
            if deliveries.is_empty() && start.elapsed() < SHORTEST_WAIT {
                drop(permits);
                pauses.pause().await;
                continue;
            }
            pauses.reset();
            self.begin_all(deliveries, &mut permits, &mut nonces);
        }
    }

    /// Gives back what a last fetch brings. What is on its way when it is dropped would come back
    /// only after the engine's time for acknowledgements.
    async fn give_back(&self, last: impl Future<Output = Fetched<E>>) {
        if let Ok(Ok(deliveries)) = timeout(LAST_FETCH, last).await {
            for Delivery { ticket, .. } in deliveries {
                let _ = self.context.engine.acknowledge(ticket, Acknowledgement::GivenBack).await;
            }
        }
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
            // Arguments that are too long are an outcome, not garbage.
            match Task::decode(&payload, u64::MAX) {
                Ok(task) => {
                    let (ticket, permit) = (Some(ticket), permits.split(1));
                    let arrivals = clients.entry(task.client.clone()).or_default();
                    arrivals.push(Arrival { task, nonce, ticket, permit });
                }
                Err(reason) => {
                    let mut garbage = self.garbage.lock().unwrap_or_else(PoisonError::into_inner);
                    garbage.drop_one(&self.context.setup.id.name, reason);
                    let engine = self.context.engine.clone();
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
        let may = May { worker: self.context.setup.id.clone(), questions }.encode();
        let engine = &self.context.engine;
        let answers = match questions::ask(engine, &self.gone, &client, may, &mut arrivals).await {
            Asked::Answered(answers) => answers,
            Asked::NotHeard => return,
            Asked::GivenUp => return self.give_up(client, &arrivals),
        };
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
                    let context = Arc::clone(&self.context);
                    Begun { context, client, task, attempt, calls }.start(permit);
                }
            }
            if let Some(ticket) = ticket {
                // One that is lost costs another question, to which the answer is no.
                let _ = engine.acknowledge(ticket, Acknowledgement::Taken).await;
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
