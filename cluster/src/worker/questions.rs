//! An agent's questions to a client: may I begin with these tasks?
//!
//! The client says yes once for each task. A question that was not answered is repeated with the
//! same number, because the client may have said yes, and then believes that the task has begun
//! here. So a question ends only with its answer, or when nobody has heard of the client for
//! [`AWAY`]; but it claims a process for a few seconds only, so that a client that has been killed,
//! or stopped, is not in the way of others.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use crate::engine::{Acknowledgement, Engine, Error};
use crate::pause::Pauses;
use crate::protocol::{Answer, Plain, Question, Task, may};
use crate::worker::outbox::AWAY;

/// Number of times that nobody hears a question before the client is taken for dead.
const MISSES: u32 = 20;

/// Pause between them.
const PAUSE: Duration = Duration::from_millis(100);

/// Time without an answer after which the tasks give back their processes.
const PATIENCE: Duration = Duration::from_secs(5);

/// A task that was fetched.
pub(crate) struct Arrival<E: Engine> {
    pub(crate) task: Task,
    /// Number of this arrival, counted by the agent. An engine that was restarted counts anew.
    pub(crate) nonce: u64,
    /// `None` once it was acknowledged.
    pub(crate) ticket: Option<E::Ticket>,
    /// Claim on a process; `None` if it was given back.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}

impl<E: Engine> Arrival<E> {
    /// Returns the question whether the task may begin.
    pub(crate) fn question(&self) -> Question {
        Question { task: self.task.id, nonce: self.nonce }
    }
}

/// Asks until the client answers; returns its answers, one for each arrival, or `None` if it has
/// gone.
pub(crate) async fn ask<E: Engine>(
    engine: &E,
    client: &str,
    question: Bytes,
    arrivals: &mut [Arrival<E>],
) -> Option<Vec<Answer>> {
    let (start, mut misses, mut away) = (Instant::now(), 0, None);
    let mut pauses = Pauses::default();
    loop {
        match engine.ask(may(client), question.clone()).await {
            Ok(answer) => match Vec::<Answer>::decode(&answer) {
                Ok(answers) if answers.len() == arrivals.len() => return Some(answers),
                // Not the client: it answers each question.
                _ => {}
            },
            Err(Error::NobodyThere) => {
                misses += 1;
                let since = *away.get_or_insert_with(Instant::now);
                if since.elapsed() >= AWAY {
                    return None;
                }
                if misses < MISSES {
                    sleep(PAUSE).await;
                    continue;
                }
                if misses == MISSES {
                    give_up(engine, client, arrivals).await;
                }
            }
            Err(Error::Failed(_)) => away = None,
        }
        if start.elapsed() >= PATIENCE {
            arrivals.iter_mut().for_each(|arrival| arrival.permit = None);
        }
        pauses.pause().await;
    }
}

/// Removes the tasks of a client that seems to be dead from the queue. If it was only late it
/// offers them again when it is back.
async fn give_up<E: Engine>(engine: &E, client: &str, arrivals: &mut [Arrival<E>]) {
    for arrival in arrivals {
        arrival.permit = None;
        if let Some(ticket) = arrival.ticket.take() {
            let _ = engine.acknowledge(ticket, Acknowledgement::Taken).await;
        }
    }
    let mut pauses = Pauses::default();
    while engine.purge(client).await.is_err() {
        pauses.pause().await;
    }
}
