//! Answers to the agents.

use bytes::Bytes;
use futures_util::StreamExt;

use super::shared::{Both, Results, Shared};
use crate::engine::{Engine, Subscription};
use crate::protocol::{self, Done, May, Part, Plain};

/// Answers whether tasks may begin.
pub(super) async fn answer_questions<E: Engine>(
    (shared, engine): Both<E>,
    mut questions: Subscription,
) {
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
    if !state.presence.note_sign_of_life(&may.worker) {
        return vec![protocol::Answer::No; may.questions.len()];
    }
    for question in &may.given_up {
        if state.tasks.given_up(&may.worker, *question) {
            shared.offer(question.task);
        }
    }
    let ask = |question: &_| state.tasks.ask(&may.worker, *question);
    let answers = may.questions.iter().map(ask).collect();
    shared.notify(&state);
    shared.room.notify_one();
    answers
}

/// Answers with parts of arguments.
pub(super) async fn answer_parts<E: Engine>(
    (shared, engine): Both<E>,
    mut questions: Subscription,
) {
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

/// Takes outcomes.
pub(super) async fn take_outcomes<E: Engine>(
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
        shared.notify_ended(&shared.state());
    }
}
