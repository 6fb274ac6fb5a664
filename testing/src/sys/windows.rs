//! What Windows has: handles instead of descriptors, exit codes instead of signals.

use std::io::{self, PipeReader, PipeWriter};
use std::os::windows::io::{AsRawHandle, FromRawHandle, IntoRawHandle, OwnedHandle};
use std::ptr::null;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    FILETIME, HANDLE, NTSTATUS, STATUS_ACCESS_VIOLATION, WAIT_OBJECT_0,
};
use windows_sys::Win32::System::Console::{STD_ERROR_HANDLE, SetStdHandle};
use windows_sys::Win32::System::Diagnostics::Debug::RaiseException;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetCurrentThreadId, GetThreadTimes, IDLE_PRIORITY_CLASS,
    OpenProcess, PROCESS_ACCESS_RIGHTS, PROCESS_QUERY_LIMITED_INFORMATION, PROCESS_SUSPEND_RESUME,
    PROCESS_SYNCHRONIZE, PROCESS_TERMINATE, SetPriorityClass, TerminateProcess,
    WaitForSingleObject,
};

use crate::signal_self;

/// The exit code of a process that is ended from outside, but for its last digits: the number of
/// the signal that this would be on Unix.
const ENDED_BY: u32 = 0x1_0000;

/// Does nothing: Windows gives orphans to no process.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// Returns nothing: there is no `ps`.
pub(crate) fn threads_of_session() -> io::Result<Vec<u8>> {
    Ok(Vec::new())
}

/// What another process is ended by, as signals are numbered on Unix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(u32);

impl Signal {
    /// Ends a process that can't do anything about it.
    pub const KILL: Self = Self(9);
    /// Ends a process, which on Unix may do something before.
    pub const TERM: Self = Self(15);
}

#[link(name = "ntdll")]
#[expect(unsafe_code, reason = "functions of Windows")]
unsafe extern "system" {
    // No documented function does it; debuggers use these.
    fn NtSuspendProcess(process: HANDLE) -> NTSTATUS;
    fn NtResumeProcess(process: HANDLE) -> NTSTATUS;
}

/// A process, held by a handle.
#[derive(Debug)]
pub(crate) struct Other(OwnedHandle);

#[expect(unsafe_code, reason = "functions of Windows")]
impl Other {
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let rights = PROCESS_TERMINATE | PROCESS_SUSPEND_RESUME | PROCESS_SYNCHRONIZE;
        open(pid, rights).map(Self)
    }

    pub(crate) fn signal(&self, signal: Signal) -> bool {
        // SAFETY: the handle is open.
        unsafe { TerminateProcess(self.0.as_raw_handle(), ENDED_BY | signal.0) != 0 }
    }

    pub(crate) fn stop(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { NtSuspendProcess(self.0.as_raw_handle()) >= 0 }
    }

    pub(crate) fn go_on(&self) -> bool {
        // SAFETY: the handle is open.
        unsafe { NtResumeProcess(self.0.as_raw_handle()) >= 0 }
    }

    pub(crate) fn ends_within(&self, time: Duration) -> bool {
        // More than it can hold is for ever.
        let milliseconds = time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u32::MAX);
        // SAFETY: the handle is open.
        unsafe { WaitForSingleObject(self.0.as_raw_handle(), milliseconds) == WAIT_OBJECT_0 }
    }
}

/// Whether programs can be run in a terminal: the one that Windows can imitate draws texts anew.
pub(crate) const HAS_TERMINALS: bool = false;

/// Opens a pipe, where others open a terminal.
pub(crate) fn terminal(_columns: u16) -> io::Result<(PipeReader, PipeWriter)> {
    io::pipe()
}

/// Makes a pipe of one page whose writers are told "try again" when it is full: there is none here.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(crate) fn small_pipe() -> io::Result<Option<(PipeReader, PipeWriter)>> {
    Ok(None)
}

/// Returns how many bytes a pipe holds.
pub(crate) fn held(_pipe: &PipeReader) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Opens a process.
#[expect(unsafe_code, reason = "a function of Windows")]
fn open(pid: u32, rights: PROCESS_ACCESS_RIGHTS) -> Option<OwnedHandle> {
    // SAFETY: it takes numbers.
    let process = unsafe { OpenProcess(rights, 0, pid) };
    // SAFETY: the handle is open then, and nothing else owns it.
    (!process.is_null()).then(|| unsafe { OwnedHandle::from_raw_handle(process) })
}

/// Sends what this process writes to standard error there, from now on.
#[expect(unsafe_code, reason = "a function of Windows")]
pub(crate) fn redirect_standard_error(writer: &PipeWriter) {
    let copy = writer.try_clone().unwrap().into_raw_handle();
    // SAFETY: the handle is open, and never closed.
    assert_ne!(unsafe { SetStdHandle(STD_ERROR_HANDLE, copy) }, 0);
}

/// Does nothing: whatever ends a process here, ends it at once.
pub fn ignore_sigterm() {}

/// Ends this process with the exit code that stands for the signal of this number.
#[expect(unsafe_code, reason = "a function of Windows")]
pub fn end_by_signal(number: i32) -> ! {
    match number {
        9 => signal_self(Signal::KILL),
        15 => signal_self(Signal::TERM),
        // SAFETY: nothing handles the exception.
        11 => unsafe { RaiseException(STATUS_ACCESS_VIOLATION.cast_unsigned(), 0, 0, null()) },
        _ => panic!("{number} has no exit code of its own here"),
    }
    unreachable!("it has ended");
}

/// Lets all other processes go before this one from now on.
#[expect(unsafe_code, reason = "a function of Windows")]
pub fn give_way_to_all() {
    // SAFETY: it takes a number.
    assert_ne!(unsafe { SetPriorityClass(GetCurrentProcess(), IDLE_PRIORITY_CLASS) }, 0);
}

/// Returns how long the calling thread has worked: the same whatever else the machine does.
#[must_use]
#[expect(unsafe_code, reason = "a function of Windows")]
pub fn work_of_this_thread() -> Duration {
    let [mut begin, mut end, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: it only writes the four times.
    let told = unsafe {
        let thread = GetCurrentThread();
        GetThreadTimes(thread, &raw mut begin, &raw mut end, &raw mut kernel, &raw mut user)
    };
    assert_ne!(told, 0);
    let of = |time: FILETIME| u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime);
    Duration::from_nanos((of(kernel) + of(user)) * 100)
}

/// Returns how many KiB of a process are in RAM.
#[must_use]
#[expect(unsafe_code, reason = "a function of Windows")]
pub fn resident(pid: u32) -> u64 {
    let process = open(pid, PROCESS_QUERY_LIMITED_INFORMATION).unwrap();
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = size_of_val(&memory) as u32;
    // SAFETY: it writes no more than the struct has.
    let told = unsafe { K32GetProcessMemoryInfo(process.as_raw_handle(), &raw mut memory, size) };
    assert_ne!(told, 0);
    memory.WorkingSetSize as u64 / 1024
}

/// Does nothing: there is no such limit here.
pub fn limit_descriptors(_: u64) {}

/// Returns the number of this thread, which no other thread of the machine has.
#[must_use]
#[expect(unsafe_code, reason = "a function of Windows")]
pub fn thread_id() -> u64 {
    // SAFETY: it returns a number.
    unsafe { GetCurrentThreadId() }.into()
}

/// Does nothing: no process of a group is left to reap.
pub fn let_go(_group: u32) {}
