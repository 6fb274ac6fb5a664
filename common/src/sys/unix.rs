//! What Linux and macOS share: clocks, limits, signals, process groups, terminals.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use rustix::process::{kill_process_group, test_kill_process_group};
use rustix::pty::{grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use rustix::time::{ClockId, clock_gettime};

pub use rustix::process::Signal;

pub(crate) fn clock() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

pub(crate) fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

/// Raises the soft limit of open files to the hard one; returns it, `None` if there is none.
pub(crate) fn raise_file_limit() -> Option<u64> {
    /// The most that macOS takes where the hard limit is infinite: its `OPEN_MAX`.
    const OPEN_MAX: u64 = 10_240;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raise = |current| setrlimit(Resource::Nofile, Rlimit { current, maximum });
    if raise(maximum).is_err() && current.is_some_and(|current| current < OPEN_MAX) {
        // Where it can't be raised, what there is must do.
        let _ = raise(Some(OPEN_MAX));
    }
    getrlimit(Resource::Nofile).current
}

/// A process group; its leader is the process that was started.
#[derive(Debug)]
pub(crate) struct Group(Pid);

impl Group {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<(Child, Self)> {
        let child = command.process_group(0).spawn()?;
        let group = Self(Pid::from_child(&child));
        Ok((child, group))
    }

    pub(crate) fn terminate(&self) {
        // It may have ended by itself.
        let _ = kill_process_group(self.0, Signal::TERM);
    }

    pub(crate) fn kill(&self) {
        let _ = kill_process_group(self.0, Signal::KILL);
    }

    pub(crate) fn is_empty(&self) -> bool {
        test_kill_process_group(self.0).is_err()
    }
}

impl super::Other {
    pub(crate) fn stop(&self) -> bool {
        self.signal(Signal::STOP)
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
