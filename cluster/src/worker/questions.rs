//! An agent's questions to a client: may I begin with these tasks?
//!
//! The client says yes once for each task. A question that was not answered is repeated with the
//! same number, because the client may have said yes, and then believes that the task has begun
//! here. So a question that may have been heard ends only with its answer, or is given up when
//! nobody has heard of the client for very long, or the agent leaves. That is told to the client
//! until it has answered: then the task waits again. A question claims a process for a few seconds
//! only, so that a client that has been killed, or stopped, is not in the way of others. As long as
//! one is open for more than that, further tasks of its client are given back for later at once.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};

use crate::engine::{Acknowledgement, Engine, Error};
use crate::pause::Pauses;
use crate::protocol::{Answer, May, Plain, Question, Task, may};
use crate::worker::clients::{Gone, Slow};
use crate::worker::context::Context;
use crate::worker::insist::tell_in_the_end;

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

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Asked {
    /// The client's answers, one for each arrival.
    Answered(Vec<Answer>),
    /// Nobody has heard the question: the tasks begin nowhere by it.
    NotHeard,
    /// Somebody may have heard the question, but for very long nobody was there to answer it, or
    /// the agent leaves.
    GivenUp,
}

/// Asks until the client answers, or has gone.
pub(crate) async fn ask<E: Engine, X>(
    context: &Context<E, X>,
    (gone, slow): (&Gone, &Slow),
    client: &str,
    question: Bytes,
    arrivals: &mut [Arrival<E>],
) -> Asked {
    let engine = &context.engine;
    let (start, mut misses, mut away) = (Instant::now(), 0, None);
    let most = if gone.contains(client) { 1 } else { MISSES };
    let mut pauses = Pauses::default();
    let (mut may_be_heard, mut overdue) = (false, None);
    loop {
        match engine.ask(may(client), question.clone()).await {
            Ok(answer) => match Vec::<Answer>::decode(&answer) {
                Ok(answers) if answers.len() == arrivals.len() => {
                    gone.set(client, false);
                    return Asked::Answered(answers);
                }
                // The client may have said yes all the same.
                _ => (may_be_heard, away) = (true, None),
            },
            Err(Error::NobodyThere) => {
                misses += 1;
                if misses < most {
                    sleep(PAUSE).await;
                    continue;
                }
                if misses == most {
                    gone.set(client, true);
                    overdue = None;
                    drop_all(engine, arrivals).await;
                }
                if !may_be_heard {
                    return Asked::NotHeard;
                }
                if away.get_or_insert_with(Instant::now).elapsed() >= context.setup.away {
                    return Asked::GivenUp;
                }
            }
            Err(Error::Failed(_)) => (may_be_heard, away) = (true, None),
        }
        if start.elapsed() >= PATIENCE {
            if overdue.is_none() && misses < most {
                overdue = Some(slow.count(client));
            }
            arrivals.iter_mut().for_each(|arrival| arrival.permit = None);
        }
        pauses.pause().await;
    }
}

/// Tells a client that these tasks won't begin here, whatever it has answered, until it has heard
/// that.
pub(crate) async fn give_up<E: Engine, X>(
    context: &Context<E, X>,
    client: &str,
    given_up: Vec<Question>,
) {
    let message = May { worker: context.setup.id.clone(), questions: Vec::new(), given_up };
    tell_in_the_end(&context.engine, may(client), message.encode()).await;
}

/// Gives back tasks, and their processes.
pub(crate) async fn give_back<E: Engine>(
    engine: &E,
    arrivals: Vec<Arrival<E>>,
    how: Acknowledgement,
) {
    for ticket in arrivals.into_iter().filter_map(|arrival| arrival.ticket) {
        let _ = engine.acknowledge(ticket, how).await;
    }
}

/// Removes the tasks of a client that seems to be dead from the queue. If it was only late, it
/// offers them again when it is back.
async fn drop_all<E: Engine>(engine: &E, arrivals: &mut [Arrival<E>]) {
    for arrival in arrivals {
        arrival.permit = None;
        if let Some(ticket) = arrival.ticket.take() {
            let _ = engine.acknowledge(ticket, Acknowledgement::Taken).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;
    use testing::Deadline;
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::engine::memory::Memory;
    use crate::protocol::WorkerId;
    use crate::worker::context::Setup;

    #[tokio::test]
    async fn a_question_whose_answer_cannot_be_read_may_have_got_a_yes() {
        let _deadline = Deadline::seconds(60);
        let engine = Memory::default();
        let id = WorkerId { name: String::from("host"), pid: 7, random: 9 };
        let setup = Setup { id, processes: 1, most_bytes: 100, away: Duration::ZERO };
        let (reports, leave) = (mpsc::unbounded_channel().0, watch::channel(false).0);
        let context = Context::new(engine.clone(), (), setup, reports, leave);
        let mut client = engine.subscribe(may("client")).await.unwrap();
        let answers = async {
            let question = client.next().await.unwrap();
            engine.tell(question.reply.unwrap(), Bytes::from_static(b"?")).await.unwrap();
            // Then it is gone.
            drop(client);
        };
        let gone = Gone::default();
        let slow = Slow::default();
        let ask = ask(&context, (&gone, &slow), "client", Bytes::new(), &mut []);
        let (asked, ()) = tokio::join!(ask, answers);
        assert!(matches!(asked, Asked::GivenUp), "{asked:?}");
    }
}
