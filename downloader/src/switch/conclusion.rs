//! What follows from the figures: every sentence is made of them, or says why nothing follows.

use std::cmp::Ordering;
use std::ops::{Range, RangeInclusive};

use common::measure::{Execution, Placement};
use common::text;
use common::time::{Spread, show};

use super::figures::Figures;
use super::subject::{BOTH, Subject, Transport};

use Execution::{Alone, Processes, Threads};
use Placement::{OneCore, TwoCores};
use Transport::{Crossbeam, Futex, Pipe, Queue};

/// The number of tokens that the tutorial passes each way.
pub(crate) const TOKENS: u64 = 1_000_000;

/// The tutorial's figures in seconds: two processes, two threads.
pub(crate) const TUTORIAL: [f64; 2] = [83.252, 36.538];

/// The switches, about, in a round trip that is two switches and nothing else.
pub(crate) const TWO_SWITCHES: RangeInclusive<f64> = 1.8..=2.5;

/// The switches in a round trip that has as good as none: each end worked on, on its own core.
pub(crate) const NO_SWITCH: Range<f64> = 0.0..0.1;

/// A sentence, or the reason why there is none.
pub(crate) type Conclusion = Result<String, String>;

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
    let hop = |execution| {
        hop(figures, execution, touched)
            .map_err(|reason| text!("with {} touched, {}", size, reason))
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
fn hop(figures: &Figures, execution: Execution, touched: usize) -> Result<Spread, String> {
    let subject = Subject::touching(touched, execution);
    let hop = figures.per_hop(subject, Subject::touching(touched, Alone))?;
    match figures.switches(subject) {
        None => Err(text!("switches are not counted on this system")),
        Some(switches) if TWO_SWITCHES.contains(&switches) => Ok(hop),
        Some(switches) => {
            Err(text!("a round trip took {} switches, not two", format_args!("{switches:.1}")))
        }
    }
}

/// Says whether threads or processes take longer.
fn verdict(threads: Spread, processes: Spread) -> String {
    match processes.difference(&threads) {
        Some(Ordering::Greater) => text!("processes take longer"),
        Some(_) => text!("threads take longer"),
        None => text!("no difference shown"),
    }
}

/// Counts the pairs of round trips that differ in nothing but in threads or processes.
pub(crate) fn kinds(figures: &Figures) -> Conclusion {
    let (mut none, mut longer, mut shorter) = (0, 0, 0);
    for placement in Placement::ALL {
        for transport in [Pipe, Futex, Queue] {
            let Ok([threads, processes]) = figures.both(transport, placement) else { continue };
            match processes.difference(&threads) {
                Some(Ordering::Greater) => longer += 1,
                Some(_) => shorter += 1,
                None => none += 1,
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
fn factors(figures: &Figures, pair: [(Execution, Transport); 2]) -> Result<[String; 3], String> {
    let factors = Placement::ALL.map(|placement| {
        let [first, second] = pair.map(|(execution, transport)| {
            figures.time(Subject::trip(execution, transport, placement))
        });
        Ok(factor(first?, second?))
    });
    match factors {
        [Err(reason), Err(_), Err(_)] => Err(reason),
        known => Ok(known.map(|factor: Conclusion| factor.unwrap_or_else(|_| text!("unknown")))),
    }
}

/// Writes how many times as long the second takes as the first, if a difference is shown.
fn factor(first: Spread, second: Spread) -> String {
    first.difference(&second).map_or_else(|| text!("none shown"), |_| ratio(second, first))
}

/// Compares one core with a core for each end.
pub(crate) fn cores(figures: &Figures) -> Conclusion {
    let [one, two] =
        [OneCore, TwoCores].map(|place| figures.time(Subject::trip(Processes, Pipe, place)));
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
    let trip = figures.time(Subject::trip(Processes, Queue, OneCore))?.median;
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
    let [thread, process] = BOTH.map(|execution| figures.time(Subject::Start(execution)));
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
    use super::super::figures::samples;
    use super::*;

    const ONE_CORE: &str = "there is only one core here";

    fn pipes(switches: f64, processes: [u32; 3]) -> Figures {
        let figure =
            |execution, micros| (Subject::touching(0, execution), samples(micros, switches));
        Figures(vec![
            figure(Alone, [10, 10, 10]),
            figure(Threads, [50, 52, 54]),
            figure(Processes, processes),
            (Subject::trip(Processes, Pipe, TwoCores), Err(ONE_CORE.into())),
        ])
    }

    #[test]
    fn a_switch_is_half_of_what_a_round_trip_takes_more_than_alone() {
        let sentence = switch(&pipes(2.0, [53, 51, 55])).unwrap();
        for part in ["21.0 µs (20.0 µs – 22.0 µs)", "21.5 µs (20.5 µs – 22.5 µs)"] {
            assert!(sentence.contains(part), "{sentence}");
        }
    }

    #[test]
    fn ranges_that_overlap_show_no_difference_and_others_show_theirs() {
        for (processes, verdict, counts) in [
            ([53, 51, 55], text!("no difference shown"), "1100"),
            ([62, 60, 64], text!("processes take longer"), "1010"),
            ([30, 30, 30], text!("threads take longer"), "1001"),
        ] {
            let figures = pipes(2.0, processes);
            let sentence = switch(&figures).unwrap();
            assert!(sentence.contains(&verdict), "{sentence}");
            let counted = kinds(&figures).unwrap();
            assert_eq!(counted.replace(|c: char| !c.is_ascii_digit(), ""), counts, "{counted}");
        }
    }

    #[test]
    fn without_two_switches_in_a_round_trip_its_time_is_no_switchs() {
        for (switches, shown) in [(0.0, "0.0"), (0.7, "0.7"), (1.7, "1.7"), (3.0, "3.0")] {
            let reason = text!("a round trip took {} switches, not two", shown);
            assert_eq!(switch(&pipes(switches, [53, 51, 55])), Err(reason));
        }
    }

    #[test]
    fn where_switches_are_not_counted_nothing_is_said_of_them() {
        let Figures(mut figures) = pipes(2.0, [53, 51, 55]);
        figures[3].1 = samples([70, 70, 70], 2.0);
        for sample in figures.iter_mut().flat_map(|(_, samples)| samples.as_mut().unwrap()) {
            sample.switches = None;
        }
        let figures = Figures(figures);
        assert_eq!(switch(&figures), Err(text!("switches are not counted on this system")));
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
        for (processes, factor) in [([9, 10, 12], text!("none shown")), ([15; 3], "1.50".into())] {
            let queue = |execution| Subject::trip(execution, Queue, OneCore);
            let threads = (queue(Threads), samples([10, 10, 11], 0.0));
            let processes = (queue(Processes), samples(processes, 0.0));
            let sentence = tutorial(&Figures(vec![threads, processes])).unwrap();
            for part in ["2.28", &factor, &text!("unknown")] {
                assert!(sentence.contains(part), "{sentence}");
            }
        }
    }
}
