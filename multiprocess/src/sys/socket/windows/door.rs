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
//! Arrivals come through one completion port, each to one of the threads that wait: with the index
//! of the instance, which that thread takes, and puts a new one in its place. A port also lets a
//! wait outlive the thread that began it. The system would else cancel the wait with the end of
//! that thread, and no arrival at the instance would be told any more.

use std::io;
use std::mem;
use std::os::windows::io::OwnedHandle;
use std::ptr::{NonNull, null_mut};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_IO_PENDING, ERROR_NO_DATA,
    ERROR_PIPE_CONNECTED, GetLastError, INVALID_HANDLE_VALUE, TRUE, WAIT_TIMEOUT,
};
use windows_sys::Win32::Storage::FileSystem::{FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX};
use windows_sys::Win32::System::IO::{
    CancelIoEx, CreateIoCompletionPort, GetQueuedCompletionStatus, OVERLAPPED,
    PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Pipes::{
    ConnectNamedPipe, CreateNamedPipeW, PIPE_READMODE_BYTE, PIPE_REJECT_REMOTE_CLIENTS,
    PIPE_TYPE_BYTE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, OpenEventW, SYNCHRONIZATION_SYNCHRONIZE,
};

use super::super::{another_user, in_use};
use super::user::{Descriptor, User};
use super::{Socket, code};
use crate::deadline::{deadline, time_left};
use crate::sys::process::{check, milliseconds, own, raw};

/// Number of clients that may wait to be accepted.
const PLACES: usize = 16;

/// The longest that the system may take to end a wait for a client.
const SOON: Duration = Duration::from_secs(1);

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
    instances: Mutex<Vec<Instance>>,
    arrivals: Arrivals,
    /// Exists as long as this listener does.
    _listener: OwnedHandle,
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
        let (instances, arrivals) = (Mutex::default(), Arrivals::new()?);
        let mut door = Self { user, names, instances, arrivals, _listener: listener };
        for index in 0..PLACES {
            let instance = door.instance(index)?;
            if index == 0 && !door.user.owns(&instance.pipe)? {
                return Err(another_user(address));
            }
            door.instances_mut().push(instance);
        }
        Ok(door)
    }

    /// Waits for the next client of this user, at most for the timeout, then `None`. A client that
    /// is gone and has sent nothing is passed over.
    pub(crate) fn accept(&self, timeout: Option<Duration>) -> io::Result<Option<Socket>> {
        let deadline = deadline(timeout);
        while let Some(index) = self.arrivals.next(time_left(deadline))? {
            // If there can be no new instance, the client stays, for the next that accepts.
            let pipe = self.take(index).inspect_err(|_| self.arrivals.add(index))?;
            let socket = Socket::from(pipe);
            if !socket.is_over() {
                return Ok(Some(socket));
            }
        }
        Ok(None)
    }

    /// Takes an instance at which a client has arrived, and puts a new one in its place.
    fn take(&self, index: usize) -> io::Result<OwnedHandle> {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.instance(index)?;
        Ok(mem::replace(&mut instances[index], new).into_pipe())
    }

    /// Makes the instance of this index.
    fn instance(&self, index: usize) -> io::Result<Instance> {
        Instance::new(&self.names, &Descriptor::only_for(&self.user)?, &self.arrivals, index)
    }

    fn instances_mut(&mut self) -> &mut Vec<Instance> {
        self.instances.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Door {
    /// Ends the waits. What the system doesn't give back soon is left to it.
    fn drop(&mut self) {
        let mut waiting: Vec<_> = mem::take(self.instances_mut()).into_iter().map(Some).collect();
        waiting.iter().flatten().for_each(Instance::cancel);
        while waiting.iter().any(Option::is_some)
            && let Ok(Some(index)) = self.arrivals.next(Some(SOON))
        {
            waiting[index].take().map(Instance::into_pipe);
        }
    }
}

/// The completion port of the waits for clients.
#[derive(Debug)]
struct Arrivals(OwnedHandle);

impl Arrivals {
    #[expect(unsafe_code, reason = "a system call")]
    fn new() -> io::Result<Self> {
        // However many threads are at work on what they got from the port, the next arrival wakes
        // another one.
        let threads = 1 << 16;
        // SAFETY: the handle is new.
        unsafe { own(CreateIoCompletionPort(INVALID_HANDLE_VALUE, null_mut(), 0, threads)) }
            .map(Self)
    }

    /// Has the arrivals at this pipe told, with this index.
    #[expect(unsafe_code, reason = "a system call")]
    fn watch(&self, pipe: &OwnedHandle, index: usize) -> io::Result<()> {
        // SAFETY: both handles are open. The result is the port, not a new handle.
        let port = unsafe { CreateIoCompletionPort(raw(pipe), raw(&self.0), index, 0) };
        check((!port.is_null()).into())
    }

    /// Tells of an arrival that the system doesn't tell of.
    #[expect(unsafe_code, reason = "a system call")]
    fn add(&self, index: usize) {
        // SAFETY: the handle is open, and nothing is made of the address. It fails only without
        // memory for a few bytes.
        unsafe { PostQueuedCompletionStatus(raw(&self.0), 0, index, null_mut()) };
    }

    /// Waits for the next arrival, at most for the timeout, then `None`; returns the index. A wait
    /// that the system has ended for another reason counts as an arrival, too.
    #[expect(unsafe_code, reason = "a system call")]
    fn next(&self, timeout: Option<Duration>) -> io::Result<Option<usize>> {
        let (mut bytes, mut index, mut operation) = (0, 0, null_mut());
        // SAFETY: the handle is open, and the call only writes to these three.
        let told = check(unsafe {
            let (bytes, index, operation) = (&raw mut bytes, &raw mut index, &raw mut operation);
            let limit = milliseconds(timeout);
            GetQueuedCompletionStatus(raw(&self.0), bytes, index, operation, limit)
        });
        match told {
            Err(error) if operation.is_null() && code(&error) == WAIT_TIMEOUT => Ok(None),
            Err(error) if operation.is_null() => Err(error),
            _ => Ok(Some(index)),
        }
    }
}

/// An instance of a pipe that waits for a client, or has one. It is told once by the completion
/// port, whatever ends the wait; nothing else is relied on. Under Wine 8 the end of a wait may go
/// unrecorded in its memory, if the thread that began it ends just then.
#[derive(Debug)]
struct Instance {
    pipe: OwnedHandle,
    /// The wait, in memory to which the system writes until the port has told its end.
    waiting: NonNull<OVERLAPPED>,
}

// SAFETY: the memory belongs to the instance, and the system writes to it from any thread.
#[expect(unsafe_code, reason = "a pointer says nothing of threads")]
unsafe impl Send for Instance {}

impl Instance {
    /// Makes an instance, which begins to wait; a client's arrival is told with this index.
    #[expect(unsafe_code, reason = "system calls")]
    fn new(
        names: &Names,
        rights: &Descriptor,
        arrivals: &Arrivals,
        index: usize,
    ) -> io::Result<Self> {
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
        arrivals.watch(&pipe, index)?;
        let waiting = NonNull::from(Box::leak(Box::new(OVERLAPPED::default())));
        let instance = Self { pipe, waiting };
        // SAFETY: the memory is freed when the port has told the end of the wait.
        if unsafe { ConnectNamedPipe(raw(&instance.pipe), waiting.as_ptr()) } == 0 {
            let error = io::Error::last_os_error();
            match code(&error) {
                ERROR_IO_PENDING => {}
                // A client is there, or was.
                ERROR_PIPE_CONNECTED | ERROR_NO_DATA => arrivals.add(index),
                _ => {
                    drop(instance.into_pipe());
                    return Err(error);
                }
            }
        }
        Ok(instance)
    }

    /// Has the wait end, if it hasn't.
    #[expect(unsafe_code, reason = "a system call")]
    fn cancel(&self) {
        // SAFETY: the wait was started for this handle. If it is over, the call fails.
        unsafe { CancelIoEx(raw(&self.pipe), self.waiting.as_ptr()) };
    }

    /// Returns the connection with the client that has arrived: the wait must be over.
    #[expect(unsafe_code, reason = "the system has no reference left")]
    fn into_pipe(self) -> OwnedHandle {
        // SAFETY: it was made by a box, and the system has done with it.
        drop(unsafe { Box::from_raw(self.waiting.as_ptr()) });
        self.pipe
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
        let arrivals = Arrivals::new().unwrap();
        let Ok(_instance) = Instance::new(&names, &rights, &arrivals, 0) else {
            return println!("SKIPPED: only an administrator can make such a pipe");
        };
        for refused in [Door::open(&address).map(drop), Socket::connect(&address).map(drop)] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::PermissionDenied);
            assert!(refused.to_string().ends_with("another user's"), "{refused}");
        }
    }
}
