//! Another process, known by its id: an [`Other`].

use std::time::Duration;

use crate::LONG;
use crate::sys::{self, Signal};

/// A process that stays the one it is, whatever becomes of its number.
#[derive(Debug)]
pub struct Other(sys::Other);

impl Other {
    /// Finds the process of this id; `None` if it has gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        sys::Other::of(pid).map(Self)
    }

    /// Sends this signal; returns whether the process was there to get it.
    ///
    /// Windows has but [`Signal::TERM`] and [`Signal::KILL`]: both end the process at once, and its
    /// exit code is 0x10000 and the signal's number.
    pub fn signal(&self, signal: Signal) -> bool {
        self.0.signal(signal)
    }

    /// Kills the process; returns whether it was there.
    pub fn kill(&self) -> bool {
        self.signal(Signal::KILL)
    }

    /// Stops all threads of the process until it goes on; returns whether it was there.
    pub fn stop(&self) -> bool {
        self.0.stop()
    }

    /// Has the process go on after [`stop`](Self::stop); returns whether it was there.
    pub fn go_on(&self) -> bool {
        self.0.go_on()
    }

    /// Returns whether the process has ended, or does within the time.
    #[must_use]
    pub fn ends_within(&self, time: Duration) -> bool {
        self.0.ends_within(time)
    }
}

/// Sends a signal to the process of this id, behind the library's back.
pub fn signal(pid: u32, signal: Signal) {
    assert!(Other::of(pid).unwrap().signal(signal));
}

/// Sends a signal to this very process; doesn't return if that ends it.
pub fn signal_self(signal: Signal) {
    self::signal(std::process::id(), signal);
}

/// Kills the process of this id, and waits until it is dead.
pub fn kill(pid: u32) {
    let other = Other::of(pid).unwrap();
    other.kill();
    assert!(other.ends_within(LONG));
}

#[cfg(test)]
mod tests {
    use multiprocess::{Gate, Process, Waiting, tasks};

    use super::*;
    use crate::start;

    multiprocess::test_entry!();
    tasks![listen];

    /// Runs in the child, until the gate opens.
    fn listen(waiting: Waiting) {
        waiting.wait();
    }

    /// Starts a child that lives until the gate opens.
    fn listener() -> (Process, Gate) {
        let (gate, waiting) = Gate::new().unwrap();
        (start(listen, waiting), gate)
    }

    #[test]
    fn a_killed_process_ends_and_its_handle_still_means_it() {
        let (child, _gate) = listener();
        let other = Other::of(child.pid().unwrap()).unwrap();
        assert!(!other.ends_within(Duration::from_millis(1)));
        assert!(other.kill());
        assert!(other.ends_within(LONG) && other.ends_within(Duration::ZERO));
        child.join().unwrap();
        assert_eq!(child.exitcode(), Some(-9));
        assert!(other.ends_within(Duration::ZERO));
    }

    #[test]
    fn a_stopped_process_does_nothing_until_it_goes_on_and_can_be_killed() {
        for is_killed in [false, true] {
            let (child, gate) = listener();
            let other = Other::of(child.pid().unwrap()).unwrap();
            assert!(other.stop());
            gate.open();
            assert!(!other.ends_within(Duration::from_millis(50)));
            assert!(if is_killed { other.kill() } else { other.go_on() });
            assert!(other.ends_within(LONG));
            child.join().unwrap();
            assert_eq!(child.exitcode(), Some(if is_killed { -9 } else { 0 }));
        }
    }

    #[test]
    fn a_process_that_has_gone_is_none_and_this_one_is_there() {
        let (child, gate) = listener();
        gate.open();
        let pid = child.pid().unwrap();
        child.join().unwrap();
        drop(child);
        // On Windows its number may be another's at once.
        assert!(cfg!(windows) || Other::of(pid).is_none());
        let this = Other::of(std::process::id());
        assert!(this.is_some_and(|this| !this.ends_within(Duration::ZERO)));
    }
}
