//! The running process and its parent. Python: `current_process()`, `parent_process()`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process::control::Start;
use crate::sys::process::FromParent;

/// The start message of this process; empty in the main process.
static CHILD: OnceLock<Child> = OnceLock::new();

#[derive(Debug)]
struct Child {
    start: Start,
    control: FromParent,
}

/// Makes this process a child; called once, at its beginning.
pub(crate) fn become_child(start: Start, control: FromParent) {
    let already = CHILD.set(Child { start, control });
    assert!(already.is_ok(), "a process becomes a child once");
}

/// Returns the control line of this process, if it is a child.
pub(crate) fn control_line() -> Option<&'static FromParent> {
    CHILD.get().map(|child| &child.control)
}

/// The running process, as it sees itself: see [`current_process`]. Python:
/// `multiprocessing.current_process()`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CurrentProcess;

/// Returns the running process. Python: `multiprocessing.current_process`.
///
/// ```
/// # use multiprocess::{Process, current_process, tasks};
/// tasks![greet];
///
/// fn greet((parent, key): (u32, [u8; 32])) {
///     assert_eq!(current_process().name(), "child_1");
///     assert_ne!(current_process().pid(), parent);
///     assert_eq!(current_process().authkey(), key, "a secret of the whole family");
///     assert!(current_process().is_daemon());
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// let me = current_process();
/// assert_eq!(me.name(), "MainProcess");
/// let process = Process::new(greet, (me.pid(), me.authkey()));
/// let mut process = process.named("child_1").daemonic(true);
/// process.start()?;
/// process.join()?;
/// # assert_eq!(process.exitcode(), Some(0));
/// # Ok(()) }) }
/// ```
#[must_use]
pub fn current_process() -> CurrentProcess {
    CurrentProcess
}

impl CurrentProcess {
    /// Returns `MainProcess`, or the name that the parent gave. Python: `current_process().name`.
    #[must_use]
    pub fn name(self) -> &'static str {
        CHILD.get().map_or("MainProcess", |child| &child.start.name)
    }

    /// Returns the process id. Python: `os.getpid`, `current_process().pid`.
    #[must_use]
    pub fn pid(self) -> u32 {
        std::process::id()
    }

    /// Returns true if this process ends when its parent does. Python: `current_process().daemon`.
    #[must_use]
    pub fn is_daemon(self) -> bool {
        CHILD.get().is_some_and(|child| child.start.daemon)
    }

    /// Returns true. Python: `current_process().is_alive`.
    #[must_use]
    pub fn is_alive(self) -> bool {
        true
    }

    /// Returns `None`, because this process has not ended. Python: `current_process().exitcode`.
    #[must_use]
    pub fn exitcode(self) -> Option<i32> {
        None
    }

    /// Returns 32 random bytes that this process and all its descendants share, to prove to each
    /// other that they belong together. Python: `current_process().authkey`.
    ///
    /// # Panics
    /// If the system has no random bytes to give.
    #[must_use]
    pub fn authkey(self) -> [u8; 32] {
        static OWN: OnceLock<[u8; 32]> = OnceLock::new();
        match CHILD.get() {
            Some(child) => child.start.authkey,
            None => *OWN.get_or_init(|| {
                let mut key = [0; 32];
                getrandom::fill(&mut key)
                    .expect("32 bytes come at once, and the system has been up for a while");
                key
            }),
        }
    }

    /// Returns the counts in the next child's default name, from the first ancestor on.
    pub(crate) fn next_path(self) -> Vec<u32> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut path = CHILD.get().map_or_else(Vec::new, |child| child.start.path.clone());
        path.push(COUNT.fetch_add(1, Ordering::Relaxed) + 1);
        path
    }
}

/// The parent of the running process, as this process sees it: see [`parent_process`]. Python:
/// `multiprocessing.parent_process()`.
#[derive(Clone, Copy, Debug)]
pub struct ParentProcess(&'static Child);

/// Returns the parent, or `None` in the main process. Python: `multiprocessing.parent_process`.
///
/// ```
/// # use multiprocess::{Process, parent_process, tasks};
/// tasks![look_up];
///
/// fn look_up(started_by: u32) {
///     let parent = parent_process().expect("this is a child");
///     assert_eq!((parent.name(), parent.pid()), ("MainProcess", started_by));
///     assert!(parent.is_alive());
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// assert!(parent_process().is_none());
/// let mut process = Process::new(look_up, std::process::id());
/// process.start()?;
/// process.join()?;
/// # assert_eq!(process.exitcode(), Some(0));
/// # Ok(()) }) }
/// ```
#[must_use]
pub fn parent_process() -> Option<ParentProcess> {
    CHILD.get().map(ParentProcess)
}

impl ParentProcess {
    /// Returns the parent's name. Python: `parent_process().name`.
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.0.start.parent.name
    }

    /// Returns the parent's process id. Python: `os.getppid`, `parent_process().pid`.
    #[must_use]
    pub fn pid(self) -> u32 {
        self.0.start.parent.pid
    }

    /// Returns true if the parent has not ended. Python: `parent_process().is_alive`.
    #[must_use]
    pub fn is_alive(self) -> bool {
        !self.join_timeout(Duration::ZERO)
    }

    /// Waits until the parent has ended, in whatever way. Python: `parent_process().join`.
    ///
    /// ```
    /// # use multiprocess::{Process, parent_process, tasks};
    /// # tasks![outlive];
    /// fn outlive(_: ()) {
    ///     parent_process().expect("this is a child").join();
    ///     // No process waits for this one any more.
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(outlive, ());
    /// process.start()?;
    /// # process.kill()?;
    /// # process.join()?;
    /// # Ok(()) }) }
    /// ```
    pub fn join(self) {
        // Tries again if the system refuses to wait just now.
        while !self.0.control.parent_ends(None) {
            std::thread::yield_now();
        }
    }

    /// Waits until the parent has ended, at most for the timeout; returns true if it has. Python:
    /// `parent_process().join(timeout)`.
    pub fn join_timeout(self, timeout: Duration) -> bool {
        self.0.control.parent_ends(Some(timeout))
    }
}
