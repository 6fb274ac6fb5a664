//! Kill torture: agents and the server are killed at random instants, and no task runs twice, none
//! hangs, and only those are lost that an agent had begun when it was killed.
//!
//! ```text
//!   client ── mark(n) ──▶ server ──▶ agents ──▶ processes: each writes "n" into a file
//!                           ▲          ▲
//!                           └── killed ┴── at random instants, and started again
//! ```
//!
//! The long version:
//! `TORTURE_SECONDS=60 cargo test -p cluster --test cluster-torture -- --ignored`.
//! `TORTURE_SEED` begins with the same decisions; instants differ all the same.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod support;

use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use multiprocess::futures::Future;
use support::{Outcomes, Scene, agent, submit};
use testing::Random;

multiprocess::test_entry!();

/// Machines of one process each.
const MACHINES: [&str; 3] = ["a", "b", "c"];

/// Tasks of a client that have no outcome yet, at most.
const UNDER_WAY: usize = 100;

/// Number of the task that runs all the time.
const LONG_ONE: u64 = u64::MAX;

/// Silence after which a machine is lost: its keeper is sooner.
const LOST_AFTER: Duration = Duration::from_secs(20);

/// What was seen.
#[derive(Debug, Default)]
struct Counts {
    tasks: usize,
    lost: usize,
    killed_agents: usize,
    killed_servers: usize,
}

#[test]
fn agents_and_the_server_are_killed() {
    torture(Duration::from_secs(1));
}

#[test]
#[ignore = "long: hundreds of kills"]
fn long_agents_and_the_server_are_killed() {
    let seconds = std::env::var("TORTURE_SECONDS");
    let seconds = seconds.map_or(60, |seconds| seconds.parse().unwrap());
    torture(Duration::from_secs(seconds));
}

/// Submits tasks and kills for so long; then all tasks have an outcome.
fn torture(time: Duration) {
    let opened = Scene::opened(240 + time.as_secs(), MACHINES, LOST_AFTER);
    let Some((scene, _machines, executor)) = opened else { return };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = std::env::var("TORTURE_SEED")
        .map_or(now.as_nanos() as u64, |seed| seed.parse().expect("TORTURE_SEED is a number"));
    println!("seed {seed}");
    // It runs for as long as all of this takes, unless its agent is killed.
    let long = submit(&executor, [scene.held(LONG_ONE)].into_iter());
    scene.wait_for_runs(1);
    let end = Instant::now() + time;
    let (futures, mut counts) = thread::scope(|scope| {
        let submits = scope.spawn(|| {
            let mut futures: Vec<Future<u64>> = Vec::new();
            while Instant::now() < end {
                let number = futures.len() as u64;
                futures.extend(submit(&executor, [scene.free(number)].into_iter()));
                // Some are always under way, and not all are in the queue.
                if let Some(earlier) = futures.len().checked_sub(UNDER_WAY) {
                    let _ = futures[earlier].result_timeout(support::OUTCOME);
                }
            }
            futures
        });
        let mut random = Random(seed | 1);
        let mut counts = Counts::default();
        while Instant::now() < end || counts.killed_agents == 0 {
            // Any instant will do: this sleep isn't a wait for something.
            thread::sleep(Duration::from_millis(random.below(300)));
            if random.below(5) == 0 {
                scene.server.kill().unwrap();
                thread::sleep(Duration::from_millis(random.below(300)));
                scene.server.restart().unwrap();
                counts.killed_servers += 1;
            } else {
                let name = MACHINES[random.below(MACHINES.len() as u64) as usize];
                let is_killed = agent(&executor, name).is_some_and(|agent| agent.kill());
                counts.killed_agents += usize::from(is_killed);
            }
        }
        (submits.join().unwrap(), counts)
    });
    scene.gate.open();
    let futures: Vec<_> = futures.into_iter().chain(long).collect();
    let Outcomes { ok, died, cancelled } = scene.outcomes(&futures);
    (counts.tasks, counts.lost) = (futures.len(), died.len());
    println!("{:.1} s: {counts:?}", time.as_secs_f32());
    assert!(counts.killed_agents > 0, "no agent was killed");
    assert!(counts.killed_servers > 0 || time < Duration::from_secs(5), "no server was killed");
    assert_eq!((ok.len() + died.len(), cancelled), (futures.len(), 0));
    assert!(died.len() <= counts.killed_agents, "{died:?}, {counts:?}");
    for (end, _) in &died {
        assert!(end.contains("'s agent was killed by signal 9"), "{end}");
    }
}
