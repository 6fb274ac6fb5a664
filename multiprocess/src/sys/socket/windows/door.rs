//! The place where clients arrive: instances of a named pipe, each of which waits for one.
//!
//! ```text
//!   event Global\multiprocess-<user>-<address>         there while its listener is
//!   \\.\pipe\multiprocess-<user>-<address>
//!     ├── instance 1 … 16    each waits for a client, or has one that was not accepted
//!     └── instance           of a client that was accepted, as long as that is connected
//! ```
//!
//! A pipe exists as long as an instance does, so connections keep it when the listener is gone. The
//! event tells: to listen is to create it, and a second process that tries is told that it exists.
//!
//! Event and pipe are made with an access list that names this user alone, and with this user as
//! their owner. If another user has made a pipe of this name before, its owner shows that, to the
//! listener and to clients.
//!
//! The arrival of a client at any instance sets one event. A thread resets it, looks at all
//! instances, and waits for it if there is no client. If there is one, the thread takes it and sets
//! the event for other threads, because there may be more.

use std::io;
use std::mem;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_IO_INCOMPLETE, ERROR_IO_PENDING,
    ERROR_NO_DATA, ERROR_PIPE_CONNECTED, GetLastError, TRUE,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS,
    PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, OpenEventW, ResetEvent, SYNCHRONIZATION_SYNCHRONIZE, SetEvent,
};

use super::super::{another_user, in_use};
use super::user::{Descriptor, User};
use super::{Socket, code, new_event};
use crate::deadline::{deadline, time_left};
use crate::sys::process::{check, own, raw, wait_for};

/// Number of clients that may wait to be accepted.
const PLACES: usize = 16;

/// Size of a connection's buffer in each direction, in bytes.
const BUFFER: u32 = 1 << 16;

/// Names of what belongs to an address, each with a zero at its end.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) pipe: Vec<u16>,
    listener: Vec<u16>,
}

impl Names {
    pub(super) fn new(user: &User, address: &str) -> Self {
        let user = user.name();
        let named = |prefix| {
            let name = format!("{prefix}multiprocess-{user}-{address}\0");
            name.encode_utf16().collect()
        };
        Self { pipe: named(r"\\.\pipe\"), listener: named(r"Global\") }
    }

    /// Returns true if there is a listener at the address.
    #[expect(unsafe_code, reason = "a system call")]
    pub(super) fn has_listener(&self) -> bool {
        // SAFETY: the name ends with a zero, and the handle is new.
        unsafe { own(OpenEventW(SYNCHRONIZATION_SYNCHRONIZE, 0, self.listener.as_ptr())) }.is_ok()
    }
}

/// The place where the clients of one address arrive.
#[derive(Debug)]
pub(crate) struct Door {
    user: User,
    names: Names,
    instances: Mutex<Instances>,
    /// Set when a client may have arrived.
    arrived: OwnedHandle,
    /// Exists as long as this listener does.
    _listener: OwnedHandle,
}

#[derive(Debug)]
struct Instances {
    all: Vec<Instance>,
    /// Index of the instance to look at first: the one behind that of the last client, so that each
    /// has its turn.
    next: usize,
}

impl Door {
    /// Begins to listen at this address.
    #[expect(unsafe_code, reason = "system calls")]
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        let user = User::of_this_process()?;
        let names = Names::new(&user, address);
        let descriptor = Descriptor::only_for(&user)?;
        let attributes = descriptor.attributes();
        // SAFETY: the name ends with a zero, the attributes live until the call returns, and the
        // handle is new.
        let (listener, error) = unsafe {
            let made = CreateEventW(&raw const attributes, TRUE, 0, names.listener.as_ptr());
            let error = GetLastError();
            (own(made), error)
        };
        if error == ERROR_ALREADY_EXISTS || error == ERROR_ACCESS_DENIED {
            return Err(in_use(address));
        }
        let listener = listener?;
        let arrived = new_event()?;
        let first = Instance::new(&names, &descriptor, &arrived)?;
        if !user.owns(&first.pipe)? {
            return Err(another_user(address));
        }
        let others = (1..PLACES).map(|_| Instance::new(&names, &descriptor, &arrived));
        let all = [Ok(first)].into_iter().chain(others).collect::<io::Result<Vec<_>>>()?;
        let instances = Mutex::new(Instances { all, next: 0 });
        Ok(Self { user, names, instances, arrived, _listener: listener })
    }

    /// Waits for the next client of this user, at most for the timeout, then `None`. A client that
    /// is gone and has sent nothing is passed over.
    pub(crate) fn accept(&self, timeout: Option<Duration>) -> io::Result<Option<Socket>> {
        let deadline = deadline(timeout);
        loop {
            while let Some(pipe) = self.take()? {
                let socket = Socket::from(pipe);
                if !socket.is_over() {
                    return Ok(Some(socket));
                }
            }
            let left = time_left(deadline);
            if left.is_some_and(|left| left.is_zero()) {
                return Ok(None);
            }
            wait_for(&[self.arrived.as_handle()], left)?;
        }
    }

    /// Takes an instance with a client, and puts a new one in its place.
    #[expect(unsafe_code, reason = "system calls")]
    fn take(&self) -> io::Result<Option<OwnedHandle>> {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the handle is open.
        check(unsafe { ResetEvent(raw(&self.arrived)) })?;
        let Instances { all, next } = &mut *instances;
        let turns = (*next..all.len()).chain(0..*next);
        let Some(index) = turns.into_iter().find(|index| all[*index].has_client()) else {
            return Ok(None);
        };
        let rights = Descriptor::only_for(&self.user)?;
        let new = Instance::new(&self.names, &rights, &self.arrived);
        // There may be more clients, of which the beginning of this wait, too, has reset the sign.
        // SAFETY: the handle is open.
        check(unsafe { SetEvent(raw(&self.arrived)) })?;
        let new = new?;
        *next = index + 1;
        Ok(Some(mem::replace(&mut all[index], new).into_pipe()?))
    }
}

/// An instance of a pipe that waits for a client, or has one.
#[derive(Debug)]
struct Instance {
    pipe: OwnedHandle,
    /// The wait for a client, in memory of its own, to which the system writes when it is over;
    /// `None` if a client was there at once.
    waiting: Option<NonNull<OVERLAPPED>>,
}

// SAFETY: the memory belongs to the instance, and the system writes to it from any thread.
#[expect(unsafe_code, reason = "a pointer says nothing of threads")]
unsafe impl Send for Instance {}

impl Instance {
    /// Makes an instance, which begins to wait, and signals the event when a client has arrived.
    #[expect(unsafe_code, reason = "system calls")]
    fn new(names: &Names, rights: &Descriptor, arrived: &OwnedHandle) -> io::Result<Self> {
        let attributes = rights.attributes();
        // SAFETY: the name ends with a zero, the attributes live until the call returns, and the
        // handle is new.
        let pipe = unsafe {
            own(CreateNamedPipeW(
                names.pipe.as_ptr(),
                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED,
                PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
                PIPE_UNLIMITED_INSTANCES,
                BUFFER,
                BUFFER,
                0,
                &raw const attributes,
            ))
        }?;
        let wait = OVERLAPPED { hEvent: raw(arrived), ..OVERLAPPED::default() };
        let waiting = NonNull::from(Box::leak(Box::new(wait)));
        let mut instance = Self { pipe, waiting: Some(waiting) };
        // SAFETY: the memory lives until the wait is over: see `end_wait`.
        if unsafe { ConnectNamedPipe(raw(&instance.pipe), waiting.as_ptr()) } == 0 {
            let error = io::Error::last_os_error();
            match code(&error) {
                ERROR_IO_PENDING => return Ok(instance),
                // A client is there, or was.
                ERROR_PIPE_CONNECTED | ERROR_NO_DATA => instance.free(),
                _ => {
                    instance.free();
                    return Err(error);
                }
            }
        }
        Ok(instance)
    }

    /// Returns true if a client has arrived.
    fn has_client(&self) -> bool {
        self.waiting.is_none_or(|waiting| self.is_over(waiting, false))
    }

    /// Returns true if a wait is over, for which it may wait.
    #[expect(unsafe_code, reason = "a system call")]
    fn is_over(&self, waiting: NonNull<OVERLAPPED>, wait: bool) -> bool {
        let mut bytes = 0;
        // SAFETY: the memory lives as long as the wait, which was started for this handle.
        let done = check(unsafe {
            let operation = waiting.as_ptr().cast_const();
            GetOverlappedResult(raw(&self.pipe), operation, &raw mut bytes, wait.into())
        });
        done.is_ok() || done.is_err_and(|error| code(&error) != ERROR_IO_INCOMPLETE)
    }

    /// Returns the connection with the client that has arrived.
    fn into_pipe(self) -> io::Result<OwnedHandle> {
        self.pipe.try_clone()
    }

    /// Ends the wait.
    #[expect(unsafe_code, reason = "a system call")]
    fn end_wait(&mut self) {
        let Some(waiting) = self.waiting else { return };
        while !self.is_over(waiting, false) {
            // SAFETY: the wait was started for this handle. If it is over, the call fails.
            unsafe { CancelIoEx(raw(&self.pipe), waiting.as_ptr()) };
            // The event is that of all instances, so it can't be waited for.
            thread::yield_now();
        }
        self.free();
    }

    /// Frees the memory of a wait that is over, or has not begun.
    #[expect(unsafe_code, reason = "the system has no reference left")]
    fn free(&mut self) {
        if let Some(waiting) = self.waiting.take() {
            // SAFETY: it was made by a box, and the system has done with it.
            drop(unsafe { Box::from_raw(waiting.as_ptr()) });
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.end_wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// LISTEN-07
    #[test]
    fn a_pipe_that_another_user_has_made_is_refused_by_listeners_and_by_clients() {
        let address = format!("false-{}", std::process::id());
        let names = Names::new(&User::of_this_process().unwrap(), &address);
        // Owned by the administrators, and open to all.
        let rights = Descriptor::of_text("O:BAD:(A;;GA;;;WD)").unwrap();
        let arrived = new_event().unwrap();
        let Ok(_instance) = Instance::new(&names, &rights, &arrived) else {
            return println!("SKIPPED: only an administrator can make such a pipe");
        };
        for refused in [Door::open(&address).map(drop), Socket::connect(&address).map(drop)] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(refused.to_string().ends_with("another user's"), "{refused}");
        }
    }
}
