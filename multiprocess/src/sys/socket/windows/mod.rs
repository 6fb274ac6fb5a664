//! Connections on Windows: named pipes, which are open for *overlapped* operations, because a
//! listener waits for several clients at once. To send and to receive is to begin an operation and
//! to wait for its event.
//!
//! A message with handles begins with an announcement, then comes the frame:
//!
//! ```text
//!   sender                                            receiver
//!     │  "handles", process, its start, number ─────▶ │
//!     │  the numbers: of an event, of each handle ──▶ │
//!     │  frame ─────────────────────────────────────▶ │
//!     │ ◀──────────────────────── DuplicateHandle, each
//!     │ ◀────────────────────────── SetEvent, on its copy
//! ```
//!
//! The receiver fetches copies, which are its own from the first moment: whichever of the two
//! processes is killed at whatever moment, no handle is left in the other. The start of the
//! sender's process tells it from a later process with the same number.

use std::io::{self, ErrorKind, Read, Write};
use std::os::windows::io::{AsHandle, AsRawHandle, BorrowedHandle, OwnedHandle};
use std::ptr::{null, null_mut};
use std::time::Duration;

use windows_sys::Wdk::Storage::FileSystem::{
    FILE_PIPE_CONNECTED_STATE, FILE_PIPE_LOCAL_INFORMATION, FilePipeLocalInformation,
    NtQueryInformationFile,
};
use windows_sys::Win32::Foundation::{
    DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_ACCESS_DENIED, ERROR_BROKEN_PIPE,
    ERROR_FILE_NOT_FOUND, ERROR_IO_PENDING, ERROR_NO_DATA, ERROR_PIPE_BUSY,
    ERROR_PIPE_NOT_CONNECTED, FILETIME, GENERIC_READ, GENERIC_WRITE, HANDLE, STATUS_SUCCESS, TRUE,
};
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_FLAG_OVERLAPPED, OPEN_EXISTING, ReadFile, SECURITY_ANONYMOUS,
    SECURITY_SQOS_PRESENT, WriteFile,
};
use windows_sys::Win32::System::IO::{GetOverlappedResult, IO_STATUS_BLOCK, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{DisconnectNamedPipe, PeekNamedPipe, WaitNamedPipeW};
use windows_sys::Win32::System::Threading::{
    CreateEventW, GetCurrentProcess, GetProcessTimes, OpenProcess, PROCESS_DUP_HANDLE,
    PROCESS_QUERY_LIMITED_INFORMATION, SetEvent,
};
use windows_sys::core::BOOL;

use super::{another_user, no_listener};
use crate::manager::Client;
use crate::process::frame::{self, Error};
use crate::sys::process::{check, own, pipe, raw, wait_for};

mod door;
mod user;

pub(crate) use door::Door;
use user::User;

/// Interval of looks at whether a listener, or the receiver of handles, is still there.
const LOOK: Duration = Duration::from_millis(100);

/// Beginning of an announcement: as a frame's length it would be above the limit.
const HANDLES: [u8; 8] = *b"handles\xff";

/// Size of an announcement, in bytes, which is that of the shortest frame.
const ANNOUNCEMENT: usize = 64;

/// Largest number of handles in one message.
const MOST: u32 = 1 << 14;

/// An end of a connection.
#[derive(Debug)]
pub(crate) struct Socket {
    pipe: OwnedHandle,
    /// Event of the operation under way; made for the first one.
    done: Option<OwnedHandle>,
}

impl Socket {
    /// Connects to the listener at this address, if it is this user's.
    #[expect(unsafe_code, reason = "system calls")]
    pub(crate) fn connect(address: &str) -> io::Result<Self> {
        let user = User::of_this_process()?;
        let names = door::Names::new(&user, address);
        loop {
            // SAFETY: the name ends with a zero.
            let opened = unsafe {
                own(CreateFileW(
                    names.pipe.as_ptr(),
                    GENERIC_READ | GENERIC_WRITE,
                    0,
                    null(),
                    OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_ANONYMOUS,
                    null_mut(),
                ))
            };
            let Err(error) = opened else {
                let pipe = opened?;
                return if user.owns(&pipe)? {
                    Ok(pipe.into())
                } else {
                    Err(another_user(address))
                };
            };
            match code(&error) {
                ERROR_FILE_NOT_FOUND => return Err(no_listener(address)),
                ERROR_ACCESS_DENIED => return Err(another_user(address)),
                // Only connections are left of a listener that is gone.
                ERROR_PIPE_BUSY if !names.has_listener() => return Err(no_listener(address)),
                ERROR_PIPE_BUSY => {
                    // SAFETY: the name ends with a zero. Whatever the result, the pipe is looked
                    // at again.
                    unsafe { WaitNamedPipeW(names.pipe.as_ptr(), LOOK.as_millis() as u32) };
                }
                _ => return Err(error),
            }
        }
    }

    /// Ends the connection: for both sides, and copies of this end, if this is the listener's side.
    #[expect(unsafe_code, reason = "a system call")]
    pub(crate) fn close(&mut self) {
        // SAFETY: the handle is open.
        unsafe { DisconnectNamedPipe(raw(self)) };
        // If no handle is to be had, the end stays open until its owner drops it.
        if let Ok((ended, _)) = pipe() {
            self.pipe = ended.into();
        }
    }

    /// Returns true if the other end is closed and nothing is left to receive.
    #[expect(unsafe_code, reason = "a system call")]
    fn is_over(&self) -> bool {
        let (nothing, no_number) = (null_mut(), null_mut());
        // SAFETY: the call is not given anything to write to.
        unsafe { PeekNamedPipe(raw(self), nothing, 0, no_number, no_number, no_number) == 0 }
    }

    /// Sends a message with copies of these handles; returns when the other side has received it,
    /// if there are any.
    pub(crate) fn send(&mut self, body: &[u8], ends: &[BorrowedHandle<'_>]) -> Result<(), Error> {
        if ends.is_empty() {
            return frame::write(&mut Stream(self), body);
        }
        let fetched = new_event()?;
        Stream(self).write_all(&announcement(&fetched, ends)?)?;
        frame::write(&mut Stream(self), body)?;
        while wait_for(&[fetched.as_handle()], Some(LOOK))?.is_none() {
            if !self.is_connected() {
                return Err(Error::BrokenPipe);
            }
        }
        Ok(())
    }

    /// Returns true if the other end is open, whatever is left to receive.
    #[expect(unsafe_code, reason = "a system call")]
    fn is_connected(&self) -> bool {
        let mut status = IO_STATUS_BLOCK::default();
        let mut pipe = FILE_PIPE_LOCAL_INFORMATION::default();
        let size = size_of::<FILE_PIPE_LOCAL_INFORMATION>() as u32;
        // SAFETY: the call only writes to these two, at most as many bytes.
        let asked = unsafe {
            let (status, into) = (&raw mut status, (&raw mut pipe).cast());
            NtQueryInformationFile(raw(self), status, into, size, FilePipeLocalInformation)
        };
        asked == STATUS_SUCCESS && pipe.NamedPipeState == FILE_PIPE_CONNECTED_STATE
    }

    /// Receives a message's body, of at most this many bytes, in place of the buffer's content;
    /// returns the handles that came along.
    pub(crate) fn receive(
        &mut self,
        limit: u64,
        body: &mut Vec<u8>,
    ) -> Result<Vec<OwnedHandle>, Error> {
        let mut first = [0; ANNOUNCEMENT];
        let mut length = 0;
        while length < first.len() {
            match Stream(self).read(&mut first[length..])? {
                0 => break,
                got => length += got,
            }
        }
        if !first.starts_with(&HANDLES) {
            frame::read(&mut first[..length].chain(Stream(self)), limit, body)?;
            return Ok(Vec::new());
        }
        let announced = Announced::read(&first, &mut Stream(self))?;
        match frame::read(&mut Stream(self), limit, body) {
            Err(Error::EndOfFile) => Err(Error::Truncated { missing: 1 }),
            read => read.and_then(|()| Ok(announced.fetch()?)),
        }
    }
}

/// Borrows the end, which is ready when there is something to receive.
impl<S, R> AsHandle for Client<S, R> {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.socket.as_handle()
    }
}

impl AsHandle for Socket {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.pipe.as_handle()
    }
}

impl From<OwnedHandle> for Socket {
    fn from(pipe: OwnedHandle) -> Self {
        Self { pipe, done: None }
    }
}

/// The bytes that go over a connection.
struct Stream<'a>(&'a mut Socket);

impl Stream<'_> {
    /// Starts an operation, and waits until it is done; returns its number of bytes.
    #[expect(unsafe_code, reason = "system calls")]
    fn run(&mut self, start: impl FnOnce(HANDLE, *mut OVERLAPPED) -> BOOL) -> io::Result<usize> {
        let done = match &mut self.0.done {
            Some(done) => done,
            none => none.insert(new_event()?),
        };
        let pipe = raw(&self.0.pipe);
        // The lowest bit says that the listener's completion port, if the end came from one, isn't
        // told of it.
        let done = raw(done).map_addr(|handle| handle | 1);
        let mut operation = OVERLAPPED { hEvent: done, ..OVERLAPPED::default() };
        if start(pipe, &raw mut operation) == 0 {
            let error = io::Error::last_os_error();
            if code(&error) != ERROR_IO_PENDING {
                return Err(error);
            }
        }
        let mut bytes = 0;
        // SAFETY: the operation was started for this handle, and no other has its event. The call
        // returns when it is done, so its memory and the buffer are not used after that.
        check(unsafe { GetOverlappedResult(pipe, &raw const operation, &raw mut bytes, TRUE) })?;
        Ok(bytes as usize)
    }
}

impl Read for Stream<'_> {
    #[expect(unsafe_code, reason = "a system call")]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the buffer has this length, and `run` returns when it isn't written to any more.
        let got = self.run(|pipe, operation| unsafe {
            ReadFile(pipe, buffer.as_mut_ptr(), length, null_mut(), operation)
        });
        match got {
            Err(error) if is_end(&error) => Ok(0),
            got => got,
        }
    }
}

impl Write for Stream<'_> {
    #[expect(unsafe_code, reason = "a system call")]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: the buffer has this length, and `run` returns when it isn't read any more.
        let sent = self.run(|pipe, operation| unsafe {
            WriteFile(pipe, buffer.as_ptr(), length, null_mut(), operation)
        });
        sent.map_err(|error| if is_end(&error) { ErrorKind::BrokenPipe.into() } else { error })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns true if the error says that the other end is closed.
fn is_end(error: &io::Error) -> bool {
    matches!(code(error), ERROR_BROKEN_PIPE | ERROR_NO_DATA | ERROR_PIPE_NOT_CONNECTED)
}

/// Returns the system's number of an error.
fn code(error: &io::Error) -> u32 {
    error.raw_os_error().unwrap_or_default().cast_unsigned()
}

/// Makes an event without a name, which stays set.
#[expect(unsafe_code, reason = "a system call")]
fn new_event() -> io::Result<OwnedHandle> {
    // SAFETY: the call returns a new handle.
    unsafe { own(CreateEventW(null(), TRUE, 0, null())) }
}

/// Announces the event that the receiver is to set, and these handles.
fn announcement(fetched: &OwnedHandle, ends: &[BorrowedHandle<'_>]) -> io::Result<Vec<u8>> {
    let count = u32::try_from(ends.len() + 1).ok().filter(|count| *count <= MOST);
    let count = count.ok_or_else(|| io::Error::from(ErrorKind::InvalidInput))?;
    let mut bytes = HANDLES.to_vec();
    bytes.extend(std::process::id().to_le_bytes());
    bytes.extend(count.to_le_bytes());
    // SAFETY: the call returns a constant that stands for this process.
    #[expect(unsafe_code, reason = "a system call")]
    bytes.extend(start_of(unsafe { GetCurrentProcess() })?.to_le_bytes());
    bytes.resize(ANNOUNCEMENT, 0);
    for handle in [fetched.as_handle()].iter().chain(ends) {
        bytes.extend((handle.as_raw_handle() as u64).to_le_bytes());
    }
    Ok(bytes)
}

/// Returns when a process has started, in the system's unit.
#[expect(unsafe_code, reason = "a system call")]
fn start_of(process: HANDLE) -> io::Result<u64> {
    let [mut start, mut end, mut kernel, mut user] = [FILETIME::default(); 4];
    // SAFETY: the call only writes these times.
    check(unsafe {
        GetProcessTimes(process, &raw mut start, &raw mut end, &raw mut kernel, &raw mut user)
    })?;
    Ok(u64::from(start.dwHighDateTime) << 32 | u64::from(start.dwLowDateTime))
}

/// Handles that a message has announced.
struct Announced {
    process: u32,
    /// The start of that process.
    start: u64,
    numbers: Vec<HANDLE>,
}

impl Announced {
    /// Reads the rest of an announcement that begins with these bytes.
    fn read(first: &[u8; ANNOUNCEMENT], stream: &mut Stream<'_>) -> Result<Self, Error> {
        let number = |at: usize| {
            first[at..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes)).unwrap_or_default()
        };
        let (process, count) = (number(8), number(12));
        let start = u64::from(number(20)) << 32 | u64::from(number(16));
        if count > MOST {
            return Err(Error::TooLong { length: count.into(), limit: MOST.into() });
        }
        let mut bytes = vec![0; count as usize * size_of::<u64>()];
        stream.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::Truncated { missing: 1 },
            _ => error.into(),
        })?;
        let (numbers, _) = bytes.as_chunks();
        let handle = |number: &[u8; 8]| u64::from_le_bytes(*number) as HANDLE;
        Ok(Self { process, start, numbers: numbers.iter().map(handle).collect() })
    }

    /// Copies the handles into this process, and sets the event, the first of them.
    #[expect(unsafe_code, reason = "system calls")]
    fn fetch(self) -> io::Result<Vec<OwnedHandle>> {
        let rights = PROCESS_DUP_HANDLE | PROCESS_QUERY_LIMITED_INFORMATION;
        // SAFETY: the call returns a new handle.
        let sender = unsafe { own(OpenProcess(rights, 0, self.process)) }
            .map_err(refused("the sender of a handle"))?;
        if start_of(raw(&sender))? != self.start {
            return Err(refused("the sender of a handle")(ErrorKind::BrokenPipe.into()));
        }
        let fetch = |number: &HANDLE| {
            let mut copy = null_mut();
            // SAFETY: the call only writes the number of the copy, which has no other owner.
            unsafe {
                let (this, options) = (GetCurrentProcess(), DUPLICATE_SAME_ACCESS);
                check(DuplicateHandle(raw(&sender), *number, this, &raw mut copy, 0, 0, options))?;
                own(copy)
            }
        };
        let mut handles = self.numbers.iter().map(fetch).collect::<io::Result<Vec<_>>>()?;
        if !handles.is_empty() {
            let fetched = handles.remove(0);
            // SAFETY: the handle is open; for anything but an event the call fails.
            unsafe { SetEvent(raw(&fetched)) };
        }
        Ok(handles)
    }
}

/// Prefixes the system's reason with the name of what it refused. Never an end of the connection.
fn refused(what: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |error| io::Error::other(format!("{what}: {error}"))
}
