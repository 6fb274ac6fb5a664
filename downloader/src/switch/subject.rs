//! Everything that is measured.

use std::hint::black_box;
use std::time::Duration;

use common::time::Stopwatch;
use multiprocess::Failure;
use multiprocess::process::frame;
use serde::Serialize;

use super::{Cell, Channel, Placement, Places, Sample, Who, perf, start};

/// A thing that is measured: how long it takes once.
///
/// ```
/// use downloader::switch::{Cell, Channel, Placement, Subject, Who};
///
/// let one = Subject::RoundTrip(Cell::new(Who::Threads, Channel::Pipe, Placement::Free));
/// assert!(downloader::switch::all().contains(&one));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Subject {
    /// A token there and back.
    RoundTrip(Cell),
    /// A round trip by perf's own program, over pipes, both ends on one core.
    Perf(Who),
    /// The start and the join of one more thread or process that does nothing.
    Start(Who),
    /// A token turned into bytes and back, as a queue between processes does it.
    Bytes,
}

/// The bytes that each end touches before every hop, in the lesson's table about caches.
pub(crate) const WORKING_SETS: [usize; 3] = [0, 256 << 10, 2 << 20];

/// Lists all that the lesson measures. What is compared round by round stands side by side.
#[must_use]
pub fn all() -> Vec<Subject> {
    use Channel::{Crossbeam, Futex, Pipe, Queue, Spin, Yield};
    use Placement::{OneCore, TwoCores};
    let both = [Who::Threads, Who::Processes];
    let mut subjects = Vec::new();
    for touched in WORKING_SETS {
        let cell = |who| Cell { touched, ..Cell::new(who, Pipe, OneCore) };
        for who in [Who::Alone, Who::Threads, Who::Processes] {
            subjects.push(Subject::RoundTrip(cell(who)));
            if touched == 0 && who != Who::Alone {
                subjects.push(Subject::Perf(who));
            }
        }
    }
    let mut trip = |who, channel, placement| {
        let subject = Subject::RoundTrip(Cell::new(who, channel, placement));
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    };
    for placement in Placement::ALL {
        for channel in [Pipe, Futex, Queue] {
            both.into_iter().for_each(|who| trip(who, channel, placement));
        }
        trip(Who::Threads, Crossbeam, placement);
    }
    for who in both {
        trip(who, Spin, TwoCores);
        trip(who, Yield, OneCore);
    }
    subjects.extend(both.map(Subject::Start));
    subjects.push(Subject::Bytes);
    subjects
}

impl Subject {
    /// Returns why it can't be measured here, if it can't.
    pub(crate) fn why_not(self, places: &Places) -> Option<String> {
        match self {
            Self::RoundTrip(cell) => places.cores_of(cell.who, cell.placement).err(),
            Self::Perf(_) => places.cores(Placement::OneCore).err(),
            Self::Start(_) | Self::Bytes => None,
        }
    }

    /// Takes a sample, for about this time.
    pub(crate) fn sample(self, places: &Places, time: Duration) -> Result<Sample, Failure> {
        match self {
            Self::RoundTrip(cell) => cell.sample(places, time),
            Self::Perf(who) => {
                let core = places.cores(Placement::OneCore).map_err(Failure::new)?[0];
                let core = core.ok_or_else(|| Failure::new("there is no core"))?;
                Ok(perf::round_trip(who, core, time)?.into())
            }
            Self::Start(who) => repeat(time, 1, || start::start_and_join(who)),
            Self::Bytes => {
                let mut bytes = Vec::new();
                repeat(time, 256, || {
                    bytes.clear();
                    frame::append(&black_box(1_u64), &mut bytes)?;
                    black_box(frame::decode::<u64>(&bytes)?);
                    Ok(())
                })
            }
        }
    }
}

/// Returns how long the work takes once, with a look at the clock after every batch.
fn repeat(
    time: Duration,
    batch: u32,
    mut work: impl FnMut() -> Result<(), Failure>,
) -> Result<Sample, Failure> {
    let watch = Stopwatch::start();
    let mut count = 0;
    while count == 0 || watch.elapsed() < time {
        for _ in 0..batch {
            work()?;
        }
        count += batch;
    }
    Ok((watch.elapsed() / count).into())
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
        let cells = |wanted: fn(&Cell) -> bool| {
            let is =
                |subject: &&Subject| matches!(subject, Subject::RoundTrip(cell) if wanted(cell));
            all.iter().filter(is).count()
        };
        assert_eq!(cells(|cell| cell.channel == Channel::Futex), 3 * 2);
        assert_eq!(cells(|cell| cell.channel == Channel::Queue), 3 * 2);
        assert_eq!(cells(|cell| cell.channel == Channel::Crossbeam), 3);
        assert_eq!(cells(|cell| cell.channel == Channel::Pipe && cell.touched == 0), 3 * 2 + 1);
        assert_eq!(cells(|cell| cell.touched > 0), 2 * 3);
    }
}
