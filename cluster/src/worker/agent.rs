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

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use multiprocess::futures::Executor;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Instant, timeout};

use crate::engine::{Acknowledgement, Delivery, Engine, Error};
use crate::garbage::Garbage;
use crate::pause::Pauses;
use crate::protocol::{Answer, May, News, Place, Plain, Task};
use crate::worker::begun::Begun;
use crate::worker::clients::{Gone, Slow};
use crate::worker::context::{Context, Setup};
use crate::worker::greeting::greet;
use crate::worker::outbox::Outbox;
use crate::worker::questions::{self, Arrival, Asked};

/// Time for which a fetch waits for the first task.
const WAIT: Duration = Duration::from_secs(5);

/// Time for the last outcomes of an agent that leaves, if their clients aren't there.
const LAST: Duration = Duration::from_secs(5);

/// Time for the goodbye of an agent that leaves, if no server is there.
const LAST_WORD: Duration = Duration::from_secs(1);

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
    gone: Gone,
    slow: Slow,
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
    let (leave, has_left) = watch::channel(false);
    let outbox = tokio::spawn(Outbox::new(engine.clone(), &setup, has_left).run(inbox));
    let context = Arc::new(Context::new(engine.clone(), pool, setup, reports, leave));
    let agent = Arc::new(Agent {
        context: Arc::clone(&context),
        place,
        garbage: Mutex::default(),
        gone: Gone::default(),
        slow: Slow::default(),
    });
    let greets = tokio::spawn(greet(Arc::clone(&context), agent.place.clone()));
    agent.take_tasks(leaves).await;
    context.leave();
    context.all_processes().await;
    context.all_spawned(LAST).await;
    greets.abort();
    let is_broken = context.is_broken();
    // The outbox ends when no more outcomes can come.
    drop((agent, context));
    let _ = timeout(LAST, outbox).await;
    if !is_broken {
        let _ = timeout(LAST_WORD, engine.tell(news, News::Bye(id).encode())).await;
    }
    engine.flush().await;
    !is_broken
}

impl<E: Engine, X: Executor + Send + Sync + 'static> Agent<E, X> {
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
            self.context.spawn(Arc::clone(self).begin(client, arrivals));
        }
    }

    /// Asks one client, and begins what it wants to be begun.
    async fn begin(self: Arc<Self>, client: String, mut arrivals: Vec<Arrival<E>>) {
        if self.slow.contains(&client) {
            let later = Acknowledgement::GivenBackForLater;
            return questions::give_back(&self.context.engine, arrivals, later).await;
        }
        let questions: Vec<_> = arrivals.iter().map(Arrival::question).collect();
        let (context, engine) = (&self.context, &self.context.engine);
        let (worker, given_up) = (context.setup.id.clone(), Vec::new());
        let may = May { worker, questions: questions.clone(), given_up }.encode();
        let ask = questions::ask(context, (&self.gone, &self.slow), &client, may, &mut arrivals);
        let asked = tokio::select! {
            biased;
            asked = ask => asked,
            () = context.has_left() => Asked::GivenUp,
        };
        let answers = match asked {
            Asked::Answered(answers) => answers,
            Asked::NotHeard => return,
            Asked::GivenUp => {
                questions::give_back(engine, arrivals, Acknowledgement::GivenBack).await;
                return questions::give_up(context, &client, questions).await;
            }
        };
        let client: Arc<str> = client.into();
        for (arrival, answer) in arrivals.into_iter().zip(answers) {
            let Arrival { task, nonce, ticket, permit } = arrival;
            match answer {
                Answer::No => drop(permit),
                Answer::Yes { attempt, without } => {
                    let client = Arc::clone(&client);
                    let without: BTreeSet<u32> = without.into_iter().collect();
                    let calls = (0_u32..).zip(&task.lengths).map(|(number, _)| number);
                    let calls = calls.filter(|number| !without.contains(number)).collect();
                    let context = Arc::clone(&self.context);
                    Begun { context, client, task, nonce, attempt, calls }.start(permit);
                }
            }
            if let Some(ticket) = ticket {
                // One that is lost costs another question, to which the answer is no.
                let _ = engine.acknowledge(ticket, Acknowledgement::Taken).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;
    use multiprocess::futures::ThreadPoolExecutor;
    use multiprocess::process::FunctionId;
    use multiprocess::tasks;
    use testing::Deadline;

    use super::*;
    use crate::engine::memory::Memory;
    use crate::protocol::{Question, WorkerId, may};

    tasks![nothing];

    fn nothing((): ()) {}

    #[tokio::test]
    async fn an_agent_that_leaves_gives_up_what_it_has_asked_and_then_says_goodbye() {
        let _deadline = Deadline::seconds(60);
        let engine = Memory::default();
        let place = Place { cluster: String::from("a"), build: String::from("b") };
        let mut client = engine.subscribe(may("client")).await.unwrap();
        let mut news = engine.subscribe(place.news()).await.unwrap();
        let task = Task {
            client: String::from("client"),
            id: 5,
            most_bytes: 100,
            function: FunctionId::of(&nothing).unwrap(),
            name: String::from("nothing"),
            lengths: vec![0],
            arguments: Some(Bytes::new()),
        };
        engine.offer("client", task.encode()).await.unwrap();
        let id = WorkerId { name: String::from("host"), pid: 7, random: 9 };
        let setup = Setup { id: id.clone(), processes: 1, most_bytes: 100, away: LAST };
        let (leave, leaves) = watch::channel(false);
        let pool = ThreadPoolExecutor::new(1);
        let serves = tokio::spawn(serve(engine.clone(), pool, place, setup, leaves));
        // A question that gets no answer, or a late one.
        let asked = May::decode(&client.next().await.unwrap().payload).unwrap();
        let questions = vec![Question { task: 5, nonce: 1 }];
        assert_eq!((asked.questions, asked.given_up), (questions.clone(), Vec::new()));
        leave.send(true).unwrap();
        let last = client.next().await.unwrap();
        let gives_up = May::decode(&last.payload).unwrap();
        assert_eq!((gives_up.questions, gives_up.given_up), (Vec::new(), questions));
        assert_eq!(engine.kept("client").await, Ok(1), "it is given back");
        engine.tell(last.reply.unwrap(), Vec::<Answer>::new().encode()).await.unwrap();
        assert!(serves.await.unwrap());
        while News::decode(&news.next().await.unwrap().payload) != Ok(News::Bye(id.clone())) {}
    }
}
