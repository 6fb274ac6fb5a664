//! Waiting for handles.
//!
//! The system waits for processes and events, 64 at once, but not for pipes: if there is a pipe,
//! all ends are polled with growing pauses. (The pauses are std's sleeps, which have a fine timer;
//! a wait with a timeout is as coarse as the system's clock, 15 ms.) Polling takes nothing out of
//! the pipe. It waits while another thread reads from the same pipe; but each reading end here has
//! one owner, which either reads or polls.
//!
//! The first pause is 50 µs, the last about a millisecond. A pipe that could be waited for would
//! be a named one with overlapped reads, and std aborts a process in which two of these meet.
//! Nothing but `wait` and `poll` looks; `recv` blocks.

use std::io;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::ptr::null_mut;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{ERROR_BROKEN_PIPE, HANDLE, WAIT_FAILED, WAIT_TIMEOUT};
use windows_sys::Win32::Storage::FileSystem::{FILE_TYPE_PIPE, GetFileType};
use windows_sys::Win32::System::Pipes::PeekNamedPipe;
use windows_sys::Win32::System::Threading::{INFINITE, WaitForMultipleObjects};

use super::check;
use crate::deadline::{deadline, time_left};

/// Largest number of objects that one call can wait for.
const MOST: usize = 64;

/// First and longest pause between two polls.
const PAUSES: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(1)];

/// Waits until an end is ready; returns the indexes of all that are, none after the timeout.
pub(crate) fn wait(
    ends: &[BorrowedHandle<'_>],
    timeout: Option<Duration>,
) -> io::Result<Vec<usize>> {
    let deadline = deadline(timeout);
    let can_wait = ends.len() <= MOST && !ends.iter().any(|end| is_pipe(*end));
    let [mut pause, longest] = PAUSES;
    loop {
        let mut ready = Vec::new();
        for (index, end) in ends.iter().enumerate() {
            if is_ready(*end)? {
                ready.push(index);
            }
        }
        let left = time_left(deadline);
        if !ready.is_empty() || left.is_some_and(|left| left.is_zero()) {
            return Ok(ready);
        }
        if can_wait {
            wait_for(ends, left)?;
            continue;
        }
        thread::sleep(left.map_or(pause, |left| left.min(pause)));
        pause = (pause * 2).min(longest);
    }
}

/// Waits for one of at most 64 objects; returns its index, or `None` after the timeout.
#[expect(unsafe_code, reason = "a system call")]
pub(in crate::sys) fn wait_for(
    objects: &[BorrowedHandle<'_>],
    timeout: Option<Duration>,
) -> io::Result<Option<usize>> {
    let handles: Vec<HANDLE> = objects.iter().map(|object| object.as_raw_handle()).collect();
    let count = handles.len() as u32;
    // SAFETY: there are this many handles, all of them open.
    match unsafe { WaitForMultipleObjects(count, handles.as_ptr(), 0, milliseconds(timeout)) } {
        WAIT_FAILED => Err(io::Error::last_os_error()),
        WAIT_TIMEOUT => Ok(None),
        index => Ok(Some(index as usize)),
    }
}

/// Returns a timeout as the system's calls take it. One that is too long for them means no limit.
/// Rounded up, so that a wait never ends just before its deadline, to be repeated.
pub(in crate::sys) fn milliseconds(timeout: Option<Duration>) -> u32 {
    timeout.map_or(INFINITE, |timeout| {
        u32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(INFINITE)
    })
}

#[expect(unsafe_code, reason = "a system call")]
fn is_pipe(end: BorrowedHandle<'_>) -> bool {
    // SAFETY: the handle is open.
    unsafe { GetFileType(end.as_raw_handle()) == FILE_TYPE_PIPE }
}

/// Returns true if a pipe has something to receive or has ended, or an object is signalled.
#[expect(unsafe_code, reason = "a system call")]
fn is_ready(end: BorrowedHandle<'_>) -> io::Result<bool> {
    if !is_pipe(end) {
        return Ok(wait_for(&[end], Some(Duration::ZERO))?.is_some());
    }
    let (handle, mut bytes) = (end.as_raw_handle(), 0);
    // SAFETY: the call only writes the number.
    let seen = check(unsafe {
        PeekNamedPipe(handle, null_mut(), 0, null_mut(), &raw mut bytes, null_mut())
    });
    match seen {
        Err(error) if error.raw_os_error() == Some(ERROR_BROKEN_PIPE.cast_signed()) => Ok(true),
        seen => seen.map(|()| bytes > 0),
    }
}
