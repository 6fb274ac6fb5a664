//! How it is measured: interleaved, repeated, until the medians are narrow or the time is up.
//!
//! ```text
//!              a row: its peers                  another row
//!   round 1    ours  CPython  ipc-channel   ──▶  …  ──▶       every peer gives one sample in every
//!   round 2    ipc-channel  CPython  ours   ──▶  …  ──▶       round, so what disturbs the machine
//!   round 3    CPython  ipc-channel  ours   ──▶  …  ──▶       disturbs all; the order changes
//!
//!   ratio = the median of the rounds' ratios, with the smallest and the largest
//! ```

use std::time::{Duration, Instant};

use common::time::order;
use multiprocess::Failure;
use serde::{Deserialize, Serialize};

use crate::scene::Terms;

/// A row: a thing that is measured, and the peers that it is measured of.
pub(crate) struct Row {
    pub(crate) name: String,
    /// The row's name in words.
    pub(crate) says: String,
    pub(crate) unit: Unit,
    /// Ours first.
    pub(crate) peers: Vec<Peer>,
    /// A sample is not shorter than this.
    pub(crate) seconds_at_least: f64,
}

/// A peer that is measured.
pub(crate) struct Peer {
    /// The peer's name, and if there are several ways, the way: `CPython 3.12.1, spawn`.
    pub(crate) name: String,
    /// Takes a sample, or says why there is none.
    pub(crate) sample: Result<Sample, String>,
}

/// Starts what is to be measured, works for about as long as the terms say, checks the result;
/// returns the figure.
pub(crate) type Sample = Box<dyn Fn(&Terms) -> Result<f64, Failure>>;

impl Peer {
    /// Makes a peer that can be measured.
    pub(crate) fn new(
        name: &str,
        sample: impl Fn(&Terms) -> Result<f64, Failure> + 'static,
    ) -> Self {
        Self { name: name.to_owned(), sample: Ok(Box::new(sample)) }
    }

    /// Makes a peer that can't be measured.
    pub(crate) fn missing(name: &str, reason: impl Into<String>) -> Self {
        Self { name: name.to_owned(), sample: Err(reason.into()) }
    }

    /// Names the way in which the peer is used.
    pub(crate) fn variant(self, way: &str) -> Self {
        Self { name: format!("{}, {way}", self.name), ..self }
    }

    /// Returns the head under which it stands in the README's table, and which of several there it
    /// is.
    pub(crate) fn column(&self) -> (&str, Option<&str>) {
        match self.name.split_once(", ") {
            Some((column, variant)) => (column, Some(variant)),
            None => (&self.name, None),
        }
    }
}

/// The unit of a row's figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
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

/// The smallest, the middle and the largest of several figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Computes the spread of these figures; `None` if there are none.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let sorted = sorted(figures);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let lower = sorted[(sorted.len() - 1) / 2];
        Some(Self { min, median: f64::midpoint(lower, sorted[middle]), max })
    }

    /// Returns true if the two ranges overlap.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

fn sorted(figures: &[f64]) -> Vec<f64> {
    let mut sorted = figures.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted
}

/// Returns the confidence interval of the median, with a probability of 95 %. With fewer than six
/// figures no interval is sure enough, and it is from the smallest to the largest.
///
/// Each figure is above the true median as likely as below it, so how many of n are below is
/// binomial: leaving out the k smallest and the k largest fails with twice the probability that at
/// most k are below (David and Nagaraja, *Order Statistics*, 7.1).
fn confidence(figures: &[f64]) -> Option<(f64, f64)> {
    let sorted = sorted(figures);
    let n = sorted.len();
    let mut outside = 0;
    let mut ways = 1.0;
    let mut at_most = 0.0;
    for k in 0..n / 2 {
        at_most += ways * 0.5_f64.powf(n as f64);
        if 2.0 * at_most > 0.05 {
            break;
        }
        outside = k;
        ways *= (n - k) as f64 / (k + 1) as f64;
    }
    Some((*sorted.get(outside)?, *sorted.get(n.checked_sub(outside + 1)?)?))
}

/// Returns true if the true median is known to within 5 %.
fn is_narrow(figures: &[f64]) -> bool {
    let (Some((low, high)), Some(spread)) = (confidence(figures), Spread::of(figures)) else {
        return false;
    };
    let margin = 0.05 * spread.median.abs();
    spread.median - low <= margin && high - spread.median <= margin
}

/// The effort of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// The seconds that a sample works.
    pub(crate) seconds: f64,
    /// The least number of rounds, whatever the medians say.
    pub(crate) least: usize,
    /// The most rounds.
    pub(crate) most: usize,
    /// The time with a row after which no further round of it is begun.
    pub(crate) limit: Duration,
}

/// The figures of a row.
pub(crate) struct Measured {
    pub(crate) row: Row,
    /// A figure from every round, or why there are none, in the order of the row's peers.
    pub(crate) figures: Vec<Result<Vec<f64>, String>>,
    /// The time that this took.
    pub(crate) spent: Duration,
}

/// Measures all rows; tells before every sample in which round, which row, which peer it is.
///
/// A round goes through all rows, so that the rounds of a row are spread over the whole run: a
/// machine that is slower for a minute widens the ranges, and doesn't shift a row unseen.
pub(crate) fn measure(
    rows: Vec<Row>,
    effort: &Effort,
    mut tell: impl FnMut(usize, &str, &str),
) -> Vec<Measured> {
    let mut all: Vec<Measured> = rows.into_iter().map(Measured::nothing_of).collect();
    // Round 0 is the warm-up.
    for round in 0..=effort.most {
        for measured in &mut all {
            if round <= effort.least || !measured.is_enough(effort) {
                measured.play(round, effort, &mut tell);
            }
        }
    }
    all
}

impl Measured {
    fn nothing_of(row: Row) -> Self {
        let nothing = |peer: &Peer| match &peer.sample {
            Ok(_) => Ok(Vec::new()),
            Err(reason) => Err(reason.clone()),
        };
        Self { figures: row.peers.iter().map(nothing).collect(), row, spent: Duration::ZERO }
    }

    fn is_enough(&self, effort: &Effort) -> bool {
        self.spent >= effort.limit
            || self.figures.iter().flatten().all(|figures| is_narrow(figures))
    }

    /// Measures a round: a sample of every peer. A peer that has failed is asked no more.
    fn play(&mut self, round: usize, effort: &Effort, tell: &mut impl FnMut(usize, &str, &str)) {
        let begun = Instant::now();
        let warm_up = round == 0;
        let seconds = effort.seconds.max(self.row.seconds_at_least);
        let seconds = if warm_up { seconds / 10.0 } else { seconds };
        for place in order(round, self.row.peers.len()) {
            let (peer, figures) = (&self.row.peers[place], &mut self.figures[place]);
            tell(round, &self.row.name, &peer.name);
            let (Ok(sample), Ok(so_far)) = (&peer.sample, &mut *figures) else { continue };
            match sample(&Terms::of(seconds)) {
                Ok(_) if warm_up => {}
                Ok(figure) => so_far.push(figure),
                Err(reason) => *figures = Err(reason.to_string()),
            }
        }
        self.spent += begun.elapsed();
    }

    /// Returns the figure of a peer.
    pub(crate) fn value(&self, place: usize) -> Option<Spread> {
        Spread::of(self.figures.get(place)?.as_ref().ok()?)
    }

    /// Returns how many times better ours is than a peer.
    pub(crate) fn ratio(&self, place: usize) -> Option<Spread> {
        let (ours, other) = (self.figures.first()?.as_ref(), self.figures.get(place)?.as_ref());
        let rounds = ours.ok()?.iter().zip(other.ok()?);
        let ratios: Vec<f64> = rounds.map(|(a, b)| self.row.unit.ratio(*a, *b)).collect();
        Spread::of(&ratios).filter(|ratio| ratio.min > 0.0 && ratio.max.is_finite())
    }
}

/// For the tests of what is made of it.
#[cfg(test)]
impl Measured {
    pub(crate) fn example() -> Self {
        let sample = |name: &str| Peer::new(name, |_| Ok(0.0));
        let missing = "it has one receiver only";
        let peers = vec![
            sample("ours"),
            sample("CPython 3.12.1, fork"),
            sample("crossbeam (threads)"),
            Peer::missing("ipc-channel", missing),
        ];
        let figures = vec![
            Ok(vec![20e6, 21e6, 22e6]),
            Ok(vec![2e5; 3]),
            Ok(vec![42e6; 3]),
            Err(missing.into()),
        ];
        let (name, says) = ("queue-1-1".into(), "numbers".into());
        let row = Row { name, says, unit: Unit::Rate, peers, seconds_at_least: 0.0 };
        Self { row, figures, spent: Duration::ZERO }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    const EFFORT: Effort =
        Effort { seconds: 0.0, least: 5, most: 40, limit: Duration::from_secs(60) };

    fn row(name: &str, peers: Vec<Peer>) -> Row {
        let name = name.to_owned();
        Row { says: name.clone(), name, unit: Unit::Time, peers, seconds_at_least: 0.0 }
    }

    fn one(peers: Vec<Peer>, effort: &Effort) -> Measured {
        measure(vec![row("a-row", peers)], effort, |_, _, _| {}).remove(0)
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
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        let spread = Spread::of(&[4.0, 1.0, 9.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { min: 1.0, median: 3.0, max: 9.0 });
        assert_eq!(Spread::of(&[]), None);
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
        assert_eq!(measured.figures[0].as_ref().unwrap().len(), 5);
        let peers = vec![giving("ours", &[1.0]), giving("other", &[1.0, 1.0, 3.0, 1.0])];
        let measured = one(peers, &EFFORT);
        assert_eq!(measured.figures[1].as_ref().unwrap().len(), 9);
    }

    #[test]
    fn it_stops_when_the_time_is_up_however_wide_they_are() {
        let effort = Effort { limit: Duration::ZERO, ..EFFORT };
        let measured = one(vec![giving("ours", &[1.0, 1.0, 9.0])], &effort);
        assert_eq!(measured.figures[0].as_ref().unwrap().len(), 5);
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
            Err(Failure::new("it hangs"))
        });
        let peers = vec![giving("ours", &[1.0]), failing, Peer::missing("third", "not there")];
        let measured = one(peers, &EFFORT);
        assert_eq!(*asked.borrow(), 1);
        assert_eq!(measured.figures[1], Err("it hangs".into()));
        assert_eq!(measured.figures[2], Err("not there".into()));
        assert_eq!(measured.ratio(1), None);
    }

    #[test]
    fn a_round_goes_through_all_rows_that_are_not_narrow_yet() {
        let rows = vec![
            row("narrow", vec![giving("ours", &[1.0])]),
            row("wide", vec![giving("ours", &[1.0, 1.0, 9.0, 1.0])]),
        ];
        let mut told = Vec::new();
        let effort = Effort { least: 2, most: 3, ..EFFORT };
        measure(rows, &effort, |round, row, _| told.push(format!("{round} {row}")));
        let both = (0..=2).flat_map(|round| [format!("{round} narrow"), format!("{round} wide")]);
        assert_eq!(told, both.chain(["3 wide".into()]).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_no_ratio() {
        let peers = vec![giving("ours", &[10.0]), giving("other", &[0.0])];
        assert_eq!(one(peers, &EFFORT).ratio(1), None);
    }
}
