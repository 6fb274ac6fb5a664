//! The lesson's figures: as the tutorial's table, with their ranges, and what they say.

use std::time::Duration;

use common::time::{Spread, show};
use downloader::{CONVOLUTIONS, Times};
use prettytable::{Cell, Row, Table, format};

/// What was measured of one way: the time to start its workers, and those of each round.
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

fn table(rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.set_format(*format::consts::FORMAT_NO_LINESEP_WITH_TITLE);
    for (index, cells) in rows.into_iter().enumerate() {
        let row = Row::new(cells.iter().map(|cell| Cell::new(cell)).collect());
        if index == 0 {
            table.set_titles(row);
        } else {
            table.add_row(row);
        }
    }
    table.to_string()
}

/// The tutorial's table, of medians: how much of the single thread's time the others save.
pub(super) fn gain_table(figures: &[Figures]) -> String {
    let head = [
        "type",
        "single thread total",
        "threads total",
        "threads gain",
        "processes total",
        "processes gain",
    ];
    let rows = STAGES.map(|(name, part)| {
        let [single, threads, processes] = [0, 1, 2].map(|way| figures[way].seconds(part));
        let total = |seconds: f64| format!("{seconds:.4} s");
        let gain = |seconds: f64| format!("{:.4}%", 100.0 * (single - seconds) / single);
        vec![
            name.to_owned(),
            total(single),
            total(threads),
            gain(threads),
            total(processes),
            gain(processes),
        ]
    });
    table([head.map(str::to_owned).to_vec()].into_iter().chain(rows))
}

/// All ways with their ranges, and what isn't the stage's own.
pub(super) fn spread_table(figures: &[Figures]) -> String {
    let head = ["", "single thread", "threads", "processes", "rayon"].map(str::to_owned).to_vec();
    let row = |name: &str, cell: &dyn Fn(&Figures) -> String| {
        [name.to_owned()].into_iter().chain(figures.iter().map(cell)).collect::<Vec<_>>()
    };
    let mut rows = vec![head];
    for (name, part) in STAGES {
        rows.push(row(name, &|way| way.spread(part).to_string()));
    }
    rows.push(row("start-up", &|way| show(way.start_up)));
    table(rows)
}

/// What the figures say about their reasons.
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
            "network: decoding is {} of a single thread's time, the rest is waiting, and {workers} can wait at once: {}",
            percent(|times| times.decoding, network),
            both(network)
        ),
        format!(
            "cpu: {CONVOLUTIONS} times convolved, for a load. Nobody waits, so it is the {cores} cores that count, not the {workers} workers: {}",
            both(cpu)
        ),
        format!(
            "disk: encoding, which is CPU work, too, is {} of a single thread's time: {}",
            percent(|times| times.encoding, disk),
            both(disk)
        ),
        format!(
            "processes are sent all pixels in every stage, or send them: {pixels:.1} MiB each time; threads lend them"
        ),
    ]
}
