//! What Linux does in its own way.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};

use super::{End, refused};

/// The open descriptors of this process, each a file named by its number.
pub(super) const DESCRIPTORS: &str = "/proc/self/fd";

/// Returns the number of open descriptors, where the system tells it without a list of them: the
/// folder's size, which is zero before Linux 6.2.
pub(super) fn descriptor_count() -> io::Result<Option<u64>> {
    Ok(Some(fs::metadata(DESCRIPTORS)?.len()))
}

/// Flags for sending: a peer that has ended is an error, not a signal.
pub(super) const SEND: SendFlags = SendFlags::NOSIGNAL;

/// Flags for receiving: programs that this one execs don't inherit received descriptors.
pub(super) const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;

/// Path of the running program itself, for the kernel.
const SELF: &str = "/proc/self/exe";

/// Returns the running program's file: [`SELF`], because a name would lead to another file after a
/// rebuild. But for a program that was started as an argument of the dynamic loader,
/// `ld.so program`, that is the loader, and the program is known by its name only.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn this_program() -> io::Result<PathBuf> {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    Ok(FILE.get_or_init(|| argument_of_loader().unwrap_or_else(|| SELF.into())).clone())
}

/// Returns the program's file if the kernel has loaded only the dynamic loader, which has loaded
/// the program.
#[expect(unsafe_code, reason = "no safe crate tells what the loader says of the program")]
fn argument_of_loader() -> Option<PathBuf> {
    // SAFETY: the call takes a number and returns one.
    let told = |what| unsafe { libc::getauxval(what) } as usize;
    // Not zero if the kernel has loaded the loader beside the program.
    if told(libc::AT_BASE) != 0 {
        return None;
    }
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let file = file_at(told(libc::AT_PHDR), &maps)?;
    (fs::read_link(SELF).ok()? != file).then_some(file)
}

/// Returns the file that is mapped at this address, in a list as `/proc/self/maps` is.
fn file_at(address: usize, maps: &str) -> Option<PathBuf> {
    maps.lines().find_map(|line| {
        let (start, rest) = line.split_once('-')?;
        let (end, rest) = rest.split_once(' ')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let is_there = (number(start)?..number(end)?).contains(&address);
        is_there.then(|| Some(rest[rest.find('/')?..].into())).flatten()
    })
}

/// Explains why this program could not be started again.
pub(super) fn not_started(program: &Path, error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound if program == Path::new(SELF) => {
            io::Error::new(error.kind(), "/proc/self/exe is missing: /proc has to be mounted")
        }
        _ => refused(&program.display().to_string())(error),
    }
}

/// Explains why there is no pidfd of a child.
fn no_pidfd(error: Errno) -> io::Error {
    let because = |text| io::Error::new(io::Error::from(error).kind(), text);
    match error {
        Errno::NOSYS => because("this kernel lacks pidfd_open: Linux 5.4 or later is needed"),
        Errno::PERM => {
            because("pidfd_open is not permitted: a sandbox around this program forbids it")
        }
        Errno::SRCH => error.into(),
        _ => refused("pidfd_open")(error.into()),
    }
}

/// Prepares both ends of a new control line: nothing to do.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn prepare(_line: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Waits until the other side has received the descriptors sent last: nothing to wait for, because
/// the socket keeps them open here.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn wait_until_received(_line: BorrowedFd<'_>, _child: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// Reports received descriptors: nothing to do, see [`wait_until_received`].
pub(super) fn say_received(_line: BorrowedFd<'_>) {}

/// Does nothing: [`RECEIVE`] has set the flag already.
#[expect(clippy::unnecessary_wraps, reason = "other systems may fail")]
pub(super) fn close_on_exec(_descriptor: BorrowedFd<'_>) -> io::Result<()> {
    Ok(())
}

/// A child's process id, and its *pidfd*: a descriptor that becomes ready when the process has
/// ended, however many threads wait for it, and that never comes to mean another process, as an id
/// can.
#[derive(Debug)]
pub(super) struct Handle {
    pid: Pid,
    pidfd: OwnedFd,
}

impl Handle {
    /// Begins to watch a child of this process.
    pub(super) fn open(pid: Pid) -> io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).map_err(no_pidfd)?;
        Ok(Self { pid, pidfd })
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Collects the child if it has ended.
    pub(super) fn collect(&self) -> io::Result<Option<End>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        Ok(Some(match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(None) => return Ok(None),
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => End::Code(code),
                (None, Some(signal)) => End::Code(-signal),
                (None, None) => End::Unknown,
            },
            Err(Errno::CHILD) => End::Unknown,
            Err(error) => return Err(error.into()),
        }))
    }

    pub(super) fn send(&self, signal: Signal) -> Result<(), Errno> {
        pidfd_send_signal(&self.pidfd, signal)
    }
}

/// Borrows the sentinel.
impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

/// Names the thread, which is what process lists show.
pub(super) fn name_process(name: &str) {
    if let Ok(shown) = CString::new(name) {
        let _ = rustix::thread::set_name(&shown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_system_lacks_is_named_in_one_sentence() {
        assert!(no_pidfd(Errno::NOSYS).to_string().contains("Linux 5.4 or later"));
        assert!(no_pidfd(Errno::PERM).to_string().contains("a sandbox"));
        assert!(no_pidfd(Errno::MFILE).to_string().starts_with("pidfd_open: Too many open files"));
        let this = Path::new(SELF);
        let missing = not_started(this, io::Error::from(Errno::NOENT)).to_string();
        assert!(missing.contains("/proc has to be mounted"), "{missing}");
        let refused = not_started(this, io::Error::from(Errno::AGAIN)).to_string();
        assert!(refused.starts_with("/proc/self/exe: "), "{refused}");
        let gone = not_started(Path::new("/a/program"), io::Error::from(Errno::NOENT)).to_string();
        assert!(gone.starts_with("/a/program: No such file"), "{gone}");
    }

    #[test]
    fn the_file_at_an_address_is_found_whatever_its_name() {
        let maps = "7f00-7f10 r--p 00000000 08:01 7    /lib/a - b (c)\n\
                    7f10-7f20 rw-p 00000000 00:00 0 \n\
                    7f20-7f30 r--p 00000000 08:01 8    /bin/d\n";
        assert_eq!(file_at(0x7f0f, maps), Some("/lib/a - b (c)".into()));
        assert_eq!(file_at(0x7f10, maps), None, "memory of no file");
        assert_eq!(file_at(0x7f20, maps), Some("/bin/d".into()));
        assert_eq!(file_at(0x7f30, maps), None);
    }
}
