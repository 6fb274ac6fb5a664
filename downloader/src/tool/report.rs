//! The report: line by line into a file and a list of failures, all together as a table, and in the
//! exit code.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;

use common::table::Table;
use common::text;
use prettytable::row;
use serde::Serialize;

use super::error::ErrorKind;

/// The status of a URL at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    /// A new file.
    Stored,
    /// The file was there already, with the same bytes.
    Duplicate,
    #[default]
    Failed,
}

/// A line of a report. What isn't known is `null`.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Outcome {
    /// The URL as it was asked for.
    pub(super) url: String,
    /// The line in the list, from 1.
    pub(super) line: u64,
    pub(super) status: Status,
    /// The status code of the last response.
    pub(super) http_status: Option<u16>,
    /// The number of attempts.
    pub(super) attempts: u32,
    /// The length of the file, or of what came of it at the last attempt.
    pub(super) bytes: u64,
    /// The seconds from the beginning of the first attempt to the end, waits between attempts
    /// included.
    pub(super) seconds: f64,
    /// The MD5 of the file.
    pub(super) md5: Option<String>,
    /// The MD5 of the pixels after the tutorial's convolution.
    pub(super) convolved_md5: Option<String>,
    /// The path of the file.
    pub(super) path: Option<String>,
    pub(super) error: Option<ErrorKind>,
    /// The error in a sentence.
    pub(super) message: Option<String>,
    /// The error in a sentence of the reader's language, for the screen.
    #[serde(skip)]
    pub(super) shown: String,
}

/// The collector of the outcomes of all URLs.
pub(super) struct Report {
    lines: Option<BufWriter<File>>,
    failures: Option<BufWriter<File>>,
    pub(super) summary: Summary,
    /// True if any server has answered.
    was_reached: bool,
}

/// The report in numbers.
#[derive(Debug, Default, Serialize)]
pub(super) struct Summary {
    pub(super) stored: u64,
    pub(super) duplicates: u64,
    pub(super) failed: u64,
    /// The failures by their kind.
    pub(super) errors: BTreeMap<ErrorKind, u64>,
    /// The lines of the list that were not reached when all was stopped; `null` if not counted.
    pub(super) not_begun: Option<u64>,
    /// The bytes of the files, new or not.
    pub(super) bytes: u64,
    pub(super) seconds: f64,
    pub(super) interrupted: bool,
}

impl Report {
    pub(super) fn new(lines: Option<File>, failures: Option<File>) -> Self {
        let (lines, failures) = (lines.map(BufWriter::new), failures.map(BufWriter::new));
        Self { lines, failures, summary: Summary::default(), was_reached: false }
    }

    /// Notes what has become of an address.
    pub(super) fn add(&mut self, outcome: &Outcome) -> io::Result<()> {
        let summary = &mut self.summary;
        match outcome.status {
            Status::Stored => summary.stored += 1,
            Status::Duplicate => summary.duplicates += 1,
            Status::Failed => summary.failed += 1,
        }
        if outcome.status != Status::Failed {
            summary.bytes += outcome.bytes;
        }
        if let Some(kind) = outcome.error {
            *summary.errors.entry(kind).or_default() += 1;
        }
        // What isn't HTTP has come from a server, too; 407 never has, but from a proxy.
        self.was_reached |= outcome.http_status.is_some_and(|status| status != 407)
            || outcome.error == Some(ErrorKind::Protocol);
        if let Some(lines) = &mut self.lines {
            serde_json::to_writer(&mut *lines, outcome)?;
            lines.write_all(b"\n")?;
        }
        if let (Some(failures), Some(kind)) = (&mut self.failures, outcome.error) {
            let message = outcome.message.as_deref().unwrap_or_default().replace(['\n', '\r'], " ");
            writeln!(failures, "# {kind}: {message}")?;
            let comment = if kind == ErrorKind::BadLine { "# " } else { "" };
            writeln!(failures, "{comment}{}", outcome.url)?;
        }
        Ok(())
    }

    /// Notes an address that was not begun.
    pub(super) fn add_not_begun(&mut self, url: &str) -> io::Result<()> {
        *self.summary.not_begun.get_or_insert(0) += 1;
        self.failures.as_mut().map_or(Ok(()), |failures| writeln!(failures, "{url}"))
    }

    /// Writes what has been noted.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.lines.as_mut().map_or(Ok(()), Write::flush)?;
        self.failures.as_mut().map_or(Ok(()), Write::flush)
    }

    /// Returns the exit code of a run that neither the disk nor a signal has stopped.
    pub(super) fn exit_code(&self) -> ExitCode {
        let summary = &self.summary;
        let tried = summary.failed - summary.errors.get(&ErrorKind::BadLine).copied().unwrap_or(0);
        match summary.failed {
            0 => ExitCode::SUCCESS,
            _ if tried > 0 && !self.was_reached => ExitCode::from(4),
            _ => ExitCode::from(1),
        }
    }
}

impl Summary {
    /// Writes a table, and a line below it.
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(row![text!("what became of them"), r->text!("addresses")]);
        table.add_row(row![text!("stored"), r->self.stored]);
        table.add_row(row![text!("there already"), r->self.duplicates]);
        for (kind, count) in &self.errors {
            table.add_row(row![text!("failed: {}", kind), r->count]);
        }
        if let Some(count) = self.not_begun {
            table.add_row(row![text!("not begun"), r->count]);
        }
        let images = self.stored + self.duplicates;
        let rate = |amount: f64| amount / self.seconds.max(1e-9);
        let line = text!(
            "{} images, {} in {}: {} images/s, {}/s",
            images,
            indicatif::BinaryBytes(self.bytes),
            common::time::show(Duration::try_from_secs_f64(self.seconds).unwrap_or_default()),
            format!("{:.1}", rate(images as f64)),
            indicatif::BinaryBytes(rate(self.bytes as f64) as u64),
        );
        format!("{table}{line}\n")
    }
}
