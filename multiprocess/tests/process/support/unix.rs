//! What only Linux and macOS have: signals that are handled or ignored, descriptors, zombies.

use std::fs;
use std::io::PipeWriter;

use common::testing::Signal;
use rustix::process::Pid;

/// From now on what this process writes to standard error goes there.
pub(crate) fn redirect_standard_error(writer: &PipeWriter) {
    rustix::stdio::dup2_stderr(writer).unwrap();
}

/// How many descriptors are open in this process (and one more, for the question).
pub(crate) fn descriptors() -> usize {
    fs::read_dir(if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" })
        .unwrap()
        .count()
}

pub(crate) fn number(pid: u32) -> Pid {
    Pid::from_raw(pid.cast_signed()).unwrap()
}

/// What a process does with a signal that it doesn't handle.
#[derive(Clone, Copy)]
pub(crate) enum Action {
    Default,
    Ignore,
}

/// Sets what this process does with a signal. What a child does with it in the beginning depends on
/// who started the tests: a shell's background job ignores SIGINT.
#[allow(unsafe_code, reason = "no safe crate sets SIG_IGN")]
pub(crate) fn on_signal(signal: Signal, action: Action) {
    let action = match action {
        Action::Default => libc::SIG_DFL,
        Action::Ignore => libc::SIG_IGN,
    };
    // SAFETY: no handler is installed, so no code of ours ever runs at the signal.
    let before = unsafe { libc::signal(signal.as_raw(), action) };
    assert_ne!(before, libc::SIG_ERR);
}

/// Ends this process by the signal of this number, unless a handler lets it pass.
pub(crate) fn end_by_signal(number: i32) {
    super::signal_self(Signal::from_named_raw(number).unwrap());
}

/// From now on only SIGKILL ends this process.
pub(crate) fn ignore_sigterm() {
    on_signal(Signal::TERM, Action::Ignore);
}

/// The state of a process or thread as `ps` shows it: `S` sleeps, `Z` is a zombie; `None`: gone.
#[cfg(target_os = "linux")]
pub(crate) fn state(pid: u32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Sends a signal to one thread of this process.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no safe crate sends a signal to a thread")]
pub(crate) fn signal_thread(thread: i32, signal: Signal) {
    let process = rustix::process::getpid().as_raw_nonzero().get();
    // SAFETY: tgkill takes three numbers and touches no memory.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal.as_raw()) };
    assert_eq!(sent, 0);
}

/// The number of this thread, which no other thread of the machine has.
#[cfg_attr(target_os = "macos", allow(unsafe_code, reason = "no safe crate tells it"))]
pub(crate) fn thread_id() -> u64 {
    #[cfg(target_os = "linux")]
    return rustix::thread::gettid().as_raw_nonzero().get().cast_unsigned().into();
    #[cfg(target_os = "macos")]
    {
        let mut number = 0;
        // SAFETY: it only writes the number of the calling thread.
        assert_eq!(unsafe { libc::pthread_threadid_np(0, &raw mut number) }, 0);
        number
    }
}
