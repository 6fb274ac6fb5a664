//! How a program begins and ends: [`main`], and the same in a child.
//!
//! ```text
//!   main(body) ── parent ──▶ body ──────────────────────────▶ ending ──▶ exit code
//!        │                                                    · exit hooks
//!        └────── child ───▶ control line ──▶ its function ──▶ · daemons are ended
//!                           (body is never run)               · other children are waited for
//! ```
//!
//! A child is given the program's own command line. So the runner of documentation tests finds the
//! same test again, and these can start processes, too.

use std::ffi::OsString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::{env, io};

use crate::output::{self, complain};

use crate::process::current::{become_child, control_line, current_process, parent_process};
use crate::process::exit::Exit;
use crate::process::outcome::Outcome;
use crate::process::task::Call;
use crate::process::{Error, child, control, frame, task, title};
use crate::sys::process as sys;
use crate::sys::process::GREETING;

/// True while [`main`] is running, so that a child would come to it, too.
static INSIDE_MAIN: AtomicBool = AtomicBool::new(false);

/// A helper test that `test_entry!` makes; its path.
#[derive(Debug)]
pub struct TestEntry(pub &'static str);

inventory::collect!(TestEntry);

/// Exit hooks of this process: see [`at_exit`].
static HOOKS: Mutex<Vec<Box<dyn FnOnce() + Send>>> = Mutex::new(Vec::new());

/// Runs a whole program: the body, or, in a child, the child's function.
///
/// When the body has returned (an `Err` is printed then, see [`Outcome`]) or panicked, the daemonic
/// children are ended and the others waited for; the body's value becomes the exit code, as that of
/// any Rust `main` does. Python: `if __name__ == "__main__":`, and what happens at the end of the
/// main module.
///
/// Code before this call also runs in every child, with the program's own command line (but for
/// `argv[0]`, which is `program: name`). It must not read standard input, which carries a child's
/// arguments; descriptors that it opens without the close-on-exec flag, which Rust always sets, are
/// closed in a child.
///
/// [`std::process::exit`] in the body leaves all of this out: daemons still end, because they see
/// that their parent has ended; other children go on.
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     multiprocess::main(|| println!("this is the parent"))
/// }
/// ```
///
/// # Panics
/// If the body does, after all has been ended and waited for.
pub fn main<T: Outcome>(body: impl FnOnce() -> T) -> ExitCode {
    /// Runs the exit steps when dropped, also while a panic unwinds.
    struct Ending {
        was_inside: bool,
    }
    impl Drop for Ending {
        fn drop(&mut self) {
            run_exit_steps();
            INSIDE_MAIN.store(self.was_inside, Ordering::Relaxed);
            if self.was_inside {
                child::allow();
            }
        }
    }
    run_if_child();
    sys::keep_exit_codes();
    child::allow();
    let ending = Ending { was_inside: INSIDE_MAIN.swap(true, Ordering::Relaxed) };
    let code = body().exit_code();
    drop(ending);
    output::checked(code)
}

/// Registers a hook to run when this process ends in the ordinary way: after its function, before
/// its children are ended or waited for; the last registered runs first. Python: `atexit.register`.
///
/// A process that is killed, or calls [`std::process::exit`], doesn't run it.
///
/// ```
/// # use std::process::ExitCode;
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static SAVED: AtomicBool = AtomicBool::new(false);
///
/// fn main() -> ExitCode {
///     let code = multiprocess::main(|| {
///         multiprocess::at_exit(|| SAVED.store(true, Ordering::Relaxed));
///         assert!(!SAVED.load(Ordering::Relaxed));
///     });
///     assert!(SAVED.load(Ordering::Relaxed));
///     code
/// }
/// ```
pub fn at_exit(hook: impl FnOnce() + Send + 'static) {
    HOOKS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(hook));
}

/// Defines a helper test in which the children of a test file's processes begin. Each test file
/// that starts processes needs one such line:
///
/// ```
/// multiprocess::test_entry!();
/// ```
#[macro_export]
macro_rules! test_entry {
    () => {
        #[test]
        fn multiprocess_child() {
            $crate::__private::inventory::submit! {
                $crate::__private::TestEntry(concat!(module_path!(), "::multiprocess_child"))
            }
            $crate::__private::run_if_child();
        }
    };
}

/// Runs a child's function and ends the process; returns if this process is no child.
pub fn run_if_child() {
    if is_new_child() {
        std::process::exit(run_child().0 & 0xff);
    }
}

/// Returns true if this process was started as a child, and has not begun yet.
fn is_new_child() -> bool {
    // The name alone may be a coincidence, and a program may have two versions of this crate, whose
    // children come by both: the greeting on the control line decides.
    parent_process().is_none() && title::is_of_child() && sys::peek().starts_with(GREETING)
}

/// Returns the arguments with which this program, started again, comes to [`run_if_child`].
pub(crate) fn program_arguments() -> Result<Vec<OsString>, Error> {
    // A child that has not come to `main` must not start others: they wouldn't come there either.
    if is_new_child() {
        return Err(Error::OutsideMain);
    }
    // In a test this is the first code of this crate to run.
    sys::keep_exit_codes();
    // A test's path, as the test harness knows it, lacks the name of the crate.
    let entry = inventory::iter::<TestEntry>.into_iter().next();
    if let Some((_, path)) = entry.and_then(|entry| entry.0.split_once("::")) {
        let arguments = [path, "--exact", "--nocapture", "--test-threads=1", "-q"];
        return Ok(arguments.map(OsString::from).to_vec());
    }
    if INSIDE_MAIN.load(Ordering::Relaxed) {
        return Ok(env::args_os().skip(1).collect());
    }
    Err(Error::OutsideMain)
}

/// Runs a child from its control line to its end; returns its exit code.
fn run_child() -> Exit {
    // The panic hook prints a panic's message, under the process's name.
    let ended = catch_unwind(|| match begin_and_run() {
        Ok(exit) => exit,
        // The parent has ended, or given up and reports that itself.
        Err(frame::Error::EndOfFile | frame::Error::Truncated { .. }) => Exit::FAILURE,
        Err(error) => {
            let title = env::args_os().next().unwrap_or_default();
            complain(format_args!("{} can't begin: {error}", title.display()));
            Exit::FAILURE
        }
    });
    run_exit_steps();
    match ended.unwrap_or(Exit::FAILURE) {
        Exit(0) if output::is_lost() => Exit::FAILURE,
        exit => exit,
    }
}

/// Receives the task and the arguments, and calls the function.
fn begin_and_run() -> Result<Exit, frame::Error> {
    sys::keep_exit_codes();
    sys::close_inherited()?;
    let (line, start, arguments) = control::receive()?;
    // The task's name shows whether both processes run the same executable.
    let task = task::task_at(start.task).filter(|task| task.name == start.task_name);
    let task = task.ok_or_else(|| {
        let (index, name) = (start.task, &start.task_name);
        io::Error::other(format!(
            "this is not its parent's executable: {name} is not its task {index}"
        ))
    })?;
    if start.ignores_interrupts {
        sys::ignore_interrupts()?;
        sys::take_off_shield();
    }
    become_child(start, line);
    show_name();
    INSIDE_MAIN.store(true, Ordering::Relaxed);
    if current_process().is_daemon() {
        end_with_parent()?;
    }
    (task.call)(Call::Process(arguments, &mut || {
        if let Some(line) = control_line() {
            line.say_attached();
        }
    }))
}

/// Shows the process's name in process lists, and above the message of a panic.
fn show_name() {
    let name = current_process().name();
    sys::name_process(&title::shortened(name, 15));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        complain(format_args!("Process {name}:"));
        hook(panic);
    }));
}

/// Makes this process end when its parent does, in whatever way that ends, as every daemon does;
/// but unlike a daemon it may have children. Does nothing in a process that has no parent here.
///
/// # Errors
/// If no thread can be started to watch the parent.
pub fn end_with_parent() -> io::Result<()> {
    let watch = || {
        if let Some(parent) = parent_process() {
            parent.join();
            sys::end_now();
        }
    };
    thread::Builder::new().name(String::from("parent-watch")).spawn(watch).map(drop)
}

/// Ignores Ctrl-C from now on, which goes to all processes of a terminal: the parent decides what
/// it means, and ends its children or lets them finish. Programs that this process starts don't
/// inherit that. Python: `signal.signal(SIGINT, SIG_IGN)`.
///
/// The workers of pools and executors call this. A process that is
/// [`Process::ignoring_interrupts`](crate::process::Process::ignoring_interrupts) does so before
/// its function begins.
///
/// # Errors
/// If the system refuses.
pub fn ignore_interrupts() -> io::Result<()> {
    sys::ignore_interrupts()
}

/// Runs the exit hooks, and ends or waits for the children, in a parent or a child.
fn run_exit_steps() {
    loop {
        let hook = HOOKS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(hook) = hook else { break };
        // A panic's message is on standard error; the other hooks run all the same.
        let _ = catch_unwind(AssertUnwindSafe(hook));
    }
    child::end_all();
}
