//! Connections between programs that aren't parent and child, with one meaning on every system.
//!
//! | | Linux | macOS | Windows |
//! | --- | --- | --- | --- |
//! | a listener | abstract socket | socket in a folder of the user's | named pipe |
//! | left by a kill | nothing | a folder, until the next listener | nothing |
//! | the user is known by | `SO_PEERCRED` | `getpeereid` | the pipe's owner and access list |
//! | ends of pipes | come with bytes | the same, answered | fetched from the sender, answered |
//!
//! Each system's module has the same items:
//!
//! - [`Door`] is where clients arrive: [`Door::open`], [`Door::accept`].
//! - [`Socket`] is one end of a connection: [`Socket::connect`], [`Socket::send`],
//!   [`Socket::receive`], [`Socket::close`].
//!
//! Nothing is exchanged before the first message, so no client can keep a listener, or another
//! client, waiting: the kernel tells whose process is at the other end.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "macos")]
mod macos;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(target_os = "macos")]
use macos as system;
#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;

use std::io::{self, ErrorKind};

/// Explains that another process listens at the address already.
fn in_use(address: &str) -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, format!("another listener is at the address {address}"))
}

/// Explains that no process listens at the address.
fn no_listener(address: &str) -> io::Error {
    let text = format!("no listener of this user is at the address {address}");
    io::Error::new(ErrorKind::ConnectionRefused, text)
}

/// Explains that a process of another user listens at the address.
fn another_user(address: &str) -> io::Error {
    let text = format!("the listener at the address {address} is another user's");
    io::Error::new(ErrorKind::PermissionDenied, text)
}
