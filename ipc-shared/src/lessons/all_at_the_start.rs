//! Three runners start together, twice; before the second race one of them is killed, and the
//! others are told.
//!
//! ```python
//! def run(start):
//!     start.wait(); print("runs")
//!     time.sleep(random.random())
//!     start.wait(); print("runs again")
//! start = Barrier(3)
//! for runner in runners: runner.start()
//! runners[2].kill()                 # in Python the other two wait for ever
//! ```

use common::pretend::{hold_children, work};
use common::{check, say};
use multiprocess::shared::{Barrier, Broken, Seat};
use multiprocess::{Failure, Process, Queue, tasks};
use serde::{Deserialize, Serialize};

tasks![run];

/// What a runner reports of a race.
#[derive(PartialEq, Serialize, Deserialize)]
enum Report {
    Started { as_leader: bool },
    Missing { seat: usize, name: Option<String> },
}

pub(crate) fn main() -> Result<(), Failure> {
    let held = hold_children()?;
    let reports = Queue::unbounded()?;
    let seats = Barrier::seats(3)?.into_iter();
    let mut runners: Vec<_> = seats
        .zip(["Ann", "Ben", "Cleo"])
        .map(|(seat, name)| Process::new(run, (seat, reports.clone())).named(name))
        .collect();
    say!("starts three runners, each with a seat at one barrier");
    runners.iter_mut().try_for_each(Process::start)?;
    let first = [reports.get()?, reports.get()?, reports.get()?];
    let is_leader = |report: &&Report| **report == Report::Started { as_leader: true };
    check!(first.iter().filter(is_leader).count() == 1, "all three have started, one as leader");

    held.wait_for(1)?;
    check!(reports.is_empty(), "the second race hasn't begun: {} ties a shoelace", "Cleo");
    say!("kills {}", "Cleo");
    runners[2].kill()?;
    let missing = || Report::Missing { seat: 2, name: Some("Cleo".to_owned()) };
    let second = [reports.get()?, reports.get()?];
    check!(second == [missing(), missing()], "both are told that {} of seat {} is dead", "Cleo", 2);
    runners.iter().try_for_each(Process::join)?;
    Ok(())
}

/// Runs in each of the three.
fn run((mut seat, reports): (Seat, Queue<Report>)) -> Result<(), Failure> {
    for race in 1..=2 {
        if race == 2 && seat.number() == 2 {
            work(1.0);
        }
        reports.put(match seat.wait() {
            Ok(passed) => Report::Started { as_leader: passed.is_leader() },
            Err(Broken::Ended { seat, name, .. }) => Report::Missing { seat, name },
            Err(broken) => return Err(broken.into()),
        })?;
    }
    Ok(())
}
