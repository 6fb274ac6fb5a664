//! A started process, as its parent holds it, and the list of all that have not ended.
//!
//! The system tells the end of a child through its *sentinel*: a descriptor or handle that becomes
//! ready when the process has ended, however many threads wait for it.
//! It tells the end at once, and never comes to mean another process that got the same number.
//!
//! # What the parent's death leaves
//!
//! The parent dies while it starts a child:
//!
//! - before the child was started (`Packed`): what was in the arguments is closed with the parent;
//! - before all was sent (`Started`, `Told`, `EndsSent`): the child comes to the end of its control
//!   line, and ends. Descriptors that it hadn't received are closed with that line;
//! - after that (`AllSent`): the child has all its arguments, and runs, unless it is a daemon.
//!
//! # Lock order
//!
//! `CHILDREN` and a child's `end` are never held together. A signal is sent under `end`, so that
//! the child isn't collected meanwhile and its process id doesn't come to mean another process.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::deadline::{deadline, time_left};
use crate::process::control::{self, Arguments, Start, Step};
use crate::process::ends::{AsEnd, BorrowedEnd};
use crate::process::exit::is_signal;
use crate::process::title::title;
use crate::process::wait::wait;
use crate::process::{Error, frame};
use crate::sys::process::{self as sys, End, Running, Stop, ToChild};

/// The children of this process.
static CHILDREN: Mutex<Children> = Mutex::new(Children { running: Vec::new(), closed: false });

struct Children {
    /// Children that have not been collected.
    running: Vec<Arc<Child>>,
    /// True once this process is ending, and would wait for no other child.
    closed: bool,
}

/// Interval of looks at whether a tracer has let go of a child that has ended.
const TRACED: Duration = Duration::from_millis(1);

/// Time that daemons have to end after SIGTERM before they are killed.
const GRACE: Duration = Duration::from_secs(1);

/// Time that a child has to end by itself if it can't be given its arguments.
const FAREWELL: Duration = Duration::from_millis(500);

/// A started process.
#[derive(Debug)]
pub(crate) struct Child {
    pub name: String,
    pub daemon: bool,
    process: Running,
    /// The control line, held open until the child has ended and its handle is gone. On Linux and
    /// macOS the line's end tells the child that this process has ended.
    control: ToChild,
    /// True if this process has sent the child a signal.
    signalled: AtomicBool,
    end: Mutex<Option<End>>,
}

impl End {
    /// Returns true if a signal killed the process.
    pub(crate) fn is_by_signal(self) -> bool {
        matches!(self, Self::Code(code) if is_signal(code))
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code @ 0..) => write!(f, "exit code {code}"),
            Self::Code(code) if is_signal(*code) => write!(f, "killed by signal {}", -code),
            // A Windows status code, in the form in which Windows lists them.
            Self::Code(code) => write!(f, "exit code {code:#x}"),
            Self::Unknown => f.write_str("somebody else collected its exit code"),
        }
    }
}

impl Child {
    /// Starts this program again, and sends it its task and arguments.
    pub(crate) fn start(
        program_arguments: &[OsString],
        start: &Start,
        arguments: &Arguments,
    ) -> Result<Arc<Self>, Error> {
        control::reach(Step::Packed);
        let title = title(&start.name);
        let (process, line) = sys::start(&title, program_arguments, start.ignores_interrupts)
            .map_err(|reason| Error::Start { name: start.name.clone(), reason })?;
        control::reach(Step::Started);
        let child = Arc::new(Self {
            name: start.name.clone(),
            daemon: start.daemon,
            process,
            control: line,
            signalled: AtomicBool::new(false),
            end: Mutex::new(None),
        });
        {
            let mut children = lock(&CHILDREN);
            // From here on the child is waited for, whatever happens.
            children.running.push(Arc::clone(&child));
            if children.closed {
                drop(children);
                child.give_up(frame::Error::EndOfFile);
                return Err(Error::Ending);
            }
        }
        match control::send(&child.control, &child.process, start, arguments) {
            Ok(()) => Ok(child),
            Err(error) => Err(child.give_up(error)),
        }
    }

    /// Ends a child that couldn't be given its arguments; returns the error of the start.
    fn give_up(&self, error: frame::Error) -> Error {
        let broken = matches!(error, frame::Error::BrokenPipe);
        self.control.hang_up();
        if !self.has_ended_within(FAREWELL).unwrap_or(false) {
            let _ = self.stop(Stop::Kill);
        }
        match self.wait_for_end(None) {
            Ok(Some(end)) if broken => {
                Error::NeverRan { name: self.name.clone(), end: end.to_string() }
            }
            Err(error) => error,
            _ => Error::Start { name: self.name.clone(), reason: io::Error::other(error) },
        }
    }

    /// Returns the process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits until the child has ended, without limit or for the timeout, and collects it.
    pub(crate) fn wait_for_end(&self, timeout: Option<Duration>) -> Result<Option<End>, Error> {
        let deadline = deadline(timeout);
        loop {
            let left = time_left(deadline);
            if wait(&[&self.process], left).map_err(|error| self.system(error))?.is_empty() {
                return self.try_collect();
            }
            if let Some(end) = self.try_collect()? {
                return Ok(Some(end));
            }
            // The child has ended, but its tracer (strace, gdb) has yet to let go of it.
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            thread::sleep(TRACED);
        }
    }

    /// Waits for the child's end at most for the timeout; returns true if it has ended.
    fn has_ended_within(&self, timeout: Duration) -> Result<bool, Error> {
        Ok(self.wait_for_end(Some(timeout))?.is_some())
    }

    /// Returns how the child has ended, or `None` while it runs; collects it if it is a zombie.
    pub(crate) fn try_collect(&self) -> Result<Option<End>, Error> {
        let mut known = lock(&self.end);
        if known.is_some() {
            return Ok(*known);
        }
        let Some(end) = self.process.try_collect().map_err(|error| self.system(error))? else {
            return Ok(None);
        };
        *known = Some(end);
        drop(known);
        lock(&CHILDREN).running.retain(|child| !std::ptr::eq(&raw const **child, self));
        Ok(Some(end))
    }

    /// Returns true if the child's function ran, or a signal of this process may have prevented
    /// that.
    pub(crate) fn ran(&self) -> bool {
        self.signalled.load(Ordering::Relaxed) || self.control.was_attached()
    }

    /// Asks the child to end, or ends it; does nothing if it has ended.
    pub(crate) fn stop(&self, how: Stop) -> Result<(), Error> {
        self.try_collect()?;
        // Under the lock no thread collects the child, so its process id still means this child.
        let known = lock(&self.end);
        if known.is_some() {
            return Ok(());
        }
        // Set before the signal, whose effect may be seen at once.
        let before = self.signalled.swap(true, Ordering::Relaxed);
        self.process.stop(how).map_err(|error| {
            self.signalled.store(before, Ordering::Relaxed);
            self.system(error)
        })
    }

    /// Returns the sentinel, for [`wait`].
    pub(crate) fn sentinel(&self) -> BorrowedEnd<'_> {
        self.process.as_end()
    }

    fn system(&self, reason: io::Error) -> Error {
        Error::System { name: self.name.clone(), reason }
    }
}

/// Returns the running children, and collects those that have ended.
pub(crate) fn active() -> Vec<Arc<Child>> {
    let all = lock(&CHILDREN).running.clone();
    all.into_iter().filter(|child| !matches!(child.try_collect(), Ok(Some(_)))).collect()
}

/// Ends this process's family: refuses further starts, ends its daemons, waits for its other
/// children.
pub(crate) fn end_all() {
    lock(&CHILDREN).closed = true;
    let (daemons, others): (Vec<_>, Vec<_>) = active().into_iter().partition(|child| child.daemon);
    for daemon in &daemons {
        let _ = daemon.stop(Stop::Terminate);
    }
    let deadline = Instant::now() + GRACE;
    for daemon in &daemons {
        let left = deadline.saturating_duration_since(Instant::now());
        if !daemon.has_ended_within(left).unwrap_or(false) {
            let _ = daemon.stop(Stop::Kill);
        }
    }
    for child in daemons.into_iter().chain(others) {
        let _ = child.wait_for_end(None);
    }
}

/// Allows children to be started: the beginning of a process's main part.
pub(crate) fn allow() {
    lock(&CHILDREN).closed = false;
}

/// Locks a mutex. No code that panics runs under these locks, so a poisoned one is consistent, too.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_below_all_signals_is_told_as_windows_lists_it() {
        assert_eq!(End::Code(7).to_string(), "exit code 7");
        assert_eq!(End::Code(-9).to_string(), "killed by signal 9");
        assert_eq!(End::Code(-0x3fff_fecb).to_string(), "exit code 0xc0000135");
        assert_eq!(End::Code(i32::MIN).to_string(), "exit code 0x80000000");
    }
}
