//! An agent's signs of life, and what clients answer to them.
//!
//! A client of another build hears a hello and sends no task: both belong to machines on which two
//! people may look for the reason. So now and then a hello may be answered, which such clients do.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use multiprocess::output::complain;
use tokio::time::{MissedTickBehavior, interval};

use crate::engine::Engine;
use crate::garbage::Garbage;
use crate::protocol::{Hello, News, OtherBuild, Place, Plain, WorkerId};
use crate::worker::context::Context;

/// Interval of signs of life.
const HELLO: Duration = Duration::from_millis(500);

/// Number of hellos of which the first may be answered: a server remembers for a while what may be.
const ROUND: u32 = 10;

/// Largest number of clients of other builds to be remembered.
const MOST_TOLD: usize = 4096;

/// Tells all clients again and again that this agent is there.
pub(crate) async fn greet<E: Engine, X>(context: Arc<Context<E, X>>, place: Place) {
    let (engine, worker) = (&context.engine, &context.setup.id);
    let inbox = worker.inbox();
    let Ok(mut answers) = engine.subscribe(inbox.clone()).await else { return };
    let hello = News::Hello(Hello {
        worker: worker.clone(),
        processes: u32::try_from(context.setup.processes).unwrap_or(u32::MAX),
        build: place.build.clone(),
    });
    let (hello, subject) = (hello.encode(), place.news());
    let mut ticks = interval(HELLO);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut numbers = (0..ROUND).cycle();
    let (mut others, mut garbage) = (OtherBuilds::default(), Garbage::default());
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                let (subject, hello) = (subject.clone(), hello.clone());
                let _ = match numbers.next() {
                    Some(0) => engine.tell_for_answers(subject, hello, inbox.clone()).await,
                    _ => engine.tell(subject, hello).await,
                };
            }
            Some(answer) = answers.next() => match OtherBuild::decode(&answer.payload) {
                Ok(other) => {
                    let line = others.line(worker, &place.build, &other);
                    line.into_iter().for_each(complain);
                }
                Err(reason) => garbage.drop_one(&worker.name, reason),
            },
        }
    }
}

/// Clients of other builds that were told.
#[derive(Debug, Default)]
pub(crate) struct OtherBuilds(HashSet<String>);

impl OtherBuilds {
    /// Returns the line about a client, unless it was told before.
    pub(crate) fn line(
        &mut self,
        worker: &WorkerId,
        ours: &str,
        OtherBuild { client, host, build }: &OtherBuild,
    ) -> Option<String> {
        if self.0.len() >= MOST_TOLD {
            self.0.clear();
        }
        self.0.insert(client.clone()).then(|| {
            format!(
                "{}: the client {client} on {host} has another build, {build}, and this worker of \
                 {ours} gets no tasks of it: run the same executable on both machines",
                worker.name
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_of_another_build_gets_one_line() {
        let worker = WorkerId { name: String::from("host-3"), pid: 7, random: 9 };
        let other = |client: &str| {
            let [client, host, build] = [client, "desk", "9c12"].map(String::from);
            OtherBuild { client, host, build }
        };
        let mut others = OtherBuilds::default();
        let mut line = |client| others.line(&worker, "e11f", &other(client));
        let expected = "host-3: the client default-7-ab on desk has another build, 9c12, and \
                        this worker of e11f gets no tasks of it: run the same executable on both \
                        machines";
        assert_eq!(line("default-7-ab").as_deref(), Some(expected));
        assert_eq!(line("default-7-ab"), None);
        assert!(line("default-8-cd").is_some());
    }
}
