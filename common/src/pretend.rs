//! Pretended work: where the tutorial's programs sleep, and where its loops are endless.
//!
//! ```text
//! parent   hold_children() ─── looks at its children ─── release()
//! child      work(2.0): sleeps, then waits as long as it is held ──▶ goes on
//! ```
//!
//! What a lesson claims of children at work has to be true on a slow machine, too, where the
//! parent may look late. So it can hold them at the end of their work: each connects to a port of
//! the parent and waits for the end of the connection, which the kernel also closes when the parent
//! dies.

use std::env;
use std::io::{self, Read};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use multiprocess::output::is_heard;
use multiprocess::parent_process;

use crate::settings::settings;
use crate::sys;
use crate::text;
use crate::time::Pace;

/// The environment variable in which children find the port at which they are held.
const PORT: &str = "LESSON_HOLD";

/// The time that the main process gives its children to come, besides that of their work; and after
/// which a held child looks whether its parent is still there.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the pace of this lesson, as `--speed` sets it; in a child, too.
#[must_use]
pub fn pace() -> Pace {
    settings().pace
}

/// Pretends to work for this many seconds of the tutorial; a child works on until its parent
/// [releases](Hold::release) it, if that holds its children. Python: `time.sleep`.
///
/// ```
/// common::pretend::work(0.1); // ten milliseconds, at the usual pace
/// ```
pub fn work(tutorial_seconds: f64) {
    thread::sleep(pace().real(tutorial_seconds));
    wait_while_held();
}

/// Waits in a child that its parent holds until the parent [releases](Hold::release) it; returns
/// at once in all other processes, and once it was released.
pub fn wait_while_held() {
    static RELEASED: AtomicBool = AtomicBool::new(false);
    let port = env::var(PORT).ok().and_then(|port| port.parse::<u16>().ok());
    let (Some(parent), Some(port), false) = (parent_process(), port, RELEASED.load(Relaxed)) else {
        return;
    };
    // A port that refuses is that of a parent that has ended.
    if let Ok(mut hold) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        let _ = hold.set_read_timeout(Some(PATIENCE));
        // The release ends the connection. If the parent died before the child came, the port may
        // be another program's by now, which says nothing.
        while hold.read(&mut [0]).is_err_and(|error| is_timeout(&error)) && parent.is_alive() {}
    }
    RELEASED.store(true, Relaxed);
}

/// Returns true if a read has ended at its time limit, which Unix and Windows call differently.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Returns the rounds of a loop that is endless in the tutorial: so many, or with `--forever` no
/// end of them. There are no more when nobody reads what the lesson prints.
///
/// ```
/// assert_eq!(common::pretend::rounds(3).count(), 3);
/// ```
pub fn rounds(few: u64) -> impl Iterator<Item = u64> {
    let last = if settings().is_endless { u64::MAX } else { few };
    (1..=last).take_while(|_| is_heard())
}

/// The connections of the children that are held; `None` while none is to be held.
static HELD: Mutex<Option<Vec<TcpStream>>> = Mutex::new(None);

/// Notified when a child has come to the end of its work.
static ARRIVAL: Condvar = Condvar::new();

/// Children held at the end of their [`work`], until this is released or dropped.
#[derive(Debug)]
pub struct Hold(());

/// Holds all children that are started from now on at the end of their [`work`].
///
/// ```
/// let held = common::pretend::hold_children()?;
/// // Children started here work until the next line.
/// held.release();
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// If the system has no port left, or no loopback interface.
pub fn hold_children() -> io::Result<Hold> {
    static IS_OPEN: Mutex<bool> = Mutex::new(false);
    let mut is_open = IS_OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    if !*is_open {
        open()?;
        *is_open = true;
    }
    *held() = Some(Vec::new());
    Ok(Hold(()))
}

/// Opens the port, once and for as long as this process lives: a child that comes after a release
/// is let go at once.
fn open() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    // If no child could connect, the wait for one would end only at its limit.
    TcpStream::connect(address).map_err(|error| {
        io::Error::other(text!("no process can reach another at 127.0.0.1: {}", error))
    })?;
    listener.accept()?;
    thread::Builder::new().name("hold".to_owned()).spawn(move || {
        while let Ok((child, _)) = listener.accept() {
            if let Some(arrived) = &mut *held() {
                arrived.push(child);
                ARRIVAL.notify_all();
            }
        }
    })?;
    sys::set_variable(PORT, &address.port().to_string());
    Ok(())
}

fn held() -> MutexGuard<'static, Option<Vec<TcpStream>>> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hold {
    /// Waits until so many children in all have come to the end of their work.
    ///
    /// # Errors
    /// If one of them doesn't within a minute more than it works, for example because it was
    /// killed.
    pub fn wait_for(&self, children: usize) -> io::Result<()> {
        let limit = PATIENCE.saturating_add(pace().real(PATIENCE.as_secs_f64()));
        let is_missing = |held: &mut Option<Vec<TcpStream>>| {
            held.as_ref().is_none_or(|arrived| arrived.len() < children)
        };
        let waited = ARRIVAL.wait_timeout_while(held(), limit, is_missing);
        match waited.unwrap_or_else(PoisonError::into_inner).1.timed_out() {
            true => Err(io::Error::other(text!("a child hasn't come to the end of its work"))),
            false => Ok(()),
        }
    }

    /// Lets the children go on.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        *held() = None;
    }
}
