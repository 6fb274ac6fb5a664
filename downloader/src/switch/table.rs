//! The figures as tables of at most 76 columns, and as JSON.

use common::time::{Spread, show};
use prettytable::format::{FormatBuilder, LinePosition, LineSeparator};
use prettytable::{Cell as Field, Row, Table};
use serde_json::{Value, json};

use super::conclusion::{Switching, kib};
use super::subject::WORKING_SETS;
use super::{Cell, Channel, Comparison, Figures, Memory, Placement, Subject, Terms, Who};

/// Threads and processes side by side over every channel, and below it what their switches say.
#[must_use]
pub fn matrix(figures: &Figures, placement: Placement) -> String {
    use Channel::{Crossbeam, Futex, Pipe, Queue};
    let heads = [placement.name(), "threads, µs", "sw.", "processes, µs", "sw.", "difference"];
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
                let apart = show(processes.median.abs_diff(threads.median));
                match comparison {
                    Comparison::NoneShown => "none shown".into(),
                    Comparison::Longer => format!("+{apart}"),
                    Comparison::Shorter => format!("−{apart}"),
                }
            }
            Err(_) => String::new(),
        });
        rows.push(row);
    }
    with_notes(table(&heads, rows), notes)
}

/// What the counted switches say, where that isn't what one might think.
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

/// The parts of a round trip on their own, and perf's figures beside ours.
#[must_use]
pub fn controls(figures: &Figures) -> String {
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
    let heads = ["on its own", "threads, µs", "sw.", "processes, µs", "sw."];
    with_notes(table(&heads, rows), notes)
}

/// A round trip over pipes on one core when each end touches memory of its own before every hop.
#[must_use]
pub fn caches(figures: &Figures) -> String {
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

/// What it costs to have one more.
#[must_use]
pub fn start_up(figures: &Figures, memory: Option<Memory>) -> String {
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

/// All samples, in seconds, and what was concluded.
#[must_use]
pub fn json(
    figures: &Figures,
    terms: Terms,
    memory: Option<Memory>,
    tutorial: &Value,
    conclusions: &[String],
) -> String {
    let figure = |(subject, samples): &(Subject, Result<_, String>)| {
        let time = figures.time(*subject).ok();
        let [min, median, max] = [
            time.map(|time| time.min.as_secs_f64()),
            time.map(|time| time.median.as_secs_f64()),
            time.map(|time| time.max.as_secs_f64()),
        ];
        let times = samples.as_ref().ok().map(|samples: &Vec<super::Sample>| {
            samples.iter().map(|sample| sample.time.as_secs_f64()).collect::<Vec<_>>()
        });
        json!({
            "subject": subject,
            "seconds": { "median": median, "min": min, "max": max, "samples": times },
            "switches": figures.switches(*subject),
            "missing": samples.as_ref().err(),
        })
    };
    let figures: Vec<Value> = figures.0.iter().map(figure).collect();
    let document = json!({
        "build": super::BUILD,
        "cores": process_basics::cpu_count(),
        "sample_seconds": terms.time.as_secs_f64(),
        "rounds": terms.rounds,
        "tutorial": tutorial,
        "figures": figures,
        "memory_bytes": memory,
        "conclusions": conclusions,
    });
    format!("{document:#}\n")
}

/// A table as the lesson shows it.
pub fn table(heads: &[&str], rows: Vec<Vec<String>>) -> String {
    let line = LineSeparator::new('─', '─', '─', '─');
    let format = FormatBuilder::new()
        .column_separator(' ')
        .padding(0, 1)
        .separator(LinePosition::Title, line)
        .build();
    let fields = |texts: &mut dyn Iterator<Item = &str>| Row::new(texts.map(Field::new).collect());
    let mut table = Table::new();
    table.set_format(format);
    table.set_titles(fields(&mut heads.iter().copied()));
    for row in &rows {
        table.add_row(fields(&mut row.iter().map(String::as_str)));
    }
    table.to_string()
}

/// `5.31 (5.20–5.44)`; what can't be measured is a dash, and a note.
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

/// Microseconds with as many digits as mean something.
fn digits(time: std::time::Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    let digits = match micros {
        99.95.. => 0,
        9.995.. => 1,
        _ => 2,
    };
    format!("{micros:.digits$}")
}

/// Each note once.
fn with_notes(mut table: String, notes: Vec<String>) -> String {
    let mut said: Vec<String> = Vec::new();
    for note in notes {
        if !said.contains(&note) {
            table.push_str(&note);
            table.push('\n');
            said.push(note);
        }
    }
    table
}
