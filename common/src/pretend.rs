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
use std::sync::mpsc::{RecvTimeoutError, channel};
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

/// The longest time that a child is held, as by then the port may belong to another program; and
/// that its parent waits for it.
const LONGEST: Duration = Duration::from_secs(60);

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
    let port = port.filter(|_| parent_process().is_some() && !RELEASED.load(Relaxed));
    let Some(port) = port else { return };
    // A port that refuses was closed by the release, and what comes from it is its end.
    if let Ok(mut parent) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
        let _ = parent.set_read_timeout(Some(LONGEST));
        let _ = parent.read(&mut [0]);
    }
    RELEASED.store(true, Relaxed);
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

/// Children held at the end of their [`work`], until this is released or dropped.
#[derive(Debug)]
pub struct Hold {
    listener: TcpListener,
    arrived: Vec<TcpStream>,
}

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
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    // Where no child could come, nobody has to wait for one.
    TcpStream::connect(address).map_err(|error| {
        io::Error::other(text!("no process can reach another at 127.0.0.1: {}", error))
    })?;
    listener.accept()?;
    sys::set_variable(PORT, Some(&address.port().to_string()));
    Ok(Hold { listener, arrived: Vec::new() })
}

impl Hold {
    /// Waits until so many children have come to the end of their work.
    ///
    /// # Errors
    /// If one of them doesn't within a minute, for example because it was killed; or if the system
    /// refuses to wait.
    pub fn wait_for(&mut self, children: usize) -> io::Result<()> {
        let address = self.listener.local_addr()?;
        let (done, is_done) = channel::<()>();
        // No accept has a time limit: when it is over, a connection of our own ends the wait.
        let limit = thread::spawn(move || match is_done.recv_timeout(LONGEST) {
            Err(RecvTimeoutError::Timeout) => TcpStream::connect(address).is_ok(),
            _ => false,
        });
        let mut arrive = || {
            while self.arrived.len() < children {
                self.arrived.push(self.listener.accept()?.0);
            }
            Ok(())
        };
        let arrived = arrive();
        drop(done);
        match limit.join() {
            Ok(true) => Err(io::Error::other(text!("a child hasn't come to the end of its work"))),
            _ => arrived,
        }
    }

    /// Lets the children go on.
    pub fn release(self) {}
}

impl Drop for Hold {
    fn drop(&mut self) {
        sys::set_variable(PORT, None);
    }
}

#[cfg(test)]
mod tests {
    use multiprocess::{Process, tasks};

    use super::*;

    tasks![work_a_moment];

    /// Runs in the child.
    fn work_a_moment(_: ()) {
        work(0.001);
    }

    /// Starts a child.
    fn start() -> Process {
        let mut child = Process::new(work_a_moment, ());
        child.start().unwrap();
        child
    }

    /// A single test, since all holds of a process have one variable.
    #[test]
    fn children_work_until_they_are_released_or_the_hold_is_dropped() {
        let _deadline = testing::Deadline::seconds(60);
        let mut held = hold_children().unwrap();
        let children = [(); 3].map(|()| start());
        held.wait_for(3).unwrap();
        assert!(children.iter().all(Process::is_alive));
        work(0.001); // the process that holds is not held
        held.release();
        for child in children.into_iter().chain([start()]) {
            child.join().unwrap();
            assert_eq!(child.exitcode(), Some(0));
        }
        let held = hold_children().unwrap();
        let child = start();
        drop(held);
        child.join().unwrap();
    }
}
