//! Windows: processes and pipes are handles.
//!
//! ```text
//!   parent                                       child
//!     │  pipe: the greeting ──────────────────▶  │  peek
//!     │  CreateProcess, in a job (launch.rs) ─▶  │
//!     │  copies of two handles into it:          │  the parent's process, the event "attached"
//!     │  pipe: their numbers ─────────────────▶  │  take_control_line
//!     │  pipe: frame Start ───────────────────▶  │
//!     │  copies of the ends into it;             │
//!     │  pipe: their numbers ─────────────────▶  │  receive_ends
//!     │  pipe: frame arguments ───────────────▶  │
//!     │  ◀───────────────────────────── event    │  say_attached
//!     ✕  its handle is signalled ─────────────▶  │  parent_ends
//! ```
//!
//! A handle that was copied into the child belongs to the child alone, and is closed with it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, IntoRawHandle};
pub use std::os::windows::io::{BorrowedHandle as BorrowedEnd, OwnedHandle as OwnedEnd};
use std::ptr::{null, null_mut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, HANDLE, HANDLE_FLAG_INHERIT, INVALID_HANDLE_VALUE,
    STATUS_ACCESS_VIOLATION, STATUS_CONTROL_C_EXIT, STATUS_STACK_BUFFER_OVERRUN,
    STATUS_STACK_OVERFLOW, SetHandleInformation, TRUE,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Console::{
    CTRL_BREAK_EVENT, CTRL_C_EVENT, GetStdHandle, STD_INPUT_HANDLE, SetConsoleCtrlHandler,
    SetStdHandle,
};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::Pipes::{CreatePipe, PeekNamedPipe};
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetCurrentProcess, GetExitCodeProcess, PROCESS_SYNCHRONIZE, SetEvent,
    TerminateProcess,
};
use windows_sys::core::BOOL;

use super::{AsEnd, End, GREETING, Stop, refused};

mod launch;
mod waiting;

pub(crate) use waiting::wait;
pub(in crate::sys) use waiting::{milliseconds, wait_for};

/// First exit code that stands for a signal: a process ended by `kill` has 0x10009, which is read
/// as −9. CPython ends processes with 0x10000, which it reads as −15.
const SIGNALS: u32 = 0x1_0000;

/// Size of the line's buffer, in bytes: longer arguments make `start` wait for the child to read.
const BUFFER: u32 = 1 << 18;

/// The device that is always empty.
const NULL: &str = "NUL";

impl<T: AsHandle + ?Sized> AsEnd for T {
    fn as_end(&self) -> BorrowedEnd<'_> {
        self.as_handle()
    }
}

pub(in crate::sys) fn raw(handle: &impl AsHandle) -> HANDLE {
    handle.as_handle().as_raw_handle()
}

/// Turns the return value of a call into a result.
pub(in crate::sys) fn check(done: BOOL) -> io::Result<()> {
    if done == 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes over the handle that a call has returned, or returns the call's error.
///
/// # Safety
/// A valid handle has no other owner.
#[expect(unsafe_code, reason = "a raw handle becomes an owned one")]
pub(in crate::sys) unsafe fn own(handle: HANDLE) -> io::Result<OwnedEnd> {
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: promised by the caller.
    Ok(unsafe { OwnedEnd::from_raw_handle(handle) })
}

/// Copies a handle into a process; returns its number there. Without an `access` the copy has that
/// of the original.
#[expect(unsafe_code, reason = "a system call")]
fn copy_into(process: HANDLE, handle: HANDLE, access: Option<u32>) -> io::Result<HANDLE> {
    let mut copy = null_mut();
    let options = if access.is_some() { 0 } else { DUPLICATE_SAME_ACCESS };
    let access = access.unwrap_or_default();
    // SAFETY: the call only writes the number; handles that aren't open are refused.
    check(unsafe {
        DuplicateHandle(GetCurrentProcess(), handle, process, &raw mut copy, access, 0, options)
    })?;
    Ok(copy)
}

/// A started process: its handle is also its sentinel.
#[derive(Debug)]
pub(crate) struct Running {
    process: OwnedEnd,
    pid: u32,
}

/// The parent's end of the control line.
#[derive(Debug)]
pub(crate) struct ToChild {
    /// `None` after [`hang_up`](Self::hang_up).
    pipe: Mutex<Option<PipeWriter>>,
    /// Event that the child sets when it has its arguments.
    attached: OwnedEnd,
}

/// The child's end.
#[derive(Debug)]
pub(crate) struct FromParent {
    pipe: PipeReader,
    parent: OwnedEnd,
    attached: OwnedEnd,
}

/// Makes a pipe, which holds 64 KiB, as on other systems. (A pipe of std holds four.)
pub(crate) fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    pipe_of(1 << 16)
}

/// Makes a pipe that holds this many bytes.
#[expect(unsafe_code, reason = "a system call")]
fn pipe_of(bytes: u32) -> io::Result<(PipeReader, PipeWriter)> {
    let (mut reader, mut writer) = (null_mut(), null_mut());
    // SAFETY: the call writes two handles.
    check(unsafe { CreatePipe(&raw mut reader, &raw mut writer, null(), bytes) })
        .map_err(refused("CreatePipe"))?;
    // SAFETY: the handles are new.
    unsafe { Ok((own(reader)?.into(), own(writer)?.into())) }
}

/// Starts this program again, with this name as `argv[0]` and these arguments. `_shielded` has no
/// effect: a shield against Ctrl-C would be this process's, too.
#[expect(unsafe_code, reason = "system calls")]
pub(crate) fn start(
    name: &OsStr,
    arguments: &[OsString],
    _shielded: bool,
) -> io::Result<(Running, ToChild)> {
    let (reader, mut writer) = pipe_of(BUFFER)?;
    writer.write_all(GREETING)?;
    // SAFETY: the call returns a new handle, of an event that stays set.
    let attached = unsafe { own(CreateEventW(null(), TRUE, 0, null())) }?;
    let running = launch::launch(name, arguments, reader.into())?;
    let line = ToChild { pipe: Mutex::new(Some(writer)), attached };
    match line.introduce(&running) {
        // A child that has ended already shows at the next write.
        Err(error) if matches!(running.try_collect(), Ok(None)) => {
            running.stop(Stop::Kill)?;
            wait(&[running.process.as_handle()], None)?;
            Err(error)
        }
        _ => Ok((running, line)),
    }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.pid
    }

    /// Returns how the process has ended, or `None` while it runs.
    #[expect(unsafe_code, reason = "a system call")]
    pub(crate) fn try_collect(&self) -> io::Result<Option<End>> {
        // The code alone can't tell: 259 is "still running", and also an exit code.
        if wait_for(&[self.process.as_handle()], Some(Duration::ZERO))?.is_none() {
            return Ok(None);
        }
        let mut code = 0;
        // SAFETY: the call only writes the number.
        check(unsafe { GetExitCodeProcess(raw(&self.process), &raw mut code) })?;
        Ok(Some(End::Code(meaning(code))))
    }

    /// Ends the process. A process that has ended, or is ending, is no error.
    #[expect(unsafe_code, reason = "a system call")]
    pub(crate) fn stop(&self, how: Stop) -> io::Result<()> {
        let signal = match how {
            Stop::Interrupt => {
                let reason = "Windows has no Ctrl-C for one process: terminate it";
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
            Stop::Terminate => 15,
            Stop::Kill => 9,
        };
        // SAFETY: the call takes an open handle and a number.
        let done = check(unsafe { TerminateProcess(raw(&self.process), SIGNALS + signal) });
        match done {
            // The call is refused for a process that is ending, before its handle is signalled.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            done => done,
        }
    }
}

/// Returns the exit code that stands for this one: signals are negative, as on other systems.
fn meaning(code: u32) -> i32 {
    let signal = code.wrapping_sub(SIGNALS).cast_signed();
    match code.cast_signed() {
        STATUS_CONTROL_C_EXIT => -2,
        // The exit code of `abort`.
        STATUS_STACK_BUFFER_OVERRUN => -6,
        STATUS_ACCESS_VIOLATION | STATUS_STACK_OVERFLOW => -11,
        _ if code == SIGNALS => -15,
        _ if is_signal(signal) => -signal,
        code => code,
    }
}

/// Borrows the sentinel.
impl AsHandle for Running {
    fn as_handle(&self) -> BorrowedEnd<'_> {
        self.process.as_handle()
    }
}

impl ToChild {
    /// Gives the child this process's handle, to wait for its end, and the event.
    #[expect(unsafe_code, reason = "a system call")]
    fn introduce(&self, to: &Running) -> io::Result<()> {
        // SAFETY: the call returns a constant that stands for this process.
        let this_process = unsafe { GetCurrentProcess() };
        let parent = copy_into(raw(to), this_process, Some(PROCESS_SYNCHRONIZE))?;
        self.send_numbers(&[parent, copy_into(raw(to), raw(&self.attached), None)?])
    }

    fn send_numbers(&self, handles: &[HANDLE]) -> io::Result<()> {
        let bytes = handles.iter().flat_map(|handle| (*handle as u64).to_le_bytes());
        let mut line = self;
        line.write_all(&bytes.collect::<Vec<u8>>())
    }

    /// Copies these handles into the child; the parent may close its own when this returns.
    pub(crate) fn send_ends(&self, to: &Running, ends: &[BorrowedEnd<'_>]) -> io::Result<()> {
        let copies = ends.iter().map(|end| copy_into(raw(to), end.as_raw_handle(), None));
        match copies.collect::<io::Result<Vec<HANDLE>>>() {
            Ok(copies) => self.send_numbers(&copies),
            // Nothing can be copied into a process that has ended.
            Err(_) if matches!(to.try_collect(), Ok(Some(_))) => {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            Err(error) => Err(refused("DuplicateHandle")(error)),
        }
    }

    /// Returns true if the child has said that it has its arguments.
    pub(crate) fn was_attached(&self) -> bool {
        let now = Some(Duration::ZERO);
        wait_for(&[self.attached.as_handle()], now).is_ok_and(|ready| ready.is_some())
    }

    /// Shows the child an end of file.
    pub(crate) fn hang_up(&self) {
        drop(self.pipe.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

impl Write for &ToChild {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match &mut *self.pipe.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(pipe) => pipe.write(buffer),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns the first bytes of standard input, if that is a pipe, and leaves them there.
#[expect(unsafe_code, reason = "system calls")]
pub(crate) fn peek() -> Vec<u8> {
    let (mut first, mut got) = ([0_u8; 64], 0);
    // SAFETY: the call writes at most this many bytes, and their number; it fails for anything but
    // a pipe.
    unsafe {
        let (into, room) = (first.as_mut_ptr().cast(), first.len() as u32);
        let stdin = GetStdHandle(STD_INPUT_HANDLE);
        PeekNamedPipe(stdin, into, room, &raw mut got, null_mut(), null_mut());
    }
    first[..got as usize].to_vec()
}

/// Takes the control line from standard input and leaves the null device there.
///
/// Otherwise programs that this one starts would inherit the line.
#[expect(unsafe_code, reason = "system calls")]
pub(crate) fn take_control_line() -> io::Result<FromParent> {
    // A crash ends a child at once: no dialog holds it until a user answers. Programs that it
    // starts inherit that, unless they are given CREATE_DEFAULT_ERROR_MODE.
    // SAFETY: the call sets flags of this process.
    unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    // SAFETY: the call returns a handle that this process has had since its start.
    let stdin = unsafe { GetStdHandle(STD_INPUT_HANDLE) };
    // SAFETY: the call fails for a handle that isn't open.
    if unsafe { GetFileType(stdin) } != FILE_TYPE_PIPE {
        return Err(io::Error::other("standard input is not a control line"));
    }
    // SAFETY: no other code owns this handle, and standard input becomes another one below.
    let mut pipe = PipeReader::from(unsafe { own(stdin) }?);
    // SAFETY: the handle is open.
    check(unsafe { SetHandleInformation(raw(&pipe), HANDLE_FLAG_INHERIT, 0) })?;
    let null = File::options().read(true).write(true).open(NULL).map_err(refused(NULL))?;
    // SAFETY: the handle is open, and never closed.
    check(unsafe { SetStdHandle(STD_INPUT_HANDLE, null.into_raw_handle()) })?;
    pipe.read_exact(&mut [0; GREETING.len()])?;
    let [parent, attached] = receive_handles(&mut pipe, 2)?
        .try_into()
        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok(FromParent { pipe, parent, attached })
}

/// Receives this many handles that the parent has copied into this process.
#[expect(unsafe_code, reason = "numbers become handles")]
fn receive_handles(pipe: &mut PipeReader, count: usize) -> io::Result<Vec<OwnedEnd>> {
    let mut bytes = vec![0; count * size_of::<u64>()];
    pipe.read_exact(&mut bytes)?;
    let (numbers, _) = bytes.as_chunks();
    // SAFETY: the parent has copied the handles into this process for this one use.
    let handle = |number: &[u8; 8]| unsafe { own(u64::from_le_bytes(*number) as HANDLE) };
    numbers.iter().map(handle).collect()
}

impl FromParent {
    /// Receives this many handles: the other direction of [`ToChild::send_ends`].
    pub(crate) fn receive_ends(&mut self, count: usize) -> io::Result<Vec<OwnedEnd>> {
        receive_handles(&mut self.pipe, count)
    }

    /// Tells the parent that this child has its arguments.
    #[expect(unsafe_code, reason = "a system call")]
    pub(crate) fn say_attached(&self) {
        // SAFETY: the handle is open.
        unsafe { SetEvent(raw(&self.attached)) };
    }

    /// Waits until the parent has ended, at most for the timeout; returns true if it has.
    pub(crate) fn parent_ends(&self, timeout: Option<Duration>) -> bool {
        wait_for(&[self.parent.as_handle()], timeout).is_ok_and(|ready| ready.is_some())
    }
}

impl Read for FromParent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pipe.read(buffer)
    }
}

/// Closes handles that this process inherited by mistake: none, because a start names the handles
/// that a child inherits.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(crate) fn close_inherited() -> io::Result<()> {
    Ok(())
}

/// Ends this process by force.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn end_now() {
    // SAFETY: the call ends this process and no other.
    unsafe { TerminateProcess(GetCurrentProcess(), SIGNALS + 9) };
}

/// Does nothing: process lists show the command line here, which has the name already.
pub(crate) fn name_process(_name: &str) {}

/// Ignores Ctrl-C and Ctrl-Break from now on, by a handler, which programs that this one starts
/// don't inherit, unlike the process's flag.
#[expect(unsafe_code, reason = "a system call")]
pub(crate) fn ignore_interrupts() -> io::Result<()> {
    unsafe extern "system" fn handle(event: u32) -> BOOL {
        BOOL::from(event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT)
    }
    // SAFETY: the handler touches no memory.
    check(unsafe { SetConsoleCtrlHandler(Some(handle), TRUE) })
}

/// Does nothing: see [`start`].
pub(crate) fn take_off_shield() {}

/// Makes the system keep the exit codes of children, which it always does.
pub(crate) fn keep_exit_codes() {}

/// Returns true if exit codes stand for a signal of this number here.
pub(crate) fn is_signal(number: i32) -> bool {
    signal_name(number).is_some()
}

/// Returns the name of a signal that an exit code stands for here: `SIGKILL` for 9.
pub(crate) fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        2 => "SIGINT",
        6 => "SIGABRT",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => return None,
    })
}

/// Waits until a stream that has said "try again" can be written to, which no stream says here.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(crate) fn wait_until_writable(_stream: &impl AsEnd) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_that_stand_for_signals_are_negative_and_others_are_themselves() {
        assert_eq!(meaning(0), 0);
        assert_eq!(meaning(259), 259);
        assert_eq!(meaning(0x1_0000), -15, "CPython's terminate");
        assert_eq!(meaning(0x1_0009), -9);
        assert_eq!(meaning(0x1_0001), 0x1_0001, "no process is ended by that");
        assert_eq!(meaning(0xc000_0409), -6);
        assert_eq!(meaning(0xc000_00fd), -11);
        assert_eq!(meaning(0xc000_013a), -2);
        assert_eq!(meaning(0xc000_0135), 0xc000_0135_u32.cast_signed(), "a DLL is missing");
    }
}
