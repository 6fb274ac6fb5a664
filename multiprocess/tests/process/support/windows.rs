//! The Windows form of what the tests need of the system.

use std::io::PipeWriter;
use std::os::windows::io::IntoRawHandle;

use common::testing::Signal;
use windows_sys::Win32::System::Console::{STD_ERROR_HANDLE, SetStdHandle};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThreadId, GetProcessHandleCount,
};

/// From now on what this process writes to standard error goes there.
#[allow(unsafe_code, reason = "a system call")]
pub(crate) fn redirect_standard_error(writer: &PipeWriter) {
    let copy = writer.try_clone().unwrap().into_raw_handle();
    // SAFETY: the handle is open, and never closed.
    assert_ne!(unsafe { SetStdHandle(STD_ERROR_HANDLE, copy) }, 0);
}

/// How many handles are open in this process.
#[allow(unsafe_code, reason = "a system call")]
pub(crate) fn descriptors() -> usize {
    let mut count = 0;
    // SAFETY: it only writes the number.
    assert_ne!(unsafe { GetProcessHandleCount(GetCurrentProcess(), &raw mut count) }, 0);
    count as usize
}

/// Ends this process with the exit code that stands for the signal of this number.
#[allow(unsafe_code, reason = "a crash is wanted")]
pub(crate) fn end_by_signal(number: i32) {
    match number {
        9 => super::signal_self(Signal::KILL),
        15 => super::signal_self(Signal::TERM),
        // SAFETY: there is nothing at this address, so nothing is written.
        11 => unsafe { std::ptr::without_provenance_mut::<u8>(1).write_volatile(1) },
        _ => panic!("{number} has no exit code of its own here"),
    }
}

/// Nothing can be ignored here: whatever ends a process, ends it at once.
pub(crate) fn ignore_sigterm() {}

/// The number of this thread, which no other thread of the machine has.
#[allow(unsafe_code, reason = "a system call")]
pub(crate) fn thread_id() -> u64 {
    // SAFETY: it returns a number.
    unsafe { GetCurrentThreadId() }.into()
}
