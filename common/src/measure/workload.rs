//! A workload: what each of its workers does with a transport, told once for all peers.
//!
//! ```text
//!   one channel       worker 0 (produces) ──▶ ═══════ ──▶ worker 1 (consumes)    any number
//!
//!   there and back    worker 0 (asks)     ──▶ ═══════ ──▶ worker 1 (answers)
//!                                         ◀── ═══════ ◀──
//! ```

use std::time::{Duration, Instant};

use multiprocess::Failure;
use serde::{Deserialize, Serialize};
use statrs::statistics::{Data, OrderStatistics};

use super::{Placement, Sample};

/// The longest time that a sample may take beyond its work before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// The time of a sample: how long it works, and until when it must be done.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// The seconds that it works, about.
    pub seconds: f64,
    /// The time at which it counts as hanging.
    pub deadline: Instant,
}

impl Budget {
    /// Makes the budget of a sample that works for about so many seconds, from now on.
    #[must_use]
    pub fn of(seconds: f64) -> Self {
        let work = Duration::try_from_secs_f64(2.0 * seconds).unwrap_or(PATIENCE);
        Self { seconds, deadline: Instant::now() + work + PATIENCE }
    }

    /// Returns the time that is left until the deadline.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// The part of a worker in a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Puts as many messages as it can, then an end marker.
    Produce,
    /// Gets until its share of end markers has come; the producers can be shared out evenly.
    Consume,
    /// Puts one message, gets one: a round trip. Its time is measured.
    Ask,
    /// Gets one, puts it back.
    Answer,
    /// Puts one, gets one, as its opposite does at the same time; the leader says when it is over.
    Lead,
    /// The opposite of `Lead`.
    Follow,
    /// Puts its clock's reading every 100 µs.
    Tick,
    /// Measures how old each reading is that it gets.
    Listen,
    /// Puts one message, after all the time.
    Wake,
    /// Waits for it and counts how often it woke up per second, and how much CPU time it used.
    Wait,
}

impl Role {
    /// Returns true if it puts and gets, so that two channels are needed.
    fn is_both_ways(self) -> bool {
        matches!(self, Self::Ask | Self::Answer | Self::Lead | Self::Follow)
    }

    /// Returns true if its first call is a get.
    #[must_use]
    pub fn gets_first(self) -> bool {
        matches!(self, Self::Consume | Self::Answer | Self::Listen | Self::Wait)
    }
}

/// How the workers of a workload run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Execution {
    /// Each is a process.
    Processes,
    /// All are threads of one process.
    Threads,
    /// A single thread does the work of the two that ask and answer.
    Alone,
}

/// What the workers of a sample do, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// The role of each worker.
    pub roles: Vec<Role>,
    /// Processes or threads.
    pub execution: Execution,
    /// The cores that they run on.
    pub placement: Placement,
    /// The most messages in a channel; `None`: no limit.
    pub capacity: Option<usize>,
    /// The bytes of a message; `None`: it is a number of 64 bits.
    pub size: Option<usize>,
    /// Bytes of its own that a worker which asks or answers touches before every put.
    pub touched: usize,
}

impl Workload {
    /// Makes a workload of processes wherever the kernel puts them, with numbers of 64 bits,
    /// through channels of capacity 1024.
    #[must_use]
    pub fn new(roles: &[Role]) -> Self {
        Self {
            roles: roles.to_vec(),
            execution: Execution::Processes,
            placement: Placement::Free,
            capacity: Some(1024),
            size: None,
            touched: 0,
        }
    }

    /// Makes the workload of a round trip, through channels without a limit.
    #[must_use]
    pub fn round_trip(execution: Execution, placement: Placement) -> Self {
        Self { execution, placement, capacity: None, ..Self::new(&[Role::Ask, Role::Answer]) }
    }

    /// Returns the workers of a sample.
    ///
    /// # Errors
    /// If the placement can't be had here.
    pub fn workers(&self, budget: &Budget) -> Result<Vec<Worker>, Failure> {
        let cores = self.placement.cores(self.execution).map_err(Failure::new)?;
        let count = |role| self.roles.iter().filter(|each| **each == role).count();
        let ends = count(Role::Produce) / count(Role::Consume).max(1);
        let worker = |(number, role): (usize, &Role)| Worker {
            role: *role,
            number: number as u64,
            size: self.size.unwrap_or(size_of::<u64>()),
            touched: self.touched,
            seconds: budget.seconds,
            core: cores[number % 2],
            ends: ends.max(1),
        };
        Ok(self.roles.iter().enumerate().map(worker).collect())
    }

    /// Returns which of two channels the worker puts into, and which it gets from.
    #[must_use]
    pub fn channels(&self, worker: usize) -> (usize, usize) {
        if self.roles.iter().all(|role| role.is_both_ways()) {
            (worker, 1 - worker)
        } else {
            (0, 0)
        }
    }
}

/// A process or a thread of a workload: what it does, for how long, on which core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Worker {
    /// What it does.
    pub role: Role,
    /// Its number in the workload, from 0.
    pub number: u64,
    /// Bytes of a message.
    pub size: usize,
    /// Bytes of its own that it touches before every put.
    pub touched: usize,
    /// The seconds for which it goes on.
    pub seconds: f64,
    /// The core that it binds itself to; `None`: it doesn't.
    pub core: Option<usize>,
    /// The end markers that a consumer gets: its share of those that the producers put.
    pub ends: usize,
}

/// The number of messages, and the sum of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub(super) count: u64,
    pub(super) sum: u64,
}

impl Tally {
    pub(super) fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
    }
}

/// The report of a worker on what it has done. Times are seconds on the clock that all processes
/// share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub(super) first_put: Option<f64>,
    pub(super) last_get: Option<f64>,
    pub(super) put: Tally,
    pub(super) got: Tally,
    /// The figures that the worker itself has measured.
    pub(super) figures: Vec<f64>,
    /// The number of times that it was switched away in a round trip; `None`: not counted.
    #[serde(default)]
    pub(super) switches: Option<f64>,
}

/// Returns the messages that were got and the seconds from the first put to the last get, if every
/// message came.
fn whole(reports: &[Report]) -> Result<(f64, f64), Failure> {
    let total = |tally: fn(&Report) -> Tally| {
        reports.iter().map(tally).fold(Tally::default(), |so_far, next| Tally {
            count: so_far.count + next.count,
            sum: so_far.sum.wrapping_add(next.sum),
        })
    };
    let (put, got) = (total(|report| report.put), total(|report| report.got));
    if put != got || got.count == 0 {
        return Err(Failure::new(format!("{put:?} was put, but {got:?} was got")));
    }
    let first = reports.iter().filter_map(|report| report.first_put).fold(f64::INFINITY, f64::min);
    let last = reports.iter().filter_map(|report| report.last_get).fold(0.0, f64::max);
    if last <= first {
        return Err(Failure::new("the sample has no duration: give it more --seconds"));
    }
    Ok((got.count as f64, last - first))
}

/// Returns the messages per second.
///
/// # Errors
/// If a message was lost, came twice or was changed.
pub fn rate(reports: &[Report]) -> Result<Sample, Failure> {
    whole(reports).map(|(messages, seconds)| (messages / seconds).into())
}

/// Returns the seconds for a message there and one back, as the worker that asks has measured them.
///
/// # Errors
/// As [`rate`].
pub fn mean_round_trip(reports: &[Report]) -> Result<Sample, Failure> {
    let value = median(reports)?.value;
    let switches: Option<f64> = reports.iter().map(|report| report.switches).sum();
    Ok(Sample { value, switches })
}

/// Returns the median of what was measured message by message.
///
/// # Errors
/// As [`rate`].
pub fn median(reports: &[Report]) -> Result<Sample, Failure> {
    quantile(reports, 0.5)
}

/// Returns the 99th percentile: only one of a hundred messages exceeds it.
///
/// # Errors
/// As [`rate`].
pub fn p99(reports: &[Report]) -> Result<Sample, Failure> {
    quantile(reports, 0.99)
}

/// A cost of waiting, in the order of the figures of a worker that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitCost {
    /// Seconds of CPU time per second.
    Cpu,
    /// Wake-ups per second, without the last one; only where they are counted.
    WakeUps,
}

/// Returns what waiting has cost.
///
/// # Errors
/// If no worker has waited, or the system doesn't count it.
pub fn waited(reports: &[Report], cost: WaitCost) -> Result<Sample, Failure> {
    let mut figures = reports.iter().filter_map(|report| report.figures.get(cost as usize));
    let figure = figures.next().ok_or_else(|| Failure::new("no worker has waited"))?;
    Ok((*figure).into())
}

fn quantile(reports: &[Report], share: f64) -> Result<Sample, Failure> {
    whole(reports)?;
    let figures: Vec<f64> = reports.iter().flat_map(|report| report.figures.clone()).collect();
    if figures.is_empty() {
        return Err(Failure::new("nothing was measured"));
    }
    Ok(Data::new(figures).quantile(share).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(put: u64, got: u64, sum: u64) -> [Report; 2] {
        let producer = Report {
            first_put: Some(10.0),
            put: Tally { count: put, sum: 28 },
            ..Report::default()
        };
        let consumer =
            Report { last_get: Some(12.0), got: Tally { count: got, sum }, ..Report::default() };
        [producer, consumer]
    }

    #[test]
    fn a_rate_is_the_messages_from_the_first_put_to_the_last_get() {
        assert_eq!(rate(&reports(8, 8, 28)).unwrap().value, 4.0);
    }

    #[test]
    fn what_was_lost_doubled_or_changed_is_no_figure() {
        for (put, got, sum) in [(8, 7, 28), (8, 9, 28), (8, 8, 27), (0, 0, 28)] {
            assert!(rate(&reports(put, got, sum)).is_err(), "{put} {got} {sum}");
            assert!(mean_round_trip(&reports(put, got, sum)).is_err(), "{put} {got} {sum}");
        }
    }

    #[test]
    fn a_round_trip_has_the_time_of_the_worker_that_asks_and_the_switches_of_both() {
        let mut reports = reports(8, 8, 28);
        reports[0].figures = vec![0.5];
        reports[0].switches = Some(1.25);
        assert_eq!(mean_round_trip(&reports).unwrap(), 0.5.into(), "one isn't counted");
        reports[1].switches = Some(0.75);
        let sample = mean_round_trip(&reports).unwrap();
        assert_eq!(sample, Sample { value: 0.5, switches: Some(2.0) });
    }

    #[test]
    fn one_of_a_hundred_exceeds_the_99th_percentile() {
        let mut reports = reports(100, 100, 28);
        reports[1].figures = (1..=100).rev().map(f64::from).collect();
        assert!((99.0..100.0).contains(&p99(&reports).unwrap().value));
        assert_eq!(median(&reports).unwrap().value, 50.5);
    }

    #[test]
    fn a_pair_has_a_channel_in_each_direction_and_a_crowd_has_one() {
        let pair = Workload::new(&[Role::Ask, Role::Answer]);
        assert_eq!((pair.channels(0), pair.channels(1)), ((0, 1), (1, 0)));
        let crowd = Workload::new(&[Role::Produce, Role::Consume, Role::Produce, Role::Consume]);
        assert_eq!(crowd.channels(3), (0, 0));
    }
}
