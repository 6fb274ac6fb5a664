//! What Linux and macOS share: clocks, limits, process groups.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit,
    test_kill_process_group,
};
use rustix::time::{ClockId, clock_gettime};

pub(crate) fn clock() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Monotonic)).unwrap_or_default()
}

pub(crate) const CPU_TICK: Duration = Duration::ZERO;

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
