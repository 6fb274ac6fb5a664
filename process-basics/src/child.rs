//! A started process, as its parent holds it, and the list of all that have not ended.
//!
//! The kernel tells the end of a child through its *pidfd*: a descriptor that becomes ready when
//! the process has ended, whoever else waits for it, and that never comes to mean another process
//! as a number can.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use crate::control::{Arguments, ControlLine, Start};
use crate::entry;
use crate::sys::THIS_PROGRAM;
use crate::wait::wait;
use crate::{Error, frame};

/// The children of this process.
static CHILDREN: Mutex<Children> = Mutex::new(Children { running: Vec::new(), closed: false });

struct Children {
    /// Those that have not been seen to end.
    running: Vec<Arc<Child>>,
    /// Whether this process is ending, so that nobody would wait for another.
    closed: bool,
}

/// How often to look whether a tracer has let go of a child that has ended.
const TRACED: Duration = Duration::from_millis(1);

/// How long daemons may take to end after SIGTERM before they are killed.
const GRACE: Duration = Duration::from_secs(1);

/// How long a child that can't be given its arguments may take to end by itself.
const FAREWELL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Child {
    pub name: String,
    pub daemon: bool,
    pub pid: Pid,
    pidfd: OwnedFd,
    /// Held open until the child has ended and its handle is gone: its end tells the child that
    /// this process has ended.
    control: ControlLine,
    /// Whether we ourselves sent it a signal.
    signalled: AtomicBool,
    end: Mutex<Option<End>>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its exit code, or minus the number of the signal that killed it.
    Code(i32),
    /// Somebody else has collected it, so nobody can tell any more.
    Unknown,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code @ 0..) => write!(f, "exit code {code}"),
            Self::Code(signal) => write!(f, "killed by signal {}", -signal),
            Self::Unknown => f.write_str("somebody else collected its exit code"),
        }
    }
}

impl Child {
    /// Starts this program again and sends it what to do.
    pub(crate) fn start(
        program_arguments: &[OsString],
        start: &Start,
        arguments: &Arguments,
    ) -> Result<Arc<Self>, Error> {
        let refused = |reason| Error::Start { name: start.name.clone(), reason };
        let (line, child_end) = UnixStream::pair().map_err(refused)?;
        // The command owns the child's end and goes with this statement: were it kept, the end of
        // file on the line would never come.
        let mut spawned = Command::new(THIS_PROGRAM)
            .arg0(entry::mark(&start.name))
            .args(program_arguments)
            .stdin(OwnedFd::from(child_end))
            .spawn()
            .map_err(refused)?;
        let pid = Pid::from_child(&spawned);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| {
            // Without a pidfd we can't keep it. (If there is no such process any more, somebody
            // else has collected it.)
            if error != Errno::SRCH {
                let _ = spawned.kill();
                let _ = spawned.wait();
            }
            refused(error.into())
        })?;
        let child = Arc::new(Self {
            name: start.name.clone(),
            daemon: start.daemon,
            pid,
            pidfd,
            control: ControlLine::new(line),
            signalled: AtomicBool::new(false),
            end: Mutex::new(None),
        });
        {
            let mut children = lock(&CHILDREN);
            // From here on somebody waits for it, whatever happens.
            children.running.push(Arc::clone(&child));
            if children.closed {
                drop(children);
                child.give_up(frame::Error::EndOfFile);
                return Err(Error::Ending);
            }
        }
        match child.control.send(start, arguments) {
            Ok(()) => Ok(child),
            Err(error) => Err(child.give_up(error)),
        }
    }

    /// Ends a child that couldn't be told what to do.
    fn give_up(&self, error: frame::Error) -> Error {
        let broken = matches!(error, frame::Error::BrokenPipe);
        self.control.hang_up();
        if !self.has_ended_within(FAREWELL).unwrap_or(false) {
            let _ = self.send_signal(Signal::KILL);
        }
        match self.wait_for_end(None) {
            Ok(Some(end)) if broken => {
                Error::NeverRan { name: self.name.clone(), end: end.to_string() }
            }
            Err(error) => error,
            _ => Error::Start { name: self.name.clone(), reason: io::Error::other(error) },
        }
    }

    /// Waits until it has ended, for ever or for so long, and collects it.
    pub(crate) fn wait_for_end(&self, timeout: Option<Duration>) -> Result<Option<End>, Error> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            if wait(&[&self.pidfd], left).map_err(|error| self.system(error))?.is_empty() {
                return self.try_collect();
            }
            if let Some(end) = self.try_collect()? {
                return Ok(Some(end));
            }
            // It has ended, but whoever traces it (strace, gdb) has yet to let go of it.
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            thread::sleep(TRACED);
        }
    }

    fn has_ended_within(&self, timeout: Duration) -> Result<bool, Error> {
        Ok(self.wait_for_end(Some(timeout))?.is_some())
    }

    /// How it has ended, or `None` while it runs. Collects it if it is still a zombie.
    pub(crate) fn try_collect(&self) -> Result<Option<End>, Error> {
        let mut known = lock(&self.end);
        if known.is_some() {
            return Ok(*known);
        }
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let end = match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(None) => return Ok(None),
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => End::Code(code),
                (None, Some(signal)) => End::Code(-signal),
                (None, None) => End::Unknown,
            },
            Err(Errno::CHILD) => End::Unknown,
            Err(error) => return Err(self.system(error.into())),
        };
        *known = Some(end);
        drop(known);
        lock(&CHILDREN).running.retain(|child| !std::ptr::eq(&raw const **child, self));
        Ok(Some(end))
    }

    /// Whether its function ran, or we ourselves may have prevented that by a signal.
    pub(crate) fn ran(&self) -> bool {
        self.signalled.load(Ordering::Relaxed) || self.control.was_attached()
    }

    /// Sends the signal; to a process that has ended it does nothing.
    pub(crate) fn send_signal(&self, signal: Signal) -> Result<(), Error> {
        if self.try_collect()?.is_some() {
            return Ok(());
        }
        self.signalled.store(true, Ordering::Relaxed);
        match pidfd_send_signal(&self.pidfd, signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(self.system(error.into())),
        }
    }

    fn system(&self, reason: io::Error) -> Error {
        Error::System { name: self.name.clone(), reason }
    }
}

/// The sentinel.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// The children that run; those that have ended are collected on the way.
pub(crate) fn active() -> Vec<Arc<Child>> {
    let all = lock(&CHILDREN).running.clone();
    all.into_iter().filter(|child| !matches!(child.try_collect(), Ok(Some(_)))).collect()
}

/// The end of a process: from here on none can be started; its daemons are ended, its other
/// children waited for.
pub(crate) fn end_all() {
    lock(&CHILDREN).closed = true;
    let (daemons, others): (Vec<_>, Vec<_>) = active().into_iter().partition(|child| child.daemon);
    for daemon in &daemons {
        let _ = daemon.send_signal(Signal::TERM);
    }
    let deadline = Instant::now() + GRACE;
    for daemon in &daemons {
        let left = deadline.saturating_duration_since(Instant::now());
        if !daemon.has_ended_within(left).unwrap_or(false) {
            let _ = daemon.send_signal(Signal::KILL);
        }
    }
    for child in daemons.into_iter().chain(others) {
        let _ = child.wait_for_end(None);
    }
}

/// The beginning of a process's main part: children may be started.
pub(crate) fn allow() {
    lock(&CHILDREN).closed = false;
}

/// No code that panics runs under our locks, so what they guard is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
