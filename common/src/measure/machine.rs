//! On what it was measured: a figure without it says nothing.

use std::process::Command;
use std::{env, fs};

use chrono::Utc;
use serde::Serialize;

/// Machine, date and versions.
#[derive(Debug, Default, Serialize)]
pub struct Machine {
    processor: String,
    cores: usize,
    system: String,
    /// UTC.
    date: String,
    versions: Vec<String>,
}

impl Machine {
    /// Describes this machine, now, with the versions of what is compared.
    #[must_use]
    pub fn here(versions: impl IntoIterator<Item = String>) -> Self {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease");
        Self {
            processor: processor()
                // Windows tells it so.
                .or_else(|| env::var("PROCESSOR_IDENTIFIER").ok())
                .unwrap_or_else(|| "unknown processor".into()),
            cores: multiprocess::cpu_count(),
            system: kernel.map_or(env::consts::OS.into(), |name| format!("Linux {}", name.trim())),
            date: Utc::now().format("%Y-%m-%d").to_string(),
            versions: [rustc()].into_iter().chain(versions).collect(),
        }
    }

    /// Writes two lines: where and when, and with which versions.
    #[must_use]
    pub fn lines(&self) -> [String; 2] {
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
