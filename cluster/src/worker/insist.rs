//! Messages to a client that are sent again until it has answered.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::engine::{Engine, Error};
use crate::pause::Pauses;

/// Longest pause before a client that nobody hears of is told again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Time for which an agent that leaves tries to send a message that holds a process.
const LAST_TRY: Duration = Duration::from_secs(10);

/// Sends a message until the client has answered; returns false if nobody was there for so long.
/// A server that is gone says nothing about the client.
pub(crate) async fn until_answered<E: Engine>(
    engine: &E,
    subject: String,
    message: Bytes,
    patience: Duration,
) -> bool {
    let mut pauses = Pauses::default();
    let mut away = None;
    loop {
        match engine.ask(subject.clone(), message.clone()).await {
            Ok(_) => return true,
            Err(Error::NobodyThere) => {
                let since = *away.get_or_insert_with(Instant::now);
                if since.elapsed() >= patience {
                    return false;
                }
            }
            Err(Error::Failed(_)) => away = None,
        }
        pauses.pause().await;
    }
}

/// Sends a message until the client has answered, at last with long pauses.
pub(crate) async fn tell_in_the_end<E: Engine>(engine: &E, subject: String, message: Bytes) {
    let mut pauses = Pauses::up_to(LONGEST_PAUSE);
    while engine.ask(subject.clone(), message.clone()).await.is_err() {
        pauses.pause().await;
    }
}

/// Does something that holds a process; `None` if it goes on for long when the agent leaves.
pub(crate) async fn unless_left<T>(
    mut leaves: watch::Receiver<bool>,
    work: impl Future<Output = T>,
) -> Option<T> {
    let has_left = async {
        // The sender ends only after the agent.
        drop(leaves.wait_for(|leaves| *leaves).await);
        sleep(LAST_TRY).await;
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = has_left => None,
    }
}
