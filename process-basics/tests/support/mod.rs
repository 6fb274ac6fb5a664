//! What several test files need: reports from children, scenarios in a process of their own, and
//! what the kernel says about a process.

#![allow(dead_code, reason = "each test file needs some of it")]

use std::any::Any;
use std::fs;
use std::io::{self, PipeReader, PipeWriter, Write, pipe};
use std::os::fd::AsFd;

use common::testing::Deadline;
use process_basics::{Process, frame};
use rustix::process::{Pid, Signal, getpid, kill_process};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The way of a child to tell something to whoever holds the other end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Report(#[serde(with = "process_basics::handover")] PipeWriter);

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
        rustix::stdio::dup2_stderr(self.0.as_fd()).unwrap();
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

/// How many descriptors are open in this process (and one more, for the question).
pub(crate) fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// The process ids of the children of this process, zombies included.
pub(crate) fn children() -> Vec<u32> {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let of = |thread: io::Result<fs::DirEntry>| {
        fs::read_to_string(thread.unwrap().path().join("children")).unwrap_or_default()
    };
    let all: String = threads.map(of).collect();
    all.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// The state of a process or thread as `ps` shows it: `S` sleeps, `Z` is a zombie; `None`: gone.
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Sends a signal behind the library's back.
pub(crate) fn signal(pid: u32, signal: Signal) {
    kill_process(number(pid), signal).unwrap();
}

/// The same to this very process; doesn't return if that ends it.
pub(crate) fn signal_self(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

pub(crate) fn number(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}

/// What a process does with a signal that it doesn't handle.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Default,
    Ignore,
}

/// Sets what this process does with a signal. What a child does with it in the beginning depends on
/// who started the tests: a shell's background job ignores SIGINT.
#[allow(unsafe_code, reason = "no safe crate sets SIG_IGN")]
pub(crate) fn on_signal(signal: Signal, action: Action) {
    let action = match action {
        Action::Default => libc::SIG_DFL,
        Action::Ignore => libc::SIG_IGN,
    };
    // SAFETY: no handler is installed, so no code of ours ever runs at the signal.
    let before = unsafe { libc::signal(signal.as_raw(), action) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Sends a signal to one thread of this process.
#[allow(unsafe_code, reason = "no safe crate sends a signal to a thread")]
pub(crate) fn signal_thread(thread: i32, signal: Signal) {
    let process = getpid().as_raw_nonzero().get();
    // SAFETY: tgkill takes three numbers and touches no memory.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal.as_raw()) };
    assert_eq!(sent, 0);
}
