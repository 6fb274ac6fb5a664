//! What Linux and macOS share: signals, limits, priorities, terminals.

use std::fs::File;
use std::io::{self, PipeWriter};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{
    Pid, Resource, Rlimit, WaitOptions, getrlimit, kill_process_group, nice, setrlimit, waitpgid,
};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::time::{ClockId, clock_gettime};

pub use rustix::process::Signal;

use crate::signal_self;

impl super::Other {
    pub(crate) fn stop(&self) -> bool {
        let was_there = self.signal(Signal::STOP);
        // Until one of its threads has taken the signal, the others go on.
        while was_there && !self.stands() {
            std::thread::yield_now();
        }
        was_there
    }

    pub(crate) fn go_on(&self) -> bool {
        self.signal(Signal::CONT)
    }
}

/// Returns whether there is something to read, or soon is.
pub(super) fn becomes_readable(what: &impl AsFd, time: Duration) -> bool {
    // More seconds than it can hold are for ever.
    let time = Timespec::try_from(time).ok();
    matches!(poll(&mut [PollFd::new(what, PollFlags::IN)], time.as_ref()), Ok(1))
}

/// Whether programs can be run in a terminal.
pub(crate) const HAS_TERMINALS: bool = true;

/// Opens the two ends of a terminal: what is on the screen, and what a program writes to.
pub(crate) fn terminal(columns: u16) -> io::Result<(File, File)> {
    let screen = openpt(super::OPEN_TERMINAL)?;
    fcntl_setfd(&screen, FdFlags::CLOEXEC)?;
    grantpt(&screen)?;
    unlockpt(&screen)?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = open(ptsname(&screen, Vec::new())?, flags, Mode::empty())?;
    tcsetwinsize(&terminal, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 })?;
    Ok((screen.into(), terminal.into()))
}

/// Sends what this process writes to standard error there, from now on.
pub(crate) fn redirect_standard_error(writer: &PipeWriter) {
    rustix::stdio::dup2_stderr(writer).unwrap();
}

/// Returns a process id in the form that the crate rustix wants.
#[must_use]
pub fn number(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}

/// What a process does with a signal that it doesn't handle.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// What is usual for the signal.
    Default,
    /// Nothing.
    Ignore,
}

/// Sets what this process does with a signal. What a child does with it in the beginning depends on
/// how the tests were started: a shell's background job ignores SIGINT.
#[expect(unsafe_code, reason = "no safe crate sets SIG_IGN")]
pub fn on_signal(signal: Signal, action: Action) {
    let action = match action {
        Action::Default => libc::SIG_DFL,
        Action::Ignore => libc::SIG_IGN,
    };
    // SAFETY: no handler is installed, so no code of ours ever runs at the signal.
    let before = unsafe { libc::signal(signal.as_raw(), action) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Ignores SIGTERM: from now on only SIGKILL ends this process.
pub fn ignore_sigterm() {
    on_signal(Signal::TERM, Action::Ignore);
}

/// Ends this process by the signal of this number.
pub fn end_by_signal(number: i32) -> ! {
    let signal = Signal::from_named_raw(number).unwrap();
    // Rust's own handler of SIGSEGV takes the first for no fault of ours.
    loop {
        signal_self(signal);
    }
}

/// Lets all other processes go before this one from now on.
pub fn give_way_to_all() {
    nice(19).unwrap();
}

/// Returns how long the calling thread has worked: the same whatever else the machine does.
#[must_use]
pub fn work_of_this_thread() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

/// Limits how many descriptors this process may have, within what the system lets it.
pub fn limit_descriptors(most: u64) {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = maximum.map_or(most, |maximum| most.min(maximum));
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum }).unwrap();
}

/// Has the stopped processes of a group go on, and reaps one that has ended and whose parent has,
/// too.
pub fn let_go(group: u32) {
    let group = number(group);
    let _ = kill_process_group(group, Signal::CONT);
    let _ = waitpgid(group, WaitOptions::NOHANG);
}
