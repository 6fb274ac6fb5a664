//! A scene: what each side does with a channel, told once for all peers.
//!
//! ```text
//!   one channel       side 0 (produces) ──▶ ═══════ ──▶ side 1 (consumes)    any number of sides
//!
//!   there and back    side 0 (asks)     ──▶ ═══════ ──▶ side 1 (answers)
//!                                       ◀── ═══════ ◀──
//! ```
//!
//! The loops of the sides (`side.rs`) know of a channel only how to put and how to get. A medium is
//! what joins them: ours (`ours.rs`), `ipc-channel`, crossbeam's channel between threads, a bare
//! pipe; `sides.py` mirrors loops and media for Python. The driver starts the sides as processes
//! and collects their reports (`stage.rs`); what a figure is made of them is told here.

pub(crate) mod bare_pipe;
pub(crate) mod ipc;
pub(crate) mod ours;
mod side;
mod stage;
pub(crate) mod threads;

use std::time::{Duration, Instant};

use multiprocess::Failure;
use serde::{Deserialize, Serialize};

pub(crate) use side::{Act, Side, Waiter, sleeps_are_counted, times_slept_by};
pub(crate) use stage::{Part, Stage, alone, time_until};

/// The reason given for a peer whose sample isn't there in time.
pub(crate) const HANGS: &str = "it hangs";

/// The longest time that a sample may take beyond its work before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(10);

/// The work of a sample, and its deadline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) seconds: f64,
    pub(crate) deadline: Instant,
}

impl Terms {
    /// Makes the terms of a sample of about this length, from now on.
    pub(crate) fn of(seconds: f64) -> Self {
        let work = Duration::try_from_secs_f64(2.0 * seconds).unwrap_or(PATIENCE);
        Self { seconds, deadline: Instant::now() + work + PATIENCE }
    }
}

/// The cores that the sides run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Placement {
    /// Wherever the kernel puts them.
    Free,
    /// All on one core.
    OneCore,
    /// The even sides on one core, the odd ones on another.
    TwoCores,
}

impl Placement {
    /// Returns what it adds to the name of a row.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::OneCore => "-one-core",
            Self::TwoCores => "-two-cores",
        }
    }

    /// Returns what it adds to the words of a row.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Free => "",
            Self::OneCore => ", both on one core",
            Self::TwoCores => ", each on its core",
        }
    }

    /// Returns the cores of the side with this number; none: all.
    pub(crate) fn cores(self, side: usize) -> Result<Vec<usize>, Failure> {
        let usable = common::cores::usable()?;
        if self != Self::Free {
            // That changes nothing, and tells whether the system binds at all.
            common::cores::bind_to(&usable)?;
        }
        match (self, usable.as_slice()) {
            (Self::Free, _) => Ok(Vec::new()),
            (Self::OneCore, [first, ..]) => Ok(vec![*first]),
            (Self::TwoCores, [first, second, ..]) => Ok(vec![[*first, *second][side % 2]]),
            _ => Err(Failure::new("there are not enough cores")),
        }
    }
}

/// A scene that is played.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Scene {
    pub(crate) acts: Vec<Act>,
    pub(crate) placement: Placement,
    /// The capacity of the channel in messages; `None`: without a limit.
    pub(crate) places: Option<usize>,
    /// The bytes of a message; `None`: it is a number of 64 bits.
    pub(crate) size: Option<usize>,
}

impl Scene {
    /// Makes a scene with numbers of 64 bits, through a channel of capacity 1024, wherever the
    /// kernel puts the sides.
    pub(crate) fn new(acts: &[Act]) -> Self {
        Self { acts: acts.to_vec(), placement: Placement::Free, places: Some(1024), size: None }
    }

    /// Returns the sides of a sample.
    pub(crate) fn sides(&self, terms: &Terms) -> Result<Vec<Side>, Failure> {
        let side = |(number, act): (usize, &Act)| {
            let cores = self.placement.cores(number)?;
            let (size, seconds) = (self.size.unwrap_or(size_of::<u64>()), terms.seconds);
            Ok(Side { act: *act, number: number as u64, size, seconds, cores })
        };
        self.acts.iter().enumerate().map(side).collect()
    }

    /// Returns which of two channels the side puts into, and which it gets from.
    pub(crate) fn channels(&self, side: usize) -> (usize, usize) {
        if self.acts.iter().all(|act| act.is_both_ways()) { (side, 1 - side) } else { (0, 0) }
    }
}

/// The number of messages, and the sum of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Tally {
    /// Adds a message.
    pub(crate) fn add(&mut self, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(number);
    }
}

/// The report of a side on what it has done. Times are seconds on the clock that all processes
/// share.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) first_put: Option<f64>,
    pub(crate) last_get: Option<f64>,
    pub(crate) put: Tally,
    pub(crate) got: Tally,
    /// The figures that the side itself has measured.
    pub(crate) figures: Vec<f64>,
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
pub(crate) fn rate(reports: &[Report]) -> Result<f64, Failure> {
    whole(reports).map(|(messages, seconds)| messages / seconds)
}

/// Returns the seconds for a message there and one back.
pub(crate) fn round(reports: &[Report]) -> Result<f64, Failure> {
    whole(reports).map(|(messages, seconds)| 2.0 * seconds / messages)
}

/// Returns the median of what was measured message by message.
pub(crate) fn median(reports: &[Report]) -> Result<f64, Failure> {
    quantile(reports, 0.5)
}

/// Returns the 99th percentile: only one of a hundred messages exceeds it.
pub(crate) fn p99(reports: &[Report]) -> Result<f64, Failure> {
    quantile(reports, 0.99)
}

/// Returns what waiting has cost.
pub(crate) fn waited(reports: &[Report], what: Waiter) -> Result<f64, Failure> {
    let mut figures = reports.iter().flat_map(|report| report.figures.get(what as usize));
    figures.next().copied().ok_or_else(|| Failure::new("nobody has waited"))
}

fn quantile(reports: &[Report], share: f64) -> Result<f64, Failure> {
    whole(reports)?;
    let mut figures: Vec<f64> = reports.iter().flat_map(|report| report.figures.clone()).collect();
    figures.sort_unstable_by(f64::total_cmp);
    let place = (figures.len() as f64 * share) as usize;
    figures.get(place).copied().ok_or_else(|| Failure::new("nothing was measured"))
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
        assert_eq!(rate(&reports(8, 8, 28)).unwrap(), 4.0);
        assert_eq!(round(&reports(8, 8, 28)).unwrap(), 0.5);
    }

    #[test]
    fn what_was_lost_doubled_or_changed_is_no_figure() {
        for (put, got, sum) in [(8, 7, 28), (8, 9, 28), (8, 8, 27), (0, 0, 28)] {
            assert!(rate(&reports(put, got, sum)).is_err(), "{put} {got} {sum}");
        }
    }

    #[test]
    fn one_of_a_hundred_exceeds_the_99th_percentile() {
        let mut reports = reports(100, 100, 28);
        reports[1].figures = (1..=100).rev().map(f64::from).collect();
        assert_eq!(p99(&reports).unwrap(), 100.0);
        assert_eq!(median(&reports).unwrap(), 51.0);
    }

    #[test]
    fn a_pair_has_a_channel_in_each_direction_and_a_crowd_has_one() {
        let pair = Scene::new(&[Act::Ask, Act::Answer]);
        assert_eq!((pair.channels(0), pair.channels(1)), ((0, 1), (1, 0)));
        let crowd = Scene::new(&[Act::Produce, Act::Consume, Act::Produce, Act::Consume]);
        assert_eq!(crowd.channels(3), (0, 0));
    }
}
