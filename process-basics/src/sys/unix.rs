//! What only the operating system can do, and the only unsafe code of this crate.

use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_getfd};

/// The running program itself. A name would lead to another file after a rebuild.
pub(crate) const THIS_PROGRAM: &str = "/proc/self/exe";

/// The open descriptors of this process, each a file named by its number.
const DESCRIPTORS: &str = "/proc/self/fd";

/// Closes what this process inherited by mistake: descriptors without the close-on-exec flag.
///
/// Rust opens everything with that flag, so at the start of a program only inherited descriptors
/// lack it. Python closes the same ones (`close_fds`).
#[expect(unsafe_code, reason = "numbers from the kernel become descriptors")]
pub(crate) fn close_inherited() -> io::Result<()> {
    // Its size is the number of open descriptors (before Linux 6.2: zero). Most often they are only
    // the standard three, and to list them would be the longest part of a child's way to its function.
    if fs::metadata(DESCRIPTORS)?.len() == 3 {
        return Ok(());
    }
    let numbers: Vec<RawFd> = fs::read_dir(DESCRIPTORS)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| *number > 2)
        .collect();
    for number in numbers {
        // SAFETY: the descriptor is only asked for its flags; a closed one answers EBADF.
        let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
        if fcntl_getfd(borrowed).is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
            // SAFETY: it came through exec, so no Rust object of this program owns it: those that Rust
            // opens have the flag.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
    Ok(())
}

/// Takes the control line from standard input and leaves the null device there.
///
/// Were it left there, grandchildren would inherit it and hold it open.
pub(crate) fn take_control_line() -> io::Result<OwnedFd> {
    let stdin = rustix::stdio::stdin();
    if FileType::from_raw_mode(fstat(stdin)?.st_mode) != FileType::Socket {
        return Err(io::Error::other("standard input is not a control line"));
    }
    let control = fcntl_dupfd_cloexec(stdin, 3)?;
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(null.as_fd())?;
    Ok(control)
}
