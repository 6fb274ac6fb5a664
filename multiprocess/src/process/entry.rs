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
use std::path::{PathBuf, is_separator};
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
use crate::process::{Error, child, control, frame, task};
use crate::sys::process as sys;
use crate::sys::process::GREETING;

/// Mark between the program and the process's name in a child's `argv[0]`: it shows in `ps`,
/// and, unlike a variable of the environment, grandchildren don't inherit it.
const MARK: &str = ": ";

/// The longest name that is shown there, in bytes.
const SHOWN: usize = 64;

/// Whether [`main`] is running: whether a child would find its way.
static INSIDE_MAIN: AtomicBool = AtomicBool::new(false);

/// A helper test that `test_entry!` makes, by its path.
#[derive(Debug)]
pub struct TestEntry(pub &'static str);

inventory::collect!(TestEntry);

/// What to do at the end of this process. See [`at_exit`].
static HOOKS: Mutex<Vec<Box<dyn FnOnce() + Send>>> = Mutex::new(Vec::new());

/// The whole of a program's `main`: runs the body, or, in a child, the child's function.
///
/// When the body has returned (an `Err` is printed then, see [`Outcome`]), or panicked, the daemonic children are
/// ended and the others waited for; its value becomes the exit code, as that of any Rust `main`
/// does. Python: `if __name__ == "__main__":`, and what happens at the end of the main module.
///
/// Write nothing before this call that a child shouldn't do: it comes by there, too, with the
/// program's own command line (but for `argv[0]`, which is `program: name`). Its standard input
/// carries the arguments, so it must not be read there. Descriptors that were opened there without
/// the close-on-exec flag, which Rust always sets, are closed in a child.
///
/// [`std::process::exit`] in the body leaves all of this out: daemons still end, because they see
/// that their parent has gone; others go on.
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
    /// Runs also while a panic goes through.
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

/// Registers what to do when this process ends in the ordinary way: after its function, before its
/// children are ended or waited for; the last registered first. Python: `atexit.register`.
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

/// Registers a helper test through which the children of a test file's processes begin. One such
/// line in each test file that starts processes:
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

/// In a child: does what the parent wants, and doesn't return.
pub fn run_if_child() {
    if is_new_child() {
        std::process::exit(live().0 & 0xff);
    }
}

/// Whether this process was started as a child, and has not begun yet.
fn is_new_child() -> bool {
    let is_titled = || {
        let title = env::args_os().next().unwrap_or_default();
        let title = title.to_string_lossy();
        title.split_once(MARK).is_some_and(|(program, _)| !program.contains(is_separator))
    };
    // A program may be called so without being a child, and have two versions of this crate, whose
    // children come by both.
    parent_process().is_none() && is_titled() && sys::peek().starts_with(GREETING)
}

/// `argv[0]` of a child with this name: `downloader: Process-1`.
pub(crate) fn title(name: &str) -> OsString {
    let first = env::args_os().next().unwrap_or_default();
    let program = match parent_process() {
        Some(_) => first.to_string_lossy().split(MARK).next().map(String::from),
        None => [PathBuf::from(first), env::current_exe().unwrap_or_default()]
            .iter()
            .find_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())),
    };
    let program = program.unwrap_or_default();
    let program = program.strip_suffix(env::consts::EXE_SUFFIX).unwrap_or(&program);
    OsString::from(shortened(program, SHOWN) + MARK + &shortened(name, SHOWN))
}

/// As much of the name as fits into so many bytes, in whole characters, without any NUL.
fn shortened(name: &str, most: usize) -> String {
    let mut text = String::new();
    for character in name.chars().filter(|character| *character != '\0') {
        if text.len() + character.len_utf8() > most {
            break;
        }
        text.push(character);
    }
    text
}

/// The arguments with which this program, started again, comes to [`run_if_child`].
pub(crate) fn program_arguments() -> Result<Vec<OsString>, Error> {
    // A child that has not come to `main` must not start others: they wouldn't come there either.
    if is_new_child() {
        return Err(Error::OutsideMain);
    }
    // In a test nothing of this crate has run before.
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

/// The life of a child.
fn live() -> Exit {
    // A panic is caught where it comes from; the hook tells whose it was.
    let ended = catch_unwind(|| match begin_and_run() {
        Ok(exit) => exit,
        // The parent has ended, or given up and says so itself.
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

fn begin_and_run() -> Result<Exit, frame::Error> {
    sys::keep_exit_codes();
    sys::close_inherited()?;
    let (line, start, arguments) = control::receive()?;
    // The name tells whether it really is the same executable.
    let task = task::task_at(start.task).filter(|task| task.name == start.task_name);
    let task = task.ok_or_else(|| {
        let (place, name) = (start.task, &start.task_name);
        io::Error::other(format!(
            "this is not its parent's executable: {name} is not its task {place}"
        ))
    })?;
    if start.ignores_interrupts {
        sys::ignore_interrupts()?;
        sys::take_off_shield();
    }
    become_child(start, line);
    name_yourself();
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
fn name_yourself() {
    let name = current_process().name();
    sys::name_process(&shortened(name, 15));
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        complain(format_args!("Process {name}:"));
        hook(panic);
    }));
}

/// From now on this process ends when its parent does, in whatever way that ends: what every daemon
/// does. Nothing happens in a process that has no parent here.
///
/// ```
/// # use multiprocess::{Failure, Process, tasks};
/// tasks![serve];
///
/// fn serve(_: ()) -> Result<(), Failure> {
///     multiprocess::end_with_parent()?;
///     // It is no daemon, so it may have children of its own.
///     Ok(())
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// let mut process = Process::new(serve, ());
/// process.start()?;
/// process.join()?;
/// # assert_eq!(process.exitcode(), Some(0));
/// # Ok(()) }) }
/// ```
///
/// # Errors
/// If no thread can be started to watch it.
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
/// it means, and ends its children or lets them finish. Programs that this process starts aren't
/// concerned. Python: `signal.signal(SIGINT, SIG_IGN)`.
///
/// The workers of pools and executors do it. A process does it before its function begins if it is
/// [`Process::ignoring_interrupts`](crate::process::Process::ignoring_interrupts).
///
/// ```
/// # use multiprocess::{Failure, Process, tasks};
/// tasks![work];
///
/// fn work(_: ()) -> Result<(), Failure> {
///     multiprocess::ignore_interrupts()?;
///     Ok(())
/// }
///
/// # fn main() -> std::process::ExitCode {
/// # multiprocess::main(|| -> Result<(), multiprocess::process::Error> {
/// let mut process = Process::new(work, ());
/// process.start()?;
/// process.join()?;
/// # assert_eq!(process.exitcode(), Some(0));
/// # Ok(()) }) }
/// ```
///
/// # Errors
/// If the system refuses.
pub fn ignore_interrupts() -> io::Result<()> {
    sys::ignore_interrupts()
}

/// The ending of this process, parent or child.
fn run_exit_steps() {
    loop {
        let hook = HOOKS.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let Some(hook) = hook else { break };
        // Its message is on standard error; the others have a right to run.
        let _ = catch_unwind(AssertUnwindSafe(hook));
    }
    child::end_all();
}
