//! How it is measured: every subject gives a sample in every round, so that what disturbs the
//! machine for a while disturbs all.

use std::time::Duration;

use common::text;
use common::time::{Spread, order};
use multiprocess::Failure;
use serde::Serialize;

use super::part::Report;
use super::{Cell, Places, Subject, Who};

/// The effort of [`Figures::measure`].
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Terms {
    /// The time that a sample works, about.
    pub time: Duration,
    /// The number of samples of each subject.
    pub rounds: usize,
}

/// The figures of one sample: made by [`Cell::sample`](super::Cell::sample).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Sample {
    /// The time that it takes once.
    pub time: Duration,
    /// The number of times that an end was switched away meanwhile, both ends together; `None`: not
    /// counted.
    pub switches: Option<f64>,
}

impl From<Duration> for Sample {
    fn from(time: Duration) -> Self {
        Self { time, switches: None }
    }
}

impl Sample {
    /// Makes a sample of the ends' reports, which all count the same round trips.
    pub(crate) fn of(reports: &[Report]) -> Result<Self, Failure> {
        let rounds = reports.first().map_or(0, |report| report.rounds);
        let time = reports.iter().map(|report| report.time).max().unwrap_or_default();
        if rounds == 0 || reports.iter().any(|report| report.rounds != rounds) {
            return Err(Failure::new(text!(
                "the two ends counted different numbers of round trips"
            )));
        }
        let switches: Option<u64> = reports.iter().map(|report| report.switches).sum();
        let time = time.div_f64(rounds as f64);
        Ok(Self { time, switches: switches.map(|switches| switches as f64 / rounds as f64) })
    }
}

/// All samples of all subjects. Made by [`Figures::measure`].
///
/// ```
/// use std::time::Duration;
///
/// use downloader::switch::{Figures, Places, Subject, Terms};
///
/// let terms = Terms { time: Duration::from_millis(1), rounds: 3 };
/// let (subjects, places) = (vec![Subject::Bytes], Places::here());
/// let figures = Figures::measure(subjects, &places, terms, |done, all| {
///     println!("{done} of {all} samples");
/// })?;
/// assert!(figures.are_complete(terms));
/// assert!(!figures.are_complete(Terms { rounds: 4, ..terms }));
/// # Ok::<(), multiprocess::Failure>(())
/// ```
#[derive(Debug, Default)]
pub struct Figures(pub(crate) Vec<(Subject, Result<Vec<Sample>, String>)>);

impl Figures {
    /// Measures all subjects; tells before each sample how many are done, of how many.
    ///
    /// A subject that can't be measured here is no error but a figure that says why.
    ///
    /// # Errors
    /// The [`Failure`] of a subject that can be had here; that of perf is a reason, too.
    pub fn measure(
        subjects: Vec<Subject>,
        places: &Places,
        terms: Terms,
        mut tell: impl FnMut(usize, usize),
    ) -> Result<Self, Failure> {
        let nothing_yet = |subject: Subject| match subject.why_not(places) {
            None => (subject, Ok(Vec::new())),
            Some(reason) => (subject, Err(reason)),
        };
        let mut figures: Vec<_> = subjects.into_iter().map(nothing_yet).collect();
        let count = figures.len();
        for round in 0..terms.rounds {
            for (done, place) in order(round, count).into_iter().enumerate() {
                tell(round * count + done, terms.rounds * count);
                let (subject, samples) = &mut figures[place];
                let Ok(so_far) = samples else { continue };
                match subject.sample(places, terms.time) {
                    Ok(sample) => so_far.push(sample),
                    Err(reason) if matches!(subject, Subject::Perf(_)) => {
                        *samples = Err(reason.to_string());
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        Ok(Self(figures))
    }

    /// Returns true if every figure has all its samples, or a reason why it has none.
    #[must_use]
    pub fn are_complete(&self, terms: Terms) -> bool {
        let complete = |samples: &Vec<Sample>| samples.len() == terms.rounds;
        self.0.iter().all(|(_, samples)| samples.as_ref().is_ok_and(complete) || samples.is_err())
    }

    /// Returns the samples of a subject, or why there are none.
    pub(crate) fn samples(&self, subject: Subject) -> Result<&[Sample], String> {
        match self.0.iter().find(|(other, _)| *other == subject) {
            Some((_, Ok(samples))) if !samples.is_empty() => Ok(samples),
            Some((_, Err(reason))) => Err(reason.clone()),
            _ => Err(text!("it was not measured")),
        }
    }

    /// Returns how long the subject takes.
    pub(crate) fn time(&self, subject: Subject) -> Result<Spread, String> {
        let times = self.samples(subject)?.iter().map(|sample| sample.time);
        Spread::of(times).ok_or_else(|| text!("it was not measured"))
    }

    /// Returns the median of the switches in a round trip.
    pub(crate) fn switches(&self, subject: Subject) -> Option<f64> {
        let samples = self.samples(subject).ok()?;
        let mut counts: Vec<f64> = samples.iter().filter_map(|sample| sample.switches).collect();
        counts.sort_unstable_by(f64::total_cmp);
        counts.get(counts.len() / 2).copied()
    }

    /// Returns half of what the first takes more than the second in the same round: a round trip
    /// has two hops.
    pub(crate) fn per_hop(&self, subject: Subject, without: Subject) -> Result<Spread, String> {
        let rounds = self.samples(subject)?.iter().zip(self.samples(without)?);
        let more = rounds.map(|(with, without)| Some(with.time.checked_sub(without.time)? / 2));
        let more: Option<Vec<Duration>> = more.collect();
        let more = more.ok_or_else(|| text!("the noise of this machine hides it"))?;
        Spread::of(more).ok_or_else(|| text!("it was not measured"))
    }

    /// Compares processes with threads, all else being the same.
    pub(crate) fn processes_to_threads(
        &self,
        cell: Cell,
    ) -> Result<(Spread, Spread, Comparison), String> {
        let threads = self.time(Subject::RoundTrip(Cell { who: Who::Threads, ..cell }))?;
        let processes = self.time(Subject::RoundTrip(Cell { who: Who::Processes, ..cell }))?;
        Ok((threads, processes, Comparison::of(threads, processes)))
    }
}

/// The relation of a spread to another one.
///
/// ```
/// use std::time::Duration;
///
/// use common::time::Spread;
/// use downloader::switch::Comparison;
///
/// let spread = |times: [u64; 3]| Spread::of(times.map(Duration::from_micros)).expect("three");
/// assert_eq!(Comparison::of(spread([4, 5, 6]), spread([6, 7, 8])), Comparison::NoneShown);
/// assert_eq!(Comparison::of(spread([4, 5, 6]), spread([7, 8, 9])), Comparison::Longer);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// Their ranges overlap: no difference is shown.
    NoneShown,
    /// Every sample took longer than every sample of the first.
    Longer,
    /// Every sample took less time than every sample of the first.
    Shorter,
}

impl Comparison {
    /// Compares the second with the first.
    #[must_use]
    pub fn of(first: Spread, second: Spread) -> Self {
        if second.min > first.max {
            Self::Longer
        } else if second.max < first.min {
            Self::Shorter
        } else {
            Self::NoneShown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Channel, Placement};
    use super::*;

    fn spread(min: u64, max: u64) -> Spread {
        Spread::of([min, max].map(Duration::from_micros)).unwrap()
    }

    #[test]
    fn only_ranges_that_do_not_overlap_show_a_difference() {
        let first = spread(10, 20);
        assert_eq!(Comparison::of(first, spread(20, 30)), Comparison::NoneShown);
        assert_eq!(Comparison::of(first, spread(12, 13)), Comparison::NoneShown);
        assert_eq!(Comparison::of(first, spread(21, 30)), Comparison::Longer);
        assert_eq!(Comparison::of(first, spread(5, 9)), Comparison::Shorter);
    }

    #[test]
    fn a_sample_is_the_leaders_time_and_the_switches_of_both() {
        let time = Duration::from_micros(50);
        let leader = Report { rounds: 10, time, switches: Some(11), cores: vec![0] };
        let follower = Report { time: Duration::ZERO, switches: Some(9), ..leader.clone() };
        let sample = Sample::of(&[follower.clone(), leader.clone()]).unwrap();
        assert_eq!(sample, Sample { time: Duration::from_micros(5), switches: Some(2.0) });
        let uncounted = Report { switches: None, ..follower.clone() };
        assert_eq!(Sample::of(&[uncounted, leader.clone()]).unwrap().switches, None);
        let other = Report { rounds: 9, ..follower };
        assert!(Sample::of(&[leader, other]).is_err(), "one has lost a token");
        assert!(Sample::of(&[]).is_err());
    }

    #[test]
    fn what_cannot_be_had_here_is_not_tried_and_what_others_fail_at_is_no_error() {
        let places = Places::of(Ok(0), Err("there is only one core here".into()));
        let cell = Cell::new(Who::Threads, Channel::Pipe, Placement::TwoCores);
        let trip = Subject::RoundTrip(cell);
        let subjects = vec![trip, Subject::Bytes];
        let terms = Terms { time: Duration::ZERO, rounds: 3 };
        let mut told = Vec::new();
        let figures =
            Figures::measure(subjects, &places, terms, |done, all| told.push((done, all))).unwrap();
        assert_eq!(told, (0..6).map(|done| (done, 6)).collect::<Vec<_>>());
        assert_eq!(figures.samples(trip), Err("there is only one core here".into()));
        assert_eq!(figures.samples(Subject::Bytes).unwrap().len(), 3);
        assert!(figures.are_complete(terms));
        assert!(!figures.are_complete(Terms { rounds: 4, ..terms }));
    }

    #[test]
    fn a_hop_is_half_of_what_a_round_takes_more_in_the_same_round() {
        let trip = |who| Subject::RoundTrip(Cell::new(who, Channel::Pipe, Placement::OneCore));
        let samples =
            |micros: [u64; 3]| Ok(micros.map(|m| Duration::from_micros(m).into()).to_vec());
        // The second round was slow for both.
        let figures = Figures(vec![
            (trip(Who::Threads), samples([10, 90, 12])),
            (trip(Who::Alone), samples([4, 80, 4])),
        ]);
        let hop = figures.per_hop(trip(Who::Threads), trip(Who::Alone)).unwrap();
        assert_eq!((hop.min, hop.max), (Duration::from_micros(3), Duration::from_micros(5)));
        let hidden = figures.per_hop(trip(Who::Alone), trip(Who::Threads));
        assert!(hidden.is_err(), "less than nothing is no cost");
    }
}
