//! A watch over the connection.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::events::tell;
use super::shared::{Results, Shared};
use crate::engine::Event;
use crate::pause::at;

/// Largest number of refused subjects that are told, each once.
const MOST_REFUSED: usize = 100;

/// Offers everything again after a lost connection, and gives up without a server for long.
pub(super) async fn watch_connection(
    shared: Arc<Shared>,
    mut events: mpsc::UnboundedReceiver<Event>,
    results: Results,
) {
    let mut down: Option<Instant> = None;
    let mut refused = BTreeSet::new();
    loop {
        let limit =
            down.zip(shared.limits.give_up_after).and_then(|(it, after)| it.checked_add(after));
        tokio::select! {
            event = events.recv() => match event {
                None => return,
                Some(Event::Disconnected) => down = down.or(Some(Instant::now())),
                Some(Event::Connected) => {
                    if down.take().is_some() {
                        shared.state().presence.reconnected();
                        shared.offer_again();
                    }
                }
                Some(Event::Refused { operation, subject }) => {
                    let line = format!("the server refuses {operation} {subject:?} to this user");
                    // Answers have subjects without end.
                    if refused.len() < MOST_REFUSED && refused.insert(line.clone()) {
                        tell(&line);
                    }
                }
                // The agents ask, and tell outcomes, until they are answered.
                Some(Event::Dropped) => {}
            },
            () = at(limit) => return shared.give_up(&results),
        }
    }
}
