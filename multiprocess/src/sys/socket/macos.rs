//! Listeners at paths, which this system has instead of abstract addresses.
//!
//! ```text
//!   <the user's temporary folder>/multiprocess-501/     no other user may enter it
//!     clerk/                                            locked by the listener while it lives
//!       s                                               its socket
//! ```
//!
//! The kernel gives the lock back with its process, but keeps the folder of a process that was
//! killed. So a folder whose lock can be had belongs to no listener, and each new listener removes
//! all of those.
//!
//! A client is refused in the same way where no process listens and where too many clients wait:
//! the lock tells the two apart.
//!
//! A descriptor that its sender closes too early may arrive dead: so a message with descriptors is
//! answered, through a pipe whose writing end travels in front of them.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, PipeWriter, Write, pipe};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::io::{Errno, FdFlags, fcntl_setfd, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, sockopt};
use rustix::process::geteuid;

use super::{in_use, no_listener};
use crate::process::frame::Error;
use crate::sys::process::wait;

/// Flags for sending: [`prepare`] makes a peer that has ended an error, not a signal.
pub(super) const SEND: SendFlags = SendFlags::empty();

/// Flags for receiving: none, see [`answer`].
pub(super) const RECEIVE: RecvFlags = RecvFlags::empty();

/// Size of a connection's buffer, in bytes.
const BUFFER: usize = 1 << 18;

/// Pause before the next attempt at what another process will soon be done with.
const PAUSE: Duration = Duration::from_millis(1);

/// Attempts at a lock, half a second in all. Until a listener is known to have it, a client may have
/// it for a moment, to see whether a listener does, or another listener, to remove the folder.
const ATTEMPTS: u32 = 500;

/// Interval of looks at whether the receiver of descriptors is still connected.
const LOOK: Duration = Duration::from_millis(100);

/// A listening socket.
#[derive(Debug)]
pub(super) struct Bound {
    listener: UnixListener,
    /// Removed after the socket in it.
    _folder: Folder,
}

impl Bound {
    /// Listens. At most 128 clients may wait.
    pub(super) fn new(address: &str) -> io::Result<Self> {
        let home = home()?;
        for entry in fs::read_dir(&home)? {
            // A folder that is locked, or that another listener has just removed, is left alone.
            drop(Folder::lock(entry?.path()));
        }
        let folder = Folder::make(home.join(address), address)?;
        let listener = UnixListener::bind(folder.socket())?;
        // The sockets of this listener's clients begin with its options.
        prepare(listener.as_fd())?;
        Ok(Self { listener, _folder: folder })
    }

    pub(super) fn listener(&self) -> &UnixListener {
        &self.listener
    }
}

/// A listener's folder, which is removed when this is dropped.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// The open folder, with its lock.
    _lock: File,
}

impl Folder {
    /// Makes the folder, or takes over the one that a killed listener has left.
    fn make(path: PathBuf, address: &str) -> io::Result<Self> {
        for _ in 0..ATTEMPTS {
            match fs::create_dir(&path) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            if let Some(folder) = Self::lock(path.clone())? {
                match fs::remove_file(folder.socket()) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                    _ => return Ok(folder),
                }
            }
            sleep(PAUSE);
        }
        Err(in_use(address))
    }

    /// Locks the folder; `None` if a listener has it, or if it is being removed.
    fn lock(path: PathBuf) -> io::Result<Option<Self>> {
        let folder = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            folder => folder?,
        };
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => return Ok(None),
            locked => locked?,
        }
        // Before it was locked, it may have been removed, and another one made in its place.
        let (locked, found) = (folder.metadata()?, fs::symlink_metadata(&path));
        let is_there = found.is_ok_and(|found| found.ino() == locked.ino());
        Ok(is_there.then_some(Self { path, _lock: folder }))
    }

    /// Returns true if a listener has locked this folder.
    fn is_locked(path: &Path) -> bool {
        let Ok(folder) = File::open(path) else { return false };
        flock(&folder, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
    }

    fn socket(&self) -> PathBuf {
        socket_in(&self.path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.socket());
        let _ = fs::remove_dir(&self.path);
    }
}

fn socket_in(folder: &Path) -> PathBuf {
    folder.join("s")
}

/// Returns the folder of all of this user's listeners, which no other user may enter; makes it if
/// it isn't there.
fn home() -> io::Result<PathBuf> {
    let user = geteuid().as_raw();
    let path = temporary_folder().join(format!("multiprocess-{user}"));
    match DirBuilder::new().mode(0o700).create(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(&path)?;
    if found.is_dir() && found.uid() == user && found.mode() & 0o077 == 0 {
        return Ok(path);
    }
    let text = format!("{} is not a folder that only this user may enter", path.display());
    Err(io::Error::new(ErrorKind::PermissionDenied, text))
}

/// Returns the user's temporary folder, whatever the environment of this program says.
#[expect(unsafe_code, reason = "no safe crate asks for it")]
fn temporary_folder() -> PathBuf {
    let mut path = [0_u8; 1024];
    // SAFETY: the call writes at most as many bytes as there are, and returns the number of bytes
    // that the path has with its last, a zero.
    let length = unsafe {
        let buffer = path.as_mut_ptr().cast();
        libc::confstr(libc::_CS_DARWIN_USER_TEMP_DIR, buffer, path.len())
    };
    match path.get(..length.wrapping_sub(1)) {
        Some(path) => OsStr::from_bytes(path).into(),
        None => env::temp_dir(),
    }
}

/// Connects; waits while as many clients as the system allows wait to be accepted.
pub(super) fn connect(address: &str) -> io::Result<UnixStream> {
    let folder = home()?.join(address);
    loop {
        match UnixStream::connect(socket_in(&folder)) {
            Err(error) => match error.kind() {
                ErrorKind::Interrupted => {}
                ErrorKind::NotFound => return Err(no_listener(address)),
                ErrorKind::ConnectionRefused if Folder::is_locked(&folder) => sleep(PAUSE),
                ErrorKind::ConnectionRefused => return Err(no_listener(address)),
                _ => return Err(error),
            },
            connected => return connected,
        }
    }
}

/// Returns true if the process at the other end was this process's user's when it connected, or
/// began to listen.
#[expect(unsafe_code, reason = "no safe crate asks for it")]
pub(super) fn is_of_this_user(socket: BorrowedFd<'_>) -> bool {
    let (mut user, mut group) = (0, 0);
    // SAFETY: the descriptor is open, and the call only writes the numbers.
    let asked = unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) };
    asked == 0 && user == geteuid().as_raw()
}

/// Prepares a socket.
pub(super) fn prepare(socket: BorrowedFd<'_>) -> io::Result<()> {
    // It has that flag from its listener.
    rustix::io::ioctl_fionbio(socket, false)?;
    let set = sockopt::set_socket_nosigpipe(socket, true)
        .and_then(|()| sockopt::set_socket_send_buffer_size(socket, BUFFER))
        .and_then(|()| sockopt::set_socket_recv_buffer_size(socket, BUFFER));
    match set {
        // The peer has gone: what it has sent can still be received.
        Err(Errno::INVAL) => Ok(()),
        set => Ok(set?),
    }
}

/// Returns true if a message with descriptors was refused because the peer has not read enough of
/// what was sent before: this system doesn't wait for that.
pub(super) fn is_full(error: Errno) -> bool {
    let is_full = matches!(error, Errno::MSGSIZE | Errno::NOBUFS);
    if is_full {
        sleep(PAUSE);
    }
    is_full
}

/// Sends these descriptors, and waits until the other side has received them.
pub(super) fn send_answered(
    socket: BorrowedFd<'_>,
    ends: &[BorrowedFd<'_>],
    send: impl FnOnce(&[BorrowedFd<'_>]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (answered, answer) = pipe()?;
    let ends: Vec<BorrowedFd<'_>> = [answer.as_fd()].iter().chain(ends).copied().collect();
    send(&ends)?;
    // This process has a copy of the writing end, so the pipe doesn't show the receiver's end.
    while wait(&[answered.as_fd()], Some(LOOK))?.is_empty() {
        let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
        retry_on_intr(|| poll(&mut polled, Some(&Timespec::default()))).map_err(io::Error::from)?;
        if polled[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            return Err(Error::BrokenPipe);
        }
    }
    Ok(())
}

/// Reports received descriptors, for [`send_answered`], and sets their close-on-exec flags.
pub(super) fn answer(ends: &mut Vec<OwnedFd>) -> io::Result<()> {
    ends.iter().try_for_each(|end| fcntl_setfd(end, FdFlags::CLOEXEC))?;
    // A sender that has ended in the meantime needs no answer.
    let _ = PipeWriter::from(ends.remove(0)).write(b"r");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leaves what a killed listener leaves. A listener of another test may remove it at any moment.
    fn leave(folder: &Path) {
        let _ = fs::create_dir(folder);
        let _ = UnixListener::bind(socket_in(folder));
    }

    /// LISTEN-B01
    #[test]
    fn the_next_listener_removes_what_killed_ones_have_left_and_nothing_else() {
        let name = |what| format!("{what}-{}", std::process::id());
        let (home, lives) = (home().unwrap(), Bound::new(&name("lives")).unwrap());
        let killed = home.join(name("killed"));
        leave(&killed);
        let refused = connect(&name("killed")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let next = Bound::new(&name("next")).unwrap();
        assert!(!killed.exists());
        connect(&name("lives")).unwrap();
        drop((lives, next));
        assert!(!home.join(name("lives")).exists() && !home.join(name("next")).exists());
    }

    #[test]
    fn one_of_many_that_take_over_the_address_of_a_killed_listener_gets_it() {
        let name = format!("taken-{}", std::process::id());
        for _ in 0..3 {
            let folder = home().unwrap().join(&name);
            leave(&folder);
            let bound: Vec<_> = std::thread::scope(|scope| {
                let all = [(); 4].map(|()| scope.spawn(|| Bound::new(&name)));
                all.map(|one| one.join().unwrap()).into_iter().filter_map(Result::ok).collect()
            });
            assert_eq!(bound.len(), 1);
            connect(&name).unwrap();
        }
    }
}
