//! The samples of everything that is measured.

use std::time::Duration;

use common::measure::{Benchmark, Effort, Measured, Peer, Placement, Sample, Unit, measure};
use common::text;
use common::time::Spread;
use multiprocess::Failure;

use super::subject::{BOTH, Subject, Transport};

/// All samples of all subjects, or why there are none.
#[derive(Debug, Default)]
pub(crate) struct Figures(pub(crate) Vec<(Subject, Result<Vec<Sample>, String>)>);

impl Figures {
    /// Measures all subjects as peers of one benchmark; tells before each sample.
    ///
    /// # Errors
    /// The failure of a subject that can be had here. A failure of perf is only a reason.
    pub(crate) fn measure(
        subjects: Vec<(Subject, Peer)>,
        effort: &Effort,
        mut tell: impl FnMut(),
    ) -> Result<Self, Failure> {
        let (subjects, peers): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
        let benchmark = Benchmark::new("switch-cost", "a token there and back", Unit::Time, peers);
        let measured = measure(vec![benchmark], effort, |_, _, _| tell());
        let peers = measured.into_iter().flat_map(|Measured { benchmark, samples, .. }| {
            benchmark.peers.into_iter().zip(samples)
        });
        let figure = |(subject, (peer, samples)): (Subject, (Peer, _))| match samples {
            Err(reason) if peer.sample.is_ok() && !matches!(subject, Subject::Perf(_)) => {
                Err(Failure::new(reason))
            }
            samples => Ok((subject, samples)),
        };
        subjects.into_iter().zip(peers).map(figure).collect::<Result<_, _>>().map(Self)
    }

    /// Returns the samples of a subject, or why there are none.
    fn samples(&self, subject: Subject) -> Result<&[Sample], String> {
        match self.0.iter().find(|(other, _)| *other == subject) {
            Some((_, Ok(samples))) if !samples.is_empty() => Ok(samples),
            Some((_, Err(reason))) => Err(reason.clone()),
            _ => Err(text!("it was not measured")),
        }
    }

    /// Returns how long the subject takes.
    pub(crate) fn time(&self, subject: Subject) -> Result<Spread, String> {
        spread(self.samples(subject)?.iter().map(|sample| sample.value))
    }

    /// Returns how long threads and how long processes take for the same round trip.
    pub(crate) fn both(&self, over: Transport, at: Placement) -> Result<[Spread; 2], String> {
        let [threads, processes] = BOTH.map(|e| self.time(Subject::trip(e, over, at)));
        Ok([threads?, processes?])
    }

    /// Returns the median of the switches in a round trip; `None`: not counted.
    pub(crate) fn switches(&self, subject: Subject) -> Option<f64> {
        let samples = self.samples(subject).ok()?.iter();
        Spread::of(samples.filter_map(|sample| sample.switches)).map(|spread| spread.median)
    }

    /// Returns half of what the first takes more than the second in the same round: a round trip
    /// has two hops.
    pub(crate) fn per_hop(&self, subject: Subject, without: Subject) -> Result<Spread, String> {
        let rounds = self.samples(subject)?.iter().zip(self.samples(without)?);
        let more: Vec<f64> = rounds.map(|(with, without)| with.value - without.value).collect();
        if more.iter().any(|more| *more < 0.0) {
            return Err(text!("the noise of this machine hides it"));
        }
        spread(more.into_iter().map(|more| more / 2.0))
    }
}

fn spread(seconds: impl Iterator<Item = f64>) -> Result<Spread, String> {
    let times = seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
    Spread::of(times).ok_or_else(|| text!("it was not measured"))
}

/// Makes samples of these microseconds, with this many switches each.
#[cfg(test)]
pub(super) fn samples(micros: [u32; 3], switches: f64) -> Result<Vec<Sample>, String> {
    let sample = |micros| Sample { value: f64::from(micros) * 1e-6, switches: Some(switches) };
    Ok(micros.map(sample).to_vec())
}

#[cfg(test)]
mod tests {
    use common::measure::Execution;

    use super::*;

    #[test]
    fn what_cannot_be_had_is_a_reason_and_a_failure_of_anything_but_perf_is_an_error() {
        let effort = Effort { seconds: 0.0, least: 3, most: 3, limit: Duration::MAX };
        let failing = || Peer::new("failing", |_| Err::<f64, _>(Failure::new("it fails")));
        let perf = Subject::Perf(Execution::Threads);
        let start = Subject::Start(Execution::Threads);
        let measure = |subjects| Figures::measure(subjects, &effort, || {});
        let missing = Peer::missing("missing", "there is only one core here");
        let all =
            vec![(perf, failing()), (start, missing), (Subject::Bytes, Subject::Bytes.peer())];
        let figures = measure(all).unwrap();
        assert_eq!(figures.time(perf), Err("it fails".into()));
        assert_eq!(figures.time(start), Err("there is only one core here".into()));
        assert_eq!(figures.samples(Subject::Bytes).unwrap().len(), 3);
        assert_eq!(measure(vec![(start, failing())]).unwrap_err().to_string(), "it fails");
    }

    #[test]
    fn a_hop_is_half_of_what_a_round_takes_more_in_the_same_round() {
        let [threads, alone] =
            [Execution::Threads, Execution::Alone].map(|e| Subject::touching(0, e));
        // The second round was slow for both.
        let figures =
            Figures(vec![(threads, samples([10, 90, 12], 0.0)), (alone, samples([4, 80, 4], 0.0))]);
        let hop = figures.per_hop(threads, alone).unwrap();
        assert_eq!((hop.min, hop.max), (Duration::from_micros(3), Duration::from_micros(5)));
        assert!(figures.per_hop(alone, threads).is_err(), "less than nothing is no cost");
    }
}
