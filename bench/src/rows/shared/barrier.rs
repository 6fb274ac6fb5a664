//! Two processes that meet at a barrier.

use common::measure::Budget;
use common::measure::harness::in_process;
use multiprocess::{Failure, Sender, tasks};

use super::pair::{BATCH, Start, Steps, both, check, now, rate};

tasks![meet];

/// Runs in each of two processes. When the time of one is over, it breaks the barrier, and the
/// other has passed as often.
fn meet((((), start), mut steps): (((), Start), Sender<Steps>)) -> Result<(), Failure> {
    let Start { mut seat, seconds } = start;
    seat.wait()?;
    let mut met = Steps { count: 0, begun: now(), ended: now() };
    'time: while met.ended - met.begun < seconds {
        for _ in 0..BATCH {
            if seat.wait().is_err() {
                break 'time;
            }
            met.count += 1;
        }
        met.ended = now();
    }
    seat.abort();
    Ok(steps.send(&met)?)
}

/// Measures the seconds of a round.
pub(super) fn round(budget: &Budget) -> Result<f64, Failure> {
    let met = both(budget, [(), ()], |arguments| in_process(budget, meet, arguments))?;
    check(met[0].count == met[1].count)?;
    Ok(2.0 / rate(&met))
}
