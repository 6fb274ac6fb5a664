//! The outcomes' way to the clients: each is told until the client has answered.
//!
//! ```text
//!   callbacks of the pool ──▶ one queue for each client ──▶ gathered while a message is under way
//!                                                     └──▶ large results alone, in parts
//! ```
//!
//! A client may be cut off for a while, or be slower than its workers to connect again. It believes
//! what it has heard last: that a task of its has begun here. So an outcome is kept for as long as
//! a client may come back ([`AWAY`]); a large result is dropped sooner. What is kept then, for as
//! long as the agent lives, is the word that it was dropped: else its call would never end.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt, iter};
use multiprocess::futures::TaskError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::engine::Engine;
use crate::protocol::{Done, Outcome, ResultPart, WorkerId, done, part_size};
use crate::worker::context::Setup;
use crate::worker::insist::{tell_in_the_end, unless_left, until_answered};

/// Time for which outcomes and questions of a client that nobody hears of are kept.
pub(crate) const AWAY: Duration = Duration::from_secs(600);

/// Time for which a large result of such a client is kept.
const LARGE_AWAY: Duration = Duration::from_secs(10);

/// Size in bytes up to which outcomes are put into one message.
const GATHERED: usize = 256 << 10;

/// Longest text of an error in bytes.
const LONGEST_TEXT: usize = 8 << 10;

/// Parts that are under way at once.
pub(crate) const UNDER_WAY: usize = 4;

/// An outcome for a client.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) client: Arc<str>,
    /// Id of the call.
    pub(crate) call: u64,
    /// Number of the attempt, from 0.
    pub(crate) attempt: u32,
    pub(crate) outcome: Result<Bytes, TaskError>,
    /// The task's claim on a process. A large result holds it until it was sent, so that no more of
    /// them are in memory than there are processes.
    pub(crate) permit: Option<Arc<OwnedSemaphorePermit>>,
}

/// The outcomes that wait for the last message to their client.
#[derive(Default)]
struct Waiting {
    is_busy: bool,
    outcomes: Vec<(u64, u32, Outcome)>,
}

/// A message that was answered: its client, unless others may be under way to it at once.
type Sent = Option<Arc<str>>;

/// The way to the clients.
pub(crate) struct Outbox<E> {
    engine: E,
    worker: WorkerId,
    part: usize,
    /// Time for which outcomes are kept for a client that nobody hears of.
    away: Duration,
    /// True once the agent leaves.
    leaves: watch::Receiver<bool>,
    clients: HashMap<Arc<str>, Waiting>,
    sending: FuturesUnordered<BoxFuture<'static, Sent>>,
}

impl<E: Engine> Outbox<E> {
    pub(crate) fn new(engine: E, setup: &Setup, leaves: watch::Receiver<bool>) -> Self {
        let (part, worker) = (part_size(engine.max_payload()), setup.id.clone());
        let (clients, sending) = (HashMap::new(), FuturesUnordered::new());
        Self { engine, worker, part, away: setup.away, leaves, clients, sending }
    }

    /// Delivers all reports; returns when no more can come, and each was answered or given up.
    pub(crate) async fn run(mut self, mut reports: mpsc::UnboundedReceiver<Report>) {
        let mut is_open = true;
        while is_open || !self.sending.is_empty() {
            tokio::select! {
                report = reports.recv(), if is_open => match report {
                    Some(report) => self.take(report),
                    None => is_open = false,
                },
                Some(sent) = self.sending.next(), if !self.sending.is_empty() => {
                    if let Some(client) = sent {
                        self.note_answered(client);
                    }
                }
            }
            // All that came meanwhile goes into the same message.
            while let Ok(report) = reports.try_recv() {
                self.take(report);
            }
            self.send_waiting();
        }
    }

    /// Queues an outcome, or sends it at once if it is large.
    fn take(&mut self, report: Report) {
        let Report { client, call, attempt, outcome, permit } = report;
        let outcome = match outcome {
            Ok(result) if result.len() > self.part => {
                return self.send_large(client, (call, attempt), result, permit);
            }
            Ok(result) => Outcome::Result(result),
            Err(error) => Outcome::Failed(shortened(error)),
        };
        self.clients.entry(client).or_default().outcomes.push((call, attempt, outcome));
    }

    /// Notes that the last message to this client was answered.
    fn note_answered(&mut self, client: Arc<str>) {
        if let Some(waiting) = self.clients.get_mut(&client) {
            waiting.is_busy = false;
            if waiting.outcomes.is_empty() {
                self.clients.remove(&client);
            }
        }
    }

    /// Sends a message to each client for which outcomes wait, and which has answered the last one.
    fn send_waiting(&mut self) {
        for (client, waiting) in &mut self.clients {
            if waiting.is_busy || waiting.outcomes.is_empty() {
                continue;
            }
            waiting.is_busy = true;
            let (engine, client) = (self.engine.clone(), Arc::clone(client));
            let (worker, away) = (self.worker.clone(), self.away);
            let outcomes = gathered(&mut waiting.outcomes, GATHERED.min(self.part));
            self.sending.push(Box::pin(async move {
                let calls = outcomes.iter().map(|(call, attempt, _)| (*call, *attempt)).collect();
                let message = Done { worker: worker.clone(), outcomes }.encode();
                if !until_answered(&engine, done(&client), message, away).await {
                    tell_dropped(&engine, &client, worker, calls).await;
                }
                Some(client)
            }));
        }
    }

    /// Sends a result in parts, a few of which are under way at once.
    fn send_large(
        &mut self,
        client: Arc<str>,
        (call, attempt): (u64, u32),
        result: Bytes,
        permit: Option<Arc<OwnedSemaphorePermit>>,
    ) {
        let (engine, worker, size) = (self.engine.clone(), self.worker.clone(), self.part);
        let (leaves, away) = (self.leaves.clone(), self.away);
        self.sending.push(Box::pin(async move {
            let message = |outcome| {
                let outcomes = vec![(call, attempt, outcome)];
                Done { worker: worker.clone(), outcomes }.encode()
            };
            let whole = result.len();
            let parts = (0..whole).step_by(size).map(|from| {
                let bytes = result.slice(from..whole.min(from + size));
                let part = ResultPart { whole: whole as u64, from: from as u64, bytes };
                let message = message(Outcome::Part(part));
                let sent = until_answered(&engine, done(&client), message, LARGE_AWAY);
                unless_left(leaves.clone(), sent)
            });
            let mut answers = iter(parts).buffer_unordered(UNDER_WAY);
            while let Some(answered) = answers.next().await {
                if answered != Some(true) {
                    drop(answers);
                    drop((result, permit));
                    let dropped = "it was dropped, because the client was away for 10 s";
                    let failed = Outcome::Failed(TaskError::ResultNotSent(dropped.to_owned()));
                    if !until_answered(&engine, done(&client), message(failed), away).await {
                        tell_dropped(&engine, &client, worker.clone(), vec![(call, attempt)]).await;
                    }
                    return None;
                }
            }
            drop(permit);
            None
        }));
    }
}

/// Takes the first outcomes, as many as fit into so many bytes; at least one.
fn gathered(outcomes: &mut Vec<(u64, u32, Outcome)>, most: usize) -> Vec<(u64, u32, Outcome)> {
    let mut size = 0;
    let fits = outcomes.iter().take_while(|(_, _, outcome)| {
        size += size_of_one(outcome);
        size <= most
    });
    let count = fits.count().max(1);
    outcomes.drain(..count).collect()
}

/// Returns about how many bytes an outcome has in a message, rather too many.
fn size_of_one(outcome: &Outcome) -> usize {
    64 + match outcome {
        Outcome::Result(bytes) => bytes.len(),
        Outcome::Part(part) => part.bytes.len(),
        Outcome::Failed(error) => error.to_string().len(),
        Outcome::Dropped => 0,
    }
}

/// Shortens the texts of an error, which may come from a task and have any length.
fn shortened(mut error: TaskError) -> TaskError {
    use TaskError::{
        ArgumentsNotReceived, ArgumentsNotSent, Broken, Panicked, ResultNotReceived, ResultNotSent,
        WorkerDied,
    };
    match &mut error {
        Panicked { message: text }
        | WorkerDied { end: text, .. }
        | ArgumentsNotSent(text)
        | ArgumentsNotReceived(text)
        | ResultNotSent(text)
        | ResultNotReceived(text)
        | Broken(text) => {
            let fits = |(start, letter): &(usize, char)| start + letter.len_utf8() <= LONGEST_TEXT;
            let end = text.char_indices().take_while(fits).last();
            let end = end.map_or(0, |(start, letter)| start + letter.len_utf8());
            if end < text.len() {
                text.truncate(end);
                text.push('…');
            }
        }
        _ => {}
    }
    error
}

/// Tells a client that the outcomes of these calls were dropped, until it has answered.
async fn tell_dropped<E: Engine>(
    engine: &E,
    client: &str,
    worker: WorkerId,
    calls: Vec<(u64, u32)>,
) {
    let dropped = |(call, attempt)| (call, attempt, Outcome::Dropped);
    let outcomes = calls.into_iter().map(dropped).collect();
    let message = Done { worker, outcomes }.encode();
    tell_in_the_end(engine, done(client), message).await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use testing::Deadline;
    use tokio::time::timeout;

    use super::*;
    use crate::engine::memory::Memory;

    #[tokio::test]
    async fn a_client_that_was_away_for_too_long_is_told_what_was_dropped() {
        let _deadline = Deadline::seconds(60);
        let engine = Memory::default();
        let id = WorkerId { name: String::from("host"), pid: 7, random: 9 };
        let away = Duration::ZERO;
        let setup = Setup { id: id.clone(), processes: 1, most_bytes: 100, away };
        let (_leave, leaves) = watch::channel(false);
        let (reports, inbox) = mpsc::unbounded_channel();
        for call in [3, 4] {
            let (client, outcome) = (Arc::from("client"), Ok(Bytes::from_static(b"result")));
            reports.send(Report { client, call, attempt: 1, outcome, permit: None }).unwrap();
        }
        drop(reports);
        let mut run = pin!(Outbox::new(engine.clone(), &setup, leaves).run(inbox));
        // Nobody is there.
        assert!(timeout(Duration::from_millis(10), &mut run).await.is_err());
        let mut client = engine.subscribe(done("client")).await.unwrap();
        let message = tokio::select! {
            message = client.next() => message.unwrap(),
            () = &mut run => panic!("it is kept until it is answered"),
        };
        let outcomes = vec![(3, 1, Outcome::Dropped), (4, 1, Outcome::Dropped)];
        assert_eq!(Done::decode(&message.payload, 100), Ok(Done { worker: id, outcomes }));
        engine.tell(message.reply.unwrap(), Bytes::new()).await.unwrap();
        run.await;
    }

    #[test]
    fn a_message_takes_as_many_outcomes_as_fit_and_at_least_one() {
        let outcome = |length| (0, 0, Outcome::Result(vec![0; length].into()));
        let mut outcomes = vec![outcome(900), outcome(10), outcome(10), outcome(800)];
        let sizes = [(); 3].map(|()| gathered(&mut outcomes, 500).len());
        assert_eq!((sizes, outcomes.len()), ([1, 2, 1], 0));
    }

    #[test]
    fn a_long_text_of_an_error_is_cut_between_two_letters() {
        let panicked = |message: String| TaskError::Panicked { message };
        let long = shortened(panicked("机".repeat(LONGEST_TEXT)));
        assert_eq!(long, panicked("机".repeat(LONGEST_TEXT / 3) + "…"));
        let short = panicked("机".repeat(LONGEST_TEXT / 3));
        assert_eq!(shortened(short.clone()), short);
    }
}
