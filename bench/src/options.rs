//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, value_parser};
use common::measure::Effort;

/// Seven rounds: with fewer, the ranges of two equal runs lie apart too often by chance (2 of 252
/// with five, 2 of 3,432 with seven).
const FULL: Effort = Effort { seconds: 1.0, least: 7, most: 25, limit: Duration::from_secs(45) };
const QUICK: Effort = Effort { seconds: 0.02, least: 7, most: 7, limit: Duration::from_secs(45) };

const HELP: &str = "\
Every peer gives one sample in every round. A figure is the median of its samples, with
the smallest and the largest; a ratio is the median of the rounds' ratios. A full run
takes about forty minutes.";

/// This project and its peers, side by side in one run on this machine
#[derive(Parser)]
#[command(name = "bench", after_help = HELP)]
pub(crate) struct Options {
    /// Short samples, seven rounds: about five minutes in all
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure this row only; may be given several times
    #[arg(long, value_name = "ROW")]
    pub(crate) only: Vec<String>,
    /// Print the names of the rows, one a line, and measure none
    #[arg(long)]
    pub(crate) list: bool,
    /// A python3 to compare with [default: those on the search path; quick: the first]
    #[arg(long, value_name = "PATH")]
    pub(crate) python: Vec<PathBuf>,
    /// How long a sample works [default: 1; quick: 0.02]
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<f64>,
    /// Measure this many rounds [default: 7 to 25, as the medians need; quick: 7]
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Print the machine and all samples as JSON
    #[arg(long, conflicts_with = "markdown")]
    pub(crate) json: bool,
    /// Print a table for a README, with machine, date and versions
    #[arg(long)]
    pub(crate) markdown: bool,
    /// Say which ratios agree with an earlier run's --json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "markdown"])]
    pub(crate) compare: Option<PathBuf>,
    /// Draw the ratios, too
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

impl Options {
    /// Returns the effort that the options ask for.
    pub(crate) fn effort(&self) -> Effort {
        let usual = if self.quick { QUICK } else { FULL };
        let rounds = self.rounds.map(|rounds| rounds as usize);
        Effort {
            seconds: self.seconds.unwrap_or(usual.seconds),
            least: rounds.unwrap_or(usual.least),
            most: rounds.unwrap_or(usual.most),
            ..usual
        }
    }
}

fn seconds(text: &str) -> Result<f64, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.001..=60.0).contains(seconds));
    seconds.ok_or("seconds are a number from 0.001 to 60")
}
