//! The lesson's figures: as the tutorial's table, with their ranges, and what they say.

use std::time::Duration;

use common::table::Table;
use common::time::Spread;
use downloader::{CONVOLUTIONS, Times};
use prettytable::format::consts::FORMAT_NO_LINESEP_WITH_TITLE;
use prettytable::row;

/// The measurements of one way: the time to start its workers, and those of each round.
pub(super) struct Figures {
    pub(super) start_up: Duration,
    pub(super) times: Vec<Times>,
}

type Part = fn(&Times) -> Duration;

const STAGES: [(&str, Part); 3] =
    [("network", |times| times.network), ("cpu", |times| times.cpu), ("disk", |times| times.disk)];

impl Figures {
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
    let titles =
        row!["type", "single thread", "threads", "\u{2060}gain", "processes", "\u{2060}gain"];
    let mut table = Table::new(titles).drawn(*FORMAT_NO_LINESEP_WITH_TITLE);
    for (name, part) in STAGES {
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
    let mut table = Table::open(row!["ms", "network", "cpu", "disk", "start-up"]);
    for (way, figures) in ["single thread", "threads", "processes", "rayon"].iter().zip(figures) {
        let [network, cpu, disk] = STAGES.map(|(_, part)| {
            let Spread { min, median, max } = figures.spread(part);
            let [min, median, max] = [min, median, max].map(|time| 1e3 * time.as_secs_f64());
            format!("{median:.0} ({min:.0}–{max:.0})")
        });
        let start_up = format!("{:.1}", 1e3 * figures.start_up.as_secs_f64());
        table.add_row(row![way, network, cpu, disk, start_up]);
    }
    table
}

/// Tells what the figures say about their reasons.
pub(super) fn why(figures: &[Figures], workers: usize, cores: usize) -> Vec<String> {
    let single = &figures[0];
    let faster = |way: usize, part: Part| {
        format!("{:.2}", single.seconds(part) / figures[way].seconds(part))
    };
    let both = |part: Part| {
        format!("threads {} times as fast, processes {}", faster(1, part), faster(2, part))
    };
    let percent = |inner: Part, outer: Part| {
        format!("{:.0} %", 100.0 * single.seconds(inner) / single.seconds(outer))
    };
    let pixels = single.times.first().map_or(0, |times| times.pixels) as f64 / f64::from(1 << 20);
    let [network, cpu, disk] = STAGES.map(|(_, part)| part);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    vec![
        format!("Why? ({cores} cores, {build} build)"),
        format!(
            "network: decoding is {} of a single thread's time, the rest is waiting, and {workers} \
             can wait at once: {}",
            percent(|times| times.decoding, network),
            both(network)
        ),
        format!(
            "cpu: each image is convolved {CONVOLUTIONS} ×, as a load. Nobody waits, so the \
             {cores} cores count, not the {workers} workers: {}",
            both(cpu)
        ),
        format!(
            "disk: encoding, which is CPU work, too, is {} of a single thread's time: {}",
            percent(|times| times.encoding, disk),
            both(disk)
        ),
        format!(
            "memory: in every stage all pixels go to the processes or come from them, \
             {pixels:.1} MiB each time; threads share theirs"
        ),
    ]
}
