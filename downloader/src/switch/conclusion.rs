//! What follows from the figures: every sentence is made of them, or says why nothing follows.

use common::text;
use common::time::{Spread, show};

use super::{Cell, Channel, Comparison, Figures, Placement, Subject, Who};

use Channel::{Crossbeam, Pipe, Queue};
use Placement::{OneCore, TwoCores};
use Who::{Alone, Processes, Threads};

/// The number of tokens that the tutorial passes each way.
pub(crate) const TOKENS: u64 = 1_000_000;

/// The tutorial's figures in seconds: two processes, two threads.
pub(crate) const TUTORIAL: [f64; 2] = [83.252, 36.538];

/// The switches, about, in a round trip that is two switches and nothing else.
const TWO: std::ops::RangeInclusive<f64> = 1.8..=2.5;

/// The number of switches in a round trip below which there are as good as none.
const NONE: f64 = 0.1;

/// A sentence, or the reason why there is none.
pub(crate) type Conclusion = Result<String, String>;

/// The meaning of the switches counted in a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switching {
    /// Each hop was one switch.
    EachHop,
    /// No switch: each end worked on, on a core of its own.
    None,
    /// Something else: its time is no measure of a switch.
    Other,
}

impl Switching {
    pub(crate) fn of(switches: f64) -> Self {
        match switches {
            few if few < NONE => Self::None,
            two if TWO.contains(&two) => Self::EachHop,
            _ => Self::Other,
        }
    }
}

fn trip(who: Who, channel: Channel, placement: Placement) -> Subject {
    Subject::RoundTrip(Cell::new(who, channel, placement))
}

/// Tells what a switch costs: half of a round trip over pipes, without what the pipes cost.
pub(crate) fn switch(figures: &Figures) -> Conclusion {
    let (threads, processes) = (hop(figures, Threads, 0)?, hop(figures, Processes, 0)?);
    let verdict = verdict(threads, processes);
    Ok(text!(
        "a switch with its wake-up costs {} between threads, {} between processes: {}.",
        threads,
        processes,
        verdict
    ))
}

/// Tells what a switch costs when each end touches so much memory of its own before every hop.
pub(crate) fn caches(figures: &Figures, touched: usize) -> Conclusion {
    let size = kib(touched as u64);
    let hop = |who| {
        hop(figures, who, touched).map_err(|reason| text!("with {} touched, {}", size, reason))
    };
    let (threads, processes) = (hop(Threads)?, hop(Processes)?);
    let verdict = verdict(threads, processes);
    Ok(text!(
        "with {} touched, a switch costs {} between threads, {} between processes: {}.",
        size,
        threads,
        processes,
        verdict
    ))
}

/// Returns what a hop over pipes on one core costs more than the same work done by one thread
/// alone: a switch.
fn hop(figures: &Figures, who: Who, touched: usize) -> Result<Spread, String> {
    let cell = |who| Subject::RoundTrip(Cell { touched, ..Cell::new(who, Pipe, OneCore) });
    let hop = figures.per_hop(cell(who), cell(Alone))?;
    match figures.switches(cell(who)) {
        None => Err(text!("switches are not counted on this system")),
        Some(switches) if Switching::of(switches) == Switching::EachHop => Ok(hop),
        Some(switches) => {
            Err(text!("a round trip took {} switches, not two", format_args!("{switches:.1}")))
        }
    }
}

/// Says whether threads or processes take longer.
fn verdict(threads: Spread, processes: Spread) -> String {
    match Comparison::of(threads, processes) {
        Comparison::NoneShown => text!("no difference shown"),
        Comparison::Longer => text!("processes take longer"),
        Comparison::Shorter => text!("threads take longer"),
    }
}

/// Counts the pairs of cells that differ in nothing but in threads or processes.
pub(crate) fn kinds(figures: &Figures) -> Conclusion {
    let (mut none, mut longer, mut shorter) = (0, 0, 0);
    for placement in Placement::ALL {
        for channel in [Pipe, Channel::Futex, Queue] {
            match figures.processes_to_threads(Cell::new(Threads, channel, placement)) {
                Ok((_, _, Comparison::NoneShown)) => none += 1,
                Ok((_, _, Comparison::Longer)) => longer += 1,
                Ok((_, _, Comparison::Shorter)) => shorter += 1,
                Err(_) => {}
            }
        }
    }
    match none + longer + shorter {
        0 => Err(text!("it was not measured")),
        all => Ok(text!(
            "of {} pairs that differ in nothing else, {} show no difference; processes take longer \
             in {}, threads in {}.",
            all,
            none,
            longer,
            shorter
        )),
    }
}

/// Compares two queues between the same threads.
pub(crate) fn queue(figures: &Figures) -> Conclusion {
    let [one, two, free] = factors(figures, [(Threads, Crossbeam), (Threads, Queue)])?;
    Ok(text!(
        "the factor from crossbeam's queue to ours, between threads: {} (one core), {} (one core \
         each), {} (not pinned).",
        one,
        two,
        free
    ))
}

/// Tells what is left of the tutorial's factor when only one thing differs: both with the same
/// queue.
pub(crate) fn tutorial(figures: &Figures) -> Conclusion {
    let [one, two, free] = factors(figures, [(Threads, Queue), (Processes, Queue)])?;
    let [processes, threads] = TUTORIAL;
    Ok(text!(
        "the tutorial's factor of {} is from one queue to another. From threads to processes over \
         the same queue: {} (one core), {} (one core each), {} (not pinned).",
        format_args!("{:.2}", processes / threads),
        one,
        two,
        free
    ))
}

/// Returns how many times as long the second takes as the first in every placement; an error if
/// none is known.
fn factors(figures: &Figures, pair: [(Who, Channel); 2]) -> Result<[String; 3], String> {
    let factors = Placement::ALL.map(|placement| {
        let time = |(who, channel)| figures.time(trip(who, channel, placement));
        Ok(factor(time(pair[0])?, time(pair[1])?))
    });
    match factors {
        [Err(reason), Err(_), Err(_)] => Err(reason),
        known => Ok(known.map(|factor: Conclusion| factor.unwrap_or_else(|_| text!("unknown")))),
    }
}

/// Writes how many times as long the second takes as the first, if a difference is shown.
fn factor(first: Spread, second: Spread) -> String {
    match Comparison::of(first, second) {
        Comparison::NoneShown => text!("none shown"),
        _ => ratio(second, first),
    }
}

/// Compares one core with a core for each end.
pub(crate) fn cores(figures: &Figures) -> Conclusion {
    let [one, two] = [OneCore, TwoCores].map(|place| figures.time(trip(Processes, Pipe, place)));
    let (one, two) = (one?, two?);
    Ok(text!(
        "two processes over pipes take {} on one core, {} on a core each; the factor: {}.",
        show(one.median),
        show(two.median),
        factor(one, two)
    ))
}

/// Tells what it costs that a token becomes bytes.
pub(crate) fn bytes(figures: &Figures) -> Conclusion {
    let bytes = figures.time(Subject::Bytes)?.median;
    let trip = figures.time(trip(Processes, Queue, OneCore))?.median;
    let share = 200.0 * bytes.as_secs_f64() / trip.as_secs_f64().max(1e-9);
    Ok(text!(
        "a token becomes bytes and a token again in {}. A round trip over our queue does so twice: \
         {}% of its time on one core.",
        show(bytes),
        if share < 1.0 { "< 1".into() } else { format!("{share:.0}") }
    ))
}

/// Compares the start of a process with that of a thread.
pub(crate) fn one_more(figures: &Figures) -> Conclusion {
    let [thread, process] = [Threads, Processes].map(|who| figures.time(Subject::Start(who)));
    let (thread, process) = (thread?, process?);
    Ok(text!(
        "to start and join a process takes {}, a thread {}: {} times as long.",
        show(process.median),
        show(thread.median),
        ratio(process, thread)
    ))
}

/// Writes how many times as long the first takes, by the medians.
fn ratio(first: Spread, second: Spread) -> String {
    let ratio = first.median.as_secs_f64() / second.median.as_secs_f64().max(1e-9);
    let digits = match ratio {
        10.0.. => 0,
        2.0.. => 1,
        _ => 2,
    };
    format!("{ratio:.digits$}")
}

/// Writes bytes in KiB.
pub(crate) fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::figures::Sample;
    use super::*;
    use Placement::Free;

    const ONE_CORE: &str = "there is only one core here";

    /// Makes a subject with these times in µs, and this many switches each.
    fn figure(
        subject: Subject,
        switches: f64,
        micros: [u64; 3],
    ) -> (Subject, Result<Vec<Sample>, String>) {
        let sample =
            |micros| Sample { time: Duration::from_micros(micros), switches: Some(switches) };
        (subject, Ok(micros.map(sample).to_vec()))
    }

    fn pipes(switches: f64, processes: [u64; 3]) -> Figures {
        Figures(vec![
            figure(trip(Alone, Pipe, OneCore), 0.0, [10, 10, 10]),
            figure(trip(Threads, Pipe, OneCore), switches, [50, 52, 54]),
            figure(trip(Processes, Pipe, OneCore), switches, processes),
            (trip(Processes, Pipe, TwoCores), Err(ONE_CORE.into())),
        ])
    }

    #[test]
    fn a_switch_is_half_of_what_a_round_trip_takes_more_than_alone() {
        let expected = text!(
            "a switch with its wake-up costs {} between threads, {} between processes: {}.",
            "21.0 µs (20.0 µs – 22.0 µs)",
            "21.5 µs (20.5 µs – 22.5 µs)",
            text!("no difference shown")
        );
        assert_eq!(switch(&pipes(2.0, [53, 51, 55])), Ok(expected));
    }

    #[test]
    fn ranges_that_overlap_show_no_difference_and_others_show_theirs() {
        let kinds_are = |none: u32, longer: u32, shorter: u32| {
            text!(
                "of {} pairs that differ in nothing else, {} show no difference; processes take \
                 longer in {}, threads in {}.",
                1,
                none,
                longer,
                shorter
            )
        };
        for (processes, verdict, expected) in [
            ([53, 51, 55], text!("no difference shown"), kinds_are(1, 0, 0)),
            ([62, 60, 64], text!("processes take longer"), kinds_are(0, 1, 0)),
            ([30, 30, 30], text!("threads take longer"), kinds_are(0, 0, 1)),
        ] {
            let figures = pipes(2.0, processes);
            let sentence = switch(&figures).unwrap();
            assert!(sentence.contains(&verdict), "{sentence}");
            assert_eq!(kinds(&figures), Ok(expected));
        }
    }

    #[test]
    fn without_two_switches_in_a_round_trip_its_time_is_no_switchs() {
        for (switches, shown) in [(0.0, "0.0"), (0.7, "0.7"), (1.7, "1.7"), (3.0, "3.0")] {
            let reason = text!("a round trip took {} switches, not two", shown);
            assert_eq!(switch(&pipes(switches, [53, 51, 55])), Err(reason));
        }
        assert_eq!([0.0, 0.5, 2.0, 2.6].map(Switching::of), {
            use Switching::{EachHop, None, Other};
            [None, Other, EachHop, Other]
        });
    }

    #[test]
    fn where_switches_are_not_counted_nothing_is_said_of_them() {
        let Figures(mut figures) = pipes(2.0, [53, 51, 55]);
        figures[3] = figure(trip(Processes, Pipe, TwoCores), 2.0, [70, 70, 70]);
        for sample in figures.iter_mut().flat_map(|(_, samples)| samples.as_mut().unwrap()) {
            sample.switches = None;
        }
        let figures = Figures(figures);
        let reason = text!("switches are not counted on this system");
        assert_eq!(switch(&figures), Err(reason));
        let cores = cores(&figures).unwrap();
        assert!(cores.contains("70.0 µs") && cores.contains("1.32"), "{cores}");
    }

    #[test]
    fn what_could_not_be_measured_is_no_figure_but_a_reason() {
        assert_eq!(cores(&pipes(2.0, [53, 51, 55])), Err(ONE_CORE.into()));
        let nothing = Figures::default();
        for conclude in [switch, kinds, queue, tutorial, cores, bytes, one_more] {
            assert_eq!(conclude(&nothing), Err(text!("it was not measured")));
        }
    }

    #[test]
    fn the_tutorials_factor_is_compared_with_that_over_one_queue() {
        for (processes, free) in [([9, 10, 12], text!("none shown")), ([15; 3], "1.50".into())] {
            let threads = figure(trip(Threads, Queue, Free), 0.0, [10, 10, 11]);
            let processes = figure(trip(Processes, Queue, Free), 0.0, processes);
            let expected = text!(
                "the tutorial's factor of {} is from one queue to another. From threads to \
                 processes over the same queue: {} (one core), {} (one core each), {} (not \
                 pinned).",
                "2.28",
                text!("unknown"),
                text!("unknown"),
                free
            );
            assert_eq!(tutorial(&Figures(vec![threads, processes])), Ok(expected));
        }
    }
}
