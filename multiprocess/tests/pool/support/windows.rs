//! What the tests need of Windows.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr::null;
use std::time::Duration;

use common::testing::{Other, Signal};
use windows_sys::Win32::Foundation::{FILETIME, STATUS_ACCESS_VIOLATION};
use windows_sys::Win32::System::Diagnostics::Debug::RaiseException;
use windows_sys::Win32::System::ProcessStatus::{K32GetProcessMemoryInfo, PROCESS_MEMORY_COUNTERS};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, GetThreadTimes, IDLE_PRIORITY_CLASS, OpenProcess,
    PROCESS_QUERY_LIMITED_INFORMATION, SetPriorityClass,
};

/// Ends this process with the exit code that stands for the signal of this number.
#[allow(unsafe_code, reason = "a system call")]
pub(crate) fn end_by_signal(number: i32) -> ! {
    let end_with = |signal| Other::of(std::process::id()).unwrap().signal(signal);
    match number {
        9 => assert!(end_with(Signal::KILL)),
        15 => assert!(end_with(Signal::TERM)),
        // SAFETY: nothing handles the exception.
        11 => unsafe { RaiseException(STATUS_ACCESS_VIOLATION.cast_unsigned(), 0, 0, null()) },
        _ => panic!("{number} has no exit code of its own here"),
    }
    unreachable!("it has ended");
}

/// Nothing can be ignored here: whatever ends a process, ends it at once.
pub(crate) fn ignore_sigterm() {}

/// All other processes go before this one from now on.
#[allow(unsafe_code, reason = "a system call")]
pub(crate) fn give_way_to_all() {
    // SAFETY: it takes a number.
    assert_ne!(unsafe { SetPriorityClass(GetCurrentProcess(), IDLE_PRIORITY_CLASS) }, 0);
}

/// How long the calling thread has worked: the same whatever else the machine does.
#[allow(unsafe_code, reason = "a system call")]
pub(crate) fn work_of_this_thread() -> Duration {
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

/// The memory of a process that is in RAM, in KiB.
#[allow(unsafe_code, reason = "two system calls")]
pub(crate) fn resident(pid: u32) -> u64 {
    // SAFETY: it takes numbers.
    let process = unsafe { OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid) };
    assert!(!process.is_null());
    // SAFETY: it is open, and nothing else owns it.
    let process = unsafe { OwnedHandle::from_raw_handle(process) };
    let mut memory = PROCESS_MEMORY_COUNTERS::default();
    let size = size_of_val(&memory) as u32;
    // SAFETY: it writes no more than the struct has.
    let told = unsafe { K32GetProcessMemoryInfo(process.as_raw_handle(), &raw mut memory, size) };
    assert_ne!(told, 0);
    memory.WorkingSetSize as u64 / 1024
}

/// There is no such limit here.
pub(crate) fn limit_descriptors(_: u64) {}
