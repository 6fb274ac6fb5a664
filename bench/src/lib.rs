//! Side by side, in one run: this project and its peers on the reader's machine.
//!
//! To read in this order: how it is measured (`common::measure`), a row (`rows/messages.rs`),
//! Python (`python.rs`, `roles.py`, `calls.py`, `shared.py`).

#[cfg(target_os = "linux")]
mod iceoryx;
mod ipc;
mod options;
mod python;
mod rows;
mod sys;

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use common::measure::chart::{Chart, Line};
use common::measure::{Benchmark, Earlier, Effort, Machine, Measured, measure, report};
use common::{files, output};
use indicatif::{ProgressBar, ProgressStyle};
use multiprocess::Failure;

use options::Options;
use python::Python;

#[cfg(test)]
multiprocess::test_entry!();

/// With this argument the program ends before it has begun: how long that takes is measured, too.
pub const END_AT_ONCE: &str = "--end-at-once";

/// The peers that are crates.
const CRATES: [&str; 5] = ["crossbeam", "iceoryx2", "ipc-channel", "petgraph", "procspawn"];

/// Runs the whole program inside `multiprocess::main`: reads the command line, measures, prints.
///
/// The exit code is 1 if a sample of ours failed, and 2 if the command line or the build is wrong.
#[must_use]
pub fn run() -> ExitCode {
    let options = match Options::try_parse() {
        Ok(options) => options,
        Err(said) => return output::print_clap(&said),
    };
    match measure_and_print(&options) {
        Ok(code) => code,
        Err(failure) => {
            output::complain(format_args!("bench: {failure}"));
            ExitCode::FAILURE
        }
    }
}

fn measure_and_print(options: &Options) -> Result<ExitCode, Failure> {
    let mut pythons = python::find(&options.python)?;
    if options.quick && options.python.is_empty() {
        pythons.truncate(1);
    }
    let mut rows = rows::all(&pythons);
    let names: Vec<String> = rows.iter().map(|row| row.name.clone()).collect();
    if options.list {
        output::print(&(names.join("\n") + "\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let wrong = |text: String| {
        output::complain(text);
        Ok(ExitCode::from(2))
    };
    if let Some(unknown) = options.only.iter().find(|name| !names.contains(name)) {
        let names = names.join(", ");
        return wrong(format!("bench has no row \"{unknown}\"; it has {names}."));
    }
    if cfg!(debug_assertions) {
        let command = "cargo run --release -p bench";
        return wrong(format!("bench measures release builds only: {command}"));
    }
    let earlier = options.compare.as_deref().map(Earlier::read).transpose()?;
    rows.retain(|row| options.only.is_empty() || options.only.contains(&row.name));
    let compared = options.compare.as_ref().and_then(|file| File::open(file).ok());
    let inputs: Vec<&File> = compared.iter().collect();
    let [svg] = files::create([options.svg.as_ref()], &inputs).map_err(Failure::new)?;
    python::clean_up_at_signals(&pythons)?;
    let machine = Machine::here(versions(&pythons));
    let measured = with_progress(rows, &options.effort());
    output::print(&shown(options, &machine, &measured, earlier));
    if let Some(mut file) = svg {
        file.write_all(chart(&machine, &measured).svg().map_err(Failure::new)?.as_bytes())?;
    }
    // What can't be had on this system is no failure.
    let ours_failed =
        measured.iter().any(|row| row.benchmark.peers[0].sample.is_ok() && row.samples[0].is_err());
    Ok(if ours_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn shown(
    options: &Options,
    machine: &Machine,
    measured: &[Measured],
    earlier: Option<Earlier>,
) -> String {
    if options.json {
        report::json(machine, measured)
    } else if options.markdown {
        report::markdown(machine, measured)
    } else {
        report::table(measured, report::columns())
            + &earlier.map(|earlier| earlier.compared(measured)).unwrap_or_default()
    }
}

/// Measures, and says on standard error how far it is.
fn with_progress(rows: Vec<Benchmark>, effort: &Effort) -> Vec<Measured> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut last = String::new();
    let all = measure(rows, effort, |round, row, peer| {
        bar.set_message(format!("round {round}, {row}: {peer}"));
        let line = format!("round {round}, {row}");
        if bar.is_hidden() && last != line {
            output::complain(format_args!("{line}"));
            last = line;
        }
    });
    bar.finish_and_clear();
    all
}

/// Charts the ratios; rows without any are left out.
fn chart(machine: &Machine, measured: &[Measured]) -> Chart {
    let mut lines = Vec::new();
    for row in measured {
        let peers = row.benchmark.peers.iter().enumerate().skip(1);
        let peers = peers.filter_map(|(place, peer)| {
            let ratio = row.ratio(place)?;
            let beside = format!("{} × ({})", report::factor(ratio.median), report::extent(ratio));
            Some(Line::Figures(peer.name.clone(), [Some(ratio), None], beside))
        });
        let mut peers = peers.peekable();
        if peers.peek().is_some() {
            lines.push(Line::Heading(row.benchmark.name.clone()));
            lines.extend(peers);
        }
    }
    Chart {
        title: "How many times better ours is than each peer".into(),
        legend: None,
        lines,
        unit: "×".into(),
        has_bars: true,
        foot: machine.lines().into(),
    }
}

fn versions(pythons: &[Python]) -> Vec<String> {
    let crates = CRATES.map(|name| format!("{name} {}", locked_version(name)));
    pythons.iter().map(|python| python.name.clone()).chain(crates).collect()
}

/// Returns the version of a crate that this program was built with; of several the newest.
fn locked_version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{name}\"");
    let versions = lock.lines().zip(lock.lines().skip(1)).filter(|(line, _)| *line == entry);
    let version = versions.last().and_then(|(_, version)| version.split('"').nth(1));
    version.unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_are_those_of_the_build() {
        for name in CRATES {
            let version = locked_version(name);
            assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{name}");
        }
        assert!(locked_version("ipc-channel").starts_with("0.23."));
        assert_eq!(locked_version("no-such-crate"), "unknown");
    }
}
