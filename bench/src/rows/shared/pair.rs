//! Two workers, processes or threads, that begin together.

use std::thread;

use common::measure::Budget;
use common::time::clock;
use multiprocess::shared::{Barrier, Seat};
use multiprocess::{Failure, Sender, one_way};
use serde::{Deserialize, Serialize};

/// The steps between two looks at the clock.
pub(super) const BATCH: u32 = 64;

/// The steps of one of two, and their begin and end in seconds on the clock that all processes
/// share.
#[derive(Serialize, Deserialize)]
pub(super) struct Steps {
    pub(super) count: u64,
    pub(super) begun: f64,
    pub(super) ended: f64,
}

pub(super) fn now() -> f64 {
    clock().as_secs_f64()
}

/// The place of one of two at the start, and the time that both have.
#[derive(Serialize, Deserialize)]
pub(super) struct Start {
    pub(super) seat: Seat,
    pub(super) seconds: f64,
}

impl Start {
    /// Begins when the other does, and steps until the time is over.
    pub(super) fn steps(
        mut self,
        batch: u32,
        mut step: impl FnMut() -> Result<(), Failure>,
    ) -> Result<Steps, Failure> {
        self.seat.wait()?;
        let begun = now();
        let mut steps = Steps { count: 0, begun, ended: begun };
        while steps.count == 0 || steps.ended - begun < self.seconds {
            (0..batch).try_for_each(|_| step())?;
            steps.count += u64::from(batch);
            steps.ended = now();
        }
        Ok(steps)
    }
}

/// Runs two workers at once; returns their steps.
pub(super) fn both<A: Send>(
    budget: &Budget,
    arguments: [A; 2],
    run: impl Fn((A, Start)) -> Result<Steps, Failure> + Sync,
) -> Result<Vec<Steps>, Failure> {
    let starts = Barrier::seats(2)?.into_iter().map(|seat| Start { seat, seconds: budget.seconds });
    thread::scope(|scope| {
        let run = &run;
        let each = arguments.into_iter().zip(starts);
        let threads: Vec<_> = each.map(|each| scope.spawn(move || run(each))).collect();
        threads.into_iter().map(|thread| thread.join().expect("nothing in it panics")).collect()
    })
}

/// Runs a worker in the calling thread.
pub(super) fn here<A>(
    worker: impl Fn((A, Sender<Steps>)) -> Result<(), Failure>,
    arguments: A,
) -> Result<Steps, Failure> {
    let (mut steps, sender) = one_way()?;
    worker((arguments, sender))?;
    Ok(steps.recv()?)
}

pub(super) fn count_of(steps: &[Steps]) -> u64 {
    steps.iter().map(|steps| steps.count).sum()
}

/// Returns the steps per second, from the first begin to the last end.
pub(super) fn rate(steps: &[Steps]) -> f64 {
    let begun = steps.iter().map(|steps| steps.begun).fold(f64::INFINITY, f64::min);
    let ended = steps.iter().map(|steps| steps.ended).fold(0.0, f64::max);
    count_of(steps) as f64 / (ended - begun)
}

pub(super) fn check(is_right: bool) -> Result<(), Failure> {
    if is_right { Ok(()) } else { Err(Failure::new("a result is wrong")) }
}
