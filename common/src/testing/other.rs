//! Another process, of which a test knows the number: an [`Other`].

use std::time::Duration;

use crate::sys;
use crate::sys::Signal;

/// A process that stays the one it is, whatever becomes of its number.
#[derive(Debug)]
pub struct Other(sys::Other);

impl Other {
    /// The process of this id; `None` if it has gone.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        sys::Other::of(pid).map(Self)
    }

    /// Sends it this signal; returns whether it was there to get it.
    ///
    /// Windows has but [`Signal::TERM`] and [`Signal::KILL`]: both end the process at once, and its
    /// exit code is 0x10000 and the signal's number.
    pub fn signal(&self, signal: Signal) -> bool {
        self.0.signal(signal)
    }

    /// Kills it; returns whether it was there.
    pub fn kill(&self) -> bool {
        self.signal(Signal::KILL)
    }

    /// Stops all its threads until it goes on; returns whether it was there.
    pub fn stop(&self) -> bool {
        self.0.stop()
    }

    /// Has it go on after [`stop`](Self::stop); returns whether it was there.
    pub fn go_on(&self) -> bool {
        self.0.go_on()
    }

    /// Whether it has ended, or does within the time.
    #[must_use]
    pub fn ends_within(&self, time: Duration) -> bool {
        self.0.ends_within(time)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{self, BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};
    use std::{env, process};

    use super::*;
    use crate::group::Group;

    const LONG: Duration = Duration::from_secs(30);
    const ROLE: &str = "COMMON_TESTS_ROLE";

    /// A program that says a line and then lives until its standard input is closed.
    pub(crate) fn listener() -> Command {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "--nocapture", "testing::other::tests::listens"]);
        command.env(ROLE, "listener").stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// The same, but it has started another before, which has the same standard input.
    pub(crate) fn mother() -> Command {
        let mut command = listener();
        command.env(ROLE, "mother");
        command
    }

    /// The same, but what it has started is a group.
    #[cfg(windows)]
    pub(crate) fn owner() -> Command {
        let mut command = listener();
        command.env(ROLE, "owner");
        command
    }

    #[test]
    fn listens() {
        let Some(role) = env::var_os(ROLE) else { return };
        let mut command = listener();
        command.stdin(Stdio::inherit());
        let (mut daughter, _group) = match role.to_str() {
            Some("mother") => (Some(command.spawn().unwrap()), None),
            Some("owner") => {
                let (daughter, group) = Group::spawn(&mut command).unwrap();
                (Some(daughter), Some(group))
            }
            _ => (None, None),
        };
        daughter.as_mut().map(hear);
        println!("\nlistens");
        io::stdin().read_to_end(&mut Vec::new()).unwrap();
        daughter.as_mut().map(Child::wait);
    }

    /// Waits until it listens.
    pub(crate) fn hear(child: &mut Child) {
        let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line == "listens"));
    }

    #[test]
    fn a_killed_process_ends_and_its_handle_still_means_it() {
        let mut child = listener().spawn().unwrap();
        hear(&mut child);
        let other = Other::of(child.id()).unwrap();
        assert!(!other.ends_within(Duration::from_millis(1)));
        assert!(other.kill());
        assert!(other.ends_within(LONG) && other.ends_within(Duration::ZERO));
        let status = child.wait().unwrap();
        #[cfg(unix)]
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
        #[cfg(windows)]
        assert_eq!(status.code(), Some(0x10009));
        assert!(other.ends_within(Duration::ZERO));
    }

    #[test]
    fn a_stopped_process_does_nothing_until_it_goes_on_and_can_be_killed() {
        for is_killed in [false, true] {
            let mut child = listener().spawn().unwrap();
            hear(&mut child);
            let other = Other::of(child.id()).unwrap();
            assert!(other.stop());
            drop(child.stdin.take());
            assert!(!other.ends_within(Duration::from_millis(50)));
            assert!(if is_killed { other.kill() } else { other.go_on() });
            assert!(other.ends_within(LONG));
            assert_eq!(child.wait().unwrap().success(), !is_killed);
        }
    }

    #[test]
    fn a_process_that_has_gone_is_none_and_this_one_is_there() {
        let mut child = listener().spawn().unwrap();
        drop(child.stdin.take());
        hear(&mut child);
        let pid = child.id();
        child.wait().unwrap();
        drop(child);
        // On Windows its number may be another's at once.
        assert!(cfg!(windows) || Other::of(pid).is_none());
        assert!(Other::of(process::id()).is_some_and(|this| !this.ends_within(Duration::ZERO)));
    }
}
