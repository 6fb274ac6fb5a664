//! Rounds of samples: interleaved, repeated, until the medians are narrow or the time is up.
//!
//! ```text
//!              a benchmark: its peers            another benchmark
//!   round 1    ours  CPython  ipc-channel   ──▶  …  ──▶       every peer gives one sample in every
//!   round 2    ipc-channel  CPython  ours   ──▶  …  ──▶       round; the order changes
//!   round 3    CPython  ipc-channel  ours   ──▶  …  ──▶
//!
//!   ratio = the median of the rounds' ratios, with the smallest and the largest
//! ```

use std::time::{Duration, Instant};

use multiprocess::Failure;
use serde::Serialize;
use statrs::distribution::{Binomial, DiscreteCDF};

use super::{Budget, BusyLoops};
use crate::time::{Quantity, Spread, Stopwatch};

/// A thing that is measured, and the peers that it is measured of.
pub struct Benchmark {
    /// The name by which it is chosen and listed.
    pub name: String,
    /// The name in words.
    pub says: String,
    /// The unit of the samples.
    pub unit: Unit,
    /// The peers; the others are compared with the first.
    pub peers: Vec<Peer>,
    /// The fewest seconds of a sample.
    pub seconds_at_least: f64,
    /// True if a process computes on every core meanwhile: a machine that does something else, too.
    pub is_busy: bool,
}

impl Benchmark {
    /// Makes a benchmark of samples of any length, on a machine that does nothing else.
    pub fn new(
        name: impl Into<String>,
        says: impl Into<String>,
        unit: Unit,
        peers: Vec<Peer>,
    ) -> Self {
        let (name, says) = (name.into(), says.into());
        Self { name, says, unit, peers, seconds_at_least: 0.0, is_busy: false }
    }
}

/// A program, a crate or a way of doing it that is measured.
pub struct Peer {
    /// The peer's name, and if there are several ways, the way: `CPython 3.12.1, spawn`.
    pub name: String,
    /// Takes a sample; or the reason why there is none.
    pub sample: Result<TakeSample, String>,
}

/// A function that starts what is to be measured, works for about as long as the budget says,
/// checks the result, and returns the figure.
pub type TakeSample = Box<dyn Fn(&Budget) -> Result<Sample, Failure>>;

/// The figure of one measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// The figure, in the benchmark's unit.
    pub value: f64,
    /// The number of times that its workers were switched away in a round trip, all together;
    /// `None`: not counted.
    pub switches: Option<f64>,
}

impl From<f64> for Sample {
    fn from(value: f64) -> Self {
        Self { value, switches: None }
    }
}

impl Peer {
    /// Makes a peer that can be measured.
    pub fn new<S: Into<Sample>>(
        name: impl Into<String>,
        sample: impl Fn(&Budget) -> Result<S, Failure> + 'static,
    ) -> Self {
        let sample = Box::new(move |budget: &Budget| sample(budget).map(Into::into));
        Self { name: name.into(), sample: Ok(sample) }
    }

    /// Makes a peer that can't be measured.
    pub fn missing(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { name: name.into(), sample: Err(reason.into()) }
    }

    /// Names the way in which the peer is used.
    #[must_use]
    pub fn variant(self, way: &str) -> Self {
        Self { name: format!("{}, {way}", self.name), ..self }
    }

    /// Returns the peer's column in a README's table, and its variant in that column.
    #[must_use]
    pub fn column(&self) -> (&str, Option<&str>) {
        match self.name.split_once(", ") {
            Some((column, variant)) => (column, Some(variant)),
            None => (&self.name, None),
        }
    }
}

/// The unit of a benchmark's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Unit {
    /// Per second, more is better.
    Rate,
    /// Seconds, less is better.
    Time,
    /// Per second, less is better.
    WakeUps,
    /// Seconds per second, less is better.
    Cpu,
    /// Less is better.
    Bytes,
}

impl Unit {
    /// Returns how many times better the first figure is than the second.
    fn ratio(self, ours: f64, other: f64) -> f64 {
        if self == Self::Rate { ours / other } else { other / ours }
    }
}

/// The effort of a measurement.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// The seconds that a sample works.
    pub seconds: f64,
    /// The fewest rounds, whatever the medians say.
    pub least: usize,
    /// The most rounds.
    pub most: usize,
    /// The time with a benchmark after which no further round of it is begun.
    pub limit: Duration,
}

/// The samples of a benchmark.
pub struct Measured {
    /// The benchmark.
    pub benchmark: Benchmark,
    /// A sample of every round, or why there are none, in the order of the peers.
    pub samples: Vec<Result<Vec<Sample>, String>>,
    /// The time that this took.
    spent: Duration,
}

/// Does the work with every subject once in every round, in an order that changes: the first round
/// runs from the first to the last, every other one backwards, and each subject begins in its turn,
/// so that none always follows the same neighbour.
///
/// The work is called with the numbers of round and subject, both from 0.
///
/// ```
/// use common::measure::interleaved;
///
/// let mut calls = Vec::new();
/// interleaved(2, 3, |round, subject| {
///     calls.push((round, subject));
///     Ok::<(), ()>(())
/// })?;
/// assert_eq!(calls, [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]);
/// # Ok::<(), ()>(())
/// ```
///
/// # Errors
/// The first of the work; nothing is done after it.
pub fn interleaved<E>(
    rounds: usize,
    subjects: usize,
    mut work: impl FnMut(usize, usize) -> Result<(), E>,
) -> Result<(), E> {
    let mut all = (0..rounds).flat_map(|round| order(round, subjects).map(move |s| (round, s)));
    all.try_for_each(|(round, subject)| work(round, subject))
}

/// Calls for so many seconds, and at least so often; returns the seconds of one call.
///
/// # Errors
/// The first of a call.
pub fn seconds_each(
    seconds: f64,
    least: u32,
    mut call: impl FnMut() -> Result<(), Failure>,
) -> Result<f64, Failure> {
    let watch = Stopwatch::start();
    let mut count = 0;
    while count < least || watch.elapsed().as_secs_f64() < seconds {
        call()?;
        count += 1;
    }
    Ok(watch.elapsed().as_secs_f64() / f64::from(count))
}

fn order(round: usize, subjects: usize) -> impl Iterator<Item = usize> {
    let mut order: Vec<usize> = (0..subjects).collect();
    order.rotate_left(round / 2 % subjects.max(1));
    if !round.is_multiple_of(2) {
        order.reverse();
    }
    order.into_iter()
}

/// Measures all benchmarks; tells before every sample in which round, which benchmark, which peer
/// it is.
///
/// A round goes through all benchmarks, so that the rounds of each are spread over the whole run: a
/// machine that is slower for a minute widens the ranges, and doesn't shift a benchmark unseen.
/// Round 0 is a warm-up: a tenth of a sample, which isn't counted.
pub fn measure(
    benchmarks: Vec<Benchmark>,
    effort: &Effort,
    mut tell: impl FnMut(usize, &str, &str),
) -> Vec<Measured> {
    let mut all: Vec<Measured> = benchmarks.into_iter().map(Measured::nothing_of).collect();
    for round in 0..=effort.most {
        for measured in &mut all {
            if round <= effort.least || !measured.is_enough(effort) {
                measured.take_round(round, effort, &mut tell);
            }
        }
    }
    all
}

impl Measured {
    fn nothing_of(benchmark: Benchmark) -> Self {
        let nothing = |peer: &Peer| match &peer.sample {
            Ok(_) => Ok(Vec::new()),
            Err(reason) => Err(reason.clone()),
        };
        let samples = benchmark.peers.iter().map(nothing).collect();
        Self { samples, benchmark, spent: Duration::ZERO }
    }

    fn is_enough(&self, effort: &Effort) -> bool {
        let values = |samples: &Vec<Sample>| values(samples).collect::<Vec<f64>>();
        self.spent >= effort.limit
            || self.samples.iter().flatten().all(|samples| is_narrow(&values(samples)))
    }

    /// Takes a sample of every peer. A peer that has failed is asked no more.
    fn take_round(
        &mut self,
        round: usize,
        effort: &Effort,
        tell: &mut impl FnMut(usize, &str, &str),
    ) {
        let begun = Instant::now();
        let Benchmark { name, peers, seconds_at_least, is_busy, .. } = &self.benchmark;
        let warm_up = round == 0;
        let seconds = effort.seconds.max(*seconds_at_least);
        let seconds = if warm_up { seconds / 10.0 } else { seconds };
        for place in order(round, peers.len()) {
            let (peer, samples) = (&peers[place], &mut self.samples[place]);
            tell(round, name, &peer.name);
            let (Ok(take), Ok(so_far)) = (&peer.sample, &mut *samples) else { continue };
            let busy = is_busy.then(BusyLoops::start).transpose();
            match busy.and_then(|_busy| take(&Budget::of(seconds))) {
                Ok(_) if warm_up => {}
                Ok(sample) => so_far.push(sample),
                Err(reason) => *samples = Err(reason.to_string()),
            }
        }
        self.spent += begun.elapsed();
    }

    /// Returns the spread of a peer's samples.
    #[must_use]
    pub fn value(&self, place: usize) -> Option<Spread<f64>> {
        Spread::of(values(self.samples.get(place)?.as_ref().ok()?))
    }

    /// Returns how many times better the first peer is than another, round by round.
    #[must_use]
    pub fn ratio(&self, place: usize) -> Option<Spread<f64>> {
        let (ours, other) = (self.samples.first()?.as_ref(), self.samples.get(place)?.as_ref());
        let rounds = values(ours.ok()?).zip(values(other.ok()?));
        let ratio = Spread::of(rounds.map(|(a, b)| self.benchmark.unit.ratio(a, b)));
        ratio.filter(|ratio| ratio.min > 0.0 && ratio.max.is_finite())
    }
}

fn values(samples: &[Sample]) -> impl Iterator<Item = f64> {
    samples.iter().map(|sample| sample.value)
}

/// Returns the confidence interval of the median, with a probability of 95 %. With fewer than six
/// figures no interval is sure enough, and it is from the smallest to the largest.
///
/// Each figure is above the true median as likely as below it, so how many of n are below is
/// binomial: leaving out the k smallest and the k largest fails with twice the probability that at
/// most k are below (David and Nagaraja, *Order Statistics*, 7.1).
fn confidence(figures: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::order);
    let below = Binomial::new(0.5, sorted.len() as u64).ok()?;
    let is_sure = |outside: &usize| 2.0 * below.cdf(*outside as u64) <= 0.05;
    let outside = (0..sorted.len() / 2).rev().find(is_sure).unwrap_or(0);
    Some((*sorted.get(outside)?, *sorted.get(sorted.len().checked_sub(outside + 1)?)?))
}

/// Returns true if the true median is known to within 5 %.
fn is_narrow(figures: &[f64]) -> bool {
    let known = confidence(figures).zip(Spread::of(figures.iter().copied()));
    known.is_some_and(|((low, high), spread)| {
        let margin = 0.05 * spread.median.abs();
        spread.median - low <= margin && high - spread.median <= margin
    })
}

/// For the tests of what is made of it.
#[cfg(test)]
impl Measured {
    pub(super) fn example() -> Self {
        let sample = |name: &str| Peer::new(name, |_| Ok(0.0));
        let missing = "it has one receiver only";
        let peers = vec![
            sample("ours"),
            sample("CPython 3.12.1, fork"),
            sample("crossbeam (threads)"),
            Peer::missing("ipc-channel", missing),
        ];
        let samples = vec![
            Ok([20e6, 21e6, 22e6].map(Sample::from).to_vec()),
            Ok(vec![2e5.into(); 3]),
            Ok(vec![42e6.into(); 3]),
            Err(missing.into()),
        ];
        let benchmark = Benchmark::new("queue-1-1", "numbers", Unit::Rate, peers);
        Self { samples, benchmark, spent: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    const EFFORT: Effort =
        Effort { seconds: 0.0, least: 5, most: 40, limit: Duration::from_secs(60) };

    fn benchmark(name: &str, peers: Vec<Peer>) -> Benchmark {
        Benchmark::new(name, name, Unit::Time, peers)
    }

    fn one(peers: Vec<Peer>, effort: &Effort) -> Measured {
        measure(vec![benchmark("one", peers)], effort, |_, _, _| {}).remove(0)
    }

    /// Makes a peer that gives these figures one after the other, then the last for ever.
    fn giving(name: &str, figures: &'static [f64]) -> Peer {
        let given = RefCell::new(0);
        Peer::new(name, move |_| {
            let mut given = given.borrow_mut();
            *given += 1;
            Ok(figures[(*given - 1).min(figures.len() - 1)])
        })
    }

    #[test]
    fn the_interval_leaves_out_as_many_as_the_binomial_law_allows() {
        let figures = |n: u32| (1..=n).map(f64::from).collect::<Vec<_>>();
        assert_eq!(confidence(&figures(5)), Some((1.0, 5.0)));
        assert_eq!(confidence(&figures(8)), Some((1.0, 8.0)));
        assert_eq!(confidence(&figures(9)), Some((2.0, 8.0)));
        assert_eq!(confidence(&figures(20)), Some((6.0, 15.0)));
        assert_eq!(confidence(&[]), None);
    }

    #[test]
    fn it_stops_when_all_are_narrow_but_not_before_the_fifth_round() {
        let measured = one(vec![giving("ours", &[1.0])], &EFFORT);
        assert_eq!(measured.samples[0].as_ref().unwrap().len(), 5);
        let peers = vec![giving("ours", &[1.0]), giving("other", &[1.0, 1.0, 3.0, 1.0])];
        let measured = one(peers, &EFFORT);
        assert_eq!(measured.samples[1].as_ref().unwrap().len(), 9);
    }

    #[test]
    fn it_stops_when_the_time_is_up_however_wide_they_are() {
        let effort = Effort { limit: Duration::ZERO, ..EFFORT };
        let measured = one(vec![giving("ours", &[1.0, 1.0, 9.0])], &effort);
        assert_eq!(measured.samples[0].as_ref().unwrap().len(), 5);
    }

    #[test]
    fn a_ratio_is_the_median_of_the_rounds_ratios() {
        // The first of each is the warm-up; the machine is twice as slow in the second round.
        let peers =
            vec![giving("ours", &[9.0, 1.0, 2.0, 1.0]), giving("other", &[9.0, 3.0, 6.0, 5.0])];
        let effort = Effort { least: 3, most: 3, ..EFFORT };
        let measured = one(peers, &effort);
        assert_eq!(measured.ratio(1).unwrap(), Spread { min: 3.0, median: 3.0, max: 5.0 });
        assert_eq!(measured.value(1).unwrap().median, 5.0);
    }

    #[test]
    fn every_subject_comes_once_in_a_round_and_none_is_always_first() {
        let order = |round, subjects| order(round, subjects).collect::<Vec<_>>();
        let first: Vec<usize> = (1..=4).map(|round| order(round, 3)[0]).collect();
        assert_eq!(first, [2, 1, 0, 2]);
        for round in 0..6 {
            let mut order = order(round, 4);
            order.sort_unstable();
            assert_eq!(order, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn more_is_better_only_for_rates() {
        assert_eq!(Unit::Rate.ratio(6.0, 2.0), 3.0);
        assert_eq!(Unit::Time.ratio(6.0, 2.0), 1.0 / 3.0);
    }

    #[test]
    fn a_peer_that_fails_is_asked_no_more_and_keeps_its_reason() {
        let asked = Rc::new(RefCell::new(0));
        let counter = Rc::clone(&asked);
        let failing = Peer::new("other", move |_| {
            *counter.borrow_mut() += 1;
            Err::<f64, _>(Failure::new("it hangs"))
        });
        let peers = vec![giving("ours", &[1.0]), failing, Peer::missing("third", "not there")];
        let measured = one(peers, &EFFORT);
        assert_eq!(*asked.borrow(), 1);
        assert_eq!(measured.samples[1], Err("it hangs".into()));
        assert_eq!(measured.samples[2], Err("not there".into()));
        assert_eq!(measured.ratio(1), None);
    }

    #[test]
    fn a_round_goes_through_all_benchmarks_that_are_not_narrow_yet() {
        let benchmarks = vec![
            benchmark("narrow", vec![giving("ours", &[1.0])]),
            benchmark("wide", vec![giving("ours", &[1.0, 1.0, 9.0, 1.0])]),
        ];
        let mut told = Vec::new();
        let effort = Effort { least: 2, most: 3, ..EFFORT };
        measure(benchmarks, &effort, |round, name, _| told.push(format!("{round} {name}")));
        let both = (0..=2).flat_map(|round| [format!("{round} narrow"), format!("{round} wide")]);
        assert_eq!(told, both.chain(["3 wide".into()]).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_no_ratio() {
        let peers = vec![giving("ours", &[10.0]), giving("other", &[0.0])];
        assert_eq!(one(peers, &EFFORT).ratio(1), None);
    }
}
