//! The lesson's figures: as the tutorial's table, with their ranges, and what they say.

use std::time::Duration;

use common::table::Table;
use common::time::Spread;
use common::{note, text};
use downloader::switch::build;
use downloader::{CONVOLUTIONS, Times};
use prettytable::format::consts::FORMAT_NO_LINESEP_WITH_TITLE;
use prettytable::row;

/// The measurements of one way: the time to start its workers, and those of each round.
pub(super) struct Figures {
    start_up: Duration,
    pub(super) times: Vec<Times>,
}

type Part = fn(&Times) -> Duration;

const PARTS: [Part; 3] = [|times| times.network, |times| times.cpu, |times| times.disk];

/// Returns the names of the stages, in the tutorial's order.
fn names() -> [String; 3] {
    [text!("network"), text!("cpu"), text!("disk")]
}

impl Figures {
    /// Makes the figures of workers that it took so long to start.
    pub(super) fn new(start_up: Duration) -> Self {
        Self { start_up, times: Vec::new() }
    }

    fn spread(&self, part: Part) -> Spread {
        let nothing = Spread { min: Duration::ZERO, median: Duration::ZERO, max: Duration::ZERO };
        Spread::of(self.times.iter().map(part)).unwrap_or(nothing)
    }

    fn seconds(&self, part: Part) -> f64 {
        self.spread(part).median.as_secs_f64()
    }
}

/// Makes the tutorial's table, of medians: how much of the single thread's time the others save.
pub(super) fn gain_table(figures: &[Figures]) -> Table {
    let gain = format!("\u{2060}{}", text!("gain"));
    let [threads, processes] = [text!("threads"), text!("processes")];
    let titles = row![text!("type"), text!("single thread"), threads, gain, processes, gain];
    let mut table = Table::new(titles).drawn(*FORMAT_NO_LINESEP_WITH_TITLE);
    for (name, part) in names().into_iter().zip(PARTS) {
        let [single, threads, processes] = [0, 1, 2].map(|way| figures[way].seconds(part));
        let total = |seconds: f64| format!("{seconds:.4} s");
        let gain = |seconds: f64| format!("{:.4}%", 100.0 * (single - seconds) / single);
        table.add_row(row![
            name,
            total(single),
            total(threads),
            gain(threads),
            total(processes),
            gain(processes)
        ]);
    }
    table
}

/// Makes a table of all ways with their ranges in milliseconds, and the start-up of their workers.
pub(super) fn spread_table(figures: &[Figures]) -> Table {
    let [network, cpu, disk] = names();
    let mut table = Table::open(row![text!("ms"), network, cpu, disk, text!("start-up")]);
    let [single, threads, processes] =
        [text!("single thread"), text!("threads"), text!("processes")];
    for (way, figures) in [single, threads, processes, "rayon".into()].iter().zip(figures) {
        let [network, cpu, disk] = PARTS.map(|part| {
            let Spread { min, median, max } = figures.spread(part);
            let [min, median, max] = [min, median, max].map(|time| 1e3 * time.as_secs_f64());
            format!("{median:.0} ({min:.0}–{max:.0})")
        });
        let start_up = format!("{:.1}", 1e3 * figures.start_up.as_secs_f64());
        table.add_row(row![way, network, cpu, disk, start_up]);
    }
    table
}

/// Prints what the figures say about their reasons.
pub(super) fn explain(figures: &[Figures], workers: usize) {
    let single = &figures[0];
    let percent = |inner: Part, outer: Part| {
        format!("{:.0}", 100.0 * single.seconds(inner) / single.seconds(outer))
    };
    let [network, _, disk] = PARTS;
    let cores = multiprocess::cpu_count();
    let pixels = single.times.first().map_or(0, |times| times.pixels) as f64 / f64::from(1 << 20);
    note!("why? ({} cores, {})", cores, build());
    note!(
        "network: {}% of one thread's time is decoding, the rest is waiting; {} can wait at once.",
        percent(|times| times.decoding, network),
        workers
    );
    note!(
        "CPU: convolutions of each image, as a load: {}. Nothing waits: the {} cores decide, not \
         the {} workers.",
        CONVOLUTIONS,
        cores,
        workers
    );
    note!(
        "disk: {}% of one thread's time is encoding, which is CPU work, too.",
        percent(|times| times.encoding, disk)
    );
    note!(
        "memory: in each stage processes are sent all pixels or send them, {} MiB; threads share \
         theirs.",
        format_args!("{pixels:.1}")
    );
    note!("the tutorial's finding, in Python: processes gain more on the CPU, threads elsewhere.");
}
