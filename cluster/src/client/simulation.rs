//! Many agents in one process, with the real client and its executor, over a queue in memory: what
//! a task costs must not depend on the number of machines.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use multiprocess::futures::{Executor, Future, SubmitError};
use multiprocess::tasks;
use testing::{Deadline, LONG, until};
use tokio::runtime;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::interval;

use super::offers::MOST_KEPT;
use super::*;
use crate::engine::Acknowledgement;
use crate::engine::memory::Memory;
use crate::executor::ClusterExecutor;
use crate::protocol::{
    self, Answer, Done, Hello, May, News, Outcome, Place, Plain, Question, Task, WorkerId, done,
    may, split,
};

tasks![square];

fn square(number: u64) -> u64 {
    number * number
}

const CALLS: u64 = 3000;

fn place() -> Place {
    Place { cluster: String::from("simulation"), build: String::from("0123456789abcdef") }
}

/// Returns the state of a client, and the other end of its offers.
pub(super) fn shared() -> (Arc<Shared>, mpsc::UnboundedReceiver<Offer>) {
    let name = protocol::client_name("simulation").unwrap();
    let limits = Limits {
        lost_after: LONG,
        give_up_after: None,
        retries: 0,
        most_bytes: 1 << 20,
        most_waiting: 100_000,
    };
    Shared::new(name, place(), String::from("memory"), limits)
}

fn executor(engine: &Memory) -> (ClusterExecutor, String) {
    let net = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (shared, offers) = shared();
    let name = shared.name.clone();
    let subscribe = async {
        let mut subscriptions = Vec::new();
        for subject in Shared::subjects(&name, &place()) {
            subscriptions.push(engine.subscribe(subject).await.unwrap());
        }
        subscriptions
    };
    let subscriptions = net.block_on(subscribe);
    // Nothing happens to this connection, but it stays open.
    let (connection, events) = mpsc::unbounded_channel();
    let engine = engine.clone();
    let network = |results| Network { shared, engine, offers, events, subscriptions, results };
    let run = move |network: Network<Memory>| {
        net.block_on(network.run());
        drop(connection);
    };
    (ClusterExecutor::start(network, run).unwrap(), name)
}

/// Does what an agent of one process does, until it is aborted.
async fn agent(engine: Memory, number: u64) {
    let worker = WorkerId { name: format!("host-{number}"), pid: 1, random: number };
    let hello = Hello { worker: worker.clone(), processes: 1, build: place().build };
    let hello = News::Hello(hello).encode();
    let mut tick = interval(Duration::from_millis(500));
    let mut nonce = 0;
    loop {
        tokio::select! {
            _ = tick.tick() => engine.tell(place().news(), hello.clone()).await.unwrap(),
            fetched = engine.fetch(1, LONG) => for delivery in fetched.unwrap() {
                nonce += 1;
                let task = Task::decode(&delivery.payload, 1 << 20).unwrap();
                let question = Question { task: task.id, nonce };
                let (asks, questions) = (worker.clone(), vec![question]);
                let question = May { worker: asks, questions, given_up: Vec::new() };
                let answer = engine.ask(may(&task.client), question.encode()).await.unwrap();
                engine.acknowledge(delivery.ticket, Acknowledgement::Taken).await.unwrap();
                if Vec::<Answer>::decode(&answer).unwrap() != [Answer::No] {
                    report(&engine, &worker, task).await;
                }
            },
        }
    }
}

async fn report(engine: &Memory, worker: &WorkerId, task: Task) {
    let arguments = split(task.arguments.unwrap(), &task.lengths).unwrap();
    let result = |(id, arguments): (u64, Bytes)| {
        let mut result = Vec::new();
        task.function.call(&arguments, &mut result).unwrap();
        (id, 0, Outcome::Result(result.into()))
    };
    let outcomes = (task.id..).zip(arguments).map(result).collect();
    let message = Done { worker: worker.clone(), outcomes }.encode();
    engine.ask(done(&task.client), message).await.unwrap();
}

/// Agents, in a thread of their own.
struct Agents {
    stop: Arc<Notify>,
    thread: thread::JoinHandle<()>,
}

impl Agents {
    fn start(engine: &Memory, count: u64) -> Self {
        let stop = Arc::new(Notify::new());
        let (stopped, engine) = (Arc::clone(&stop), engine.clone());
        let thread = thread::spawn(move || {
            let net = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            net.block_on(async {
                let mut all = JoinSet::new();
                (0..count).for_each(|number| drop(all.spawn(agent(engine.clone(), number))));
                stopped.notified().await;
                all.shutdown().await;
            });
        });
        Self { stop, thread }
    }

    fn stop(self) {
        self.stop.notify_one();
        self.thread.join().unwrap();
    }
}

fn check(futures: Vec<Future<u64>>) {
    for (number, future) in (0..).zip(futures) {
        assert_eq!(future.result_timeout(LONG), Ok(&(number * number)));
    }
}

/// Runs the calls on so many agents; returns the number of messages for each.
fn messages_per_call(count: u64) -> f64 {
    let engine = Memory::default();
    let (executor, _) = executor(&engine);
    let agents = Agents::start(&engine, count);
    executor.wait_for_processes(usize::try_from(count).unwrap(), LONG).unwrap();
    let start = Instant::now();
    check((0..CALLS).map(|it| executor.submit(square, it).unwrap()).collect());
    let each = start.elapsed() / u32::try_from(CALLS).unwrap();
    executor.shutdown(true, false);
    agents.stop();
    let messages = engine.messages() as f64 / CALLS as f64;
    println!("{count} agents: {messages:.2} messages and {each:?} for each call");
    messages
}

#[test]
fn a_call_costs_as_many_messages_with_a_thousand_machines_as_with_ten() {
    let _deadline = Deadline::seconds(300);
    for agents in [10, 100, 1000] {
        // Offered, fetched, may, its answer, acknowledged, done, its answer.
        let messages = messages_per_call(agents);
        assert!((6.9..=7.1).contains(&messages), "{messages} with {agents} agents");
    }
}

#[test]
fn of_many_cancelled_calls_only_those_in_the_queue_cost_a_question() {
    let _deadline = Deadline::seconds(300);
    let engine = Memory::default();
    let (executor, name) = executor(&engine);
    let futures: Vec<Future<u64>> =
        (0..20_000).map(|it| executor.submit(square, it).unwrap()).collect();
    let net = runtime::Builder::new_current_thread().build().unwrap();
    until("the queue is full", || net.block_on(engine.kept(&name)) == Ok(MOST_KEPT));
    assert!(futures.iter().all(Future::cancel));
    let last = executor.submit(square, 7).unwrap();
    let agents = Agents::start(&engine, 3);
    assert_eq!(last.result_timeout(LONG), Ok(&49));
    executor.shutdown(true, false);
    agents.stop();
    let counts = ["offer", "may"].map(|kind| engine.messages_of(kind));
    assert_eq!(counts, [MOST_KEPT as u64 + 1; 2]);
}

#[test]
fn what_the_queue_forgets_is_offered_again() {
    let _deadline = Deadline::seconds(300);
    let engine = Memory::default();
    let (executor, name) = executor(&engine);
    let futures = (0..100).map(|it| executor.submit(square, it).unwrap()).collect();
    let net = runtime::Builder::new_current_thread().build().unwrap();
    until("all are offered", || net.block_on(engine.kept(&name)) == Ok(100));
    engine.forget(&name);
    let agents = Agents::start(&engine, 2);
    check(futures);
    executor.shutdown(true, false);
    agents.stop();
}

#[test]
fn a_loop_that_panics_ends_all_futures_and_says_why() {
    let _deadline = Deadline::seconds(300);
    let engine = Memory::default();
    let (executor, _) = executor(&engine);
    let first = executor.submit(square, 1).unwrap();
    engine.break_down();
    let second = executor.submit(square, 2).unwrap();
    for future in [first, second] {
        let error = future.result_timeout(LONG).unwrap_err().to_string();
        assert!(error.contains("the engine has broken down"), "{error}");
    }
    assert!(matches!(executor.submit(square, 3), Err(SubmitError::Broken(_))));
}

#[test]
fn a_network_that_ends_too_early_leaves_no_future_behind() {
    let _deadline = Deadline::seconds(300);
    let (shared, offers) = shared();
    let (connection, events) = mpsc::unbounded_channel();
    drop(connection);
    let engine = Memory::default();
    let subscriptions = Vec::new();
    let network = |results| Network { shared, engine, offers, events, subscriptions, results };
    let (end, ends) = std::sync::mpsc::channel::<()>();
    let run = move |network: Network<Memory>| {
        let _ = ends.recv();
        drop(network);
    };
    let executor = ClusterExecutor::start(network, run).unwrap();
    let future = executor.submit(square, 1).unwrap();
    drop(end);
    let error = future.result_timeout(LONG).unwrap_err().to_string();
    assert!(error.contains("the network has ended"), "{error}");
}

#[test]
fn what_an_agent_gives_up_waits_again_and_what_it_drops_ends() {
    let _deadline = Deadline::seconds(300);
    let engine = Memory::default();
    let (executor, name) = executor(&engine);
    let worker = WorkerId { name: String::from("host"), pid: 7, random: 9 };
    let futures: Vec<Future<u64>> = (0..2).map(|it| executor.submit(square, it).unwrap()).collect();
    let net = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = |questions: Vec<Question>, given_up: Vec<Question>| {
        let question = May { worker: worker.clone(), questions, given_up };
        let answer = net.block_on(engine.ask(may(&name), question.encode())).unwrap();
        Vec::<Answer>::decode(&answer).unwrap()
    };
    let questions: Vec<Question> = (0..2).map(|task| Question { task, nonce: task }).collect();
    assert!(!ask(questions.clone(), Vec::new()).contains(&Answer::No));
    assert_eq!(ask(Vec::new(), vec![questions[1]]), []);
    let outcomes = vec![(0, 0, Outcome::Dropped)];
    let message = Done { worker: worker.clone(), outcomes }.encode();
    net.block_on(engine.ask(done(&name), message)).unwrap();
    let dropped = futures[0].result_timeout(LONG).unwrap_err().to_string();
    let expected = "host (7) dropped the outcome, because this client was away for 10 min";
    assert!(dropped.contains(expected), "{dropped}");
    let agents = Agents::start(&engine, 1);
    assert_eq!(futures[1].result_timeout(LONG), Ok(&1));
    executor.shutdown(true, false);
    agents.stop();
}
