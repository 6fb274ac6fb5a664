//! Ends of pipes as the system knows them: what a receiving end is for
//! [`wait`](crate::process::wait()), a descriptor on Linux and macOS, a handle on Windows; and the
//! size of a pipe.

use std::io::PipeWriter;
#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;
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

/// Size in bytes to which a pipe is enlarged. All pipes of a user without privileges together may
/// hold 64 MiB (`pipe-user-pages-soft`), and what is made beyond holds two pages: so not more.
#[cfg(target_os = "linux")]
const LARGE: libc::c_int = 1 << 18;

/// Enlarges a pipe for large messages, where the system can and doesn't refuse.
#[cfg(target_os = "linux")]
pub(crate) fn enlarge(pipe: &PipeWriter) {
    // A pipe that its maker has made larger stays so.
    if size(pipe) < LARGE {
        control(pipe, libc::F_SETPIPE_SZ, LARGE);
    }
}

/// Returns the size of a pipe in bytes, or -1 if it is none.
#[cfg(target_os = "linux")]
fn size(pipe: &PipeWriter) -> libc::c_int {
    control(pipe, libc::F_GETPIPE_SZ, 0)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "a system call")]
fn control(pipe: &PipeWriter, command: libc::c_int, size: libc::c_int) -> libc::c_int {
    // SAFETY: the descriptor is open, and both commands take a number.
    unsafe { libc::fcntl(pipe.as_raw_fd(), command, size) }
}

/// Does nothing: the size of a pipe can't be changed.
#[cfg(not(target_os = "linux"))]
pub(crate) fn enlarge(_pipe: &PipeWriter) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, pipe};
    use std::thread;

    use super::*;
    use crate::pipe::Sender;

    #[test]
    fn a_pipe_is_enlarged_by_the_first_message_that_it_can_not_hold_and_never_before() {
        let (mut reader, writer) = pipe().unwrap();
        let (_other, largest) = pipe().unwrap();
        let at_first = size(&writer);
        enlarge(&largest);
        let copy = writer.try_clone().unwrap();
        let mut sender = Sender::<()>::from(writer);
        let reading = thread::spawn(move || reader.read_to_end(&mut Vec::new()));
        for length in [0, 1000, (1 << 16) - 8] {
            sender.send_bytes(&vec![7; length]).unwrap();
            assert_eq!(size(&copy), at_first, "{length}");
        }
        sender.send_bytes(&[7; (1 << 16) - 7]).unwrap();
        assert_eq!(size(&copy), size(&largest), "as large as the system allows");
        drop((sender, copy));
        reading.join().unwrap().unwrap();
    }
}
