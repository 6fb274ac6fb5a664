//! The figures as tables, of at most 76 columns if there is room.

use std::fmt;
use std::time::Duration;

use common::narrator::wrapped;
use common::table::Table;
use common::time::{Spread, show};
use prettytable::{Cell as Field, Row};

use super::conclusion::{Switching, TUTORIAL, kib};
use super::subject::WORKING_SETS;
use super::{BUILD, Cell, Channel, Comparison, Figures, Memory, Placement, Subject, TOKENS, Who};

/// Shows threads and processes side by side over every channel, and below it what their switches
/// say.
#[must_use]
pub fn matrix(figures: &Figures, placement: Placement) -> Shown {
    use Channel::{Crossbeam, Futex, Pipe, Queue};
    let heads = ["channel", "threads, µs", SWITCHES, "processes, µs", SWITCHES, "difference"];
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for channel in [Pipe, Futex, Queue, Crossbeam] {
        let cell = Cell::new(Who::Threads, channel, placement);
        let mut row = vec![channel.name().to_owned()];
        for who in [Who::Threads, Who::Processes] {
            if (who, channel) == (Who::Processes, Crossbeam) {
                row.extend(["threads only".into(), String::new()]);
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
                    Comparison::NoneShown => "none shown".into(),
                    Comparison::Longer => format!("+{percent:.0} %"),
                    Comparison::Shorter => format!("−{percent:.0} %"),
                }
            }
            Err(_) => String::new(),
        });
        rows.push(row);
    }
    with_notes(table(&heads, rows), notes)
}

/// Explains the counted switches where a round trip isn't two switches.
fn note(switches: f64, who: Who, cell: Cell) -> Option<String> {
    let who = if who == Who::Threads { "threads" } else { "processes" };
    let name = cell.channel.name();
    match (Switching::of(switches), cell.placement) {
        (Switching::EachHop, _) => None,
        (Switching::None, _) => Some(format!("no switch took place: {name}, {who}")),
        (Switching::Other, Placement::OneCore) => {
            Some(format!("not a switch cost: {name}, {who}: {switches:.1} in a round trip"))
        }
        (Switching::Other, _) => None,
    }
}

/// Shows the tutorial's two rows, and between them the row that differs from either in one thing
/// only: threads over our queue.
#[must_use]
pub fn queues(figures: &Figures) -> Shown {
    let heads = [&["the queue, µs"][..], &Placement::ALL.map(Placement::name)].concat();
    let mut notes = Vec::new();
    let rows = [
        ("threads, crossbeam", Who::Threads, Channel::Crossbeam),
        ("threads, our queue", Who::Threads, Channel::Queue),
        ("processes, our queue", Who::Processes, Channel::Queue),
    ];
    let rows = rows.map(|(name, who, channel)| {
        let times = Placement::ALL.map(|placement| {
            let cell = Cell::new(who, channel, placement);
            micros(figures.time(Subject::RoundTrip(cell)), &mut notes)
        });
        [vec![name.to_owned()], times.to_vec()].concat()
    });
    with_notes(table(&heads, rows.to_vec()), notes)
}

/// Shows the tutorial's figures beside ours: seconds for two processes and for two threads, and
/// each token's share.
#[must_use]
pub fn tutorial(tokens: u64, ours: [Duration; 2]) -> Shown {
    let heads = ["", "tutorial", "a token", "here", "a token"];
    let each = |time: Duration, tokens: u64| show(time.div_f64(tokens as f64));
    let row = |(name, theirs, ours): (&str, f64, Duration)| {
        let theirs = Duration::from_secs_f64(theirs);
        vec![name.into(), show(theirs), each(theirs, TOKENS), show(ours), each(ours, tokens)]
    };
    let [processes, threads] = TUTORIAL;
    let rows = [("two processes", processes, ours[0]), ("two threads", threads, ours[1])];
    let [all, tokens] = [TOKENS, tokens].map(thousands);
    let note = format!("{all} tokens each way in the tutorial, {tokens} here ({BUILD})");
    with_notes(table(&heads, rows.map(row).to_vec()), vec![note])
}

/// Shows the parts of a round trip on their own, and perf's figures beside ours.
#[must_use]
pub fn controls(figures: &Figures) -> Shown {
    use Channel::{Pipe, Spin, Yield};
    use Placement::{OneCore, TwoCores};
    let trip = |who, channel, placement| Subject::RoundTrip(Cell::new(who, channel, placement));
    let mut rows = Vec::new();
    let mut notes = Vec::new();
    let mut row = |name: &str, subjects: [Option<Subject>; 2]| {
        let mut row = vec![name.to_owned()];
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
    row("a token to bytes and back", [Some(Subject::Bytes), None]);
    row("pipes, to oneself", [Some(trip(Who::Alone, Pipe, OneCore)), None]);
    row("spinning, one core each", both(Spin, TwoCores));
    row("sched_yield, one core", both(Yield, OneCore));
    row("kernel pipes, one core", both(Pipe, OneCore));
    row("perf bench sched pipe", pair(Subject::Perf));
    let heads = ["on its own", "threads, µs", SWITCHES, "processes, µs", SWITCHES];
    with_notes(table(&heads, rows), notes)
}

/// Shows a round trip over pipes on one core when each end touches memory of its own before every
/// hop.
#[must_use]
pub fn caches(figures: &Figures) -> Shown {
    let heads = ["touched by each", "one alone, µs", "threads, µs", "processes, µs"];
    let mut notes = Vec::new();
    let row = |touched: usize| {
        let mut row = vec![kib(touched as u64)];
        for who in [Who::Alone, Who::Threads, Who::Processes] {
            let cell = Cell { touched, ..Cell::new(who, Channel::Pipe, Placement::OneCore) };
            row.push(micros(figures.time(Subject::RoundTrip(cell)), &mut notes));
        }
        row
    };
    let rows = WORKING_SETS.map(row).to_vec();
    with_notes(table(&heads, rows), notes)
}

/// Shows what one more thread or process costs.
#[must_use]
pub fn start_up(figures: &Figures, memory: Option<Memory>) -> Shown {
    let heads = ["one more", "start and join, µs", "memory of its own"];
    let mut notes = Vec::new();
    let rows = [
        ("thread", Who::Threads, memory.map(|memory| memory.thread)),
        ("process", Who::Processes, memory.map(|memory| memory.process)),
    ];
    let rows = rows.map(|(name, who, memory)| {
        let time = micros(figures.time(Subject::Start(who)), &mut notes);
        vec![name.into(), time, memory.map_or_else(|| "not told here".into(), kib)]
    });
    with_notes(table(&heads, rows.to_vec()), notes)
}

/// The title of the switches, which stay beside the time that they belong to.
const SWITCHES: &str = "\u{2060}sw.";

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
fn table(heads: &[&str], rows: Vec<Vec<String>>) -> Table {
    let fields = |texts: &mut dyn Iterator<Item = &str>| Row::new(texts.map(Field::new).collect());
    let mut table = Table::open(fields(&mut heads.iter().copied()));
    for row in &rows {
        table.add_row(fields(&mut row.iter().map(String::as_str)));
    }
    table
}

/// Writes `5.31 (5.20–5.44)`; what can't be measured is a dash, and a note.
fn micros(time: Result<Spread, &str>, notes: &mut Vec<String>) -> String {
    match time {
        Ok(time) => {
            let [min, median, max] = [time.min, time.median, time.max].map(digits);
            format!("{median} ({min}–{max})")
        }
        Err(reason) => {
            notes.push(format!("—: {reason}"));
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
        assert!(one_core(2.0).contains("5.00 (4.00–6.00)  2.0"), "{}", one_core(2.0));
        assert!(!one_core(2.0).contains("switch "));
        let marked = "not a switch cost: kernel pipes, threads: 1.2 in a round trip";
        assert!(one_core(1.2).contains(marked), "{}", one_core(1.2));
        assert!(one_core(0.0).contains("no switch took place: our queue, processes"));
        let two_cores = matrix(&figures([4, 5, 6], 1.2), Placement::TwoCores).to_string();
        assert!(!two_cores.contains("not a switch cost"), "{two_cores}");
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
