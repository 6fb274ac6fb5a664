//! A receiving end as the system, and so [`wait`](crate::process::wait()), knows it: a descriptor
//! on Linux and macOS, a handle on Windows.

#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
#[cfg(windows)]
use std::os::windows::io::{AsHandle, BorrowedHandle};

use crate::pipe::{Connection, Receiver};

#[cfg(unix)]
impl<T> AsFd for Receiver<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pipe.as_fd()
    }
}

/// Borrows the receiving direction.
#[cfg(unix)]
impl<S, R> AsFd for Connection<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }
}

#[cfg(windows)]
impl<T> AsHandle for Receiver<T> {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.pipe.as_handle()
    }
}

/// Borrows the receiving direction.
#[cfg(windows)]
impl<S, R> AsHandle for Connection<S, R> {
    fn as_handle(&self) -> BorrowedHandle<'_> {
        self.receiver.as_handle()
    }
}
