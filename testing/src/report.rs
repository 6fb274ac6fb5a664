//! A pipe on which children report.
//!
//! ```text
//!   child, its children ──▶ Report ══ pipe ══▶ Reports ──▶ test
//! ```
//!
//! The test also sees when the last process is gone that could report: the pipe ends.

use std::io::{self, PipeReader, PipeWriter, Write, pipe};
use std::time::{Duration, Instant};

use multiprocess::process::frame;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::sys;

/// The end of the pipe on which a child reports.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report(#[serde(with = "multiprocess::process::handover")] PipeWriter);

/// The end of the pipe at which reports arrive.
#[derive(Debug)]
pub struct Reports(PipeReader);

/// Opens a pipe for reports.
#[must_use]
pub fn reports() -> (Reports, Report) {
    let (reader, writer) = pipe().unwrap();
    (Reports(reader), Report(writer))
}

impl Report {
    /// Reports a value. What several processes report at once doesn't mix if each is shorter than a
    /// page.
    pub fn say(&self, value: impl Serialize) {
        assert!(self.try_to_say(value), "nobody hears this report");
    }

    /// Reports a value; returns whether the other end is still open.
    pub fn try_to_say(&self, value: impl Serialize) -> bool {
        let mut message = Vec::new();
        frame::encode(&value, &mut message).unwrap();
        (&self.0).write_all(&message).is_ok()
    }

    /// Opens the same end once more.
    #[must_use]
    pub fn another(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    /// Sends what this process writes to standard error there, from now on.
    pub fn takes_standard_error(&self) {
        sys::redirect_standard_error(&self.0);
    }
}

impl Reports {
    /// Returns the next report; `None` when no process is left that could report.
    pub fn try_next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut body = Vec::new();
        match frame::read(&mut self.0, frame::LIMIT, &mut body) {
            Err(frame::Error::EndOfFile) => None,
            read => {
                read.unwrap();
                Some(frame::decode(&body).unwrap())
            }
        }
    }

    /// Returns the next report.
    #[expect(clippy::should_implement_trait, reason = "each report has a type of its own")]
    pub fn next<T: DeserializeOwned>(&mut self) -> T {
        self.try_next().expect("a report, not the end of file")
    }

    /// Waits until all processes that could report have ended, which had nothing more to say;
    /// returns how long that took.
    pub fn end(self) -> Duration {
        let begun = Instant::now();
        assert_eq!(self.rest_as_text(), "");
        begun.elapsed()
    }

    /// Waits for the same, and returns what was said until then, which is a text.
    #[must_use]
    pub fn rest_as_text(self) -> String {
        io::read_to_string(self.0).unwrap()
    }
}
