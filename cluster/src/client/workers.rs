//! A watch over the workers.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::time::{MissedTickBehavior, interval};

use super::events::tell;
use super::shared::{Both, Results, Shared};
use crate::engine::{Engine, Subscription};
use crate::host_name::host_name;
use crate::presence::ECHO;
use crate::protocol::{self, News, OtherBuild, Plain, WorkerId};

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
                    Ok(news) => {
                        let worker = news.worker().clone();
                        shared.heard(news, &results);
                        answer(&shared, &engine, &worker, message.reply).await;
                    }
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

/// Answers a worker that asks, if it has another build: what it is told is for the machine's owner.
async fn answer<E: Engine>(shared: &Shared, engine: &E, worker: &WorkerId, reply: Option<String>) {
    let Some(reply) = reply else { return };
    if shared.state().presence.tells_other_build(worker) {
        let (client, build) = (shared.name.clone(), shared.place.build.clone());
        let other = OtherBuild { client, host: host_name(), build };
        let _ = engine.tell(reply, other.encode()).await;
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
