//! What was measured, in words: the table on the screen, the README's, JSON.

use prettytable::format::FormatBuilder;
use prettytable::{Cell, Row as Line, Table, format};
use serde_json::{Value, json};

use super::{Machine, Measured, Unit};
use crate::narrator::wrapped;
use crate::time::Spread;

/// Returns the width of the screen; 80 if standard output is none.
pub fn columns() -> usize {
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map_or(80, |(columns, _)| usize::from(columns.0)).max(60)
}

/// Lays out the table on the screen: a block for each benchmark, a line for each peer. The ranges
/// of the figures are there if there is room for them, those of the ratios always.
pub fn table(all: &[Measured], columns: usize) -> String {
    let wide = blocks(all, columns, true);
    let fits = wide.lines().all(|line| line.chars().count() <= columns);
    if fits { wide } else { blocks(all, columns, false) }
}

fn blocks(all: &[Measured], columns: usize, with_ranges: bool) -> String {
    // How wide figures, units and what separates the cells are at most.
    let beside = if with_ranges { 52 } else { 22 };
    let mut text = String::new();
    for measured in all {
        let benchmark = &measured.benchmark;
        let mut table = Table::new();
        table.set_format(columns_of_a_row());
        let names = benchmark.peers.iter().map(|peer| peer.name.chars().count()).max().unwrap_or(0);
        for (place, peer) in benchmark.peers.iter().enumerate() {
            let mut cells = vec![peer.name.clone()];
            match (&measured.samples[place], measured.value(place)) {
                (Ok(_), Some(value)) => {
                    let ratio = measured.ratio(place).filter(|_| place > 0);
                    cells.push(median(benchmark.unit, value));
                    cells.extend(with_ranges.then(|| range(benchmark.unit, value)));
                    cells.push(
                        ratio.map(|ratio| in_words(benchmark.unit, ratio)).unwrap_or_default(),
                    );
                }
                (figures, _) => {
                    let reason = figures.as_ref().err().map_or("no sample", String::as_str);
                    cells.push("—".into());
                    cells.extend(with_ranges.then(String::new));
                    let columns = columns.saturating_sub(names + beside);
                    cells.push(wrapped(reason, columns, 0).join("\n"));
                }
            }
            table.add_row(Line::new(cells.iter().map(|cell| Cell::new(cell)).collect()));
        }
        let head = format!("{}: {}", benchmark.name, benchmark.says);
        let head = wrapped(&head, columns, 0).join("\n");
        text.push_str(&format!("{head}\n{table}\n"));
    }
    text
}

pub(super) fn columns_of_a_row() -> format::TableFormat {
    FormatBuilder::new().column_separator('│').borders(' ').padding(1, 1).build()
}

/// Writes the README's table: a line for each benchmark, a column for each peer, and what it was
/// measured on.
pub fn markdown(machine: &Machine, all: &[Measured]) -> String {
    let mut heads: Vec<&str> = Vec::new();
    for peer in all.iter().flat_map(|measured| &measured.benchmark.peers) {
        if !heads.contains(&peer.column().0) {
            heads.push(peer.column().0);
        }
    }
    // The limit stands last.
    heads.sort_by_key(|head| head.starts_with("kernel"));
    let mut text = format!("| | {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len() + 1));
    for measured in all {
        let cells: Vec<String> = heads.iter().map(|head| cell(measured, head)).collect();
        text.push_str(&format!("| {} | {} |\n", measured.benchmark.name, cells.join(" | ")));
    }
    text + "\nThe median; in brackets, how many times better ours is. "
        + &machine.lines().join("; ")
        + ".\n"
}

/// Writes all peers of a column into one cell.
fn cell(measured: &Measured, column: &str) -> String {
    let benchmark = &measured.benchmark;
    let places =
        (0..benchmark.peers.len()).filter(|place| benchmark.peers[*place].column().0 == column);
    let of_peer = |place: usize| {
        let variant = benchmark.peers[place].column().1;
        let label = variant.map(|variant| format!("{variant}: ")).unwrap_or_default();
        let Some(value) = measured.value(place) else {
            let reason = measured.samples[place].as_ref().err().cloned().unwrap_or_default();
            return format!("{label}— *{reason}*");
        };
        let ratio = measured.ratio(place).filter(|_| place > 0);
        let ratio = ratio.map(|ratio| format!(" ({}×)", factor(ratio.median))).unwrap_or_default();
        format!("{label}{}{ratio}", median(benchmark.unit, value))
    };
    places.map(of_peer).collect::<Vec<_>>().join("<br>")
}

/// Writes the machine and all samples as JSON.
pub fn json(machine: &Machine, all: &[Measured]) -> String {
    let peer = |measured: &Measured, place: usize| {
        json!({
            "name": measured.benchmark.peers[place].name,
            "samples": measured.samples[place].as_ref().ok().map(|samples| {
                samples.iter().map(|sample| sample.value).collect::<Vec<f64>>()
            }),
            "missing": measured.samples[place].as_ref().err(),
            "value": measured.value(place),
            "ours_is_better_by": measured.ratio(place).filter(|_| place > 0),
        })
    };
    let benchmarks: Vec<Value> = all
        .iter()
        .map(|measured| {
            let peers = (0..measured.benchmark.peers.len()).map(|place| peer(measured, place));
            json!({
                "name": measured.benchmark.name,
                "says": measured.benchmark.says,
                "unit": measured.benchmark.unit,
                "peers": peers.collect::<Vec<_>>(),
            })
        })
        .collect();
    format!("{:#}\n", json!({ "machine": machine, "rows": benchmarks }))
}

fn median(unit: Unit, value: Spread<f64>) -> String {
    figure(unit, value.median)
}

fn range(unit: Unit, value: Spread<f64>) -> String {
    format!("{} – {}", figure(unit, value.min), figure(unit, value.max))
}

/// Writes `87 × as fast (84 – 90)`.
pub fn in_words(unit: Unit, ratio: Spread<f64>) -> String {
    let better = if matches!(unit, Unit::Rate | Unit::Time) { "as fast" } else { "as good" };
    format!("{} × {better} ({})", factor(ratio.median), extent(ratio))
}

/// Writes `84 – 90`.
pub fn extent(ratio: Spread<f64>) -> String {
    format!("{} – {}", factor(ratio.min), factor(ratio.max))
}

/// Writes a ratio with as many digits as mean something.
pub fn factor(ratio: f64) -> String {
    let digits = match ratio {
        10.0.. => 0,
        0.1.. => 2,
        _ => 3,
    };
    format!("{ratio:.digits$}")
}

/// Writes a figure in the unit that suits it, in three digits.
fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Rate => scaled(value, "/s", &[(1e6, "M/s"), (1e3, "k/s")]),
        Unit::Time => scaled(value * 1e9, "ns", &[(1e9, "s"), (1e6, "ms"), (1e3, "µs")]),
        Unit::WakeUps => scaled(value, "/s", &[]),
        Unit::Cpu => scaled(value * 1e6, "µs per s", &[(1e3, "ms per s")]),
        Unit::Bytes => scaled(value, "B", &[(f64::from(1 << 20), "MiB"), (1024.0, "KiB")]),
    }
}

/// Writes a value in the first of these units of which there is at least one, the largest first.
fn scaled(value: f64, unit: &str, larger: &[(f64, &str)]) -> String {
    let fitting = larger.iter().find(|(size, _)| value >= *size);
    let (size, unit) = fitting.copied().unwrap_or((1.0, unit));
    let value = value / size;
    let digits = if value >= 99.95 {
        0
    } else if value >= 9.995 {
        1
    } else {
        2
    };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine() -> Machine {
        Machine::here(["procspawn 1.0".to_owned()])
    }

    #[test]
    fn a_line_has_the_median_the_range_and_how_many_times_ours_is_as_fast() {
        let text = table(&[Measured::example()], 100);
        assert!(text.starts_with("queue-1-1: numbers\n"));
        assert!(text.contains("21.0 M/s"), "{text}");
        assert!(text.contains("20.0 M/s – 22.0 M/s"), "{text}");
        assert!(text.contains("200 k/s"), "{text}");
        assert!(text.contains("105 × as fast (100 – 110)"), "{text}");
    }

    #[test]
    fn a_missing_peer_says_why_in_every_form() {
        let line = table(&[Measured::example()], 100);
        assert!(line.contains("it has one receiver only"), "{line}");
        let readme = markdown(&machine(), &[Measured::example()]);
        assert!(readme.contains("| — *it has one receiver only* |"), "{readme}");
        let value: Value = serde_json::from_str(&json(&machine(), &[Measured::example()])).unwrap();
        let peer = &value["rows"][0]["peers"][3];
        assert_eq!(peer["missing"], "it has one receiver only");
        assert_eq!(peer["samples"], Value::Null);
    }

    #[test]
    fn where_there_are_80_columns_the_figures_ranges_and_long_lines_give_way() {
        let mut example = Measured::example();
        example.benchmark.says =
            "of a message which has so many words that no line of a usual screen can hold them all"
                .into();
        example.samples[3] =
            Err("it isn't there: install it, and give its path by --peer PATH".into());
        let wide = table(std::slice::from_ref(&example), 120);
        assert!(wide.contains("20.0 M/s – 22.0 M/s"), "{wide}");
        let narrow = table(&[example], 80);
        assert!(narrow.contains("105 × as fast (100 – 110)"), "{narrow}");
        assert!(!narrow.contains("20.0 M/s – 22.0 M/s"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    }

    #[test]
    fn a_readmes_table_names_variants_in_the_cell_and_the_machine_below() {
        let readme = markdown(&machine(), &[Measured::example()]);
        assert!(readme.starts_with(
            "| | ours | CPython 3.12.1 | crossbeam (threads) | ipc-channel |\n| --- |"
        ));
        assert!(readme.contains("| queue-1-1 | 21.0 M/s | fork: 200 k/s (105×) |"), "{readme}");
        assert!(readme.contains("Measured on 2") && readme.contains("procspawn 1."), "{readme}");
    }

    #[test]
    fn figures_are_shown_in_the_unit_that_suits_them() {
        assert_eq!(figure(Unit::Rate, 870.0), "870 /s");
        assert_eq!(figure(Unit::Rate, 153_400.0), "153 k/s");
        assert_eq!(figure(Unit::Time, 12.34e-6), "12.3 µs");
        assert_eq!(figure(Unit::Time, 0.00057), "570 µs");
        assert_eq!(figure(Unit::WakeUps, 10.04), "10.0 /s");
        assert_eq!(figure(Unit::Cpu, 350e-6), "350 µs per s");
        assert_eq!(figure(Unit::Bytes, 3_145_728.0), "3.00 MiB");
        assert_eq!([0.0834, 0.834, 1.6, 87.3].map(factor), ["0.083", "0.83", "1.60", "87"]);
    }
}
