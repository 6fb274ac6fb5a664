//! The wish that this program end: Ctrl-C, a signal, a window that closes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::Receiver;

use crate::sys;

/// Listens from now on to whatever asks this program to end; it doesn't end by itself any more.
///
/// `asked` becomes true at once; then the number of the signal arrives, each time:
///
/// | number | Linux, macOS | Windows |
/// | --- | --- | --- |
/// | 2 | SIGINT: Ctrl-C | Ctrl-C, Ctrl-Break |
/// | 15 | SIGTERM | the user logs off, the system shuts down |
/// | 1 | SIGHUP: the terminal closes | the console's window closes |
///
/// On Windows the program has about five seconds after 15 and 1; then the system ends it.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::AtomicBool;
/// use std::sync::mpsc::TryRecvError;
///
/// let asked = Arc::new(AtomicBool::new(false));
/// let signals = common::interrupt::listen(&asked)?;
/// assert_eq!(signals.try_recv(), Err(TryRecvError::Empty));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the system refuses.
pub fn listen(asked: &Arc<AtomicBool>) -> io::Result<Receiver<i32>> {
    sys::listen(asked)
}
