//! On what it was measured: a figure without it says nothing.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{env, fs};

use serde::Serialize;

use crate::python::Python;

/// Machine, date and versions.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    system: String,
    /// UTC.
    date: String,
    versions: Vec<String>,
}

/// The peers that are crates.
const CRATES: [&str; 4] = ["crossbeam", "ipc-channel", "petgraph", "procspawn"];

impl Machine {
    /// Describes this machine, now.
    pub(crate) fn here(pythons: &[Python]) -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
        let crates = CRATES.map(|name| format!("{name} {}", locked_version(name)));
        let pythons = pythons.iter().map(|python| python.name.clone());
        Self {
            processor: processor()
                // Windows tells it so.
                .or_else(|| env::var("PROCESSOR_IDENTIFIER").ok())
                .unwrap_or_else(|| "unknown processor".into()),
            cores: multiprocess::cpu_count(),
            system: kernel.map_or(env::consts::OS.into(), |name| format!("Linux {}", name.trim())),
            date: date(seconds / (24 * 60 * 60)),
            versions: [rustc()].into_iter().chain(pythons).chain(crates).collect(),
        }
    }

    /// Writes two lines: where and when, and with which versions.
    pub(crate) fn lines(&self) -> [String; 2] {
        let Self { processor, cores, system, date, versions } = self;
        let plural = if *cores == 1 { "" } else { "s" };
        [
            format!("Measured on {date}: {processor}, {cores} core{plural}, {system}"),
            versions.join(", "),
        ]
    }
}

fn processor() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn rustc() -> String {
    let output = Command::new("rustc").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let words: Vec<String> =
        text.unwrap_or_default().split_whitespace().take(2).map(str::to_owned).collect();
    if words.is_empty() { "rustc unknown".into() } else { words.join(" ") }
}

/// Returns the version of a crate that this program was built with; of several the newest.
fn locked_version(name: &str) -> &'static str {
    let lock = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{name}\"");
    let versions = lock.lines().zip(lock.lines().skip(1)).filter(|(line, _)| *line == entry);
    let version = versions.last().and_then(|(_, version)| version.split('"').nth(1));
    version.unwrap_or("unknown")
}

/// Returns the date of a day, counted from 1970-01-01.
///
/// Years are counted from March, so that the leap day is the last day: Howard Hinnant,
/// *chrono-Compatible Low-Level Date Algorithms*, `civil_from_days`.
fn date(day: u64) -> String {
    let day = day + 719_468;
    let (era, of_era) = (day / 146_097, day % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_dates() {
        assert_eq!(
            [0, 59, 11_016, 19_782].map(date),
            ["1970-01-01", "1970-03-01", "2000-02-29", "2024-02-29"]
        );
    }

    #[test]
    fn the_versions_are_those_of_the_build() {
        for name in CRATES {
            assert!(
                locked_version(name).starts_with(|first: char| first.is_ascii_digit()),
                "{name}"
            );
        }
        assert!(locked_version("ipc-channel").starts_with("0.23."));
        assert_eq!(locked_version("no-such-crate"), "unknown");
    }
}
