//! What follows from the figures: every sentence is made of them, and says so if they don't show
//! it.

use common::time::{Spread, show};

use super::subject::WORKING_SETS;
use super::{Cell, Channel, Comparison, Figures, Memory, Placement, Subject, Who};

use Channel::{Crossbeam, Futex, Pipe, Queue};
use Placement::{OneCore, TwoCores};
use Who::{Alone, Processes, Threads};

/// The number of tokens that the tutorial passes each way.
pub const TOKENS: u64 = 1_000_000;

/// The tutorial's figures in seconds: two processes, two threads.
pub(crate) const TUTORIAL: [f64; 2] = [83.252, 36.538];

/// The switches, about, in a round trip that is two switches and nothing else.
const TWO: std::ops::RangeInclusive<f64> = 1.8..=2.5;

/// The number of switches in a round trip below which there are as good as none.
const NONE: f64 = 0.1;

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

/// Draws the conclusions from the figures about this machine, a sentence or two each.
#[must_use]
pub fn conclusions(figures: &Figures, memory: Option<Memory>) -> Vec<String> {
    let sentences = [
        switch(figures),
        kinds(figures),
        queue(figures),
        channel(figures),
        cores(figures),
        bytes(figures),
        caches(figures),
        one_more(figures, memory),
        perf(figures),
        tutorial(figures),
    ];
    let tell = |(about, sentence): (&str, Result<String, String>)| match sentence {
        Ok(sentence) => format!("{about}: {sentence}"),
        Err(reason) => format!("{about}: can't be told here, {reason}"),
    };
    let about = ["a switch", "threads or processes", "the queue", "the channel"];
    let about = about.into_iter().chain([
        "the cores",
        "bytes",
        "caches",
        "one more",
        "perf",
        "the tutorial",
    ]);
    about.zip(sentences).map(tell).collect()
}

fn trip(who: Who, channel: Channel, placement: Placement) -> Subject {
    Subject::RoundTrip(Cell::new(who, channel, placement))
}

/// Tells half of a round trip over pipes, without what the pipes cost themselves.
fn switch(figures: &Figures) -> Result<String, String> {
    let [threads, processes] = [Threads, Processes].map(|who| hop(figures, who, 0));
    let (threads, processes) = (threads?, processes?);
    Ok(format!(
        "with the wake-up before it, one costs {threads} from a thread to one of the same process, \
         and {processes} to one of another process. {}",
        said(threads, processes)
    ))
}

/// Returns what a hop over pipes on one core costs more than the same work done by one thread
/// alone: a switch.
fn hop(figures: &Figures, who: Who, touched: usize) -> Result<Spread, String> {
    let cell = |who| Subject::RoundTrip(Cell { touched, ..Cell::new(who, Pipe, OneCore) });
    let hop = figures.per_hop(cell(who), cell(Alone))?;
    match figures.switches(cell(who)) {
        None => Err("switches are not counted on this system".into()),
        Some(switches) if Switching::of(switches) == Switching::EachHop => Ok(hop),
        Some(switches) => Err(format!(
            "a round trip on one core took {switches:.1} switches, so its time is no switch's"
        )),
    }
}

/// Tells a switch's cost when each end touches memory of its own before every hop.
fn caches(figures: &Figures) -> Result<String, String> {
    let mut parts = Vec::new();
    let mut known = Err(String::new());
    for touched in WORKING_SETS.into_iter().filter(|touched| *touched > 0) {
        let size = kib(touched as u64);
        let hops = [Threads, Processes].map(|who| hop(figures, who, touched));
        parts.push(match hops {
            [Ok(threads), Ok(processes)] => {
                let verdict = match Comparison::of(threads, processes) {
                    Comparison::NoneShown => "no difference shown",
                    Comparison::Longer => "processes lose more",
                    Comparison::Shorter => "threads lose more",
                };
                known = Ok(());
                format!("{threads} and {processes} with {size}, {verdict}")
            }
            [Err(reason), _] | [_, Err(reason)] => {
                known = known.map_err(|_| reason.clone());
                format!("with {size} unknown, {reason}")
            }
        });
    }
    known?;
    Ok(format!(
        "a switch between threads and one between processes, when each touches memory of its own \
         before it: {}.",
        parts.join("; ")
    ))
}

/// Compares processes with threads, in a sentence.
fn said(threads: Spread, processes: Spread) -> String {
    let apart = processes.median.abs_diff(threads.median);
    let percent = 100.0 * apart.as_secs_f64() / threads.median.as_secs_f64().max(1e-9);
    let apart = format!("{}, {percent:.0} %,", show(apart));
    match Comparison::of(threads, processes) {
        Comparison::NoneShown => "The ranges overlap: no difference shown.".into(),
        Comparison::Longer => format!("Between processes it is {apart} longer."),
        Comparison::Shorter => format!("Between processes it is {apart} shorter."),
    }
}

/// Compares all pairs of cells that differ in nothing but in threads or processes.
fn kinds(figures: &Figures) -> Result<String, String> {
    let mut pairs = [0, 0, 0];
    for placement in Placement::ALL {
        for channel in [Pipe, Futex, Queue] {
            match figures.processes_to_threads(Cell::new(Threads, channel, placement)) {
                Ok((_, _, Comparison::NoneShown)) => pairs[0] += 1,
                Ok((_, _, Comparison::Longer)) => pairs[1] += 1,
                Ok((_, _, Comparison::Shorter)) => pairs[2] += 1,
                Err(_) => {}
            }
        }
    }
    let [none, longer, shorter] = pairs;
    match none + longer + shorter {
        0 => Err("no pair was measured".into()),
        all => Ok(format!(
            "of {all} pairs that differ in nothing else, {none} show no difference; processes take \
             longer in {longer}, threads in {shorter}."
        )),
    }
}

/// Compares two queues between the same threads.
fn queue(figures: &Figures) -> Result<String, String> {
    let factors = factors(figures, [(Threads, Crossbeam), (Threads, Queue)])?;
    Ok(format!("the same two threads over our queue, beside crossbeam's channel, take: {factors}."))
}

/// Tells how many times as long the second takes as the first, in every placement.
fn factors(figures: &Figures, pair: [(Who, Channel); 2]) -> Result<String, String> {
    let mut factors = Vec::new();
    let mut reason = "";
    for placement in Placement::ALL {
        let [first, second] =
            pair.map(|(who, channel)| figures.time(trip(who, channel, placement)));
        match (first, second) {
            (Ok(first), Ok(second)) => {
                let factor = match Comparison::of(first, second) {
                    Comparison::NoneShown => "no difference shown".into(),
                    _ => format!("{} times as long", ratio(second, first)),
                };
                factors.push(format!("{factor} ({})", placement.name()));
            }
            (Err(missing), _) | (_, Err(missing)) => reason = missing,
        }
    }
    if factors.is_empty() { Err(reason.into()) } else { Ok(factors.join(", ")) }
}

fn channel(figures: &Figures) -> Result<String, String> {
    let mut channels = Vec::new();
    for channel in [Pipe, Futex, Queue] {
        channels.push((figures.time(trip(Processes, channel, OneCore))?, channel.name()));
    }
    channels.sort_by_key(|(time, _)| time.median);
    let each = channels.iter().map(|(time, name)| format!("{} ({name})", show(time.median)));
    let most = ratio(channels[2].0, channels[0].0);
    Ok(format!(
        "the same two processes on one core take {}: {most} times from first to last.",
        each.collect::<Vec<_>>().join(", ")
    ))
}

fn cores(figures: &Figures) -> Result<String, String> {
    let (one, two) = (trip(Processes, Pipe, OneCore), trip(Processes, Pipe, TwoCores));
    let (on_one, on_two) = (figures.time(one)?, figures.time(two)?);
    let verdict = match Comparison::of(on_one, on_two) {
        Comparison::NoneShown => "no difference shown".into(),
        _ => format!("{} times", ratio(on_two, on_one)),
    };
    let switches = match [one, two].map(|subject| figures.switches(subject)) {
        [Some(one), Some(two)] => format!(", with {one:.1} and {two:.1} switches"),
        _ => String::new(),
    };
    Ok(format!(
        "the same two processes over the same pipes take {} on one core, {} on one core each: \
         {verdict}{switches}.",
        show(on_one.median),
        show(on_two.median),
    ))
}

fn bytes(figures: &Figures) -> Result<String, String> {
    let bytes = figures.time(Subject::Bytes)?;
    let trip = figures.time(trip(Processes, Queue, OneCore))?;
    let share = 200.0 * bytes.median.as_secs_f64() / trip.median.as_secs_f64().max(1e-9);
    let share = if share < 1.0 { "less than 1".into() } else { format!("{share:.0}") };
    Ok(format!(
        "a token becomes bytes and a token again in {}, twice in a round trip: {share} % of one \
         over our queue on one core.",
        show(bytes.median)
    ))
}

fn one_more(figures: &Figures, memory: Option<Memory>) -> Result<String, String> {
    let [thread, process] = [Threads, Processes].map(|who| figures.time(Subject::Start(who)));
    let (thread, process) = (thread?, process?);
    let holds = memory.map(|Memory { thread, process }| {
        let [thread, process] = [thread, process].map(kib);
        format!(" It holds {process} of its own, the thread {thread}.")
    });
    Ok(format!(
        "to start one and see its end takes {} for a process, {} for a thread: {} times.{}",
        show(process.median),
        show(thread.median),
        ratio(process, thread),
        holds.unwrap_or_default()
    ))
}

/// Compares ours with perf's program for the same.
fn perf(figures: &Figures) -> Result<String, String> {
    let [threads, processes] = [Threads, Processes].map(|who| {
        let theirs = figures.time(Subject::Perf(who))?;
        let [min, median, max] = figures.ratio(trip(who, Pipe, OneCore), Subject::Perf(who))?;
        let times = format!("{median:.2} times that ({min:.2} – {max:.2})");
        Ok::<_, String>(format!("{}, ours {times}", show(theirs.median)))
    });
    Ok(format!(
        "`perf bench sched pipe` on the same core takes between threads {}; between processes {}.",
        threads?, processes?
    ))
}

/// Tells what is left of the tutorial's factor when only one thing differs: both with the same
/// queue.
fn tutorial(figures: &Figures) -> Result<String, String> {
    let factors = factors(figures, [(Threads, Queue), (Processes, Queue)])?;
    let [processes, threads] = TUTORIAL;
    Ok(format!(
        "its factor of {:.1} is a true one: of two queues. Where processes have the same queue as \
         threads, they take: {factors}.",
        processes / threads
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
            (trip(Processes, Pipe, TwoCores), Err("there is only one core here".into())),
        ])
    }

    fn sentence(figures: &Figures, about: &str) -> String {
        let all = conclusions(figures, None);
        all.into_iter().find(|sentence| sentence.starts_with(about)).unwrap()
    }

    #[test]
    fn a_switch_is_half_of_what_a_round_trip_takes_more_than_alone() {
        let sentence = sentence(&pipes(2.0, [53, 51, 55]), "a switch");
        assert!(sentence.contains("one costs 21.0 µs (20.0 µs – 22.0 µs)"), "{sentence}");
        assert!(
            sentence.contains("and 21.5 µs (20.5 µs – 22.5 µs) to one of another"),
            "{sentence}"
        );
    }

    #[test]
    fn ranges_that_overlap_show_no_difference_and_others_show_theirs() {
        let overlapping = sentence(&pipes(2.0, [53, 51, 55]), "a switch");
        assert!(overlapping.ends_with("no difference shown."), "{overlapping}");
        let longer = sentence(&pipes(2.0, [62, 60, 64]), "a switch");
        assert!(longer.ends_with("Between processes it is 5.0 µs, 24 %, longer."), "{longer}");
        let shorter = sentence(&pipes(2.0, [30, 30, 30]), "a switch");
        assert!(shorter.ends_with("Between processes it is 11.0 µs, 52 %, shorter."), "{shorter}");
        let pairs = sentence(&pipes(2.0, [62, 60, 64]), "threads or processes");
        assert!(pairs.contains("of 1 pairs") && pairs.contains("longer in 1"), "{pairs}");
    }

    #[test]
    fn without_two_switches_in_a_round_trip_its_time_is_no_switchs() {
        for switches in [0.0, 0.7, 1.7, 3.0] {
            let sentence = sentence(&pipes(switches, [53, 51, 55]), "a switch");
            assert!(sentence.starts_with("a switch: can't be told here"), "{sentence}");
            assert!(sentence.contains(&format!("took {switches:.1} switches")), "{sentence}");
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
        let switch = sentence(&figures, "a switch");
        let expected = "a switch: can't be told here, switches are not counted on this system";
        assert_eq!(switch, expected);
        let cores = sentence(&figures, "the cores");
        assert!(cores.ends_with("on one core each: 1.32 times."), "{cores}");
    }

    #[test]
    fn what_could_not_be_measured_is_no_figure_but_a_reason() {
        let figures = pipes(2.0, [53, 51, 55]);
        let cores = sentence(&figures, "the cores");
        assert_eq!(cores, "the cores: can't be told here, there is only one core here");
        let none = conclusions(&Figures::default(), None);
        assert!(none.iter().all(|sentence| sentence.contains("can't be told here")), "{none:?}");
    }

    #[test]
    fn the_tutorials_factor_is_compared_with_that_over_one_queue() {
        let queue = |processes| {
            let threads = figure(trip(Threads, Queue, Free), 0.0, [10, 10, 11]);
            Figures(vec![threads, figure(trip(Processes, Queue, Free), 0.0, processes)])
        };
        let same = sentence(&queue([9, 10, 12]), "the tutorial");
        assert!(same.contains("its factor of 2.3"), "{same}");
        assert!(same.ends_with("they take: no difference shown (not pinned)."), "{same}");
        let other = sentence(&queue([15, 15, 15]), "the tutorial");
        assert!(other.ends_with("they take: 1.50 times as long (not pinned)."), "{other}");
    }

    #[test]
    fn ours_is_told_beside_perfs_where_there_is_one() {
        let mut figures = pipes(2.0, [53, 51, 55]);
        figures.0.push((Subject::Perf(Threads), Err("no perf".into())));
        assert_eq!(sentence(&figures, "perf"), "perf: can't be told here, no perf");
        figures.0.pop();
        figures.0.extend([Threads, Processes].map(|who| figure(Subject::Perf(who), 0.0, [50; 3])));
        let told = sentence(&figures, "perf");
        assert!(told.contains("between threads 50.0 µs, ours 1.04 times that (1.00 – 1.08)"));
        assert!(told.ends_with("50.0 µs, ours 1.06 times that (1.02 – 1.10)."), "{told}");
    }
}
