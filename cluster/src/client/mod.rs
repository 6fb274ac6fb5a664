//! The client's side of the network.
//!
//! ```text
//!   submit ──task──▶ ┌────────┐ ──ids──▶ offers   ──▶ queue          threads of the program
//!   cancel ────────▶ │ Shared │ ◀─────── questions ◀── agents ┐
//!                    │ Tasks  │ ◀─────── parts     ◀── agents │      cluster-net: one thread,
//!                    │Presence│ ◀─────── outcomes  ◀── agents │      one loop for each arrow
//!                    └────────┘ ◀─────── news      ◀── agents ┘
//!   callbacks ◀───────── ended calls, one after the other            cluster-results: one thread
//! ```
//!
//! **Locks.** A future's lock may be held where the lock on the state is taken (`cancel`), never
//! the other way round: completions are taken out of the state, and called without it.

mod queue;
#[cfg(test)]
mod simulation;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc as std_mpsc};
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use multiprocess::futures::{SubmitError, TaskError};
use multiprocess::output::complain;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::engine::{Engine, Event, Subscription};
use crate::pause::{Pauses, at};
use crate::presence::{ECHO, Heard, Presence};
use crate::protocol::{self, Done, Hello, May, News, Outcome, Part, Place, Plain, WorkerId};
use crate::tasks::{Ended, NewTask, Tasks};

/// Number of offers under way.
const OFFERS: usize = 256;

/// Time without a worker, while tasks wait, after which it is told.
const NO_WORKER: Duration = Duration::from_secs(10);

/// Time after which an echo is taken for lost with its connection.
const LOST_ECHO: Duration = Duration::from_secs(2);

/// Shortest time between two lines about messages that are none.
const GARBAGE: Duration = Duration::from_secs(60);

/// What became of a call.
pub(crate) enum End {
    /// A result, or an error.
    Outcome(Result<Bytes, TaskError>),
    /// Cancelled before it began.
    Cancelled,
}

/// Completes a call's future.
pub(crate) type Completion = Box<dyn FnOnce(End) + Send>;

/// Calls that have ended.
type Results = std_mpsc::Sender<Vec<(Completion, End)>>;

/// What is to be put into the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Offer {
    /// This task.
    One(u64),
    /// Everything that waits, once more.
    All,
}

/// Settings of a client.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// Silence after which a worker is lost.
    pub(crate) lost_after: Duration,
    /// Time without a server after which all futures end.
    pub(crate) give_up_after: Option<Duration>,
    /// How often a task whose machine was lost is given to another one.
    pub(crate) retries: u32,
    /// Largest number of bytes of arguments, and of a result.
    pub(crate) most_bytes: u64,
    /// Number of waiting calls above which `submit` waits.
    pub(crate) most_waiting: usize,
}

/// What the executor's handle, the futures and the threads share.
pub(crate) struct Shared {
    /// Name of the client.
    pub(crate) name: String,
    /// The cluster and the build.
    pub(crate) place: Place,
    /// Addresses of the servers, for messages.
    pub(crate) servers: String,
    /// Settings.
    pub(crate) limits: Limits,
    state: Mutex<State>,
    changed: Condvar,
    /// Id of the next call.
    next: AtomicU64,
    offers: mpsc::UnboundedSender<Offer>,
    /// Wakes the thread of the network to look whether it is done.
    look: Notify,
    completer: OnceLock<ThreadId>,
}

pub(crate) struct State {
    pub(crate) tasks: Tasks<Completion>,
    pub(crate) presence: Presence,
    life: Life,
    /// Number of threads that wait for a change.
    watching: usize,
    garbage: (u64, Option<Instant>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Life {
    /// Takes tasks.
    Open,
    /// Takes no more tasks.
    Closed,
    /// Takes no more tasks, for this reason; all are over.
    Broken(String),
    /// All futures are completed.
    Over(Option<String>),
}

/// What the thread of the network works with.
pub(crate) struct Network<E> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: E,
    pub(crate) offers: mpsc::UnboundedReceiver<Offer>,
    pub(crate) events: mpsc::UnboundedReceiver<Event>,
    /// As [`Shared::subjects`].
    pub(crate) subscriptions: Vec<Subscription>,
    pub(crate) results: Results,
}

impl Shared {
    /// Makes the state of a client; returns the other end of its offers, too.
    pub(crate) fn new(
        name: String,
        place: Place,
        servers: String,
        limits: Limits,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Offer>) {
        let (offers, receiver) = mpsc::unbounded_channel();
        let presence = Presence::new(place.build.clone(), limits.lost_after);
        let tasks = Tasks::new(limits.retries);
        let state = State { tasks, presence, life: Life::Open, watching: 0, garbage: (0, None) };
        let shared = Self {
            name,
            place,
            servers,
            limits,
            state: Mutex::new(state),
            changed: Condvar::new(),
            next: AtomicU64::new(0),
            offers,
            look: Notify::new(),
            completer: OnceLock::new(),
        };
        (Arc::new(shared), receiver)
    }

    /// Returns the subjects that the client listens to.
    pub(crate) fn subjects(name: &str, place: &Place) -> Vec<String> {
        use protocol::{done, echo, may, part};
        vec![may(name), part(name), done(name), place.news(), echo(name)]
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves ids for so many calls; returns the first.
    pub(crate) fn reserve(&self, calls: usize) -> u64 {
        self.next.fetch_add(calls as u64, Ordering::Relaxed)
    }

    /// Takes a task and lets it be offered. Waits while too many calls wait.
    ///
    /// # Errors
    /// [`SubmitError::Shutdown`], [`SubmitError::Broken`].
    pub(crate) fn submit(&self, id: u64, task: NewTask<Completion>) -> Result<(), SubmitError> {
        let is_full = |state: &State| {
            state.life == Life::Open && state.tasks.waiting() >= self.limits.most_waiting
        };
        let mut state = self.wait_while(self.state(), None, is_full);
        match &state.life {
            Life::Open => state.tasks.insert(id, task),
            Life::Broken(reason) | Life::Over(Some(reason)) => {
                return Err(SubmitError::Broken(reason.clone()));
            }
            Life::Closed | Life::Over(None) => return Err(SubmitError::Shutdown),
        }
        drop(state);
        self.offer(id);
        Ok(())
    }

    /// Waits until so many processes are there; returns their number.
    pub(crate) fn wait_for_processes(&self, wanted: usize, timeout: Duration) -> usize {
        let is_missing = |state: &State| state.presence.processes() < wanted;
        let state = self.wait_while(self.state(), Instant::now().checked_add(timeout), is_missing);
        state.presence.processes()
    }

    /// Takes no more tasks.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        if state.life == Life::Open {
            state.life = Life::Closed;
        }
        self.notify(&state);
        self.look.notify_one();
    }

    /// Waits until all futures are completed.
    pub(crate) fn wait_until_over(&self) {
        drop(self.wait_while(self.state(), None, |state| !matches!(state.life, Life::Over(_))));
    }

    /// Cancels all calls that have not begun; returns their completions.
    pub(crate) fn cancel_waiting(&self) -> Vec<Completion> {
        let cancelled = self.state().tasks.cancel_waiting();
        self.look.notify_one();
        cancelled
    }

    /// Cancels a call that has not begun; returns its completion.
    pub(crate) fn cancel(&self, call: u64) -> Option<Completion> {
        let mut state = self.state();
        let completion = state.tasks.cancel(call)?;
        self.task_is_over(&state);
        Some(completion)
    }

    /// Returns true in the thread that completes futures.
    pub(crate) fn is_completing(&self) -> bool {
        self.completer.get() == Some(&thread::current().id())
    }

    /// Completes futures, in this thread, until the network has ended.
    pub(crate) fn complete(&self, results: &std_mpsc::Receiver<Vec<(Completion, End)>>) {
        let _ = self.completer.set(thread::current().id());
        for (completion, end) in results.iter().flatten() {
            // It contains its panics.
            completion(end);
        }
        let mut state = self.state();
        let reason = match &state.life {
            Life::Broken(reason) => Some(reason.clone()),
            _ => None,
        };
        state.life = Life::Over(reason);
        self.notify(&state);
    }

    fn wait_while<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        deadline: Option<Instant>,
        goes_on: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        state.watching += 1;
        while goes_on(&state) {
            let Some(deadline) = deadline else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.watching -= 1;
        state
    }

    fn notify(&self, state: &State) {
        if state.watching > 0 {
            self.changed.notify_all();
        }
    }

    fn task_is_over(&self, state: &State) {
        self.notify(state);
        if state.life != Life::Open && state.tasks.is_empty() {
            self.look.notify_one();
        }
    }

    /// Waits until nothing is left to be done.
    async fn is_done(&self) {
        loop {
            let look = self.look.notified();
            {
                let state = self.state();
                if state.life != Life::Open && state.tasks.is_empty() {
                    return;
                }
            }
            look.await;
        }
    }

    /// Ends all futures, because there is no server.
    fn give_up(&self, results: &Results) {
        let after = self.limits.give_up_after.unwrap_or_default();
        let reason = format!("no server at {} for {after:?}", self.servers);
        let mut state = self.state();
        let error = TaskError::Broken(reason.clone());
        state.life = Life::Broken(reason);
        let ended = state.tasks.give_up();
        self.task_is_over(&state);
        drop(state);
        self.look.notify_one();
        send(results, ended.into_iter().map(|it| (it, Err(error.clone()))).collect());
    }

    /// Ends or repeats what had begun at a worker that is gone.
    fn lost(&self, worker: &WorkerId, error: &TaskError, results: &Results) {
        let mut state = self.state();
        let lost = state.tasks.lost(worker);
        self.task_is_over(&state);
        drop(state);
        lost.again.into_iter().for_each(|id| self.offer(id));
        send(results, lost.ended.into_iter().map(|it| (it, Err(error.clone()))).collect());
    }

    /// Ends the calls with these outcomes.
    fn done(&self, worker: &WorkerId, outcomes: Vec<(u64, Outcome)>, results: &Results) {
        let mut state = self.state();
        state.presence.is_heard(worker);
        let done = |(call, outcome)| state.tasks.done(worker, call, outcome);
        let ended = outcomes.into_iter().filter_map(done).collect();
        drop(state);
        send(results, ended);
    }

    fn look_whether_done(&self) {
        self.task_is_over(&self.state());
    }

    /// Lets everything that waits be offered once more: workers may have seen nobody here, and
    /// removed it; or the server has forgotten it.
    fn offer_again(&self) {
        let _ = self.offers.send(Offer::All);
    }

    /// Lets the network put a task into the queue.
    fn offer(&self, id: u64) {
        // Once the network has ended, nothing is left to be offered.
        let _ = self.offers.send(Offer::One(id));
    }

    fn heard(&self, news: News, results: &Results) {
        let mut state = self.state();
        let worker = news.worker().clone();
        let heard = state.presence.hear(news);
        let Heard { ended, left, other_build, given_up, has_changed } = heard;
        for given_up in given_up.iter().filter(|it| it.client == self.name) {
            if state.tasks.given_up(&worker, given_up.question) {
                self.offer(given_up.question.task);
            }
        }
        if has_changed {
            self.notify(&state);
        }
        drop(state);
        if let Some(Hello { worker, build, .. }) = other_build {
            let ours = &self.place.build;
            tell(&format!("{worker} has another build, {build}, and gets no tasks of {ours}"));
        }
        if let Some(ended) = ended {
            // "killed by signal 9 (SIGKILL)", or "exit code 3".
            let verb = if ended.end.starts_with("killed") { "was" } else { "ended:" };
            let end = format!("{}'s agent {verb} {}", ended.worker.name, ended.end);
            let error = TaskError::WorkerDied { end, exitcode: ended.exitcode };
            self.lost(&ended.worker, &error, results);
        }
        if let Some(worker) = left {
            let end = format!("{worker} has left without a result");
            self.lost(&worker, &TaskError::WorkerDied { end, exitcode: None }, results);
        }
    }

    fn echoed(&self, results: &Results) {
        let mut state = self.state();
        let lost = state.presence.echo();
        if !lost.is_empty() {
            self.notify(&state);
        }
        drop(state);
        for worker in lost {
            let silence = self.limits.lost_after;
            let end = format!(
                "no sign of life of {worker} for {silence:?}; it may still be running there"
            );
            self.lost(&worker, &TaskError::WorkerDied { end, exitcode: None }, results);
        }
    }

    /// Counts a message that is none.
    fn garbage(&self, what: &protocol::Malformed) {
        let mut state = self.state();
        state.garbage.0 += 1;
        let (count, told) = state.garbage;
        if told.is_none_or(|told| told.elapsed() >= GARBAGE) {
            state.garbage = (0, Some(Instant::now()));
            drop(state);
            tell(&format!("{count} messages were none, and dropped; the last one: {what}"));
        }
    }
}

impl<E: Engine> Network<E> {
    /// Serves the client until it is closed and all its tasks are over.
    pub(crate) async fn run(self) {
        let Self { shared, engine, offers, events, subscriptions, results } = self;
        let Ok([may, part, done, news, echo]) = <[Subscription; 5]>::try_from(subscriptions) else {
            unreachable!("there are as many as subjects");
        };
        let mut loops = JoinSet::new();
        let both = || (Arc::clone(&shared), engine.clone());
        loops.spawn(offer_all(both(), offers));
        loops.spawn(queue::watch_queue(both()));
        loops.spawn(answer_questions(both(), may));
        loops.spawn(answer_parts(both(), part));
        loops.spawn(take_outcomes(both(), done, results.clone()));
        loops.spawn(watch_workers(both(), news, echo, results.clone()));
        loops.spawn(watch_connection(Arc::clone(&shared), events, results));
        shared.is_done().await;
        loops.shutdown().await;
        // The answer to the last outcome, so that its agent needn't repeat it.
        let _ = timeout(LOST_ECHO, engine.flush()).await;
    }
}

type Both<E> = (Arc<Shared>, E);

/// Puts tasks into the queue, several at a time.
async fn offer_all<E: Engine>(
    (shared, engine): Both<E>,
    mut offers: mpsc::UnboundedReceiver<Offer>,
) {
    let mut waiting = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < OFFERS
            && let Some(id) = waiting.pop_front()
        {
            under_way.push(offer(&shared, &engine, id));
        }
        tokio::select! {
            offer = offers.recv() => match offer {
                Some(Offer::One(id)) => waiting.push_back(id),
                Some(Offer::All) => {
                    under_way.clear();
                    forget_what_is_not_kept(&shared, &engine).await;
                    while offers.try_recv().is_ok() {}
                    waiting = shared.state().tasks.not_kept().into();
                }
                None => return,
            },
            Some(()) = under_way.next() => {}
        }
    }
}

/// Takes all tasks for not kept if the queue has fewer than wait: which ones are missing, it can't
/// tell. Tasks that are offered once more are there twice, and begin once. (A purge before would
/// hide the tasks of other clients: nats-server before 2.9.12 moves the consumer behind them.)
async fn forget_what_is_not_kept<E: Engine>(shared: &Shared, engine: &E) {
    let kept = engine.kept(&shared.name).await.unwrap_or(0);
    let mut state = shared.state();
    if kept < state.tasks.to_offer().len() {
        state.tasks.none_is_kept();
    }
}

/// Puts a task into the queue, unless it has begun or is over.
async fn offer<E: Engine>(shared: &Shared, engine: &E, id: u64) {
    let mut pauses = Pauses::default();
    loop {
        let Some(message) = shared.state().tasks.message(id) else { return };
        if engine.offer(&shared.name, message).await.is_ok() {
            return shared.state().tasks.is_kept(id);
        }
        pauses.pause().await;
    }
}

async fn answer_questions<E: Engine>((shared, engine): Both<E>, mut questions: Subscription) {
    while let Some(message) = questions.next().await {
        let may = match May::decode(&message.payload) {
            Ok(may) => may,
            Err(error) => {
                shared.garbage(&error);
                continue;
            }
        };
        let answers = answers(&shared, &may);
        if let Some(reply) = message.reply {
            // Unanswered, the agent asks again.
            let _ = engine.tell(reply, answers.encode()).await;
        }
    }
}

fn answers(shared: &Shared, may: &May) -> Vec<protocol::Answer> {
    let mut state = shared.state();
    if !state.presence.is_heard(&may.worker) {
        return vec![protocol::Answer::No; may.questions.len()];
    }
    let ask = |question: &_| state.tasks.ask(&may.worker, *question);
    let answers = may.questions.iter().map(ask).collect();
    shared.notify(&state);
    answers
}

async fn answer_parts<E: Engine>((shared, engine): Both<E>, mut questions: Subscription) {
    while let Some(message) = questions.next().await {
        match Part::decode(&message.payload) {
            Ok(Part { task, from, most }) => {
                let most = usize::try_from(most).unwrap_or(usize::MAX).min(engine.max_payload());
                let part = shared.state().tasks.part(task, from, most).unwrap_or_default();
                if let Some(reply) = message.reply {
                    let _ = engine.tell(reply, part).await;
                }
            }
            Err(error) => shared.garbage(&error),
        }
    }
}

async fn take_outcomes<E: Engine>(
    (shared, engine): Both<E>,
    mut outcomes: Subscription,
    results: Results,
) {
    while let Some(message) = outcomes.next().await {
        let Done { worker, outcomes } =
            match Done::decode(&message.payload, shared.limits.most_bytes) {
                Ok(done) => done,
                Err(error) => {
                    shared.garbage(&error);
                    continue;
                }
            };
        shared.done(&worker, outcomes, &results);
        if let Some(reply) = message.reply {
            // Unanswered, the agent repeats them.
            let _ = engine.tell(reply, Bytes::new()).await;
        }
        shared.look_whether_done();
    }
}

/// Takes news of workers, and counts their silence.
async fn watch_workers<E: Engine>(
    (shared, engine): Both<E>,
    mut news: Subscription,
    mut echoes: Subscription,
    results: Results,
) {
    let mut tick = interval(ECHO);
    // Echoes that are late are not caught up with: each must have had its time.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut under_way: Option<Instant> = None;
    let mut alone = Alone::default();
    loop {
        tokio::select! {
            // News that came before an echo counts before it.
            biased;
            message = news.next() => {
                let Some(message) = message else { return };
                match News::decode(&message.payload) {
                    Ok(news) => shared.heard(news, &results),
                    Err(error) => shared.garbage(&error),
                }
            }
            echo = echoes.next() => {
                if echo.is_none() {
                    return;
                }
                if under_way.take().is_some() {
                    shared.echoed(&results);
                }
            }
            _ = tick.tick() => {
                if under_way.is_none_or(|since| since.elapsed() >= LOST_ECHO) {
                    under_way = Some(Instant::now());
                    let _ = engine.tell(protocol::echo(&shared.name), Bytes::new()).await;
                }
                alone.look(&shared);
            }
        }
    }
}

/// Watches for tasks that wait where no worker is.
#[derive(Default)]
struct Alone {
    since: Option<Instant>,
    is_told: bool,
}

impl Alone {
    fn look(&mut self, shared: &Shared) {
        let state = shared.state();
        let (ours, others) = state.presence.count();
        let waiting = state.tasks.waiting();
        drop(state);
        if ours > 0 || waiting == 0 {
            *self = Self::default();
            return;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() >= NO_WORKER && !self.is_told {
            self.is_told = true;
            let build = &shared.place.build;
            tell(&format!(
                "{waiting} calls wait, and no worker of build {build} is there ({others} of \
                 another build are)"
            ));
        }
    }
}

/// Offers everything again after a lost connection, and gives up without a server for long.
async fn watch_connection(
    shared: Arc<Shared>,
    mut events: mpsc::UnboundedReceiver<Event>,
    results: Results,
) {
    let mut down: Option<tokio::time::Instant> = None;
    loop {
        let limit =
            down.zip(shared.limits.give_up_after).and_then(|(it, after)| it.checked_add(after));
        tokio::select! {
            event = events.recv() => match event {
                None => return,
                Some(Event::Disconnected) => down = down.or(Some(tokio::time::Instant::now())),
                Some(Event::Connected) => {
                    if down.take().is_some() {
                        shared.offer_again();
                    }
                }
                Some(Event::Refused { operation, subject }) => {
                    tell(&format!("the server refuses {operation} {subject:?} to this user"));
                }
                // The agents ask, and tell outcomes, until they are answered.
                Some(Event::Dropped) => {}
            },
            () = at(limit) => return shared.give_up(&results),
        }
    }
}

fn send(results: &Results, ended: Vec<Ended<Completion>>) {
    if !ended.is_empty() {
        let ended = ended.into_iter().map(|(it, outcome)| (it, End::Outcome(outcome)));
        // The other end is there until this one is gone.
        let _ = results.send(ended.collect());
    }
}

fn tell(line: &str) {
    complain(format_args!("cluster: {line}"));
}
