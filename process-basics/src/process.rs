//! [`Process`]: a function with its arguments, and the operating-system process that runs it.

use std::any::Any;
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::child::{self, Child, End};
use crate::control::{Arguments, Parent, Start};
use crate::current::current_process;
use crate::exit::Exit;
use crate::{Error, entry, frame, task};

/// A function that runs in an operating-system process of its own. Python:
/// `multiprocessing.Process`.
///
/// ```
/// use process_basics::{Process, tasks};
///
/// tasks![worker];
///
/// fn worker(number: u32) {
///     println!("worker {number}");
/// }
///
/// fn main() -> std::process::ExitCode {
///     process_basics::main(|| -> Result<(), process_basics::Error> {
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
/// travels(process_basics::Process::new(|(): ()| (), ()));
/// ```
pub struct Process {
    name: String,
    daemon: bool,
    path: Vec<u32>,
    /// Until it has started. (The lock makes a handle shareable whose arguments are not.)
    target: Mutex<Option<Target>>,
    /// From then on.
    child: Option<Arc<Child>>,
}

struct Target {
    /// Looks the function up.
    place: fn() -> Result<usize, Error>,
    pack: Box<dyn Fn() -> Result<Arguments, frame::Error> + Send>,
}

/// A type whose values are the bodies of processes. Python: a subclass of `Process` with `run`.
///
/// ```
/// use process_basics::{Exit, Process, Run, tasks};
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
/// #     process_basics::main(|| -> Result<(), process_basics::Error> {
/// let mut process = Process::of(Greeter { whom: "you".into() });
/// process.start()?;
/// process.join()?;
/// #         assert_eq!(process.exitcode(), Some(0));
/// #         Ok(())
/// #     })
/// # }
/// ```
pub trait Run: Serialize + DeserializeOwned {
    /// What the process does. Called directly, it does it in the calling process.
    fn run(self) -> Exit;
}

impl Process {
    /// A process that will call the function with these arguments: one value, a tuple or a struct
    /// if there are more, that serde can serialise and deserialise. The function is listed by
    /// [`tasks!`](crate::tasks); whether it is shows at the start. Python: `Process(target=f, args=…)`.
    ///
    /// It is named `Process-1`, `Process-2` … in the order of this call, a child of `Process-1`
    /// `Process-1:1`; and it is daemonic if the process that makes it is.
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
            path,
            target: Mutex::new(Some(Target {
                place: task::place_of::<F>,
                pack: Box::new(move || Arguments::pack(&arguments)),
            })),
            child: None,
        }
    }

    /// A process whose body is this value's [`run`](Run::run). Python: an instance of the subclass.
    pub fn of<S: Run + Send + 'static>(body: S) -> Self {
        Self::new(S::run, body)
    }

    /// The same with this name. Python: `Process(name=…)`.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The same, ending with its parent (true) or outliving it (false). Python:
    /// `Process(daemon=…)`.
    ///
    /// A daemon ends even if its parent is killed, which Python's doesn't; unless it has exec'd another
    /// program, and only when it is continued if it is stopped.
    ///
    /// # Panics
    /// If the process has started: then nothing can change what it is.
    #[must_use]
    pub fn daemonic(mut self, daemon: bool) -> Self {
        assert!(self.child.is_none(), "the process {} has already started", self.name);
        self.daemon = daemon;
        self
    }

    /// Starts the process; returns when its arguments are on their way. From then on only the child
    /// has them: connections among them are closed here. Python: `start()`.
    ///
    /// Arguments of more than the socket's buffer (some 200 KB) are on their way when the child has read
    /// them: a child that hangs before [`main`](crate::main) keeps its parent waiting here.
    ///
    /// # Errors
    /// Outside of [`main`](crate::main); if the function isn't listed; in a daemon; twice; if the
    /// arguments can't be serialised; if the system refuses, or the child ends before it has all its
    /// arguments. After an error no process is left, and it may be tried again.
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
        let task = (wanted.place)()?;
        let arguments = (wanted.pack)()
            .map_err(|reason| Error::Arguments { name: self.name.clone(), reason })?;
        // Those that have ended meanwhile need not stay zombies until they are asked for.
        child::active();
        let start = Start {
            task,
            task_name: task::TASKS[task].name.to_owned(),
            name: self.name.clone(),
            path: self.path.clone(),
            daemon: self.daemon,
            authkey: parent.authkey(),
            parent: Parent { name: parent.name().to_owned(), pid: parent.pid() },
            descriptors: arguments.descriptors(),
        };
        self.child = Some(Child::start(&program_arguments, &start, &arguments)?);
        *target = None;
        Ok(())
    }

    /// Waits until the process has ended. Python: `join()`.
    ///
    /// # Errors
    /// If it was not started, or ended before it had its arguments ([`Error::NeverRan`]); how it
    /// ended otherwise is told by [`exitcode`](Self::exitcode).
    pub fn join(&self) -> Result<(), Error> {
        self.join_at_most(None).map(drop)
    }

    /// Waits until the process has ended, but no longer than this; says whether it has.
    /// Python: `join(timeout)`.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_timeout(&self, timeout: Duration) -> Result<bool, Error> {
        self.join_at_most(Some(timeout))
    }

    fn join_at_most(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        let child = self.started()?;
        match child.wait_for_end(timeout)? {
            Some(end) if !child.ran() => {
                Err(Error::NeverRan { name: self.name.clone(), end: end.to_string() })
            }
            end => Ok(end.is_some()),
        }
    }

    /// Its name. Python: `name`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ends when its parent does. Python: `daemon`.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }

    /// Its process id, or `None` before its start. Python: `pid`, `ident`.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(|child| child.pid.as_raw_nonzero().get().cast_unsigned())
    }

    /// Whether it was started and has not ended. Python: `is_alive()`.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.as_ref().is_some_and(|child| !matches!(child.try_collect(), Ok(Some(_))))
    }

    /// `None` until it has ended, then its exit code, or −N if signal N killed it. Python: `exitcode`.
    ///
    /// `None` also if somebody else collected it (a `waitpid` elsewhere in the program, or SIGCHLD
    /// ignored): it is not alive then, and nobody can tell how it ended.
    #[must_use]
    pub fn exitcode(&self) -> Option<i32> {
        match self.child.as_ref()?.try_collect() {
            Ok(Some(End::Code(code))) => Some(code),
            _ => None,
        }
    }

    /// Asks it to end: SIGTERM. Python: `terminate()`. It has not ended when this returns: join it. Its own children
    /// are not touched, unless they are daemonic.
    ///
    /// # Errors
    /// If it was not started, or the system refuses. A process that has ended is no error.
    pub fn terminate(&self) -> Result<(), Error> {
        self.started()?.send_signal(Signal::TERM)
    }

    /// Ends it by force: SIGKILL. Python: `kill()`.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn kill(&self) -> Result<(), Error> {
        self.started()?.send_signal(Signal::KILL)
    }

    /// Interrupts it as Ctrl-C does: SIGINT. Python: `interrupt()`.
    ///
    /// # Errors
    /// As [`terminate`](Self::terminate).
    pub fn interrupt(&self) -> Result<(), Error> {
        self.started()?.send_signal(Signal::INT)
    }

    /// Gives up this handle on a process that has ended, or was never started. Python: `close()`.
    ///
    /// ```compile_fail,E0382
    /// # fn main() -> std::process::ExitCode {
    /// #     process_basics::main(|| -> Result<(), process_basics::Error> {
    /// let process = process_basics::Process::new(|(): ()| (), ());
    /// process.close()?;
    /// process.is_alive();
    /// #         Ok(())
    /// #     })
    /// # }
    /// ```
    ///
    /// # Errors
    /// If it still runs. [`active_children`] has it then.
    pub fn close(self) -> Result<(), Error> {
        if self.is_alive() {
            return Err(Error::StillRunning { name: self.name });
        }
        Ok(())
    }

    /// A descriptor that becomes ready when the process has ended, for [`wait`](crate::wait());
    /// `None` before the start. Python: `sentinel`.
    #[must_use]
    pub fn sentinel(&self) -> Option<BorrowedFd<'_>> {
        self.child.as_ref().map(|child| child.as_fd())
    }

    /// The key it has in common with this process and all its relatives:
    /// [`CurrentProcess::authkey`](crate::CurrentProcess::authkey).
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
/// collected on the way. Python: `multiprocessing.active_children()`.
#[must_use]
pub fn active_children() -> Vec<Process> {
    let handle = |child: Arc<Child>| Process {
        name: child.name.clone(),
        daemon: child.daemon,
        path: Vec::new(),
        target: Mutex::new(None),
        child: Some(child),
    };
    child::active().into_iter().map(handle).collect()
}

/// How many processes can run at once on the cores that this process may use, at least 1.
/// Python: `os.process_cpu_count()`.
#[must_use]
pub fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}
