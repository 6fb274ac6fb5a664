//! What Linux and macOS have in common.

use std::ffi::{OsStr, OsString, c_int};
use std::fs;
use std::io::{self, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, RawFd};
pub use std::os::fd::{BorrowedFd as BorrowedEnd, OwnedFd as OwnedEnd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::{null, null_mut};
use std::sync::Once;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_getfd};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, recv, recvmsg, send, sendmsg,
};
use rustix::process::{Pid, Signal, kill_process};

use super::system::{self, DESCRIPTORS, RECEIVE, SEND};
use super::{AsEnd, End, GREETING, Stop, refused};
use crate::deadline::{deadline, time_left};

/// The device that is always empty.
const NULL: &str = "/dev/null";

impl<T: AsFd + ?Sized> AsEnd for T {
    fn as_end(&self) -> BorrowedEnd<'_> {
        self.as_fd()
    }
}

/// A started process.
#[derive(Debug)]
pub(crate) struct Running(system::Handle);

/// The parent's end of the control line.
#[derive(Debug)]
pub(crate) struct ToChild(OwnedEnd);

/// The child's end.
#[derive(Debug)]
pub(crate) struct FromParent(OwnedEnd);

/// Starts this program again, with this name as `argv[0]` and these arguments. A shielded child
/// isn't interrupted before it has called [`take_off_shield`].
pub(crate) fn start(
    name: &OsStr,
    arguments: &[OsString],
    shielded: bool,
) -> io::Result<(Running, ToChild)> {
    let (line, child_end) = UnixStream::pair()?;
    system::prepare(line.as_fd())?;
    system::prepare(child_end.as_fd())?;
    retry(|| send(&line, GREETING, SEND))?;
    // The command owns the child's end, and is dropped with this statement: were it kept, the end
    // of file on the line would never come.
    let program = system::this_program()?;
    // The child inherits the signals that this thread blocks.
    let shield = shielded.then(Shield::put_up);
    let mut spawned = Command::new(&program)
        .arg0(name)
        .args(arguments)
        .stdin(OwnedEnd::from(child_end))
        .spawn()
        .map_err(|error| system::not_started(&program, error))?;
    drop(shield);
    let handle = system::Handle::open(Pid::from_child(&spawned)).inspect_err(|error| {
        // A child without a sentinel can't be kept. (If there is no such process any more, another
        // part of this program has collected it.)
        if error.raw_os_error() != Some(Errno::SRCH.raw_os_error()) {
            let _ = spawned.kill();
            let _ = spawned.wait();
        }
    })?;
    Ok((Running(handle), ToChild(line.into())))
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.0.pid().as_raw_nonzero().get().cast_unsigned()
    }

    /// Returns how the process has ended, or `None` while it runs; collects it if it is a zombie.
    pub(crate) fn try_collect(&self) -> io::Result<Option<End>> {
        self.0.collect()
    }

    /// Sends the signal. Only a process that has not been collected may get one.
    pub(crate) fn stop(&self, how: Stop) -> io::Result<()> {
        let signal = match how {
            Stop::Interrupt => Signal::INT,
            Stop::Terminate => Signal::TERM,
            Stop::Kill => Signal::KILL,
        };
        match self.0.send(signal) {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Borrows the sentinel.
impl AsFd for Running {
    fn as_fd(&self) -> BorrowedEnd<'_> {
        self.0.as_fd()
    }
}

/// Largest number of descriptors in one message (Linux: `SCM_MAX_FD`).
const MOST: usize = 253;

impl ToChild {
    /// Sends copies of these descriptors; the parent may close its own when this returns.
    pub(crate) fn send_ends(&self, to: &Running, ends: &[BorrowedEnd<'_>]) -> io::Result<()> {
        if !ends.is_empty() {
            system::wait_until_received(self.0.as_fd(), to.as_fd())?;
        }
        for some in ends.chunks(MOST) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            control.push(SendAncillaryMessage::ScmRights(some));
            let byte = [IoSlice::new(b"d")];
            retry(|| sendmsg(&self.0, &byte, &mut control, SEND))?;
            system::wait_until_received(self.0.as_fd(), to.as_fd())?;
        }
        Ok(())
    }

    /// Returns true if the child has said that it has its arguments.
    pub(crate) fn was_attached(&self) -> bool {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        retry(|| recv(&self.0, &mut [0], flags)).is_ok_and(|(_, got)| got == 1)
    }

    /// Shows the child an end of file.
    pub(crate) fn hang_up(&self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

/// Returns an error if the peer has died, however the program treats SIGPIPE.
impl Write for &ToChild {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        Ok(send(&self.0, buffer, SEND)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FromParent {
    /// Receives this many descriptors: the other direction of [`ToChild::send_ends`].
    pub(crate) fn receive_ends(&mut self, count: usize) -> io::Result<Vec<OwnedEnd>> {
        let mut ends: Vec<OwnedEnd> = Vec::new();
        if count > 0 {
            system::say_received(self.0.as_fd());
        }
        while ends.len() < count {
            // Room for as many as can be sent: a buffer that is too small would leak the rest.
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let mut parts = [IoSliceMut::new(&mut byte)];
            let got = retry(|| recvmsg(&self.0, &mut parts, &mut control, RECEIVE))?;
            if got.bytes == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let before = ends.len();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = message {
                    ends.extend(some);
                }
            }
            if got.flags.contains(ReturnFlags::CTRUNC) || ends.len() == before {
                let limit = "not all descriptors arrived: the limit of open files is reached";
                return Err(io::Error::other(limit));
            }
            system::say_received(self.0.as_fd());
        }
        ends.iter().try_for_each(|end| system::close_on_exec(end.as_fd()))?;
        Ok(ends)
    }

    /// Tells the parent that this child has its arguments.
    pub(crate) fn say_attached(&self) {
        // A parent that has ended in the meantime needs no answer.
        let _ = retry(|| send(&self.0, b"a", SEND));
    }

    /// Waits until the parent has ended, at most for the timeout; returns true if it has.
    pub(crate) fn parent_ends(&self, timeout: Option<Duration>) -> bool {
        // No message comes after the start, so only the end of file can be received.
        let Some(timeout) = timeout else {
            // Reading, unlike polling, can't fail for want of resources.
            while matches!(rustix::io::read(&self.0, &mut [0]), Err(Errno::INTR)) {}
            return true;
        };
        wait(&[self.0.as_fd()], Some(timeout)).is_ok_and(|ready| !ready.is_empty())
    }
}

impl Read for FromParent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buffer)?)
    }
}

fn retry<T>(call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    Ok(rustix::io::retry_on_intr(call)?)
}

/// Closes what this process inherited by mistake: descriptors without the close-on-exec flag.
///
/// Rust opens everything with that flag, so at the start of a program only inherited descriptors
/// lack it. Python closes the same ones (`close_fds`).
#[expect(unsafe_code, reason = "numbers from the kernel become descriptors")]
pub(crate) fn close_inherited() -> io::Result<()> {
    // Most often only the standard three are open, and listing them would be the longest part of a
    // child's start.
    if system::descriptor_count().map_err(refused(DESCRIPTORS))? == Some(3) {
        return Ok(());
    }
    let numbers: Vec<RawFd> = fs::read_dir(DESCRIPTORS)
        .map_err(refused(DESCRIPTORS))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // SAFETY: the descriptor's flags are only read; for a closed one the call returns EBADF.
        let borrowed = unsafe { BorrowedEnd::borrow_raw(number) };
        if fcntl_getfd(borrowed).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
            // SAFETY: the descriptor came through exec, so no Rust object of this program owns it:
            // those that Rust opens have the flag.
            drop(unsafe { OwnedEnd::from_raw_fd(number) });
        }
    }
    Ok(())
}

/// Returns the first bytes of standard input, if that is a socket, and leaves them there.
pub(crate) fn peek() -> Vec<u8> {
    let mut first = [0; 64];
    let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
    let got = retry(|| recv(rustix::stdio::stdin(), &mut first, flags));
    first[..got.map_or(0, |(_, got)| got)].to_vec()
}

/// Takes the control line from standard input and leaves the null device there.
///
/// Otherwise grandchildren would inherit the line and hold it open.
pub(crate) fn take_control_line() -> io::Result<FromParent> {
    let stdin = rustix::stdio::stdin();
    if FileType::from_raw_mode(fstat(stdin)?.st_mode) != FileType::Socket {
        return Err(io::Error::other("standard input is not a control line"));
    }
    let control = fcntl_dupfd_cloexec(stdin, 3)?;
    let null = open(NULL, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    rustix::stdio::dup2_stdin(null.map_err(|error| refused(NULL)(error.into()))?.as_fd())?;
    let mut line = FromParent(control);
    line.read_exact(&mut [0; GREETING.len()])?;
    Ok(line)
}

/// Makes a pipe, which holds 64 KiB.
pub(crate) fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    io::pipe()
}

/// Waits until an end is ready; returns the indexes of all that are, none after the timeout.
pub(crate) fn wait(ends: &[BorrowedEnd<'_>], timeout: Option<Duration>) -> io::Result<Vec<usize>> {
    let deadline = deadline(timeout);
    let mut polled: Vec<PollFd<'_>> =
        ends.iter().map(|end| PollFd::from_borrowed_fd(*end, PollFlags::IN)).collect();
    loop {
        let left = time_left(deadline);
        // A timeout too long for the system's clock means no limit.
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut polled, left.as_ref()) {
            // A signal came, and its handler has run. The deadline stays.
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    let ready =
        |(index, polled): (usize, &PollFd<'_>)| (!polled.revents().is_empty()).then_some(index);
    let ready: Vec<usize> = polled.iter().enumerate().filter_map(ready).collect();
    if polled.iter().any(|polled| polled.revents().contains(PollFlags::NVAL)) {
        return Err(Errno::BADF.into());
    }
    Ok(ready)
}

/// Ends this process by force. (A stopped process ends when it is continued.)
pub(crate) fn end_now() {
    let _ = kill_process(rustix::process::getpid(), Signal::KILL);
}

/// Shows the name, of at most 15 bytes, in process lists.
pub(crate) fn name_process(name: &str) {
    system::name_process(name);
}

/// Ignores Ctrl-C from now on. A handler that does nothing, unlike an ignored signal, isn't
/// inherited by programs that this one starts.
#[expect(unsafe_code, reason = "rustix has no signal handlers")]
pub(crate) fn ignore_interrupts() -> io::Result<()> {
    extern "C" fn do_nothing(_: libc::c_int) {}
    let handler = do_nothing as extern "C" fn(libc::c_int);
    // SAFETY: all zeros is a valid sigaction: no handler, no flags, no blocked signals.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_RESTART;
    // SAFETY: the handler does nothing, so it may interrupt whatever the program does.
    match unsafe { libc::sigaction(libc::SIGINT, &raw const action, null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A guard: this thread blocks SIGINT while it is alive.
struct Shield {
    before: libc::sigset_t,
}

impl Shield {
    fn put_up() -> Self {
        Self { before: mask_interrupts(libc::SIG_BLOCK) }
    }
}

impl Drop for Shield {
    #[expect(unsafe_code, reason = "no safe crate blocks a signal")]
    fn drop(&mut self) {
        // SAFETY: the system has written the mask.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, null_mut()) };
    }
}

/// Blocks or unblocks SIGINT in this thread; returns the mask before.
#[expect(unsafe_code, reason = "no safe crate blocks a signal")]
fn mask_interrupts(how: c_int) -> libc::sigset_t {
    // SAFETY: both masks are structs of numbers, and live until the calls return.
    unsafe {
        let (mut only, mut before) = (std::mem::zeroed(), std::mem::zeroed());
        libc::sigemptyset(&raw mut only);
        libc::sigaddset(&raw mut only, libc::SIGINT);
        libc::pthread_sigmask(how, &raw const only, &raw mut before);
        before
    }
}

/// Unblocks SIGINT in a child that was started shielded, once it ignores interrupts.
pub(crate) fn take_off_shield() {
    mask_interrupts(libc::SIG_UNBLOCK);
}

/// Makes the system keep the exit codes of children from now on. It keeps none where SIGCHLD is
/// ignored, which is inherited. The program may change SIGCHLD later.
#[expect(unsafe_code, reason = "no safe crate asks what a signal does")]
pub(crate) fn keep_exit_codes() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: all zeros is a value of this struct of numbers.
        let mut now: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: without an action the call sets nothing, and fills the struct.
        let asked = unsafe { libc::sigaction(libc::SIGCHLD, null(), &raw mut now) };
        if asked == 0 && now.sa_sigaction == libc::SIG_IGN {
            // SAFETY: no code runs at the signal, neither before nor after.
            unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        }
    });
}

/// Returns true if a process may be killed by a signal of this number.
pub(crate) fn is_signal(_number: i32) -> bool {
    true
}

/// Returns the name of a signal: `SIGKILL` for 9.
pub(crate) fn signal_name(number: i32) -> Option<&'static str> {
    macro_rules! names {
        ($($signal:ident)*) => {
            match number {
                $(libc::$signal => Some(stringify!($signal)),)*
                _ => None,
            }
        };
    }
    names! {
        SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2
        SIGPIPE SIGALRM SIGTERM SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU
        SIGXFSZ SIGVTALRM SIGPROF SIGWINCH SIGIO SIGSYS
    }
}

/// Waits until a stream that has said "try again" can be written to.
pub(crate) fn wait_until_writable(stream: &impl AsEnd) -> io::Result<()> {
    let mut polled = [PollFd::from_borrowed_fd(stream.as_end(), PollFlags::OUT)];
    retry(|| poll(&mut polled, None))?;
    Ok(())
}
