//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use common::output;

use crate::method::Effort;

/// The options of the command line.
pub(crate) struct Options {
    pub(crate) list: bool,
    pub(crate) only: Vec<String>,
    pub(crate) pythons: Vec<PathBuf>,
    /// If no Python is named, one is enough.
    pub(crate) quick: bool,
    pub(crate) effort: Effort,
    pub(crate) form: Form,
    /// The JSON of an earlier run.
    pub(crate) compare: Option<PathBuf>,
    pub(crate) svg: Option<PathBuf>,
}

/// The form in which the figures are printed.
pub(crate) enum Form {
    Table,
    Markdown,
    Json,
}

/// Seven rounds: with fewer, the ranges of two equal runs lie apart too often by chance (2 of 252
/// with five, 2 of 3,432 with seven).
const FULL: Effort = Effort { seconds: 1.0, least: 7, most: 25, limit: Duration::from_secs(45) };
const QUICK: Effort = Effort { seconds: 0.02, least: 7, most: 7, limit: Duration::from_secs(45) };

/// Reads the options; returns the exit code after what was wrong (or help) has been said.
pub(crate) fn read() -> Result<Options, ExitCode> {
    let options = command().try_get_matches().map_err(|said| output::print_clap(&said))?;
    let form = match (options.get_flag("json"), options.get_flag("markdown")) {
        (true, _) => Form::Json,
        (_, true) => Form::Markdown,
        _ => Form::Table,
    };
    Ok(Options {
        list: options.get_flag("list"),
        only: options.get_many("only").unwrap_or_default().cloned().collect(),
        pythons: options.get_many("python").unwrap_or_default().cloned().collect(),
        quick: options.get_flag("quick"),
        effort: effort(&options),
        form,
        compare: options.get_one("compare").cloned(),
        svg: options.get_one("svg").cloned(),
    })
}

fn effort(options: &ArgMatches) -> Effort {
    let mut effort = if options.get_flag("quick") { QUICK } else { FULL };
    if let Some(seconds) = options.get_one("seconds") {
        effort.seconds = *seconds;
    }
    if let Some(rounds) = options.get_one::<u32>("rounds") {
        effort.least = *rounds as usize;
        effort.most = *rounds as usize;
    }
    effort
}

const HELP: &str = "\
Every peer gives one sample in every round. A figure is the median of its samples, with
the smallest and the largest; a ratio is the median of the rounds' ratios. A full run
takes about twenty minutes.";

fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let seconds = |text: &str| match text.parse::<f64>() {
        Ok(seconds) if (0.001..=60.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds are a number from 0.001 to 60"),
    };
    Command::new("bench")
        .about("This project and its peers, side by side in one run on this machine")
        .after_help(HELP)
        .args([
            flag("quick", "Short samples, seven rounds: less than two minutes in all"),
            option("only", "ROW", "Measure this row only; may be given several times")
                .action(ArgAction::Append),
            flag("list", "Print the names of the rows, one a line, and measure none"),
            option(
                "python",
                "PATH",
                "A python3 to compare with [default: those on the search path; quick: the first]",
            )
            .action(ArgAction::Append)
            .value_parser(value_parser!(PathBuf)),
            option("seconds", "S", "How long a sample works [default: 1; quick: 0.02]")
                .value_parser(seconds),
            option(
                "rounds",
                "N",
                "So many rounds [default: 7 to 25, as the medians need; quick: 7]",
            )
            .value_parser(value_parser!(u32).range(1..)),
            flag("json", "Print the machine and all samples as JSON").conflicts_with("markdown"),
            flag("markdown", "Print a table for a README, with machine, date and versions"),
            option("compare", "FILE", "Say which ratios agree with an earlier run's --json")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with_all(["json", "markdown"]),
            option("svg", "FILE", "Draw the ratios, too").value_parser(value_parser!(PathBuf)),
        ])
}
