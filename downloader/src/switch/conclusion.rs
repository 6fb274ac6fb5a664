//! What follows from the figures: every sentence is made of them, and says so if they don't show it.

use common::time::{Spread, show};

use super::{Cell, Channel, Comparison, Figures, Memory, Placement, Subject, Who};

use Channel::{Crossbeam, Futex, Pipe, Queue};
use Placement::{Free, OneCore, TwoCores};
use Who::{Alone, Processes, Threads};

/// The tutorial's figures in seconds: two processes, two threads, a million round trips each.
pub const TUTORIAL: [f64; 2] = [83.252, 36.538];

/// Switches in a round trip that is two switches and nothing else, about.
const TWO: std::ops::RangeInclusive<f64> = 1.8..=2.5;

/// Fewer switches in a round trip than this are as good as none.
const NONE: f64 = 0.1;

/// What the counted switches say of a round trip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switching {
    /// Each hop was one switch.
    EachHop,
    /// Each end worked on, on a core of its own.
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

/// What the figures say about this machine, a sentence or two each.
#[must_use]
pub fn conclusions(figures: &Figures, memory: Option<Memory>) -> Vec<String> {
    let sentences = [
        switch(figures),
        kinds(figures),
        queue(figures),
        channel(figures),
        cores(figures),
        bytes(figures),
        one_more(figures, memory),
        tutorial(figures),
    ];
    let tell = |(about, sentence): (&str, Result<String, String>)| match sentence {
        Ok(sentence) => format!("{about}: {sentence}"),
        Err(reason) => format!("{about}: can't be told here, {reason}"),
    };
    let about = ["a switch", "threads or processes", "the queue", "the channel"];
    let about = about.into_iter().chain(["the cores", "bytes", "one more", "the tutorial"]);
    about.zip(sentences).map(tell).collect()
}

fn trip(who: Who, channel: Channel, placement: Placement) -> Subject {
    Subject::RoundTrip(Cell::new(who, channel, placement))
}

/// Half of a round trip over pipes, without what the pipes cost themselves.
fn switch(figures: &Figures) -> Result<String, String> {
    let [threads, processes] = [Threads, Processes].map(|who| {
        let cell = trip(who, Pipe, OneCore);
        let hop = figures.per_hop(cell, trip(Alone, Pipe, OneCore))?;
        let switches = figures.switches(cell).unwrap_or_default();
        if Switching::of(switches) != Switching::EachHop {
            return Err(format!(
                "a round trip on one core took {switches:.1} switches, so its time is no switch's"
            ));
        }
        Ok::<_, String>(hop)
    });
    let (threads, processes) = (threads?, processes?);
    Ok(format!(
        "from one thread to another of the same process it costs {threads}, to one of another \
         process {processes}. {}",
        said(threads, processes)
    ))
}

/// The verdict on processes, in a sentence.
fn said(threads: Spread, processes: Spread) -> String {
    let apart = show(processes.median.abs_diff(threads.median));
    match Comparison::of(threads, processes) {
        Comparison::NoneShown => "The ranges overlap: no difference shown.".into(),
        Comparison::Longer => format!("Between processes it is {apart} longer."),
        Comparison::Shorter => format!("Between processes it is {apart} shorter."),
    }
}

/// Of all pairs of cells that differ in nothing but who holds the ends.
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

/// The cell that undoes the confounding: one queue, both kinds of ends.
fn queue(figures: &Figures) -> Result<String, String> {
    let crossbeam = figures.time(trip(Threads, Crossbeam, Free))?;
    let (threads, processes, _) = figures.processes_to_threads(Cell::new(Threads, Queue, Free))?;
    Ok(format!(
        "two threads take {} over crossbeam's and {} over ours, {} times; over ours, two processes \
         take {}. {}",
        show(crossbeam.median),
        show(threads.median),
        ratio(threads, crossbeam),
        show(processes.median),
        said(threads, processes)
    ))
}

fn channel(figures: &Figures) -> Result<String, String> {
    let mut channels = Vec::new();
    for channel in [Pipe, Futex, Queue] {
        channels.push((figures.time(trip(Processes, channel, OneCore))?, channel.name()));
    }
    channels.sort_by_key(|(time, _)| time.median);
    let each = channels.iter().map(|(time, name)| format!("{} over {name}", show(time.median)));
    let most = ratio(channels[2].0, channels[0].0);
    Ok(format!(
        "the same two processes on one core take {}: {most} times from first to last.",
        each.collect::<Vec<_>>().join(", ")
    ))
}

fn cores(figures: &Figures) -> Result<String, String> {
    let one = figures.time(trip(Processes, Pipe, OneCore))?;
    let two = figures.time(trip(Processes, Pipe, TwoCores))?;
    let verdict = match Comparison::of(one, two) {
        Comparison::NoneShown => "no difference shown".into(),
        _ => format!("{} times", ratio(two, one)),
    };
    Ok(format!(
        "the same two processes over the same pipes take {} on one core, {} on one core each: \
         {verdict}.",
        show(one.median),
        show(two.median),
    ))
}

fn bytes(figures: &Figures) -> Result<String, String> {
    let bytes = figures.time(Subject::Bytes)?;
    let trip = figures.time(trip(Processes, Queue, OneCore))?;
    let share = 200.0 * bytes.median.as_secs_f64() / trip.median.as_secs_f64();
    Ok(format!(
        "a token becomes bytes and a token again in {}, twice in a round trip: {share:.0} % of one \
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

/// What is left of the tutorial's factor when only one thing differs.
fn tutorial(figures: &Figures) -> Result<String, String> {
    let [processes, threads] = TUTORIAL;
    let (ours, other, comparison) =
        figures.processes_to_threads(Cell::new(Threads, Queue, Free))?;
    let left = match comparison {
        Comparison::NoneShown => "no difference is shown here".into(),
        _ => format!("it is {} here", ratio(other, ours)),
    };
    Ok(format!(
        "its factor of {:.1} is a true one, of two queues. Where both sides have the same queue, \
         {left}.",
        processes / threads
    ))
}

/// How many times as long the first takes, by the medians.
fn ratio(first: Spread, second: Spread) -> String {
    let ratio = first.median.as_secs_f64() / second.median.as_secs_f64().max(1e-9);
    if ratio < 10.0 { format!("{ratio:.1}") } else { format!("{ratio:.0}") }
}

/// Bytes in KiB.
pub(crate) fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::figures::Sample;
    use super::*;

    /// A subject with these times in µs, and so many switches each.
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
        assert!(sentence.contains("costs 21.0 µs (20.0 µs – 22.0 µs)"), "{sentence}");
        assert!(sentence.contains("another process 21.5 µs (20.5 µs – 22.5 µs)"), "{sentence}");
    }

    #[test]
    fn ranges_that_overlap_show_no_difference_and_others_show_theirs() {
        let overlapping = sentence(&pipes(2.0, [53, 51, 55]), "a switch");
        assert!(overlapping.ends_with("no difference shown."), "{overlapping}");
        let longer = sentence(&pipes(2.0, [62, 60, 64]), "a switch");
        assert!(longer.ends_with("Between processes it is 5.0 µs longer."), "{longer}");
        let shorter = sentence(&pipes(2.0, [30, 30, 30]), "a switch");
        assert!(shorter.ends_with("Between processes it is 11.0 µs shorter."), "{shorter}");
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
            Figures(vec![
                figure(trip(Threads, Queue, Free), 0.0, [10, 10, 11]),
                figure(trip(Processes, Queue, Free), 0.0, processes),
            ])
        };
        let same = sentence(&queue([9, 10, 12]), "the tutorial");
        assert!(
            same.contains("factor of 2.3") && same.contains("no difference is shown"),
            "{same}"
        );
        let other = sentence(&queue([30, 31, 30]), "the tutorial");
        assert!(other.ends_with("it is 3.0 here."), "{other}");
    }
}
