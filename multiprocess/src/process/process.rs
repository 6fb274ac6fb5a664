//! [`Process`]: a function with its arguments, and the operating-system process that runs it.
//!
//! **What a start costs.** Start and join of a child of a small program took 1.53 times what
//! `/bin/true` takes (1.52 to 1.54 in five runs on two virtual cores), and 1.09 times what that
//! program takes if it ends at once: nearly all of it is loading. A program with more in it takes
//! longer (`bench`: 1.8 times). 0.1 ms of it is `libgcc_s`, which unwinds the stack when something
//! panics. A program may link that part into itself (`libgcc_eh.a`); this crate doesn't do it for
//! its users, because where a C++ library then brings `libgcc_s` along there are two unwinders,
//! and an exception that passes a Rust function ends the program (seen with GCC 12).

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::process::child::{self, Child};
use crate::process::control::{Arguments, Parent, Start};
use crate::process::current::current_process;
use crate::process::ends::BorrowedEnd;
use crate::process::exit::Exit;
use crate::process::task::Task;
use crate::process::{Error, entry, frame, task};
use crate::sys::process::{End, Stop};

/// A function that runs in an operating-system process of its own. Python:
/// `multiprocessing.Process`.
///
/// ```
/// use std::time::Duration;
///
/// use multiprocess::{Failure, Gate, Process, Waiting, tasks};
///
/// tasks![worker, Waiting::wait];
///
/// fn worker((number, name): (u32, String)) {
///     println!("worker {number}: hello {name}");
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), Failure> {
///         let mut process = Process::new(worker, (1, "you".to_string())).named("child_1");
///         assert_eq!(process.name(), "child_1");
///         assert_eq!((process.pid(), process.exitcode()), (None, None));
///         process.start()?;
///         process.join()?;
///         assert_eq!(process.exitcode(), Some(0));
///
///         let (_gate, waiting) = Gate::new()?; // keeps the daemon waiting
///         let mut daemon = Process::new(Waiting::wait, waiting).daemonic(true);
///         daemon.start()?;
///         assert!(daemon.is_alive() && !daemon.join_timeout(Duration::from_millis(10))?);
///         daemon.terminate()?;
///         daemon.join()?;
///         assert_eq!(daemon.exitcode(), Some(-15));
///         Ok(())
///     })
/// }
/// ```
///
/// Dropping a running process doesn't end it: the end of the program waits for it, or ends it if it
/// is daemonic. A process can't be sent to another process, because only its parent can wait for
/// it:
///
/// ```compile_fail,E0277
/// # // PROC-B13
/// fn travels(_: impl serde::Serialize) {}
/// travels(multiprocess::Process::new(|(): ()| (), ()));
/// ```
pub struct Process {
    name: String,
    daemon: bool,
    ignores_interrupts: bool,
    path: Vec<u32>,
    /// `None` once started. (The lock makes a handle `Sync` even if its arguments are not.)
    target: Mutex<Option<Target>>,
    /// `None` until started.
    child: Option<Arc<Child>>,
}

/// The function and arguments of a process that has not started.
struct Target {
    /// Looks up the function.
    task: fn() -> Result<(usize, &'static Task), Error>,
    pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
}

/// A type whose values are the bodies of processes. Python: a subclass of `Process` with `run`.
///
/// ```
/// use multiprocess::{Exit, Process, Run, tasks};
/// use serde::{Deserialize, Serialize};
///
/// tasks![Greeter::run];
///
/// #[derive(Serialize, Deserialize)]
/// struct Greeter {
///     whom: String,
/// }
///
/// impl Run for Greeter {
///     fn run(self) -> Exit {
///         println!("hello {}", self.whom);
///         Exit::SUCCESS
///     }
/// }
///
/// # fn main() -> std::process::ExitCode {
/// #     multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// let mut process = Process::of(Greeter { whom: "you".into() });
/// process.start()?;
/// process.join()?;
/// #         assert_eq!(process.exitcode(), Some(0));
/// #         Ok(())
/// #     })
/// # }
/// ```
pub trait Run: Serialize + DeserializeOwned {
    /// Runs the body of the process. A direct call runs it in the calling process. Python:
    /// `Process.run`.
    fn run(self) -> Exit;
}

impl Process {
    /// Makes a process that will call the function with these arguments: one value that serde can
    /// serialise and deserialise, or a tuple or a struct of several. The function must be listed by
    /// [`tasks!`](crate::tasks), which [`start`](Self::start) checks. Python:
    /// `Process(target=f, args=…)`.
    ///
    /// Its name is `Process-1`, `Process-2` … in the order of these calls, that of a child of
    /// `Process-1` is `Process-1:1`; and it is daemonic if the calling process is.
    pub fn new<A, R, F>(function: F, arguments: A) -> Self
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        // The type is enough to find the function.
        drop(function);
        let path = current_process().next_path();
        let counts: Vec<String> = path.iter().map(u32::to_string).collect();
        Self {
            name: format!("Process-{}", counts.join(":")),
            daemon: current_process().is_daemon(),
            ignores_interrupts: false,
            path,
            target: Mutex::new(Some(Target {
                task: task::find::<F>,
                pack: Box::new(move || Arguments::pack(&arguments)),
            })),
            child: None,
        }
    }

    /// Makes a process whose body is this value's [`run`](Run::run). Python: an instance of a
    /// subclass of `Process`.
    pub fn of<S: Run + Send + 'static>(body: S) -> Self {
        Self::new(S::run, body)
    }

    /// Names this process. Python: `Process(name=…)`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Makes this process end with its parent (true) or outlive it (false). Python:
    /// `Process(daemon=…)`.
    ///
    /// A daemon ends even if its parent is killed, which Python's doesn't; unless it has exec'd
    /// another program, and only when it is continued if it is stopped.
    ///
    /// # Panics
    /// If the process has started.
    #[must_use]
    pub fn daemonic(mut self, daemon: bool) -> Self {
        assert!(self.child.is_none(), "the process {} has already started", self.name);
        self.daemon = daemon;
        self
    }

    /// Makes this process ignore Ctrl-C (true), which its parent handles, or end by it (false).
    /// Python: `signal.signal(SIGINT, SIG_IGN)` at the beginning of the function.
    ///
    /// Ctrl-C goes to all processes of a terminal. The parent is the one to listen to it and to end
    /// its children, or to let them finish: docs/porting.md has such a program. On Windows a Ctrl-C
    /// in the first moment of a process, before it has its arguments, still ends it. See also
    /// [`ignore_interrupts`](crate::process::ignore_interrupts).
    ///
    /// # Panics
    /// If the process has started.
    #[must_use]
    pub fn ignoring_interrupts(mut self, ignores: bool) -> Self {
        assert!(self.child.is_none(), "the process {} has already started", self.name);
        self.ignores_interrupts = ignores;
        self
    }

    /// Starts the process; returns when its arguments are on their way. From then on only the child
    /// has them: connections among them are closed in this process. Python: `Process.start`.
    ///
    /// Arguments longer than the socket's buffer (some 200 KB) are on their way when the child has
    /// read them: a child that hangs before [`main`](crate::process::main) keeps its parent waiting
    /// here.
    ///
    /// A function that is not listed shows only now:
    ///
    /// ```
    /// # use multiprocess::Process;
    /// # fn unlisted(_: u32) {}
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| {
    /// let refused = Process::new(unlisted, 1).start().unwrap_err();
    /// assert!(refused.to_string().ends_with("write tasks![unlisted]; next to its definition"));
    /// # }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::OutsideMain`]; [`Error::Unlisted`], [`Error::NotAFunctionItem`];
    /// [`Error::DaemonWithChildren`]; [`Error::StartedTwice`]; [`Error::Arguments`] if these can't
    /// be serialised; [`Error::Start`] if the system refuses; [`Error::NeverRan`] if the child ends
    /// before it has all its arguments; [`Error::Ending`]. After an error no process is left, and
    /// `start` may be called again.
    pub fn start(&mut self) -> Result<(), Error> {
        let target = self.target.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(wanted) = target else {
            return Err(Error::StartedTwice { name: self.name.clone() });
        };
        let program_arguments = entry::program_arguments()?;
        let parent = current_process();
        if parent.is_daemon() {
            return Err(Error::DaemonWithChildren);
        }
        let (index, task) = (wanted.task)()?;
        let arguments = (wanted.pack)()
            .map_err(|reason| Error::Arguments { name: self.name.clone(), reason })?;
        // Collects the children that have ended, which would stay zombies otherwise.
        child::active();
        let start = Start {
            task: index,
            task_name: task.name.to_owned(),
            name: self.name.clone(),
            path: self.path.clone(),
            daemon: self.daemon,
            ignores_interrupts: self.ignores_interrupts,
            authkey: parent.authkey(),
            parent: Parent { name: parent.name().to_owned(), pid: parent.pid() },
            descriptors: arguments.descriptors(),
        };
        self.child = Some(Child::start(&program_arguments, &start, &arguments)?);
        *target = None;
        Ok(())
    }

    /// Waits until the process has ended. Python: `Process.join`.
    ///
    /// # Errors
    /// [`Error::NotStarted`]; [`Error::NeverRan`] if the process ended by itself before it had its
    /// arguments; [`Error::System`]. Any other end is no error: see [`exitcode`](Self::exitcode),
    /// also for a process that a signal killed before its function began.
    pub fn join(&self) -> Result<(), Error> {
        self.join_at_most(None).map(drop)
    }

    /// Waits until the process has ended, at most for the timeout; returns true if it has.
    /// Python: `Process.join(timeout)`.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, Error> {
        self.join_at_most(Some(timeout))
    }

    fn join_at_most(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        let child = self.started()?;
        match child.wait_for_end(timeout)? {
            // A killed child is no error here: it has its exit code, as in Python.
            Some(end) if !child.ran() && !end.is_by_signal() => {
                Err(Error::NeverRan { name: self.name.clone(), end: end.to_string() })
            }
            end => Ok(end.is_some()),
        }
    }

    /// Returns the process's name. Python: `Process.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns true if the process ends when its parent does. Python: `Process.daemon`.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Returns the process id, `None` before the start. Python: `Process.pid`, `Process.ident`.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(|child| child.pid())
    }

    /// Returns true if the process was started and has not ended. Python: `Process.is_alive`.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.as_ref().is_some_and(|child| !matches!(child.try_collect(), Ok(Some(_))))
    }

    /// Returns the exit code, or −N if signal N killed the process; `None` until it has ended.
    /// Python: `Process.exitcode`.
    ///
    /// `None` also if another part of the program collected it (by `waitpid`, or because the
    /// program ignores SIGCHLD): the process is not alive then, but its exit code is lost. A
    /// SIGCHLD that is ignored when the program begins is set back to its default by
    /// [`main`](crate::process::main).
    #[must_use]
    pub fn exitcode(&self) -> Option<i32> {
        match self.child.as_ref()?.try_collect() {
            Ok(Some(End::Code(code))) => Some(code),
            _ => None,
        }
    }

    /// Asks the process to end: SIGTERM. Python: `Process.terminate`. The process may not have
    /// ended when this returns: join it. Its own children are not touched, unless they are
    /// daemonic. On Windows a process ends at once, as by [`kill`](Self::kill), but with the exit
    /// code of a SIGTERM.
    ///
    /// # Errors
    /// [`Error::NotStarted`]; [`Error::System`] if the system refuses. A process that has ended is
    /// no error.
    pub fn terminate(&self) -> Result<(), Error> {
        self.started()?.stop(Stop::Terminate)
    }

    /// Ends the process by force: SIGKILL, on Windows `TerminateProcess`. Python: `Process.kill`.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> Result<(), Error> {
        self.started()?.stop(Stop::Kill)
    }

    /// Interrupts the process as Ctrl-C does: SIGINT. Python 3.14: `Process.interrupt`.
    ///
    /// Windows has no Ctrl-C for a single process: there the result is [`Error::System`].
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn interrupt(&self) -> Result<(), Error> {
        self.started()?.stop(Stop::Interrupt)
    }

    /// Gives up this handle on a process that has ended, or was never started. Python:
    /// `Process.close`.
    ///
    /// The compiler sees that a closed process isn't used any more:
    ///
    /// ```compile_fail,E0382
    /// # fn main() -> std::process::ExitCode {
    /// #     multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let process = multiprocess::Process::new(|(): ()| (), ());
    /// process.close()?;
    /// process.is_alive();
    /// #         Ok(())
    /// #     })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::StillRunning`]; [`active_children`] still lists the process then.
    pub fn close(self) -> Result<(), Error> {
        if self.is_alive() {
            return Err(Error::StillRunning { name: self.name });
        }
        Ok(())
    }

    /// Returns a descriptor that becomes ready when the process has ended, for
    /// [`wait`](crate::process::wait()); `None` before the start. Python: `Process.sentinel`.
    #[must_use]
    pub fn sentinel(&self) -> Option<BorrowedEnd<'_>> {
        self.child.as_ref().map(|child| child.sentinel())
    }

    /// Returns the key that the process shares with this one and all its relatives:
    /// [`CurrentProcess::authkey`](crate::process::CurrentProcess::authkey). Python:
    /// `Process.authkey`.
    ///
    /// # Panics
    /// If the system has no random bytes to give.
    #[must_use]
    pub fn authkey(&self) -> [u8; 32] {
        current_process().authkey()
    }

    fn started(&self) -> Result<&Child, Error> {
        self.child.as_deref().ok_or_else(|| Error::NotStarted { name: self.name.clone() })
    }
}

/// `Process-1, daemonic, pid 4711, exit code 0`.
impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.daemon {
            f.write_str(", daemonic")?;
        }
        let Some(pid) = self.pid() else {
            return f.write_str(", not started");
        };
        write!(f, ", pid {pid}, ")?;
        match self.child.as_ref().map(|child| child.try_collect()) {
            Some(Ok(Some(end))) => write!(f, "{end}"),
            _ => f.write_str("running"),
        }
    }
}

/// Returns the running children of this process in the order of their start, and collects those
/// that have ended. Python: `multiprocessing.active_children`.
///
/// ```
/// # use multiprocess::{Gate, Process, Waiting, active_children, tasks};
/// # tasks![Waiting::wait];
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
/// let (gate, waiting) = Gate::new()?;
/// let mut process = Process::new(Waiting::wait, waiting).named("patient");
/// process.start()?;
/// assert_eq!(active_children()[0].name(), "patient");
/// gate.open();
/// process.join()?;
/// assert!(active_children().is_empty());
/// # Ok(()) }) }
/// ```
#[must_use]
pub fn active_children() -> Vec<Process> {
    let handle = |child: Arc<Child>| Process {
        name: child.name.clone(),
        daemon: child.daemon,
        ignores_interrupts: false,
        path: Vec::new(),
        target: Mutex::new(None),
        child: Some(child),
    };
    child::active().into_iter().map(handle).collect()
}

/// Returns the number of processes that can run at once on the cores that this process may use, at
/// least 1. Python: `os.process_cpu_count`.
#[must_use]
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
