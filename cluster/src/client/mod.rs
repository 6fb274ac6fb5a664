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

mod answers;
mod connection;
mod events;
mod offers;
mod queue;
mod shared;
#[cfg(test)]
mod simulation;
mod workers;

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use self::shared::Results;
pub(crate) use self::shared::{Completion, End, Limits, Offer, Shared};
use crate::engine::{Engine, Event, Subscription};

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

impl<E: Engine> Network<E> {
    /// Serves the client until it is closed and all its tasks are over.
    pub(crate) async fn run(self) {
        let Self { shared, engine, offers, events, subscriptions, results } = self;
        let Ok([may, part, done, news, echo]) = <[Subscription; 5]>::try_from(subscriptions) else {
            unreachable!("there are as many as subjects");
        };
        let mut loops = JoinSet::new();
        let both = || (Arc::clone(&shared), engine.clone());
        loops.spawn(offers::offer_all(both(), offers));
        loops.spawn(queue::watch_queue(both()));
        loops.spawn(answers::answer_questions(both(), may));
        loops.spawn(answers::answer_parts(both(), part));
        loops.spawn(answers::take_outcomes(both(), done, results.clone()));
        loops.spawn(workers::watch_workers(both(), news, echo, results.clone()));
        loops.spawn(connection::watch_connection(Arc::clone(&shared), events, results.clone()));
        tokio::select! {
            biased;
            () = shared.until_all_is_over() => {}
            // Without one of them, futures might never end.
            Some(ended) = loops.join_next() => {
                let error = ended.err().map_or_else(String::new, |error| format!(": {error}"));
                shared.break_off(format!("a loop of the network has ended{error}"), &results);
            }
        }
        loops.shutdown().await;
        // The answer to the last outcome, so that its agent needn't repeat it.
        engine.flush().await;
    }
}
