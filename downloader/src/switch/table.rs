//! The figures as tables, of at most 76 columns if there is room.

use std::fmt;
use std::time::Duration;

use common::measure::{Execution, Placement};
use common::narrator::wrapped;
use common::table::Table;
use common::text;
use common::time::{Spread, show};

use super::build;
use super::conclusion::{NO_SWITCH, TOKENS, TUTORIAL, TWO_SWITCHES, kib};
use super::figures::Figures;
use super::start::Memory;
use super::subject::{BOTH, Subject, THREADS_ONLY, TRANSPORTS, Transport, WORKING_SETS};

use Execution::{Alone, Processes, Threads};
use Placement::{OneCore, TwoCores};
use Transport::{Crossbeam, Pipe, Queue, Spin, Yield};

/// Shows threads and processes side by side over every transport, and below it what their switches
/// say.
pub(crate) fn matrix(figures: &Figures, placement: Placement) -> Shown {
    let [threads, processes] = [text!("threads, µs"), text!("processes, µs")];
    let heads = [text!("channel"), threads, switches(), processes, switches(), text!("difference")];
    let mut shown = Shown::new(&heads);
    for transport in TRANSPORTS {
        let mut row = vec![transport.name()];
        for execution in BOTH {
            if (transport, execution) == THREADS_ONLY {
                row.extend([text!("threads only"), String::new()]);
                continue;
            }
            let subject = Subject::trip(execution, transport, placement);
            row.extend(shown.with_switches(figures, subject));
            let switches = figures.switches(subject);
            shown.note(switches.and_then(|count| note(count, execution, transport, placement)));
        }
        row.push(match figures.both(transport, placement) {
            Ok([threads, processes]) => difference(threads, processes),
            Err(_) => String::new(),
        });
        shown.add(&row);
    }
    shown
}

/// Writes by how much processes take longer than threads, if a difference is shown.
fn difference(threads: Spread, processes: Spread) -> String {
    let Some(order) = processes.difference(&threads) else { return text!("none shown") };
    let apart = processes.median.abs_diff(threads.median).as_secs_f64();
    let sign = if order.is_gt() { '+' } else { '−' };
    format!("{sign}{:.0}%", 100.0 * apart / threads.median.as_secs_f64())
}

/// Explains the counted switches where a round trip isn't two switches.
fn note(
    switches: f64,
    execution: Execution,
    transport: Transport,
    placement: Placement,
) -> Option<String> {
    let name = transport.name();
    let ends = if execution == Threads { text!("threads") } else { text!("processes") };
    if NO_SWITCH.contains(&switches) {
        return Some(text!("no switch took place: {}, {}", name, ends));
    }
    let is_odd = placement == OneCore && !TWO_SWITCHES.contains(&switches);
    is_odd.then(|| {
        let switches = format!("{switches:.1}");
        text!("not a switch cost: {}, {}: {} switches in a round trip", name, ends, switches)
    })
}

/// Shows the tutorial's two rows, and between them the row that differs from either in one thing
/// only: threads over our queue.
pub(crate) fn queues(figures: &Figures) -> Shown {
    let heads = [vec![text!("the queue, µs")], Placement::ALL.map(Placement::name).to_vec()];
    let mut shown = Shown::new(&heads.concat());
    for (name, execution, transport) in [
        (text!("threads, crossbeam"), Threads, Crossbeam),
        (text!("threads, our queue"), Threads, Queue),
        (text!("processes, our queue"), Processes, Queue),
    ] {
        let subjects = Placement::ALL.map(|place| Subject::trip(execution, transport, place));
        shown.add_times(name, figures, &subjects);
    }
    shown
}

/// Shows the tutorial's figures beside ours: seconds for two processes and for two threads, and
/// each token's share.
#[must_use]
pub fn tutorial(tokens: u64, ours: [Duration; 2]) -> impl fmt::Display {
    let token = || text!("a token");
    let heads = [String::new(), text!("the tutorial"), token(), text!("here"), token()];
    let mut shown = Shown::new(&heads);
    let each = |time: Duration, tokens: u64| show(time.div_f64(tokens as f64));
    for (place, name) in [text!("two processes"), text!("two threads")].into_iter().enumerate() {
        let seconds = TUTORIAL[place];
        let theirs = each(Duration::from_secs_f64(seconds), TOKENS);
        let here = [show(ours[place]), each(ours[place], tokens)];
        shown.add(&[vec![name, format!("{seconds} s"), theirs], here.to_vec()].concat());
    }
    let factor = |[processes, threads]: [f64; 2]| format!("{:.2}", processes / threads.max(1e-9));
    let here = factor(ours.map(|time| time.as_secs_f64()));
    shown.add(&[text!("factor"), factor(TUTORIAL), String::new(), here, String::new()]);
    let [all, tokens] = [TOKENS, tokens].map(thousands);
    let note = text!("{} tokens each way in the tutorial, {} here ({})", all, tokens, build());
    shown.note(Some(note));
    shown
}

/// Shows the parts of a round trip on their own, and perf's figures beside ours.
pub(crate) fn controls(figures: &Figures) -> Shown {
    let [threads, processes] = [text!("threads, µs"), text!("processes, µs")];
    let heads = [text!("on its own"), threads, switches(), processes, switches()];
    let mut shown = Shown::new(&heads);
    let both = |transport, placement| BOTH.map(|e| Subject::trip(e, transport, placement)).to_vec();
    for (name, subjects) in [
        (text!("a token to bytes and back"), vec![Subject::Bytes]),
        (text!("pipes, to oneself"), vec![Subject::trip(Alone, Pipe, OneCore)]),
        (text!("spinning, one core each"), both(Spin, TwoCores)),
        (text!("sched_yield, one core"), both(Yield, OneCore)),
        (text!("kernel pipes, one core"), both(Pipe, OneCore)),
        ("perf bench sched pipe".to_owned(), BOTH.map(Subject::Perf).to_vec()),
    ] {
        let mut row = vec![name];
        for subject in subjects {
            row.extend(shown.with_switches(figures, subject));
        }
        row.resize(heads.len(), String::new());
        shown.add(&row);
    }
    shown
}

/// Shows a round trip over pipes on one core when each end touches memory of its own before every
/// hop.
pub(crate) fn caches(figures: &Figures) -> Shown {
    let [threads, processes] = [text!("threads, µs"), text!("processes, µs")];
    let heads = [text!("touched by each"), text!("one alone, µs"), threads, processes];
    let mut shown = Shown::new(&heads);
    for touched in WORKING_SETS {
        let subjects = [Alone, Threads, Processes].map(|e| Subject::touching(touched, e));
        shown.add_times(kib(touched as u64), figures, &subjects);
    }
    shown
}

/// Shows what one more thread or process costs.
pub(crate) fn start_up(figures: &Figures, memory: Option<Memory>) -> Shown {
    let heads = [text!("one more"), text!("start and join, µs"), text!("memory of its own")];
    let mut shown = Shown::new(&heads);
    for (name, execution, memory) in [
        (text!("thread"), Threads, memory.map(|memory| memory.thread)),
        (text!("process"), Processes, memory.map(|memory| memory.process)),
    ] {
        let time = shown.micros(figures.time(Subject::Start(execution)));
        shown.add(&[name, time, memory.map_or_else(|| text!("not told here"), kib)]);
    }
    shown
}

/// Returns the title of the switches, which stay beside the time that they belong to.
fn switches() -> String {
    format!("\u{2060}{}", text!("sw."))
}

/// A table and the notes below it. Written by `{:n}`, both take at most n columns.
pub(crate) struct Shown {
    table: Table,
    notes: Vec<String>,
}

impl Shown {
    fn new(heads: &[String]) -> Self {
        Self { table: Table::open(heads.iter().collect()), notes: Vec::new() }
    }

    fn add(&mut self, row: &[String]) {
        self.table.add_row(row.iter().collect());
    }

    fn add_times(&mut self, name: String, figures: &Figures, subjects: &[Subject]) {
        let times = subjects.iter().map(|subject| self.micros(figures.time(*subject)));
        let row: Vec<String> = std::iter::once(name).chain(times).collect();
        self.add(&row);
    }

    /// Puts a note below the table, once.
    fn note(&mut self, note: Option<String>) {
        self.notes.extend(note.filter(|note| !self.notes.contains(note)));
    }

    /// Writes the time, and the switches in a round trip.
    fn with_switches(&mut self, figures: &Figures, subject: Subject) -> [String; 2] {
        let switches = figures.switches(subject).map(|switches| format!("{switches:.1}"));
        [self.micros(figures.time(subject)), switches.unwrap_or_default()]
    }

    /// Writes `5.31 (5.20–5.44)`; what can't be measured is a dash, and a note.
    fn micros(&mut self, time: Result<Spread, String>) -> String {
        match time {
            Ok(time) => {
                let [min, median, max] = [time.min, time.median, time.max].map(digits);
                format!("{median} ({min}–{max})")
            }
            Err(reason) => {
                self.note(Some(format!("— {reason}")));
                "—".into()
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.table.fmt(f)?;
        let room = f.width().unwrap_or(usize::MAX);
        let lines = self.notes.iter().flat_map(|note| wrapped(note, room, 2));
        lines.into_iter().try_for_each(|line| writeln!(f, "{line}"))
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
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy);
    groups.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::super::figures::samples;
    use super::super::subject::all;
    use super::*;

    fn figures(micros: [u32; 3], switches: f64) -> Figures {
        let figure = |subject| (subject, samples(micros, switches));
        Figures(all().into_iter().map(figure).collect())
    }

    #[test]
    fn a_table_fits_a_screen_with_slow_figures_too() {
        let figures = figures([1000, 2000, 3000], 2.0);
        let memory = Some(Memory { thread: 11_000, process: 160_000 });
        let matrix = matrix(&figures, OneCore);
        let [queues, controls, caches] = [queues, controls, caches].map(|table| table(&figures));
        for table in [matrix, queues, controls, caches, start_up(&figures, memory)] {
            assert_eq!(format!("{table:76}"), table.to_string(), "it is as wide as it likes to be");
            for line in format!("{table:56}").lines() {
                assert!(line.chars().count() <= 56, "{line}");
            }
        }
    }

    #[test]
    fn a_cell_says_what_its_switches_do() {
        let of = |switches, place| matrix(&figures([4, 5, 6], switches), place).to_string();
        let [pipes, queue] = [Pipe, Queue].map(Transport::name);
        let (threads, processes) = (text!("threads"), text!("processes"));
        let odd =
            text!("not a switch cost: {}, {}: {} switches in a round trip", pipes, threads, "1.2");
        let none = text!("no switch took place: {}, {}", queue, processes);
        for (switches, place, expected) in [
            (2.0, OneCore, [false, false]),
            (1.2, OneCore, [true, false]),
            (0.0, OneCore, [false, true]),
            (1.2, TwoCores, [false, false]),
        ] {
            let table = of(switches, place);
            assert!(table.contains(&format!("5.00 (4.00–6.00)  {switches:.1}")), "{table}");
            let notes = [&odd, &none].map(|note| table.contains(note.as_str()));
            assert_eq!(notes, expected, "{table}");
        }
    }

    #[test]
    fn a_cell_that_could_not_be_measured_is_a_dash_with_its_reason_once() {
        let reason = "there is only one core here";
        let missing = all().into_iter().map(|subject| (subject, Err(reason.into()))).collect();
        let table = matrix(&Figures(missing), TwoCores).to_string();
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
