//! A watch over the queue, which may forget.
//!
//! A server that restarts has forgotten all tasks, messages expire, and an agent that takes this
//! client for dead drops its tasks. So while tasks wait the client counts them, as a stock-taking
//! does: what has waited in the queue since before the question must be in the answer.

use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::shared::{Both, Shared};
use crate::engine::Engine;

/// Time between two looks at the queue.
const LOOK: Duration = Duration::from_secs(10);

/// Offers everything that waits again if the queue has lost some of it.
pub(super) async fn watch_queue<E: Engine>((shared, engine): Both<E>) {
    let mut ticks = interval_at(Instant::now() + LOOK, LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if has_lost_tasks(&shared, &engine).await {
            shared.offer_again();
        }
    }
}

/// Returns true if the queue keeps fewer tasks than have waited there all along. One that is in the
/// queue twice may hide one that is lost, but only until it is taken out.
async fn has_lost_tasks<E: Engine>(shared: &Shared, engine: &E) -> bool {
    let look = {
        let mut state = shared.state();
        if state.tasks.waiting() == 0 {
            return false;
        }
        state.tasks.begin_look()
    };
    // Without an answer nothing is known; a lost connection is seen elsewhere.
    let Ok(kept) = engine.kept(&shared.name).await else { return false };
    shared.state().tasks.kept_since(look) > kept
}

#[cfg(test)]
mod tests {
    use super::super::offers::offer;
    use super::super::shared::Completion;
    use super::super::simulation::shared;
    use super::*;
    use crate::engine::Acknowledgement;
    use crate::engine::memory::Memory;
    use crate::protocol::{Question, WorkerId};
    use crate::tasks::NewTask;

    #[tokio::test]
    async fn only_what_waits_and_is_not_in_the_queue_is_lost() {
        let (engine, (shared, _offers)) = (Memory::default(), shared());
        for id in 0..3 {
            let calls = vec![Box::new(drop) as Completion];
            let message = id.to_string().into();
            shared.submit(vec![(id, NewTask { message, arguments: None, calls })]).unwrap();
        }
        // An offer without an answer may be in the queue or not.
        assert!(!has_lost_tasks(&shared, &engine).await);
        for id in 0..3 {
            offer(&shared, &engine, id).await;
        }
        assert!(!has_lost_tasks(&shared, &engine).await);
        let fetched = engine.fetch(2, LOOK).await.unwrap();
        assert!(!has_lost_tasks(&shared, &engine).await);
        let worker = WorkerId { name: String::from("host"), pid: 1, random: 1 };
        shared.state().tasks.ask(&worker, Question { task: 0, nonce: 1 });
        let mut tickets = fetched.into_iter().map(|it| it.ticket);
        engine.acknowledge(tickets.next().unwrap(), Acknowledgement::Taken).await.unwrap();
        assert!(!has_lost_tasks(&shared, &engine).await);
        // The second one has not begun.
        engine.acknowledge(tickets.next().unwrap(), Acknowledgement::Taken).await.unwrap();
        assert!(has_lost_tasks(&shared, &engine).await);
    }
}
