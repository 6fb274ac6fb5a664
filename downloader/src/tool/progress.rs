//! The progress on standard error: a line that changes if that is a terminal, and the failures.

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use common::{output, text};
use indicatif::{BinaryBytes, ProgressBar, ProgressStyle};

use super::list::List;
use super::options::Options;
use super::redirect::hide_password;
use super::report::{Outcome, Summary};

pub(super) struct Progress {
    bar: ProgressBar,
    quiet: bool,
    begin: Instant,
    /// The number of bytes that have come.
    pub(super) received: Arc<AtomicU64>,
}

impl Progress {
    pub(super) fn new(options: &Options, is_file: bool) -> Self {
        let bar = if options.quiet { ProgressBar::hidden() } else { ProgressBar::no_length() };
        let quiet = options.quiet;
        if is_file && !bar.is_hidden() {
            count(options, &bar);
        }
        let shape = match is_file {
            true => "{bar:20} {pos}/{len} {msg}".to_owned() + &text!(", {} left", "{eta}"),
            false => "{pos} {msg}".to_owned(),
        };
        if let Ok(style) = ProgressStyle::with_template(&shape) {
            bar.set_style(style);
        }
        Self { bar, quiet, begin: Instant::now(), received: Arc::default() }
    }

    pub(super) fn show(&self, summary: &Summary) {
        let images = summary.stored + summary.duplicates;
        let seconds = self.begin.elapsed().as_secs_f64().max(1e-9);
        let bytes = self.received.load(Ordering::Relaxed) as f64 / seconds;
        let failed = match summary.failed {
            0 => String::new(),
            failed => text!("{} failed, ", failed),
        };
        let rate = format!("{:.1}", images as f64 / seconds);
        let speed = text!("{} images/s, {}/s", rate, BinaryBytes(bytes as u64));
        self.bar.set_message(failed + &speed);
        self.bar.set_position(images + summary.failed);
    }

    pub(super) fn failure(&self, outcome: &Outcome) {
        if !self.quiet {
            let line = text!("failed: {}: {}", hide_password(&outcome.url), outcome.shown);
            let line = output::escaped(&line) + "\n";
            self.bar.suspend(|| {
                // Standard error may be closed.
                let _ = io::stderr().write_all(line.as_bytes());
            });
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Counts the addresses, for the time that is left, while the first of them are fetched.
fn count(options: &Options, bar: &ProgressBar) {
    let Ok(list) = File::open(&options.list) else { return };
    let bar = bar.clone();
    thread::spawn(move || {
        let all = List::new(BufReader::new(list)).map_while(Result::ok).count();
        bar.set_length(all as u64);
    });
}
