//! Everything that is measured.

use std::hint::black_box;
use std::time::Duration;

use common::measure::harness::{run, run_in_one};
use common::measure::transports::{
    BarePipe, Crossbeam, OurQueue, Sleeping, Spinning, Word, Yielding,
};
use common::measure::{
    Budget, Execution, Peer, Placement, Report, Sample, Workload, mean_round_trip, perf,
};
use common::text;
use common::time::Stopwatch;
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

/// The carrier of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Transport {
    /// The kernel's own pipes: one write and one read for a token.
    Pipe,
    /// A word in shared memory; a waiting end sleeps in the kernel.
    Futex,
    /// `multiprocess::Queue`, which processes and threads can share.
    Queue,
    /// crossbeam's channel, which only threads can share.
    Crossbeam,
    /// A word in shared memory; a waiting end looks again and again.
    Spin,
    /// A word in shared memory; a waiting end lets others run: `sched_yield`.
    Yield,
}

/// The two executions that are compared.
pub(crate) const BOTH: [Execution; 2] = [Threads, Processes];

/// The transports of each placement.
pub(crate) const TRANSPORTS: [Transport; 4] =
    [Transport::Pipe, Transport::Futex, Transport::Queue, Transport::Crossbeam];

/// The bytes that each end touches before every hop, in the lesson's table about caches.
pub(crate) const WORKING_SETS: [usize; 3] = [0, 256 << 10, 2 << 20];

/// Lists all that the lesson measures. What is compared round by round stands side by side.
pub(crate) fn all() -> Vec<Subject> {
    let mut subjects = Vec::new();
    for touched in WORKING_SETS {
        for execution in [Alone, Threads, Processes] {
            subjects.push(Subject::touching(touched, execution));
            if touched == 0 && execution != Alone {
                subjects.push(Subject::Perf(execution));
            }
        }
    }
    for placement in Placement::ALL {
        for (transport, execution) in TRANSPORTS.into_iter().flat_map(|one| BOTH.map(|e| (one, e)))
        {
            let subject = Subject::trip(execution, transport, placement);
            if transport.can_join(execution) && !subjects.contains(&subject) {
                subjects.push(subject);
            }
        }
    }
    subjects.extend(BOTH.map(|execution| Subject::trip(execution, Transport::Spin, TwoCores)));
    subjects.extend(BOTH.map(|execution| Subject::trip(execution, Transport::Yield, OneCore)));
    subjects.extend(BOTH.map(Subject::Start));
    subjects.push(Subject::Bytes);
    subjects
}

impl Subject {
    /// Makes a round trip whose ends touch nothing but the token.
    pub(crate) const fn trip(
        execution: Execution,
        transport: Transport,
        placement: Placement,
    ) -> Self {
        Self::RoundTrip { execution, transport, placement, touched: 0 }
    }

    /// Makes a round trip over pipes on one core, whose ends touch so many bytes before every hop.
    pub(crate) const fn touching(touched: usize, execution: Execution) -> Self {
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
                let round_trip = Workload::round_trip(execution, placement);
                let workload = Workload { touched, ..round_trip };
                mean_round_trip(&transport.run(&workload, budget)?)
            }
            Self::Perf(execution) => {
                let core = core.ok_or_else(|| Failure::new("there is no core"))?;
                let time = Duration::try_from_secs_f64(budget.seconds)?;
                Ok(perf::round_trip(execution, core, time)?.as_secs_f64().into())
            }
            Self::Start(execution) => repeat(budget, 1, || start_and_join(execution)),
            Self::Bytes => {
                let mut bytes = Vec::new();
                repeat(budget, 256, || {
                    bytes.clear();
                    frame::append(&black_box(1_u64), &mut bytes)?;
                    black_box(frame::decode::<u64>(&bytes)?);
                    Ok(())
                })
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

    /// Returns true if its ends can be held by these.
    pub(crate) fn can_join(self, execution: Execution) -> bool {
        (self, execution) != (Self::Crossbeam, Processes)
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

/// Returns how long the work takes once, with a look at the clock after every batch.
fn repeat(
    budget: &Budget,
    batch: u32,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<Sample, Failure> {
    let watch = Stopwatch::start();
    let mut count = 0;
    while count == 0 || watch.elapsed().as_secs_f64() < budget.seconds {
        for _ in 0..batch {
            work()?;
        }
        count += batch;
    }
    Ok((watch.elapsed().as_secs_f64() / f64::from(count)).into())
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
    fn every_transport_and_every_part_can_be_measured() {
        let _deadline = testing::Deadline::seconds(60);
        let free = |transport| BOTH.map(|e| Subject::trip(e, transport, Placement::Free));
        let pairs = [Transport::Pipe, Transport::Futex, Transport::Queue, Transport::Yield];
        let mut subjects: Vec<Subject> = pairs.into_iter().flat_map(free).collect();
        subjects.extend([free(Transport::Crossbeam)[0], Subject::Start(Threads), Subject::Bytes]);
        for subject in subjects {
            let take = subject.peer().sample.unwrap();
            assert!(take(&Budget::of(0.001)).unwrap().value > 0.0, "{subject:?}");
        }
    }
}
