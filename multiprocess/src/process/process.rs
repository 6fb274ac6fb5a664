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
/// use multiprocess::{Process, tasks};
///
/// tasks![worker];
///
/// fn worker(number: u32) {
///     println!("worker {number}");
/// }
///
/// fn main() -> std::process::ExitCode {
///     multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
///         let mut process = Process::new(worker, 1).named("child_1");
///         process.start()?;
///         process.join()?;
///         assert_eq!(process.exitcode(), Some(0));
///         Ok(())
///     })
/// }
/// ```
///
/// Dropping one that runs doesn't end it: the end of the program waits for it, or ends it if it is
/// daemonic. A process can't be sent to another process, because only its parent can wait for it:
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
    /// Until it has started. (The lock makes a handle shareable whose arguments are not.)
    target: Mutex<Option<Target>>,
    /// From then on.
    child: Option<Arc<Child>>,
}

struct Target {
    /// Looks the function up.
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
    /// What the process does. Called directly, it does it in the calling process. Python:
    /// `Process.run`.
    fn run(self) -> Exit;
}

impl Process {
    /// A process that will call the function with these arguments: one value, a tuple or a struct
    /// if there are more, that serde can serialise and deserialise. The function is listed by
    /// [`tasks!`](crate::tasks); whether it is shows at the start. Python: `Process(target=f,
    /// args=…)`.
    ///
    /// It is named `Process-1`, `Process-2` … in the order of this call, a child of `Process-1`
    /// `Process-1:1`; and it is daemonic if the process that makes it is.
    ///
    /// ```
    /// # use multiprocess::{Process, tasks};
    /// tasks![add];
    ///
    /// fn add((a, b): (u32, u32)) {
    ///     assert_eq!(a + b, 5);
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(add, (2, 3));
    /// assert_eq!(process.name(), "Process-1");
    /// process.start()?;
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
    pub fn new<A, R, F>(function: F, arguments: A) -> Self
    where
        A: Serialize + Send + 'static,
        F: Fn(A) -> R + Any,
    {
        // The function is known by its type; the value is not needed any more.
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

    /// A process whose body is this value's [`run`](Run::run). Python: an instance of a subclass of
    /// `Process`.
    ///
    /// ```
    /// # use multiprocess::{Exit, Process, Run, tasks};
    /// tasks![Countdown::run];
    ///
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Countdown(i32);
    ///
    /// impl Run for Countdown {
    ///     fn run(self) -> Exit {
    ///         Exit(self.0 - 1)
    ///     }
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::of(Countdown(10));
    /// process.start()?;
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(9));
    /// # Ok(()) }) }
    /// ```
    pub fn of<S: Run + Send + 'static>(body: S) -> Self {
        Self::new(S::run, body)
    }

    /// This process, with this name. Python: `Process(name=…)`.
    ///
    /// ```
    /// let process = multiprocess::Process::new(drop::<u32>, 1).named("child_1");
    /// assert_eq!(process.name(), "child_1");
    /// ```
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// This process, ending with its parent (true) or outliving it (false). Python:
    /// `Process(daemon=…)`.
    ///
    /// A daemon ends even if its parent is killed, which Python's doesn't; unless it has exec'd
    /// another program, and only when it is continued if it is stopped.
    ///
    /// ```
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, waiting) = Gate::new()?;
    /// let mut daemon = Process::new(Waiting::wait, waiting).daemonic(true);
    /// daemon.start()?;
    /// assert!(daemon.is_daemon() && daemon.is_alive());
    /// std::mem::forget(gate); // nobody will open it: the daemon waits until this program ends
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Panics
    /// If the process has started: then nothing can change what it is.
    #[must_use]
    pub fn daemonic(mut self, daemon: bool) -> Self {
        assert!(self.child.is_none(), "the process {} has already started", self.name);
        self.daemon = daemon;
        self
    }

    /// This process, leaving Ctrl-C to its parent (true) or ending by it (false). Python:
    /// `signal.signal(SIGINT, SIG_IGN)` at the beginning of the function.
    ///
    /// Ctrl-C goes to all processes of a terminal. The parent's part is to listen to it and to end
    /// its children, or to let them finish: docs/porting.md has such a program. On Windows a Ctrl-C
    /// in the first moment of a process, before it has its arguments, still ends it. See also
    /// [`ignore_interrupts`](crate::process::ignore_interrupts).
    ///
    /// ```
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting).ignoring_interrupts(true);
    /// process.start()?;
    /// gate.open();
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(0));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Panics
    /// If the process has started: then nothing can change what it is.
    #[must_use]
    pub fn ignoring_interrupts(mut self, ignores: bool) -> Self {
        assert!(self.child.is_none(), "the process {} has already started", self.name);
        self.ignores_interrupts = ignores;
        self
    }

    /// Starts the process; returns when its arguments are on their way. From then on only the child
    /// has them: connections among them are closed here. Python: `Process.start`.
    ///
    /// Arguments of more than the socket's buffer (some 200 KB) are on their way when the child has
    /// read them: a child that hangs before [`main`](crate::process::main) keeps its parent waiting here.
    ///
    /// ```
    /// # use multiprocess::process::Error;
    /// # use multiprocess::{Process, tasks};
    /// # tasks![work];
    /// # fn work(_: u32) {}
    /// # fn unlisted(_: u32) {}
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(work, 1);
    /// process.start()?;
    /// assert!(process.pid().is_some());
    /// assert!(matches!(process.start(), Err(Error::StartedTwice { .. })));
    /// process.join()?;
    ///
    /// let refused = Process::new(unlisted, 1).start().unwrap_err();
    /// assert!(refused.to_string().ends_with("write tasks![unlisted]; next to its definition"));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::OutsideMain`]; [`Error::Unlisted`], [`Error::NotAFunctionItem`];
    /// [`Error::DaemonWithChildren`]; [`Error::StartedTwice`]; [`Error::Arguments`] if these can't
    /// be serialised; [`Error::Start`] if the system refuses; [`Error::NeverRan`] if the child ends
    /// before it has all its arguments; [`Error::Ending`]. After an error no process is left, and
    /// it may be tried again.
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
        let (place, task) = (wanted.task)()?;
        let arguments = (wanted.pack)()
            .map_err(|reason| Error::Arguments { name: self.name.clone(), reason })?;
        // Those that have ended meanwhile need not stay zombies until they are asked for.
        child::active();
        let start = Start {
            task: place,
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
    /// ```
    /// # use multiprocess::process::Error;
    /// # use multiprocess::{Process, tasks};
    /// # tasks![work];
    /// # fn work(_: u32) {}
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(work, 1);
    /// assert!(matches!(process.join(), Err(Error::NotStarted { .. })));
    /// process.start()?;
    /// process.join()?;
    /// assert!(!process.is_alive());
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotStarted`]; [`Error::NeverRan`] if it ended by itself before it had its
    /// arguments; [`Error::System`]. How it ended otherwise is told by
    /// [`exitcode`](Self::exitcode), also if a signal killed it before its function began.
    pub fn join(&self) -> Result<(), Error> {
        self.join_at_most(None).map(drop)
    }

    /// Waits until the process has ended, but no longer than this; says whether it has.
    /// Python: `Process.join(timeout)`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// process.start()?;
    /// assert!(!process.join_timeout(Duration::from_millis(10))?);
    /// gate.open();
    /// assert!(process.join_timeout(Duration::from_secs(60))?);
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, Error> {
        self.join_at_most(Some(timeout))
    }

    fn join_at_most(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        let child = self.started()?;
        match child.wait_for_end(timeout)? {
            // How a killed child ended is told by its exit code, as in Python.
            Some(end) if !child.ran() && !end.is_by_signal() => {
                Err(Error::NeverRan { name: self.name.clone(), end: end.to_string() })
            }
            end => Ok(end.is_some()),
        }
    }

    /// Its name. Python: `Process.name`.
    ///
    /// ```
    /// # use multiprocess::Process;
    /// let process = Process::new(|(): ()| (), ()).named("child_1");
    /// assert_eq!(process.name(), "child_1");
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ends when its parent does. Python: `Process.daemon`.
    ///
    /// ```
    /// # use multiprocess::Process;
    /// let process = Process::new(|(): ()| (), ()).daemonic(true);
    /// assert!(process.is_daemon());
    /// ```
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Its process id, or `None` before its start. Python: `Process.pid`, `Process.ident`.
    ///
    /// ```
    /// # use multiprocess::{Process, tasks};
    /// # tasks![work];
    /// # fn work(_: ()) {}
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(work, ());
    /// assert_eq!(process.pid(), None);
    /// process.start()?;
    /// assert!(process.pid().is_some_and(|pid| pid != std::process::id()));
    /// process.join()?;
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(|child| child.pid())
    }

    /// Whether it was started and has not ended. Python: `Process.is_alive`.
    ///
    /// ```
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// assert!(!process.is_alive());
    /// process.start()?;
    /// assert!(process.is_alive());
    /// gate.open();
    /// process.join()?;
    /// assert!(!process.is_alive());
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.as_ref().is_some_and(|child| !matches!(child.try_collect(), Ok(Some(_))))
    }

    /// Its exit code, or −N if signal N killed it; `None` until it has ended. Python:
    /// `Process.exitcode`.
    ///
    /// `None` also if somebody else collected it (a `waitpid` elsewhere in the program, or the
    /// program ignores SIGCHLD): it is not alive then, and nobody can tell how it ended. A SIGCHLD
    /// that is ignored when the program begins is set back to its default by [`main`](crate::process::main).
    ///
    /// ```
    /// # use multiprocess::{Exit, Process, tasks};
    /// tasks![leave];
    ///
    /// fn leave(code: i32) -> Exit {
    ///     Exit(code)
    /// }
    ///
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
    /// let mut process = Process::new(leave, 7);
    /// assert_eq!(process.exitcode(), None);
    /// process.start()?;
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(7));
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn exitcode(&self) -> Option<i32> {
        match self.child.as_ref()?.try_collect() {
            Ok(Some(End::Code(code))) => Some(code),
            _ => None,
        }
    }

    /// Asks it to end: SIGTERM. Python: `Process.terminate`. It has not ended when this returns:
    /// join it. Its own children are not touched, unless they are daemonic. Windows can't ask:
    /// there it ends at once, as by [`kill`](Self::kill), but with the exit code of a SIGTERM.
    ///
    /// ```
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (_gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// process.start()?;
    /// process.terminate()?;
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(-15));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotStarted`]; [`Error::System`] if the system refuses. A process that has ended is
    /// no error.
    pub fn terminate(&self) -> Result<(), Error> {
        self.started()?.stop(Stop::Terminate)
    }

    /// Ends it by force: SIGKILL, on Windows `TerminateProcess`. Python: `Process.kill`.
    ///
    /// ```
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (_gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// process.start()?;
    /// process.kill()?;
    /// process.join()?;
    /// assert_eq!(process.exitcode(), Some(-9));
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> Result<(), Error> {
        self.started()?.stop(Stop::Kill)
    }

    /// Interrupts it as Ctrl-C does: SIGINT. Python 3.14: `Process.interrupt`.
    ///
    /// Windows has no Ctrl-C for one process: there it is [`Error::System`].
    ///
    /// ```
    /// # use multiprocess::{Gate, Process, Waiting, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (_gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// process.start()?;
    /// if cfg!(unix) {
    ///     process.interrupt()?;
    /// }
    /// # process.kill()?; // who ignores Ctrl-C leaves that to its children, too
    /// process.join()?;
    /// # Ok(()) }) }
    /// ```
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn interrupt(&self) -> Result<(), Error> {
        self.started()?.stop(Stop::Interrupt)
    }

    /// Gives up this handle on a process that has ended, or was never started. Python:
    /// `Process.close`.
    ///
    /// ```
    /// # use multiprocess::process::Error;
    /// # use multiprocess::{Gate, Process, Waiting, active_children, tasks};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// process.start()?;
    /// assert!(matches!(process.close(), Err(Error::StillRunning { .. })));
    /// gate.open();
    /// for process in active_children() {
    ///     process.join()?;
    ///     process.close()?;
    /// }
    /// # Ok(()) }) }
    /// ```
    ///
    /// What is closed can't be used any more, which the compiler sees:
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
    /// [`Error::StillRunning`]. [`active_children`] has it then.
    pub fn close(self) -> Result<(), Error> {
        if self.is_alive() {
            return Err(Error::StillRunning { name: self.name });
        }
        Ok(())
    }

    /// A descriptor that becomes ready when the process has ended, for [`wait`](crate::process::wait());
    /// `None` before the start. Python: `Process.sentinel`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use multiprocess::{Gate, Process, Waiting, tasks, wait};
    /// # tasks![Waiting::wait];
    /// # fn main() -> std::process::ExitCode {
    /// # multiprocess::main(|| -> Result<(), Box<dyn std::error::Error>> {
    /// let (gate, waiting) = Gate::new()?;
    /// let mut process = Process::new(Waiting::wait, waiting);
    /// process.start()?;
    /// let sentinel = process.sentinel().expect("it was started");
    /// assert_eq!(wait(&[sentinel], Duration::ZERO)?, [0; 0]);
    /// gate.open();
    /// assert_eq!(wait(&[sentinel], Duration::from_secs(60))?, [0]);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn sentinel(&self) -> Option<BorrowedEnd<'_>> {
        self.child.as_ref().map(|child| child.sentinel())
    }

    /// The key it has in common with this process and all its relatives:
    /// [`CurrentProcess::authkey`](crate::process::CurrentProcess::authkey). Python: `Process.authkey`.
    ///
    /// ```
    /// # use multiprocess::{Process, current_process};
    /// let process = Process::new(|(): ()| (), ());
    /// assert_eq!(process.authkey(), current_process().authkey());
    /// ```
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

/// The children of this process that run, in the order of their start; those that have ended are
/// collected on the way. Python: `multiprocessing.active_children`.
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

/// How many processes can run at once on the cores that this process may use, at least 1.
/// Python: `os.process_cpu_count`.
///
/// ```
/// assert!(multiprocess::cpu_count() >= 1);
/// ```
#[must_use]
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
