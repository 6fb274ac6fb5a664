//! Everything that is measured.

use std::hint::black_box;
use std::time::Duration;

use common::measure::harness::{run, run_in_one};
use common::measure::transports::{
    BarePipe, Crossbeam, OurQueue, Sleeping, Spinning, Word, Yielding,
};
use common::measure::{
    Budget, Execution, Peer, Placement, Report, Sample, Workload, mean_round_trip, perf,
    seconds_each,
};
use common::text;
use multiprocess::Failure;
use multiprocess::process::frame;
use serde::Serialize;

use super::start::start_and_join;

use Execution::{Alone, Processes, Threads};
use Placement::{OneCore, TwoCores};

/// A thing that is measured: how long it takes once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Subject {
    /// A token there and back.
    RoundTrip {
        execution: Execution,
        transport: Transport,
        placement: Placement,
        /// Bytes of its own that each end touches before every hop.
        touched: usize,
    },
    /// A round trip by perf's own program, over pipes, both ends on one core.
    Perf(Execution),
    /// The start and the join of one more thread or process that does nothing.
    Start(Execution),
    /// A token turned into bytes and back, as a queue between processes does it.
    Bytes,
}

/// The carrier of a token. What each is, its type in `run` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Transport {
    Pipe,
    Futex,
    Queue,
    Crossbeam,
    Spin,
    Yield,
}

/// The two executions that are compared.
pub(crate) const BOTH: [Execution; 2] = [Threads, Processes];

/// The transports of each placement.
pub(crate) const TRANSPORTS: [Transport; 4] =
    [Transport::Pipe, Transport::Futex, Transport::Queue, Transport::Crossbeam];

/// The round trip that can't be: the ends of crossbeam's channel can't go to another process.
pub(crate) const THREADS_ONLY: (Transport, Execution) = (Transport::Crossbeam, Processes);

/// The bytes that each end touches before every hop, in the lesson's table about caches.
pub(crate) const WORKING_SETS: [usize; 3] = [0, 256 << 10, 2 << 20];

/// The tokens turned into bytes between two looks at the clock.
const BATCH: u32 = 256;

/// Lists all that the lesson measures. What is compared round by round stands side by side.
pub(crate) fn all() -> Vec<Subject> {
    let both = |transport, placement| {
        let possible = BOTH.into_iter().filter(move |e| (transport, *e) != THREADS_ONLY);
        possible.map(move |execution| Subject::trip(execution, transport, placement))
    };
    let mut subjects = vec![Subject::touching(0, Alone)];
    for placement in Placement::ALL {
        subjects.extend(TRANSPORTS.into_iter().flat_map(|transport| both(transport, placement)));
    }
    for touched in &WORKING_SETS[1..] {
        subjects.extend([Alone, Threads, Processes].map(|e| Subject::touching(*touched, e)));
    }
    subjects.extend(both(Transport::Spin, TwoCores).chain(both(Transport::Yield, OneCore)));
    subjects.extend([BOTH.map(Subject::Perf), BOTH.map(Subject::Start)].concat());
    subjects.push(Subject::Bytes);
    subjects
}

impl Subject {
    /// Makes a round trip whose ends touch nothing but the token.
    pub(crate) fn trip(execution: Execution, transport: Transport, placement: Placement) -> Self {
        Self::RoundTrip { execution, transport, placement, touched: 0 }
    }

    /// Makes a round trip over pipes on one core, whose ends touch so many bytes before every hop.
    pub(crate) fn touching(touched: usize, execution: Execution) -> Self {
        Self::RoundTrip { execution, transport: Transport::Pipe, placement: OneCore, touched }
    }

    /// Makes the peer that is measured; missing, with the reason, if it can't be had here.
    pub(crate) fn peer(self) -> Peer {
        let cores = match self {
            Self::RoundTrip { execution, placement, .. } => placement.cores(execution),
            Self::Perf(execution) => OneCore.cores(execution),
            Self::Start(_) | Self::Bytes => Ok([None; 2]),
        };
        let name = format!("{self:?}");
        match cores {
            Ok([core, _]) => Peer::new(name, move |budget| self.sample(core, budget)),
            Err(reason) => Peer::missing(name, reason),
        }
    }

    fn sample(self, core: Option<usize>, budget: &Budget) -> Result<Sample, Failure> {
        match self {
            Self::RoundTrip { execution, transport, placement, touched } => {
                let workload = Workload::round_trip(execution, placement);
                mean_round_trip(&transport.run(&Workload { touched, ..workload }, budget)?)
            }
            Self::Perf(execution) => {
                let core = core.ok_or_else(|| Failure::new("there is no core"))?;
                let time = Duration::try_from_secs_f64(budget.seconds)?;
                Ok(perf::round_trip(execution, core, time)?.as_secs_f64().into())
            }
            Self::Start(execution) => {
                Ok(seconds_each(budget.seconds, 1, || start_and_join(execution))?.into())
            }
            Self::Bytes => {
                let mut bytes = Vec::new();
                let batch = seconds_each(budget.seconds, 1, || {
                    for _ in 0..BATCH {
                        bytes.clear();
                        frame::append(&black_box(1_u64), &mut bytes)?;
                        black_box(frame::decode::<u64>(&bytes)?);
                    }
                    Ok(())
                })?;
                Ok((batch / f64::from(BATCH)).into())
            }
        }
    }
}

impl Transport {
    /// Returns its name in the tables: a word or two in the reader's language.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Pipe => text!("kernel pipes"),
            Self::Futex => text!("futex word"),
            Self::Queue => text!("our queue"),
            Self::Crossbeam => "crossbeam".to_owned(),
            Self::Spin => text!("spinning"),
            Self::Yield => "sched_yield".to_owned(),
        }
    }

    fn run(self, workload: &Workload, budget: &Budget) -> Result<Vec<Report>, Failure> {
        match self {
            Self::Pipe => run::<BarePipe<u64>>(workload, budget),
            Self::Futex => run::<Word<Sleeping>>(workload, budget),
            Self::Queue => run::<OurQueue<u64>>(workload, budget),
            Self::Crossbeam => run_in_one::<Crossbeam<u64>>(workload, budget),
            Self::Spin => run::<Word<Spinning>>(workload, budget),
            Self::Yield => run::<Word<Yielding>>(workload, budget),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_matrix_is_whole_and_nothing_is_measured_twice() {
        let all = all();
        for (place, subject) in all.iter().enumerate() {
            assert!(!all[..place].contains(subject), "{subject:?}");
        }
        let trips = |wanted: Transport, is_touching: bool| {
            let is = |subject: &&Subject| {
                matches!(subject, Subject::RoundTrip { transport, touched, .. }
                    if *transport == wanted && (*touched > 0) == is_touching)
            };
            all.iter().filter(is).count()
        };
        let counts = TRANSPORTS.map(|transport| trips(transport, false));
        assert_eq!(counts, [3 * 2 + 1, 3 * 2, 3 * 2, 3]);
        assert_eq!(trips(Transport::Pipe, true), 2 * 3);
    }

    #[test]
    fn everything_can_be_measured() {
        let _deadline = testing::Deadline::seconds(60);
        for subject in all() {
            let Ok(take) = subject.peer().sample else { continue };
            let sample = take(&Budget::of(0.001));
            let is_perf = matches!(subject, Subject::Perf(_));
            assert!(is_perf || sample.unwrap().value > 0.0, "{subject:?}");
        }
    }
}
