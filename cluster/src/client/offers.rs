//! The way of the tasks into the queue.

use std::collections::VecDeque;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::mpsc;

use super::shared::{Both, Offer, Shared};
use crate::engine::Engine;
use crate::pause::Pauses;

/// Number of offers under way.
const OFFERS: usize = 256;

/// Largest number of a client's tasks in the queue. The others wait here, where they can be
/// cancelled: one that is cancelled in the queue is fetched and asked about like any other.
pub(super) const MOST_KEPT: usize = 1000;

/// Puts tasks into the queue, several at a time, as long as there is room.
pub(super) async fn offer_all<E: Engine>(
    (shared, engine): Both<E>,
    mut offers: mpsc::UnboundedReceiver<Offer>,
) {
    let mut waiting = VecDeque::new();
    let mut under_way = FuturesUnordered::new();
    loop {
        while under_way.len() < OFFERS
            && under_way.len() + shared.state().tasks.kept() < MOST_KEPT
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
                    waiting = shared.state().tasks.to_offer().into();
                }
                None => return,
            },
            Some(()) = under_way.next() => {}
            () = shared.room.notified() => {}
        }
    }
}

/// Takes all tasks for not kept if the queue has fewer than it said: which ones are missing, it
/// can't tell. Tasks that are offered once more are there twice, and begin once. (A purge before
/// would hide the tasks of other clients: nats-server 2.9.10 moves the consumer behind them, see
/// its #3838.)
async fn forget_what_is_not_kept<E: Engine>(shared: &Shared, engine: &E) {
    let kept = engine.kept(&shared.name).await.unwrap_or(0);
    let mut state = shared.state();
    if kept < state.tasks.kept() {
        state.tasks.forget_kept();
    }
}

/// Puts a task into the queue, unless it has begun or is over.
pub(super) async fn offer<E: Engine>(shared: &Shared, engine: &E, id: u64) {
    let mut pauses = Pauses::default();
    loop {
        let Some(message) = shared.state().tasks.message(id) else { return };
        if engine.offer(&shared.name, message).await.is_ok() {
            return shared.state().tasks.note_kept(id);
        }
        pauses.pause().await;
    }
}
