//! A watch over the workers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use super::events::tell;
use super::shared::{Both, Results, Shared};
use crate::engine::{Engine, Subscription};
use crate::presence::ECHO;
use crate::protocol::{self, News, Plain};

/// Time after which an echo is taken for lost with its connection.
const LOST_ECHO: Duration = Duration::from_secs(2);

/// Time without a worker, while tasks wait, after which it is told.
const NO_WORKER: Duration = Duration::from_secs(10);

/// Takes news of workers, and counts their silence.
pub(super) async fn watch_workers<E: Engine>(
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
