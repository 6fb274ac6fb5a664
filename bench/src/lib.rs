//! Side by side, in one run: this project and its peers on the reader's machine.
//!
//! ```text
//!   rows ──▶ method: every peer a sample in every round ──▶ report, chart
//!              │
//!              └─ a sample: scene (sides that put and get) × medium (ours, Python's, …)
//! ```
//!
//! To read in this order: how it is measured (`method.rs`), a row (`rows/queue_stream.rs`), the
//! scene it plays (`scene/mod.rs`, `side.rs`, `stage.rs`), Python (`python.rs`, `sides.py`), the
//! output (`report.rs`, `compare.rs`, `chart.rs`, `machine.rs`).

#![forbid(unsafe_code)]

mod chart;
mod compare;
mod machine;
mod method;
mod options;
mod python;
mod report;
mod rows;
mod scene;

use std::fs::File;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use common::{files, output};
use indicatif::{ProgressBar, ProgressStyle};
use multiprocess::Failure;

use compare::Earlier;
use machine::Machine;
use method::{Effort, Measured, Row};
use options::{Form, Options};

#[cfg(test)]
multiprocess::test_entry!();

/// With this argument the program ends before it has begun: how long that takes is measured, too.
pub const END_AT_ONCE: &str = "--end-at-once";

/// Runs the whole program inside `multiprocess::main`: reads the command line, measures, prints.
///
/// The exit code is 1 if a sample of ours failed, and 2 if the command line or the build is wrong.
#[must_use]
pub fn run() -> ExitCode {
    let options = match options::read() {
        Ok(options) => options,
        Err(code) => return code,
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
    let mut pythons = python::find(&options.pythons)?;
    if options.quick && options.pythons.is_empty() {
        pythons.truncate(1);
    }
    let mut rows = rows::all(&pythons);
    if options.list {
        let names: String = rows.iter().map(|row| format!("{}\n", row.name)).collect();
        output::print(&names);
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = options.only.iter().find(|name| !rows.iter().any(|r| r.name == **name)) {
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        output::complain(format_args!(
            "bench has no row \"{unknown}\"; it has {}.",
            names.join(", ")
        ));
        return Ok(ExitCode::from(2));
    }
    if cfg!(debug_assertions) {
        output::complain("bench measures release builds only: cargo run --release -p bench");
        return Ok(ExitCode::from(2));
    }
    let earlier = options.compare.as_deref().map(Earlier::read).transpose()?;
    rows.retain(|row| options.only.is_empty() || options.only.contains(&row.name));
    let compared = options.compare.as_ref().and_then(|file| File::open(file).ok());
    let inputs: Vec<&File> = compared.iter().collect();
    let [svg] = files::create([options.svg.as_ref()], &inputs).map_err(Failure::new)?;
    python::clean_up_at_signals(&pythons)?;
    let machine = Machine::here(&pythons);
    let measured = measure(rows, &options.effort);
    let text = match options.form {
        Form::Table => {
            let table = report::table(&measured, report::columns());
            table + &earlier.map(|earlier| earlier.compared(&measured)).unwrap_or_default()
        }
        Form::Markdown => report::markdown(&machine, &measured),
        Form::Json => report::json(&machine, &measured),
    };
    output::print(&text);
    if let Some(mut file) = svg {
        file.write_all(chart::svg(&machine, &measured)?.as_bytes())?;
    }
    // What can't be had on this system is no failure.
    let has_ours = |all: &&Measured| all.row.peers.first().is_some_and(|ours| ours.sample.is_ok());
    let failed = |all: &Measured| all.figures.first().is_some_and(Result::is_err);
    let ours_failed = measured.iter().filter(has_ours).any(failed);
    Ok(if ours_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Measures, and says on standard error how far it is.
fn measure(rows: Vec<Row>, effort: &Effort) -> Vec<Measured> {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed} {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    let mut last = String::new();
    let all = method::measure(rows, effort, |round, row, peer| {
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
