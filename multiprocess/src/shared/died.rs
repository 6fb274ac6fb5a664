//! [`Died`]: what is told of a process that died while it held a lock.

use std::fmt;

/// A death with a lock in hand, as the next holder is told of it: the last process that died, and
/// how many have since what the lock guards was last said to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Died {
    /// Id of the process that died last; 0 if it died before it had run at all.
    pub pid: u32,
    /// Name of that process, its first 32 bytes. Python: `Process.name`.
    pub name: Option<String>,
    /// Number of deaths, and of panics, since the last recovery.
    pub deaths: u32,
    /// True if the last of them was a panic: the process may still be alive.
    pub panicked: bool,
}

impl Died {
    /// Writes the sentence, with the name of what the process held.
    pub(crate) fn write(&self, f: &mut fmt::Formatter<'_>, held: &str) -> fmt::Result {
        match (&self.name, self.pid) {
            (Some(name), pid) => write!(f, "{name} (process {pid})")?,
            (None, 0) => f.write_str("a process that was just starting")?,
            (None, pid) => write!(f, "process {pid}")?,
        }
        f.write_str(if self.panicked { " panicked" } else { " died" })?;
        write!(f, " holding {held}")?;
        match self.deaths {
            0 | 1 => Ok(()),
            deaths => write!(f, " (the last of {deaths} since it was recovered)"),
        }
    }
}

impl fmt::Display for Died {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, "the lock")
    }
}

impl std::error::Error for Died {}
