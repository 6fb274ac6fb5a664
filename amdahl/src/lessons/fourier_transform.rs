//! A Fourier transform of which 25 of 31 units can be shared: by four workers it takes 12.25.
//!
//! ```python
//! read()                                            # 3 units
//! parts = executor.map(transform, shares(4))        # 25 / 4 units each
//! combine(parts)                                    # 3 units
//! print(31 / (6 + 25 / 4))                          # 2.5306: 253.06%
//! ```

use std::f64::consts::TAU;

use amdahl::examples::{self, SERIAL, SHARED};
use amdahl::{Plan, PlanError};
use common::narrator::figure;
use common::table::Table;
use common::time::Stopwatch;
use common::{check, note, say, text};
use multiprocess::futures::{Executor, ProcessPoolExecutor};
use multiprocess::{Failure, tasks};
use prettytable::row;

use super::slept;

/// The number of samples, and the frequencies of the signal's two tones.
const SAMPLES: usize = 64;
const TONES: [usize; 2] = [3, 10];

tasks![transform];

pub(crate) fn main() -> Result<(), Failure> {
    say!("computes how long one to four workers take");
    let mut table = Table::new(row![r->text!("workers"), r->text!("time"), r->text!("speedup")]);
    for workers in 1..=4 {
        let time = plan(workers)?.timetable().makespan;
        let speedup = format!("{:.2}%", 3100.0 / time);
        table.add_row(row![r->workers, r->format!("{time:.2}"), r->speedup]);
    }
    figure(table);
    check!(plan(4)?.timetable().makespan == 12.25, "four workers: 6 + 25/4 = 12.25");
    say!("has it done by one to four workers");
    let executor = ProcessPoolExecutor::new(4)?;
    for workers in 1..=4 {
        let computed = plan(workers)?.timetable().makespan;
        let watch = Stopwatch::start();
        slept::work(SERIAL);
        let parts = executor.map(transform, (0..workers).map(|share| (share, workers)))?;
        let tones = parts.collect::<Result<Vec<_>, _>>()?.concat();
        slept::work(SERIAL);
        let measured = slept::units(watch.elapsed());
        note!("n = {}: measured {} units", workers, format_args!("{measured:.2}"));
        let is_right = tones == TONES && slept::is_no_less(measured, computed);
        check!(is_right, "n = {}: the same two tones, no sooner than computed", workers);
    }
    Ok(())
}

/// Plans to read, to transform in shares, and to combine them.
pub(super) fn plan(workers: usize) -> Result<Plan, PlanError> {
    let file = examples::fourier_transform(workers);
    Plan::new(file.tasks, file.resources)
}

/// Runs in a worker: returns the tones that the signal has in this share of all frequencies.
fn transform((share, workers): (usize, usize)) -> Vec<usize> {
    slept::work(SHARED / workers as f64);
    let angle = |n: usize| TAU * n as f64 / SAMPLES as f64;
    let sample = |n: usize| TONES.iter().map(|tone| angle(tone * n).sin()).sum::<f64>();
    let loudness = |f: usize| {
        let sum = |wave: fn(f64) -> f64| (0..SAMPLES).map(|n| sample(n) * wave(angle(f * n))).sum();
        f64::hypot(sum(f64::cos), sum(f64::sin))
    };
    let half = SAMPLES / 2;
    let frequencies = half * share / workers..half * (share + 1) / workers;
    frequencies.filter(|f| loudness(*f) > 1.0).collect()
}
