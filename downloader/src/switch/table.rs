//! The figures as tables, of at most 76 columns if there is room.

use std::fmt;
use std::time::Duration;

use common::narrator::wrapped;
use common::table::Table;
use common::text;
use common::time::{Spread, show};
use prettytable::{Cell as Field, Row};

use super::conclusion::{Switching, TOKENS, TUTORIAL, kib};
use super::subject::WORKING_SETS;
use super::{Cell, Channel, Comparison, Figures, Memory, Placement, Subject, Who};

/// Shows threads and processes side by side over every channel, and below it what their switches
/// say.
pub(crate) fn matrix(figures: &Figures, placement: Placement) -> Shown {
    use Channel::{Crossbeam, Futex, Pipe, Queue};
    let heads = [
        text!("channel"),
        text!("threads, µs"),
        switches(),
        text!("processes, µs"),
        switches(),
        text!("difference"),
    ];
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for channel in [Pipe, Futex, Queue, Crossbeam] {
        let cell = Cell::new(Who::Threads, channel, placement);
        let mut row = vec![channel.name()];
        for who in [Who::Threads, Who::Processes] {
            if (who, channel) == (Who::Processes, Crossbeam) {
                row.extend([text!("threads only"), String::new()]);
                continue;
            }
            let subject = Subject::RoundTrip(Cell { who, ..cell });
            row.push(micros(figures.time(subject), &mut notes));
            let switches = figures.switches(subject);
            row.push(switches.map(|switches| format!("{switches:.1}")).unwrap_or_default());
            notes.extend(switches.and_then(|switches| note(switches, who, cell)));
        }
        row.push(match figures.processes_to_threads(cell) {
            Ok((threads, processes, comparison)) => {
                let apart = processes.median.abs_diff(threads.median);
                let percent = 100.0 * apart.as_secs_f64() / threads.median.as_secs_f64();
                match comparison {
                    Comparison::NoneShown => text!("none shown"),
                    Comparison::Longer => format!("+{percent:.0}%"),
                    Comparison::Shorter => format!("−{percent:.0}%"),
                }
            }
            Err(_) => String::new(),
        });
        rows.push(row);
    }
    with_notes(table(&heads, &rows), notes)
}

/// Explains the counted switches where a round trip isn't two switches.
fn note(switches: f64, who: Who, cell: Cell) -> Option<String> {
    let who = if who == Who::Threads { text!("threads") } else { text!("processes") };
    let name = cell.channel.name();
    match (Switching::of(switches), cell.placement) {
        (Switching::EachHop, _) => None,
        (Switching::None, _) => Some(text!("no switch took place: {}, {}", name, who)),
        (Switching::Other, Placement::OneCore) => Some(text!(
            "not a switch cost: {}, {}: {} switches in a round trip",
            name,
            who,
            format_args!("{switches:.1}")
        )),
        (Switching::Other, _) => None,
    }
}

/// Shows the tutorial's two rows, and between them the row that differs from either in one thing
/// only: threads over our queue.
pub(crate) fn queues(figures: &Figures) -> Shown {
    let heads = [vec![text!("the queue, µs")], Placement::ALL.map(Placement::name).to_vec()];
    let mut notes = Vec::new();
    let rows = [
        (text!("threads, crossbeam"), Who::Threads, Channel::Crossbeam),
        (text!("threads, our queue"), Who::Threads, Channel::Queue),
        (text!("processes, our queue"), Who::Processes, Channel::Queue),
    ];
    let rows = rows.map(|(name, who, channel)| {
        let times = Placement::ALL.map(|placement| {
            let cell = Cell::new(who, channel, placement);
            micros(figures.time(Subject::RoundTrip(cell)), &mut notes)
        });
        [vec![name], times.to_vec()].concat()
    });
    with_notes(table(&heads.concat(), &rows), notes)
}

/// Shows the tutorial's figures beside ours: seconds for two processes and for two threads, and
/// each token's share.
#[must_use]
pub fn tutorial(tokens: u64, ours: [Duration; 2]) -> Shown {
    let token = || text!("a token");
    let heads = [String::new(), text!("the tutorial"), token(), text!("here"), token()];
    let each = |time: Duration, tokens: u64| show(time.div_f64(tokens as f64));
    let row = |name: String, seconds: f64, ours: Duration| {
        let theirs = each(Duration::from_secs_f64(seconds), TOKENS);
        vec![name, format!("{seconds} s"), theirs, show(ours), each(ours, tokens)]
    };
    let factor = |processes: f64, threads: f64| format!("{:.2}", processes / threads.max(1e-9));
    let [processes, threads] = TUTORIAL;
    let here = factor(ours[0].as_secs_f64(), ours[1].as_secs_f64());
    let rows = [
        row(text!("two processes"), processes, ours[0]),
        row(text!("two threads"), threads, ours[1]),
        vec![text!("factor"), factor(processes, threads), String::new(), here, String::new()],
    ];
    let [all, tokens] = [TOKENS, tokens].map(thousands);
    let note =
        text!("{} tokens each way in the tutorial, {} here ({})", all, tokens, super::build());
    with_notes(table(&heads, &rows), vec![note])
}

/// Shows the parts of a round trip on their own, and perf's figures beside ours.
pub(crate) fn controls(figures: &Figures) -> Shown {
    use Channel::{Pipe, Spin, Yield};
    use Placement::{OneCore, TwoCores};
    let trip = |who, channel, placement| Subject::RoundTrip(Cell::new(who, channel, placement));
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    let mut row = |name: String, subjects: [Option<Subject>; 2]| {
        let mut row = vec![name];
        for subject in subjects {
            let time = subject.map(|subject| micros(figures.time(subject), &mut notes));
            row.push(time.unwrap_or_default());
            let switches = subject.and_then(|subject| figures.switches(subject));
            row.push(switches.map(|switches| format!("{switches:.1}")).unwrap_or_default());
        }
        rows.push(row);
    };
    let pair = |subject: fn(Who) -> Subject| [Who::Threads, Who::Processes].map(subject).map(Some);
    let both = |channel, placement| {
        [Who::Threads, Who::Processes].map(|who| Some(trip(who, channel, placement)))
    };
    row(text!("a token to bytes and back"), [Some(Subject::Bytes), None]);
    row(text!("pipes, to oneself"), [Some(trip(Who::Alone, Pipe, OneCore)), None]);
    row(text!("spinning, one core each"), both(Spin, TwoCores));
    row(text!("sched_yield, one core"), both(Yield, OneCore));
    row(text!("kernel pipes, one core"), both(Pipe, OneCore));
    row("perf bench sched pipe".to_owned(), pair(Subject::Perf));
    let heads =
        [text!("on its own"), text!("threads, µs"), switches(), text!("processes, µs"), switches()];
    with_notes(table(&heads, &rows), notes)
}

/// Shows a round trip over pipes on one core when each end touches memory of its own before every
/// hop.
pub(crate) fn caches(figures: &Figures) -> Shown {
    let heads = [
        text!("touched by each"),
        text!("one alone, µs"),
        text!("threads, µs"),
        text!("processes, µs"),
    ];
    let mut notes = Vec::new();
    let row = |touched: usize| {
        let mut row = vec![kib(touched as u64)];
        for who in [Who::Alone, Who::Threads, Who::Processes] {
            let cell = Cell { touched, ..Cell::new(who, Channel::Pipe, Placement::OneCore) };
            row.push(micros(figures.time(Subject::RoundTrip(cell)), &mut notes));
        }
        row
    };
    with_notes(table(&heads, &WORKING_SETS.map(row)), notes)
}

/// Shows what one more thread or process costs.
pub(crate) fn start_up(figures: &Figures, memory: Option<Memory>) -> Shown {
    let heads = [text!("one more"), text!("start and join, µs"), text!("memory of its own")];
    let mut notes = Vec::new();
    let rows = [
        (text!("thread"), Who::Threads, memory.map(|memory| memory.thread)),
        (text!("process"), Who::Processes, memory.map(|memory| memory.process)),
    ];
    let rows = rows.map(|(name, who, memory)| {
        let time = micros(figures.time(Subject::Start(who)), &mut notes);
        vec![name, time, memory.map_or_else(|| text!("not told here"), kib)]
    });
    with_notes(table(&heads, &rows), notes)
}

/// Returns the title of the switches, which stay beside the time that they belong to.
fn switches() -> String {
    format!("\u{2060}{}", text!("sw."))
}

/// A table and the notes below it. Written by `{:n}`, both take at most n columns.
///
/// ```
/// # use std::time::Duration;
/// let table = downloader::switch::tutorial(1_000_000, [Duration::from_secs(1); 2]);
/// assert!(format!("{table:60}").lines().all(|line| line.chars().count() <= 60));
/// ```
#[derive(Clone, Debug)]
pub struct Shown {
    table: Table,
    notes: Vec<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)?;
        let room = f.width().unwrap_or(usize::MAX);
        let lines = self.notes.iter().flat_map(|note| wrapped(note, room, 2));
        lines.into_iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Makes a table as the lesson shows it.
fn table(heads: &[String], rows: &[Vec<String>]) -> Table {
    let fields = |texts: &[String]| Row::new(texts.iter().map(|text| Field::new(text)).collect());
    let mut table = Table::open(fields(heads));
    rows.iter().for_each(|row| table.add_row(fields(row)));
    table
}

/// Writes `5.31 (5.20–5.44)`; what can't be measured is a dash, and a note.
fn micros(time: Result<Spread, String>, notes: &mut Vec<String>) -> String {
    match time {
        Ok(time) => {
            let [min, median, max] = [time.min, time.median, time.max].map(digits);
            format!("{median} ({min}–{max})")
        }
        Err(reason) => {
            notes.push(format!("— {reason}"));
            "—".into()
        }
    }
}

/// Writes microseconds with as many digits as mean something.
fn digits(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    let digits = match micros {
        99.95.. => 0,
        9.995.. => 1,
        0.0995.. => 2,
        _ => 3,
    };
    format!("{micros:.digits$}")
}

/// Writes a number with commas: `1,000,000`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Puts each note once below the table.
fn with_notes(table: Table, notes: Vec<String>) -> Shown {
    let mut said: Vec<String> = Vec::new();
    for note in notes {
        if !said.contains(&note) {
            said.push(note);
        }
    }
    Shown { table, notes: said }
}

#[cfg(test)]
mod tests {
    use super::super::{Sample, all};
    use super::*;

    /// Makes every subject with the same times, and this many switches.
    fn figures(micros: [u64; 3], switches: f64) -> Figures {
        let sample =
            |micros| Sample { time: Duration::from_micros(micros), switches: Some(switches) };
        let samples = micros.map(sample).to_vec();
        Figures(all().into_iter().map(|subject| (subject, Ok(samples.clone()))).collect())
    }

    #[test]
    fn a_table_fits_a_screen_with_slow_figures_too() {
        let figures = figures([1000, 2000, 3000], 2.0);
        let memory = Some(Memory { thread: 11_000, process: 160_000 });
        let times = [Duration::from_secs(83), Duration::from_secs(36)];
        let [one, two, free] = Placement::ALL.map(|placement| matrix(&figures, placement));
        let [queues, controls] = [queues(&figures), controls(&figures)];
        let [caches, start_up] = [caches(&figures), start_up(&figures, memory)];
        let tutorial = tutorial(1_000_000, times);
        for table in [one, two, free, queues, controls, caches, start_up, tutorial] {
            assert_eq!(format!("{table:76}"), table.to_string(), "it is as wide as it likes to be");
            for line in format!("{table:56}").lines() {
                assert!(line.chars().count() <= 56, "{line}");
            }
        }
    }

    #[test]
    fn a_cell_says_what_its_switches_do() {
        let one_core =
            |switches| matrix(&figures([4, 5, 6], switches), Placement::OneCore).to_string();
        let (threads, processes) = (text!("threads"), text!("processes"));
        let (pipes, queue) = (Channel::Pipe.name(), Channel::Queue.name());
        let odd =
            text!("not a switch cost: {}, {}: {} switches in a round trip", pipes, threads, "1.2");
        let none = text!("no switch took place: {}, {}", queue, processes);
        let shows = |table: &str| [&odd, &none].map(|note| table.contains(note.as_str()));
        assert!(one_core(2.0).contains("5.00 (4.00–6.00)  2.0"), "{}", one_core(2.0));
        assert_eq!(
            [2.0, 1.2, 0.0].map(|switches| shows(&one_core(switches))),
            [[false, false], [true, false], [false, true]]
        );
        let two_cores = matrix(&figures([4, 5, 6], 1.2), Placement::TwoCores).to_string();
        assert_eq!(shows(&two_cores), [false, false], "{two_cores}");
    }

    #[test]
    fn a_cell_that_could_not_be_measured_is_a_dash_with_its_reason_once() {
        let reason = "there is only one core here";
        let missing = all().into_iter().map(|subject| (subject, Err(reason.into()))).collect();
        let table = matrix(&Figures(missing), Placement::TwoCores).to_string();
        assert_eq!(table.matches(reason).count(), 1, "{table}");
        assert_eq!(table.matches('—').count(), 7 + 1, "{table}");
    }

    #[test]
    fn figures_have_as_many_digits_as_mean_something() {
        let shown = [9, 120, 5312, 62_140, 117_800].map(Duration::from_nanos).map(digits);
        assert_eq!(shown, ["0.009", "0.12", "5.31", "62.1", "118"]);
        assert_eq!([0, 999, 1000, 1_000_000].map(thousands), ["0", "999", "1,000", "1,000,000"]);
    }
}
