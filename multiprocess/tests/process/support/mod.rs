//! What several test files need: reports from children, scenarios in a process of their own, and
//! what the kernel says about a process.

#![allow(dead_code, unused_imports, reason = "each test file needs some of it")]

use std::any::Any;
use std::io::{self, PipeReader, PipeWriter, Write, pipe};

pub(crate) use common::testing::children;
use common::testing::{Deadline, Other, Signal};
use multiprocess::Process;
use multiprocess::process::frame;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

/// The way of a child to tell something to whoever holds the other end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report(#[serde(with = "multiprocess::process::handover")] PipeWriter);

/// The end at which reports arrive.
pub(crate) struct Reports(PipeReader);

pub(crate) fn reports() -> (Reports, Report) {
    let (reader, writer) = pipe().unwrap();
    (Reports(reader), Report(writer))
}

impl Report {
    /// What several processes say at once doesn't mix if it is shorter than a page.
    pub(crate) fn say(&self, value: impl Serialize) {
        assert!(self.try_to_say(value), "nobody hears this report");
    }

    /// Says whether somebody can hear it.
    pub(crate) fn try_to_say(&self, value: impl Serialize) -> bool {
        let mut message = Vec::new();
        frame::encode(&value, &mut message).unwrap();
        (&self.0).write_all(&message).is_ok()
    }

    pub(crate) fn another(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    /// From now on standard error goes there.
    pub(crate) fn takes_standard_error(&self) {
        redirect_standard_error(&self.0);
    }
}

impl Reports {
    /// The next report; `None` when nobody is left who could report.
    pub(crate) fn try_next<T: DeserializeOwned>(&mut self) -> Option<T> {
        let mut body = Vec::new();
        match frame::read(&mut self.0, frame::LIMIT, &mut body) {
            Err(frame::Error::EndOfFile) => None,
            read => {
                read.unwrap();
                Some(frame::decode(&body).unwrap())
            }
        }
    }

    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> T {
        self.try_next().expect("a report, not the end of file")
    }

    /// Waits until all who could report have ended; they had nothing more to say.
    pub(crate) fn end(self) {
        assert_eq!(self.rest_as_text(), "");
    }

    pub(crate) fn rest_as_text(self) -> String {
        io::read_to_string(self.0).unwrap()
    }
}

/// Starts it, joins it: its exit code.
pub(crate) fn ended(process: Process) -> Option<i32> {
    let mut process = process;
    process.start().unwrap();
    process.join().unwrap();
    assert!(!process.is_alive());
    process.exitcode()
}

/// Runs a scenario in a process of its own, where no other test disturbs it. Its panic is seen on
/// standard error.
pub(crate) fn alone(scenario: impl Fn(()) + Any) {
    let _deadline = Deadline::seconds(120);
    assert_eq!(ended(Process::new(scenario, ())), Some(0));
}

/// An error's text with those of its causes.
pub(crate) fn whole_text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(|error| format!("{error}. ")).collect()
}

/// Sends a signal behind the library's back.
pub(crate) fn signal(pid: u32, signal: Signal) {
    assert!(Other::of(pid).unwrap().signal(signal));
}

/// The same to this very process; doesn't return if that ends it.
pub(crate) fn signal_self(signal: Signal) {
    self::signal(std::process::id(), signal);
}
