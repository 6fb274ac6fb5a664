//! Who am I, who is my parent? Python: `current_process()`, `parent_process()`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::process::control::Start;
use crate::sys::process::FromParent;

/// What a child was told at its start; nothing in the process that began it all.
static CHILD: OnceLock<Child> = OnceLock::new();

#[derive(Debug)]
struct Child {
    start: Start,
    control: FromParent,
}

/// Called once, at the beginning of a child.
pub(crate) fn become_child(start: Start, control: FromParent) {
    let already = CHILD.set(Child { start, control });
    assert!(already.is_ok(), "a process becomes a child once");
}

/// The control line of this process, if it is a child.
pub(crate) fn control_line() -> Option<&'static FromParent> {
    CHILD.get().map(|child| &child.control)
}

/// The running process, as it sees itself; see [`current_process`] for an example. Python:
/// `multiprocessing.current_process()`.
///
/// ```
/// let me = multiprocess::current_process();
/// assert_eq!(me.pid(), std::process::id());
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CurrentProcess;

/// The running process. Python: `multiprocessing.current_process`.
///
/// ```
/// # use multiprocess::{Process, current_process, tasks};
/// tasks![greet];
///
/// fn greet(parent: u32) {
///     assert_eq!(current_process().name(), "child_1");
///     assert_ne!(current_process().pid(), parent);
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// assert_eq!(current_process().name(), "MainProcess");
/// let mut process = Process::new(greet, current_process().pid()).named("child_1");
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
    /// `MainProcess`, or the name its parent gave it. Python: `current_process().name`.
    ///
    /// ```
    /// assert_eq!(multiprocess::current_process().name(), "MainProcess");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        CHILD.get().map_or("MainProcess", |child| &child.start.name)
    }

    /// Its process id. Python: `os.getpid`, `current_process().pid`.
    ///
    /// ```
    /// assert_eq!(multiprocess::current_process().pid(), std::process::id());
    /// ```
    #[must_use]
    pub fn pid(self) -> u32 {
        std::process::id()
    }

    /// Whether it ends when its parent does. Python: `current_process().daemon`.
    ///
    /// ```
    /// # use multiprocess::{Process, current_process, tasks};
    /// # tasks![serve];
    /// fn serve(_: ()) {
    ///     assert!(current_process().is_daemon());
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(serve, ()).daemonic(true);
    /// process.start()?;
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn is_daemon(self) -> bool {
        CHILD.get().is_some_and(|child| child.start.daemon)
    }

    /// True: it is asking. Python: `current_process().is_alive`.
    ///
    /// ```
    /// assert!(multiprocess::current_process().is_alive());
    /// ```
    #[must_use]
    pub fn is_alive(self) -> bool {
        true
    }

    /// `None`: it has not ended. Python: `current_process().exitcode`.
    ///
    /// ```
    /// assert_eq!(multiprocess::current_process().exitcode(), None);
    /// ```
    #[must_use]
    pub fn exitcode(self) -> Option<i32> {
        None
    }

    /// 32 random bytes that this process and all its descendants have in common, to prove to each
    /// other that they belong together. Python: `current_process().authkey`.
    ///
    /// ```
    /// # use multiprocess::{Process, current_process, tasks};
    /// tasks![compare];
    ///
    /// fn compare(key: [u8; 32]) {
    ///     assert_eq!(current_process().authkey(), key);
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(compare, current_process().authkey());
    /// process.start()?;
    /// process.join()?;
    /// # assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
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

    /// The counts in the next child's default name, one behind the other from the first ancestor.
    pub(crate) fn next_path(self) -> Vec<u32> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut path = CHILD.get().map_or_else(Vec::new, |child| child.start.path.clone());
        path.push(COUNT.fetch_add(1, Ordering::Relaxed) + 1);
        path
    }
}

/// The parent of the running process, as this process sees it; see [`parent_process`] for an example.
/// Python: `multiprocessing.parent_process()`.
///
/// ```
/// # use multiprocess::{Process, parent_process, tasks};
/// # tasks![greet];
/// fn greet(_: ()) {
///     let parent = parent_process().expect("this is a child");
///     println!("I am a child of {}, pid {}", parent.name(), parent.pid());
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// # let mut process = Process::new(greet, ());
/// # process.start()?;
/// # process.join()?;
/// # assert_eq!(process.exitcode(), Some(0));
/// # Ok(()) }) }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct ParentProcess(&'static Child);

/// The parent, or `None` in the process that began it all. Python:
/// `multiprocessing.parent_process`.
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
    /// Its name. Python: `parent_process().name`.
    ///
    /// ```
    /// # use multiprocess::{Process, parent_process, tasks};
    /// # tasks![look];
    /// fn look(_: ()) {
    ///     let parent = parent_process().expect("this is a child");
    ///     assert_eq!(parent.name(), "MainProcess");
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// # let mut process = Process::new(look, ());
    /// # process.start()?;
    /// # process.join()?;
    /// # assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        &self.0.start.parent.name
    }

    /// Its process id. Python: `os.getppid`, `parent_process().pid`.
    ///
    /// ```
    /// # use multiprocess::{Process, parent_process, tasks};
    /// # tasks![look];
    /// fn look(started_by: u32) {
    ///     let parent = parent_process().expect("this is a child");
    ///     assert_eq!(parent.pid(), started_by);
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// # let mut process = Process::new(look, std::process::id());
    /// # process.start()?;
    /// # process.join()?;
    /// # assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn pid(self) -> u32 {
        self.0.start.parent.pid
    }

    /// Whether it has not ended, as the system tells. Python:
    /// `parent_process().is_alive`.
    ///
    /// ```
    /// # use multiprocess::{Process, parent_process, tasks};
    /// # tasks![look];
    /// fn look(_: ()) {
    ///     let parent = parent_process().expect("this is a child");
    ///     assert!(parent.is_alive());
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// # let mut process = Process::new(look, ());
    /// # process.start()?;
    /// # process.join()?;
    /// # assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn is_alive(self) -> bool {
        !self.join_timeout(Duration::ZERO)
    }

    /// Waits until it has ended, in whatever way. Python: `parent_process().join`.
    ///
    /// ```
    /// # use multiprocess::{Process, parent_process, tasks};
    /// # tasks![outlive];
    /// fn outlive(_: ()) {
    ///     parent_process().expect("this is a child").join();
    ///     // Nobody waits for this process any more.
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
        // It is asked again if the system refuses to wait just now.
        while !self.0.control.parent_ends(None) {
            std::thread::yield_now();
        }
    }

    /// Waits until it has ended, but no longer than this; says whether it has. Python:
    /// `parent_process().join(timeout)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::parent_process;
    /// /// Runs in a child.
    /// fn serve() {
    ///     let parent = parent_process().expect("this is a child");
    ///     while !parent.join_timeout(Duration::from_secs(1)) {
    ///         println!("my parent still lives");
    ///     }
    /// }
    /// # assert!(parent_process().is_none());
    /// ```
    pub fn join_timeout(self, timeout: Duration) -> bool {
        self.0.control.parent_ends(Some(timeout))
    }
}
